//! Whether a migration is safe while the server runs: nothing that rewrites or locks a table that already has rows for longer than a moment.
//!
//! What a migration does to a table that it creates itself is always safe, for nobody uses that table yet. On any other table an index is made
//! `CONCURRENTLY`, a constraint is added `NOT VALID` and validated in a later step, and a column is added without being filled.

use std::collections::HashSet;

use anyhow::Context;
use include_dir::{Dir, include_dir};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// Name, `up.sql` and `down.sql` of every migration, in order.
///
/// # Errors
/// When a step lacks one of its files or they are not UTF-8.
pub fn texts() -> anyhow::Result<Vec<(String, String, String)>> {
    let mut steps: Vec<_> = FOLDER.dirs().collect();
    steps.sort_by_key(|step| step.path());
    let file = |step: &Dir<'static>, name: &str| {
        let text = step.get_file(step.path().join(name)).and_then(|file| file.contents_utf8());
        text.map(str::to_owned).with_context(|| format!("{} has no {name}", step.path().display()))
    };
    steps.into_iter().map(|step| Ok((step.path().display().to_string(), file(step, "up.sql")?, file(step, "down.sql")?))).collect()
}

/// What is not safe about a step, one sentence each.
#[must_use]
pub fn problems(up: &str, down: &str) -> Vec<String> {
    let statements = statements(up);
    let own = created_tables(&statements);
    let mut found: Vec<String> = statements.iter().filter_map(|statement| problem(statement, &own)).collect();
    let concurrent = statements.iter().any(|statement| statement.contains("concurrently"));
    let runs_as_owner =
        statements.iter().any(|statement| statement.starts_with("set local role payaid_owner") || statement.starts_with("set role payaid_owner"));
    if !runs_as_owner {
        found.push("it must run as the owner of the objects: begin with `SET LOCAL ROLE payaid_owner`".to_owned());
    }
    if !own.iter().all(|table| is_tenant_table(table, &statements)) {
        found.push("every table it creates must have row level security: call make_tenant_table for it, or enable and force it by hand".to_owned());
    }
    if concurrent && statements.iter().any(|statement| !statement.contains("concurrently") && !statement.starts_with("set ")) {
        found.push("CONCURRENTLY cannot run in a transaction, so such a statement needs a step of its own".to_owned());
    }
    if down.trim().is_empty() {
        found.push("it has no way back: down.sql is empty".to_owned());
    }
    found
}

fn problem(statement: &str, own: &HashSet<String>) -> Option<String> {
    let shown: String = statement.chars().take(90).collect();
    let on_own = |marker: &str| word_after(statement, marker).is_some_and(|table| own.contains(&table));
    if (statement.starts_with("create index") || statement.starts_with("create unique index"))
        && !statement.contains("concurrently")
        && !on_own(" on ")
    {
        return Some(format!("an index on a table with rows blocks writers; make it CONCURRENTLY: {shown}"));
    }
    if !statement.starts_with("alter table") || on_own("alter table ") {
        return None;
    }
    let has = |part: &str| statement.contains(part);
    if has("add constraint") && !has("not valid") && !has("using index") {
        return Some(format!("a constraint on a table with rows scans it under a lock; add it NOT VALID and validate it in the next step: {shown}"));
    }
    if has("set not null") {
        return Some(format!("SET NOT NULL scans the table under a lock; add a CHECK (... IS NOT NULL) NOT VALID and validate it first: {shown}"));
    }
    if has(" type ") && has("alter column") {
        return Some(format!("another type rewrites the table; add a new column, fill it in steps, and switch: {shown}"));
    }
    if has("add column") && (has("generated always as (") || has("default gen_random") || has("default now()") || has("default clock_timestamp")) {
        return Some(format!("this column is filled for every row, which rewrites the table: {shown}"));
    }
    if has("drop column") || has("rename ") {
        return Some(format!(
            "a server of the version before still uses the old name; do this a release later, and say so by a step of its own: {shown}"
        ));
    }
    None
}

fn created_tables(statements: &[String]) -> HashSet<String> {
    statements
        .iter()
        .filter(|statement| statement.starts_with("create table"))
        .filter_map(|statement| {
            let statement = statement.replace("if not exists ", "");
            word_after(&statement, "create table ")
        })
        .collect()
}

fn is_tenant_table(table: &str, statements: &[String]) -> bool {
    let by_function = format!("make_tenant_table('{table}'");
    let (enabled, forced) = (format!("alter table {table} enable row level security"), format!("alter table {table} force row level security"));
    let has = |text: &str| statements.iter().any(|statement| statement.contains(text));
    has(&by_function) || (has(&enabled) && has(&forced))
}

fn word_after(statement: &str, marker: &str) -> Option<String> {
    let (_, rest) = statement.split_once(marker)?;
    let word: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The statements in lower case, without comments, white space made single; bodies between `$$` are kept out, for they run later.
fn statements(sql: &str) -> Vec<String> {
    let plain: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let outside: String = plain.split("$$").step_by(2).collect::<Vec<_>>().join(" ");
    let single = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    outside.split(';').map(single).filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "SET LOCAL ROLE payaid_owner; ";

    fn found(up: &str) -> Vec<String> {
        problems(&format!("{OWNER}{up}"), "DROP SOMETHING;")
    }

    #[test]
    fn all_migrations_are_safe() {
        for (name, up, down) in texts().unwrap() {
            assert_eq!(problems(&up, &down), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn what_locks_a_live_table_is_found() {
        for bad in [
            "CREATE INDEX contacts_by_city ON contacts (organization_id, city);",
            "CREATE UNIQUE INDEX x ON contacts (organization_id, city);",
            "ALTER TABLE contacts ADD CONSTRAINT x CHECK (city <> '');",
            "ALTER TABLE contacts ALTER COLUMN city SET NOT NULL;",
            "ALTER TABLE contacts ALTER COLUMN city TYPE varchar(10);",
            "ALTER TABLE contacts ADD COLUMN x text GENERATED ALWAYS AS (city) STORED;",
            "ALTER TABLE contacts RENAME COLUMN city TO town;",
            "ALTER TABLE contacts DROP COLUMN city;",
            "CREATE TABLE loose (id uuid);",
        ] {
            assert_eq!(found(bad).len(), 1, "{bad}: {:?}", found(bad));
        }
        assert_eq!(problems("ALTER TABLE contacts ADD COLUMN x text;", "ALTER").len(), 1, "no role");
        assert_eq!(problems(OWNER, " ").len(), 1, "no way back");
    }

    #[test]
    fn what_is_safe_passes() {
        for good in [
            "CREATE INDEX CONCURRENTLY contacts_by_city ON contacts (organization_id, city);",
            "ALTER TABLE contacts ADD CONSTRAINT x CHECK (city <> '') NOT VALID;",
            "ALTER TABLE contacts ADD COLUMN x text;",
            "CREATE TABLE t (organization_id uuid); CREATE INDEX i ON t (organization_id); SELECT make_tenant_table('t'); ALTER TABLE t ADD CONSTRAINT c CHECK (true);",
        ] {
            assert_eq!(found(good), Vec::<String>::new(), "{good}");
        }
    }
}
