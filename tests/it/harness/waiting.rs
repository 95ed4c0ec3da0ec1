//! Waiting for what comes sooner or later, instead of sleeping.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Waits for a condition; `what` says what did not come.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < LIMIT, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until so many sessions of a connection's database stand before a lock.
pub async fn until_blocked(db: &tokio_postgres::Client, sessions: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("sessions wait for a lock", async || db.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == sessions).await;
}
