//! Snapshots that are over and were not ended yet: whoever has the connection next ends them together with its own `BEGIN`, which saves both sides a
//! message and a round trip. What nobody takes over is ended after a few milliseconds.
//!
//! What must hold: only a snapshot in which nothing is under way is left, so that nobody waits for another's statement; and nobody but a transaction that
//! begins is given a connection with one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::managed::Timeouts;
use diesel_async::pooled_connection::deadpool as connections;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

use crate::platform::postgres::connect::Kept;
use crate::platform::postgres::pool::Pooled;

/// What ends a snapshot. Rolling back is as good as committing.
pub const END: &str = "ROLLBACK";

/// How long the end of a transaction may take before its connection is given up.
pub const END_WITHIN: Duration = Duration::from_secs(10);

/// How long a snapshot may be left.
const LEFT_FOR: Duration = Duration::from_millis(5);

/// How many snapshots of a pool are left.
#[derive(Debug, Default)]
pub struct Left {
    count: AtomicUsize,
    /// Whether somebody will look for those that nobody takes over.
    is_watched: AtomicBool,
}

impl Left {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

/// A mark on a connection with a snapshot that was left.
#[derive(Debug)]
pub struct Mark(Arc<Left>);

impl Mark {
    fn on(left: &Arc<Left>) -> Self {
        left.count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(left))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Gives a connection back to its pool with a snapshot that is over.
pub fn leave(mut connection: Pooled) {
    let Some(kept) = kept(&mut connection) else { return drop(Pooled::take(connection)) };
    let left = Arc::clone(&kept.left);
    kept.mark = Some(Mark::on(&left));
    let pool = Pooled::pool(&connection);
    drop(connection);
    if let (Some(pool), false) = (pool, left.is_watched.swap(true, Ordering::AcqRel)) {
        tokio::spawn(watch(pool, left));
    }
}

/// Takes the mark off a connection; whether it has a snapshot that is to be ended before anything else.
pub fn take(connection: &mut Pooled) -> bool {
    kept(connection).and_then(|kept| kept.mark.take()).is_some()
}

/// Ends a snapshot that was left on a connection; the connection, unless it failed. It counts as left until it has ended.
pub async fn ended(mut connection: Pooled) -> Option<Pooled> {
    if is_marked(&mut connection) {
        if !matches!(tokio::time::timeout(END_WITHIN, connection.batch_execute(END)).await, Ok(Ok(()))) {
            drop(Pooled::take(connection));
            return None;
        }
        take(&mut connection);
    }
    Some(connection)
}

fn is_marked(connection: &mut Pooled) -> bool {
    kept(connection).is_some_and(|kept| kept.mark.is_some())
}

fn kept(connection: &mut Pooled) -> Option<&mut Kept> {
    connection.instrumentation().downcast_mut::<Kept>()
}

/// Ends what nobody takes over, until there is nothing.
async fn watch(pool: connections::Pool<AsyncPgConnection>, left: Arc<Left>) {
    loop {
        tokio::time::sleep(LEFT_FOR).await;
        let (mut due, mut at_rest) = (left.count(), Vec::new());
        while due > 0
            && pool.status().available > 0
            && let Ok(mut connection) = pool.timeout_get(&Timeouts { wait: Some(Duration::ZERO), ..pool.timeouts() }).await
        {
            if is_marked(&mut connection) {
                due -= 1;
                // Each by itself: one that hangs holds up nobody.
                tokio::spawn(async move { drop(ended(connection).await) });
            } else {
                // Kept until all are found, or the pool would give it again.
                at_rest.push(connection);
            }
        }
        drop(at_rest);
        // A swap and not a store, which could be seen after the count is read: then nobody would watch one that is left between the two.
        left.is_watched.swap(false, Ordering::AcqRel);
        if left.count() == 0 || left.is_watched.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}
