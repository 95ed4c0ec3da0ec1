//! Whether a replica is fit to read from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::Pool;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::transaction::{Access, Settings, Transaction};

const INTERVAL: Duration = Duration::from_millis(250);
const OUT_AFTER: u32 = 2;
const BACK_AFTER: u32 = 3;

/// A replica with a task that keeps asking whether it answers, is in recovery, and keeps up with the primary. It counts as unfit until it has answered.
#[derive(Clone)]
pub struct Replica {
    pool: Pool,
    fit: Arc<AtomicBool>,
}

impl Replica {
    /// Begins to watch a node; must be called inside a Tokio runtime. The watch ends with the last handle. It has a connection of its own, since a
    /// node whose connections are all at work is busy and not ill: taken out, its load would fall on the primary at once.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn watch(url: &str, config: &DatabaseConfig) -> anyhow::Result<Self> {
        let fit = Arc::new(AtomicBool::new(false));
        let own = Pool::new(url, &DatabaseConfig { pool_size: 1, ..config.clone() })?;
        tokio::spawn(keep_asking(own, Arc::downgrade(&fit)));
        Ok(Self { pool: Pool::new(url, config)?, fit })
    }

    /// The pool, while the replica is fit.
    #[must_use]
    pub fn pool(&self) -> Option<&Pool> {
        AtomicBool::load(&self.fit, Ordering::Relaxed).then_some(&self.pool)
    }

    /// Closes the pool.
    pub fn close(&self) {
        self.pool.close();
    }
}

async fn keep_asking(pool: Pool, fit: std::sync::Weak<AtomicBool>) {
    let mut failures: u32 = 0;
    let mut successes = BACK_AFTER - 1;
    loop {
        let well = is_replica(&pool).await;
        let Some(fit) = fit.upgrade() else { return };
        let was = AtomicBool::load(&fit, Ordering::Relaxed);
        (failures, successes) = if well { (0, successes.saturating_add(1)) } else { (failures.saturating_add(1), 0) };
        if was && failures >= OUT_AFTER {
            tracing::warn!("the read replica does not answer; reads go to the primary");
            fit.store(false, Ordering::Relaxed);
        } else if !was && successes >= BACK_AFTER {
            tracing::info!("the read replica is well; reads go to it");
            fit.store(true, Ordering::Relaxed);
        }
        drop(fit);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// In recovery, and either all that was received is replayed, or what was replayed last is young. Quiet for long is not behind.
const KEEPS_UP: &str = "SELECT pg_is_in_recovery() AND (pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn() \
    OR coalesce(now() - pg_last_xact_replay_timestamp() < interval '10 seconds', false))";

async fn is_replica(pool: &Pool) -> bool {
    let transaction = Transaction::new(pool.clone(), Access::Snapshot, &Settings::default());
    let asked = transaction.load::<_, bool, _>(Sql::<diesel::sql_types::Bool>::new(KEEPS_UP, Vec::new()));
    match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(Ok(answers)) => answers.first().copied().unwrap_or(false),
        Ok(Err(_)) | Err(_) => false,
    }
}
