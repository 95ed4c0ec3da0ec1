//! Replicas of a private server: a copy that follows the primary by streaming, to read from, to fall behind, and to be promoted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio_postgres::{Client, NoTls};

use super::POLL;
use super::postgres::{Options, SUPERUSER, Server, erase};
use super::process;
use super::site::Site;

/// What the names of our slots begin with.
const SLOTS: &str = "payaid_";

/// How long a replica may take to follow.
const LIMIT: Duration = Duration::from_secs(30);

/// What the primary keeps for a replica, so that no log is removed before the replica has it.
#[derive(Debug)]
pub struct Slot {
    name: String,
    primary: String,
}

impl Slot {
    /// Tells the primary, when it is still there, that the replica is gone.
    pub async fn release(&self) {
        let Ok(client) = connect(&self.primary).await else { return };
        let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active";
        if let Err(error) = client.execute(sql, &[&self.name]).await {
            tracing::debug!("the primary keeps the slot {}: {error}", self.name);
        }
    }
}

impl Server {
    /// Starts a replica of this server, and returns when it streams and has everything written so far. Its data is always made anew.
    pub async fn replica(&self, options: Options) -> Result<Server> {
        if let Some(folder) = &options.data_dir {
            erase(folder).await?;
        }
        let site = Site::take(options.data_dir.as_deref(), Some(self.account())).await?;
        let slot = Slot {
            name: format!("{SLOTS}{}", site.sockets().file_name().map(|name| name.to_string_lossy().replace('-', "_")).unwrap_or_default()),
            primary: self.superuser_url(),
        };
        let folder = site.begin()?;
        let mut command = site.account.command(&self.binaries().path("pg_basebackup"));
        command.args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--create-slot",
            "--slot",
            &slot.name,
            "--dbname",
            &slot.primary,
        ]);
        if !options.durable {
            command.arg("--no-sync");
        }
        command.arg("--pgdata").arg(&folder);
        process::run(command, &folder).await.context("the primary cannot be copied")?;
        site.finish()?;
        let mut replica = Server::open(site, self.binaries().clone(), options).await?;
        replica.slot = Some(slot);
        replica.catch_up(self).await?;
        Ok(replica)
    }

    /// Waits until this replica streams from the primary and has replayed everything that was committed there before the call.
    pub async fn catch_up(&self, primary: &Server) -> Result<()> {
        let position: String = connect(&primary.superuser_url()).await?.query_one("SELECT pg_current_wal_flush_lsn()::text", &[]).await?.get(0);
        let client = connect(&self.superuser_url()).await?;
        let sql = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')";
        let begin = Instant::now();
        while client.query_one(sql, &[&position]).await?.get::<_, Option<bool>>(0) != Some(true) {
            if begin.elapsed() > LIMIT {
                bail!("the replica did not reach {position} within {} s: see its log, {}", LIMIT.as_secs(), self.log().display());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Makes a primary of this replica, and returns when it accepts writes.
    pub async fn promote(&self) -> Result<()> {
        let promoted: bool = connect(&self.superuser_url()).await?.query_one("SELECT pg_promote(true, 30)", &[]).await?.get(0);
        ensure!(promoted, "the replica was not promoted within 30 s: see its log, {}", self.log().display());
        Ok(())
    }

    /// Forgets the slots of replicas that were killed in an earlier run.
    pub(super) async fn drop_slots(&self) -> Result<()> {
        let sql = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE starts_with(slot_name::text, $1) AND NOT active";
        connect(&self.superuser_url()).await?.execute(sql, &[&SLOTS]).await.context("the slots of earlier replicas cannot be dropped")?;
        Ok(())
    }

    fn superuser_url(&self) -> String {
        self.url("postgres", SUPERUSER)
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("the private PostgreSQL cannot be reached")?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}
