//! Whether a migration is safe while the server runs: nothing that rewrites or locks a table that already has rows for longer than a moment.
//!
//! What a migration does to a table that it creates itself is always safe, for nobody uses that table yet. On any other table an index is made
//! `CONCURRENTLY`, a constraint is added `NOT VALID` and validated in a later step, and a column is added without being filled.

use std::collections::HashSet;

use anyhow::Context;
use include_dir::{Dir, include_dir};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// A migration as it stands in its folder.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The folder's name.
    pub name: String,
    /// What it does.
    pub up: String,
    /// How it is undone.
    pub down: String,
    /// `metadata.toml`, empty when there is none.
    pub metadata: String,
}

/// Every migration, in order.
///
/// # Errors
/// When a step lacks one of its files or they are not UTF-8.
pub fn steps() -> anyhow::Result<Vec<Step>> {
    let mut steps: Vec<_> = FOLDER.dirs().collect();
    steps.sort_by_key(|step| step.path());
    let file = |step: &Dir<'static>, name: &str| {
        let text = step.get_file(step.path().join(name)).and_then(|file| file.contents_utf8());
        text.map(str::to_owned).with_context(|| format!("{} has no {name}", step.path().display()))
    };
    let read = |step: &Dir<'static>| {
        let metadata = file(step, "metadata.toml").unwrap_or_default();
        Ok(Step { name: step.path().display().to_string(), up: file(step, "up.sql")?, down: file(step, "down.sql")?, metadata })
    };
    steps.into_iter().map(read).collect()
}

/// What is not safe about a step, one sentence each.
#[must_use]
pub fn problems(step: &Step) -> Vec<String> {
    let statements = statements(&step.up);
    let own = created_tables(&statements);
    let mut found: Vec<String> = statements.iter().filter_map(|statement| problem(statement, &own)).collect();
    let concurrent = statements.iter().any(|statement| statement.contains("concurrently"));
    let runs_as_owner =
        statements.iter().any(|statement| statement.starts_with("set local role payaid_owner") || statement.starts_with("set role payaid_owner"));
    // CONCURRENTLY cannot run in a transaction, and several statements at once are one; what it makes belongs to the table's owner anyway.
    if concurrent && (statements.len() > 1 || !step.metadata.contains("run_in_transaction = false")) {
        found.push("CONCURRENTLY needs a step of its own: one statement, and `run_in_transaction = false` in metadata.toml".to_owned());
    }
    if !runs_as_owner && !concurrent {
        found.push("it must run as the owner of the objects: begin with `SET LOCAL ROLE payaid_owner`".to_owned());
    }
    if !own.iter().all(|table| is_tenant_table(table, &statements)) {
        found.push("every table it creates must have row level security: call make_tenant_table for it, or enable and force it by hand".to_owned());
    }
    let adds = |statement: &&String| statement.contains("not valid");
    let validates = |statement: &&String| statement.contains("validate constraint");
    if statements.iter().any(|s| adds(&s)) && statements.iter().any(|s| validates(&s)) {
        found.push("a constraint is validated in a later step than it is added, or the table is scanned under the lock all the same".to_owned());
    }
    if step.down.trim().is_empty() {
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
    if statement.starts_with("drop table") {
        return Some(format!("a server of the version before still uses this table; drop it a release later, by a step of its own: {shown}"));
    }
    if statement.starts_with("update ") && !on_own("update ") {
        return Some(format!("filling a table in one statement holds its rows for long; do it in batches outside of migrations: {shown}"));
    }
    if !statement.starts_with("alter table") || on_own("alter table ") {
        return None;
    }
    let has = |part: &str| statement.contains(part);
    let constraint = ["add constraint", "add check", "add foreign key", "add unique", "add primary key", "add exclude"].iter().any(|form| has(form));
    if constraint && !has("not valid") && !has("using index") {
        return Some(format!("a constraint on a table with rows scans it under a lock; add it NOT VALID and validate it in the next step: {shown}"));
    }
    if has("set not null") {
        return Some(format!("SET NOT NULL scans the table under a lock; add a CHECK (... IS NOT NULL) NOT VALID and validate it first: {shown}"));
    }
    if has(" type ") && has("alter column") {
        return Some(format!("another type rewrites the table; add a new column, fill it in steps, and switch: {shown}"));
    }
    if has("add column") && has("not null") && !has("default") {
        return Some(format!("a column that must have a value needs a constant default while old rows are there: {shown}"));
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
        // The queue's own schema holds nothing of a tenant's, and nobody but its owner reads it.
        .filter(|statement| statement.starts_with("create table") && !statement.starts_with("create table graphile_worker."))
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

    fn step(up: &str) -> Step {
        Step { up: up.to_owned(), down: "DROP SOMETHING;".to_owned(), ..Step::default() }
    }

    fn found(up: &str) -> Vec<String> {
        problems(&step(&format!("{OWNER}{up}")))
    }

    #[test]
    fn all_migrations_are_safe() {
        for step in steps().unwrap() {
            assert_eq!(problems(&step), Vec::<String>::new(), "{}", step.name);
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
            "ALTER TABLE contacts ADD CHECK (city <> '');",
            "ALTER TABLE contacts ADD FOREIGN KEY (city) REFERENCES cities (id);",
            "ALTER TABLE contacts ADD COLUMN x text NOT NULL;",
            "UPDATE contacts SET city = '';",
            "DROP TABLE contacts;",
            "ALTER TABLE contacts ADD CONSTRAINT x CHECK (true) NOT VALID; ALTER TABLE contacts VALIDATE CONSTRAINT x;",
            "CREATE INDEX CONCURRENTLY x ON contacts (organization_id, city);",
        ] {
            assert_eq!(found(bad).len(), 1, "{bad}: {:?}", found(bad));
        }
        assert_eq!(problems(&step("ALTER TABLE contacts ADD COLUMN x text;")).len(), 1, "no role");
        assert_eq!(problems(&Step { down: " ".to_owned(), ..step(OWNER) }).len(), 1, "no way back");
    }

    #[test]
    fn what_is_safe_passes() {
        for good in [
            "ALTER TABLE contacts ADD CONSTRAINT x CHECK (city <> '') NOT VALID;",
            "ALTER TABLE contacts ADD COLUMN x text;",
            "CREATE TABLE t (organization_id uuid); CREATE INDEX i ON t (organization_id); SELECT make_tenant_table('t'); ALTER TABLE t ADD CONSTRAINT c CHECK (true);",
        ] {
            assert_eq!(found(good), Vec::<String>::new(), "{good}");
        }
        let metadata = "run_in_transaction = false".to_owned();
        let index = Step { metadata, ..step("CREATE INDEX CONCURRENTLY contacts_by_city ON contacts (organization_id, city);") };
        assert_eq!(problems(&index), Vec::<String>::new());
    }
}
