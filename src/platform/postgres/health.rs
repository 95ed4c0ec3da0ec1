//! Whether a replica is fit to read from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::platform::postgres::Pool;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::transaction::{Access, Settings, Transaction};

const INTERVAL: Duration = Duration::from_millis(250);
const OUT_AFTER: u32 = 2;
const BACK_AFTER: u32 = 3;

/// A replica with a task that keeps asking whether it answers and is in recovery. It counts as unfit until it has answered.
#[derive(Clone)]
pub struct Replica {
    pool: Pool,
    fit: Arc<AtomicBool>,
}

impl Replica {
    /// Begins to watch the node behind `pool`; must be called inside a Tokio runtime. The watch ends with the last handle.
    #[must_use]
    pub fn watch(pool: Pool) -> Self {
        let fit = Arc::new(AtomicBool::new(false));
        tokio::spawn(keep_asking(pool.clone(), Arc::downgrade(&fit)));
        Self { pool, fit }
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

async fn is_replica(pool: &Pool) -> bool {
    let transaction = Transaction::new(pool.clone(), Access::Snapshot, &Settings::default());
    let asked = transaction.load::<_, bool, _>(Sql::<diesel::sql_types::Bool>::new("SELECT pg_is_in_recovery()", Vec::new()));
    match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(Ok(answers)) => answers.first().copied().unwrap_or(false),
        Ok(Err(_)) | Err(_) => false,
    }
}
