//! What the migrations in this binary leave behind: read from their own text, so that a new step needs no word here.

use std::collections::BTreeSet;

use crate::platform::postgres::migrate::version;
use crate::platform::postgres::safety::{self, Step};

/// The versions of all migrations, as the database records them.
pub fn versions() -> anyhow::Result<BTreeSet<String>> {
    Ok(safety::steps()?.iter().map(|step| version(&step.name)).collect())
}

/// The indexes that these versions made with a name of their own, and did not drop again.
pub fn indexes(done: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    after(done, apply_indexes)
}

/// The policies that these versions made and did not drop again, such as `tenant on contacts`.
pub fn policies(done: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    after(done, apply_policies)
}

fn after(done: &BTreeSet<String>, apply: fn(&str, &mut BTreeSet<String>)) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for Step { up, .. } in safety::steps()?.iter().filter(|step| done.contains(&version(&step.name))) {
        apply(up, &mut names);
    }
    Ok(names)
}

/// The words of each statement, without comments and [`FILLERS`].
fn statements(sql: &str) -> Vec<Vec<String>> {
    let plain: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let filler = |word: &&str| FILLERS.contains(&word.to_ascii_uppercase().as_str());
    plain.split(';').map(|statement| statement.split_whitespace().filter(|word| !filler(word)).map(str::to_owned).collect()).collect()
}

fn apply_policies(sql: &str, policies: &mut BTreeSet<String>) {
    for words in statements(sql) {
        match words.as_slice() {
            [create, policy, name, _, table, ..] if create.eq_ignore_ascii_case("create") && policy.eq_ignore_ascii_case("policy") => {
                policies.insert(format!("{name} on {table}"));
            }
            [drop, policy, name, _, table, ..] if drop.eq_ignore_ascii_case("drop") && policy.eq_ignore_ascii_case("policy") => {
                policies.remove(&format!("{name} on {table}"));
            }
            [select, call, ..] if select.eq_ignore_ascii_case("select") && call.starts_with("make_tenant_table('") => {
                policies.extend(call.split('\'').nth(1).map(|table| format!("tenant on {table}")));
            }
            _ => {}
        }
    }
}

fn apply_indexes(sql: &str, indexes: &mut BTreeSet<String>) {
    for words in statements(sql) {
        match words.as_slice() {
            [create, index, name, ..] if create.eq_ignore_ascii_case("create") && index.eq_ignore_ascii_case("index") => {
                indexes.insert(name.clone());
            }
            [drop, index, names @ ..] if drop.eq_ignore_ascii_case("drop") && index.eq_ignore_ascii_case("index") => {
                names.iter().for_each(|name| {
                    indexes.remove(name.trim_end_matches(','));
                });
            }
            _ => {}
        }
    }
}

/// Words between `CREATE` or `DROP` and the name.
const FILLERS: [&str; 5] = ["UNIQUE", "CONCURRENTLY", "IF", "NOT", "EXISTS"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_read_from_the_steps() {
        let mut indexes = BTreeSet::new();
        apply_indexes(
            "CREATE INDEX a ON t (x); -- CREATE INDEX no ON t (x);\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS b\n  ON t (y);",
            &mut indexes,
        );
        apply_indexes("CREATE INDEX c ON t (z); DROP INDEX IF EXISTS a, c;", &mut indexes);
        assert_eq!(indexes.into_iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn policies_are_read_from_the_steps() {
        let mut policies = BTreeSet::new();
        apply_policies(
            "SELECT make_tenant_table('a', 'SELECT'); CREATE POLICY own ON a FOR SELECT USING (x); CREATE POLICY own\n ON b USING (y);",
            &mut policies,
        );
        apply_policies("DROP POLICY IF EXISTS own ON a;", &mut policies);
        assert_eq!(policies.into_iter().collect::<Vec<_>>(), ["own on b", "tenant on a"]);
        let all = super::policies(&versions().unwrap()).unwrap();
        assert!(all.contains("tenant on contacts") && all.contains("tenant on organizations") && all.contains("visible on users"), "{all:?}");
    }

    #[test]
    fn every_step_counts_once_it_was_run() {
        let all = indexes(&versions().unwrap()).unwrap();
        assert!(all.contains("contacts_by_created") && all.contains("deals_won") && all.len() > 30, "{all:?}");
        assert!(indexes(&BTreeSet::new()).unwrap().is_empty());
        assert!(versions().unwrap().contains("20261121000100"));
    }
}
