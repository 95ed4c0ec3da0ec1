//! `payaid worker`: what is due in the background. For now that is one thing: sessions and invitations that expired long ago are deleted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::access::writing::write;
use crate::base::Result;
use crate::base::duration::parse as duration;
use crate::commands::serve::stop_asked;
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::statement::{Bind, Sql};
use crate::platform::postgres::{Pool, Settings};

/// So many rows of a kind are deleted in one transaction, so that no lock is held for long.
const BATCH: i32 = 1_000;

/// Does what is due in the background.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// How long to wait between two rounds.
    #[arg(long, env = "WORKER_INTERVAL", default_value = "1h", value_parser = duration)]
    pub interval: Duration,
    /// Do one round and end.
    #[arg(long)]
    pub once: bool,
}

/// Works until the process is asked to stop. A round that fails is logged and tried again at the next.
///
/// # Errors
/// When the address cannot be understood, or a single round fails.
pub async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let pool = Pool::primary(&args.database.url, &args.database, &Arc::default()).context("DATABASE_URL")?;
    if args.once {
        let deleted = delete_expired(&pool).await.map_err(|error| anyhow::anyhow!("{error} {}", error.internal.as_deref().unwrap_or_default()))?;
        tracing::info!(deleted, "expired sessions and invitations are deleted");
        return Ok(());
    }
    tokio::select! {
        () = stop_asked()? => Ok(()),
        never = rounds(&pool, args.interval) => never,
    }
}

async fn rounds(pool: &Pool, interval: Duration) -> anyhow::Result<()> {
    loop {
        match delete_expired(pool).await {
            Ok(deleted) => tracing::info!(deleted, "expired sessions and invitations are deleted"),
            Err(error) => tracing::warn!(reason = error.internal.as_deref().unwrap_or_default(), "{error}"),
        }
        tokio::time::sleep(interval).await;
    }
}

/// Deletes sessions and invitations that expired more than a week ago and says how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete_expired(pool: &Pool) -> Result<i64> {
    let mut total = 0;
    loop {
        let statement = Sql::<diesel::sql_types::BigInt>::new("SELECT delete_expired(?)", vec![Bind::Int(BATCH)]);
        let deleted: Option<i64> = write(pool, &Settings::default(), |db| async move { db.first(statement).await }, async |_| ()).await?;
        match deleted {
            Some(deleted) if deleted > 0 => total += deleted,
            _ => return Ok(total),
        }
    }
}
