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
    let mut indexes = BTreeSet::new();
    for Step { up, .. } in safety::steps()?.iter().filter(|step| done.contains(&version(&step.name))) {
        apply(up, &mut indexes);
    }
    Ok(indexes)
}

fn apply(sql: &str, indexes: &mut BTreeSet<String>) {
    let plain: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    for statement in plain.split(';') {
        let words: Vec<&str> = statement.split_whitespace().filter(|word| !FILLERS.contains(&word.to_ascii_uppercase().as_str())).collect();
        match words.as_slice() {
            [create, index, name, ..] if create.eq_ignore_ascii_case("create") && index.eq_ignore_ascii_case("index") => {
                indexes.insert((*name).to_owned());
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
        apply("CREATE INDEX a ON t (x); -- CREATE INDEX no ON t (x);\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS b\n  ON t (y);", &mut indexes);
        apply("CREATE INDEX c ON t (z); DROP INDEX IF EXISTS a, c;", &mut indexes);
        assert_eq!(indexes.into_iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn every_step_counts_once_it_was_run() {
        let all = indexes(&versions().unwrap()).unwrap();
        assert!(all.contains("contacts_by_created") && all.contains("deals_won") && all.len() > 30, "{all:?}");
        assert!(indexes(&BTreeSet::new()).unwrap().is_empty());
        assert!(versions().unwrap().contains("20261121000100"));
    }
}
