//! `payaid migrate`: brings the database to the newest schema, undoes a step, or checks that the migrations are safe for a live database.

use anyhow::bail;
use clap::Args;

use crate::commands::output;
use crate::platform::postgres::{migrate, safety};

/// Brings the database to the newest schema.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The database, by a login that owns the schema: a member of `payaid_owner`, or the first time one that may create roles.
    #[arg(long = "database-url", env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub direct_url: Option<String>,
    /// Used when DATABASE_DIRECT_URL is not set.
    #[arg(long = "server-database-url", env = "DATABASE_URL", hide_env_values = true, hide = true)]
    pub url: Option<String>,
    /// Undo the newest migration.
    #[arg(long, conflicts_with_all = ["check", "pending"])]
    pub revert: bool,
    /// Only name the migrations that were not run yet; fail when there are any.
    #[arg(long, conflicts_with = "check")]
    pub pending: bool,
    /// Without a database: fail when a migration would lock a live table for long, or has no way back.
    #[arg(long)]
    pub check: bool,
}

/// Runs, undoes, lists or checks migrations.
///
/// # Errors
/// When the database cannot be reached, a migration fails, or a check does.
pub async fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    if args.check {
        return check();
    }
    let Some(url) = args.direct_url.as_deref().or(args.url.as_deref()) else {
        bail!("no database is named: set DATABASE_DIRECT_URL (or DATABASE_URL) to postgres://user@host/payaid");
    };
    if args.revert {
        output::line(format!("undone: {}", migrate::revert(url).await?));
        return Ok(());
    }
    if args.pending {
        let pending = migrate::pending(url).await?;
        pending.iter().for_each(output::line);
        if !pending.is_empty() {
            bail!("{} migrations were not run yet: run `payaid migrate`", pending.len());
        }
        return Ok(());
    }
    let done = migrate::run(url).await?;
    done.iter().for_each(|name| output::line(format!("done: {name}")));
    output::line("The database has the newest schema.");
    Ok(())
}

fn check() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for step in safety::steps()? {
        found.extend(safety::problems(&step).into_iter().map(|problem| format!("{}: {problem}", step.name)));
    }
    found.iter().for_each(output::note);
    if !found.is_empty() {
        bail!("{} things in the migrations are not safe on a live database", found.len());
    }
    Ok(())
}
