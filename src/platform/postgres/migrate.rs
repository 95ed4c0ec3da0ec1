//! Migrations: embedded in the binary, run by one process at a time.

use anyhow::{Context, bail};
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::platform::jobs;
use crate::platform::postgres::connect;

/// Every migration, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The key of the advisory lock under which migrations run: any number that nobody else takes.
const LOCK: i64 = 7_092_340_159_264_473;

/// Brings the database to the newest schema, with the tables of the queue of jobs, and says which migrations were run.
///
/// `url` must be a login that may create roles and extensions the first time, and that is a member of `payaid_owner` later.
///
/// # Errors
/// When the database cannot be reached or a migration fails; that one is then undone.
pub async fn run(url: &str) -> anyhow::Result<Vec<String>> {
    let done = with_lock(url, |harness| {
        let done = harness.run_pending_migrations(MIGRATIONS).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(done.iter().map(ToString::to_string).collect())
    })
    .await?;
    jobs::migrate(url).await?;
    Ok(done)
}

/// Undoes the newest migration and says which it was.
///
/// # Errors
/// As [`run`], and when there is none to undo.
pub async fn revert(url: &str) -> anyhow::Result<String> {
    with_lock(url, |harness| {
        let undone = harness.revert_last_migration(MIGRATIONS).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(undone.to_string())
    })
    .await
}

/// The migrations that were not run yet.
///
/// # Errors
/// When the database cannot be reached.
pub async fn pending(url: &str) -> anyhow::Result<Vec<String>> {
    with_lock(url, |harness| {
        let waiting = harness.pending_migrations(MIGRATIONS).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(waiting.iter().map(|migration| migration.name().to_string()).collect())
    })
    .await
}

/// The names of all migrations in this binary.
///
/// # Errors
/// When they cannot be read, which would be a fault of the build.
pub fn known() -> anyhow::Result<Vec<String>> {
    let migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(migrations.iter().map(|migration| migration.name().to_string()).collect())
}

/// The version by which the database records a migration: `2026-11-21-000100_roles` is `20261121000100`.
#[must_use]
pub fn version(name: &str) -> String {
    name.split('_').next().unwrap_or_default().replace('-', "")
}

/// Two servers that start together must not both migrate: the second one waits, and then finds nothing left to do.
async fn with_lock<T>(url: &str, work: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let config = connect::parse(url)?;
    if config.get_dbname().is_none() {
        bail!("the database's address names no database: add it at the end, as in postgres://user@host/payaid");
    }
    let mut connection = connect::connect(config).await.context("the database cannot be reached for migrating")?;
    connection
        .batch_execute(&format!("SET lock_timeout = '60s'; SELECT pg_advisory_lock({LOCK}); SET lock_timeout = '3s'"))
        .await
        .context("another migration is still running")?;
    let mut harness = AsyncMigrationHarness::new(connection);
    let outcome = work(&mut harness);
    let mut connection = harness.into_inner();
    // The lock goes with the connection in any case.
    let _ = connection.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await;
    outcome
}
