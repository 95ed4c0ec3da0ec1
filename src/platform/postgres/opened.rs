//! A transaction that has its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::base::Result;
use crate::platform::postgres::left::{self, END, END_WITHIN};
use crate::platform::postgres::pool::Pooled;

/// A connection on which `BEGIN` is sent with the first statement.
pub struct Opened {
    pub connection: Arc<Pooled>,
    pub begun: Shared<BoxFuture<'static, Result<()>>>,
    is_awaited: AtomicBool,
    /// How many statements were handed on and have not come to anything yet.
    under_way: AtomicUsize,
    /// Held until the connection is free for others.
    turn: Option<OwnedSemaphorePermit>,
}

impl Opened {
    pub fn new(connection: Arc<Pooled>, begun: BoxFuture<'static, Result<()>>, turn: Option<OwnedSemaphorePermit>) -> Self {
        Self { connection, begun: begun.shared(), is_awaited: AtomicBool::new(false), under_way: AtomicUsize::new(0), turn }
    }

    /// What a statement comes to, which has been put together and is handed on right behind `BEGIN`. The answer to `BEGIN` comes first, and one of the
    /// statements waits for it; if the others did as well, all of them would be woken only to wait again.
    pub async fn after_begin<T>(&self, statement: impl Future<Output = T>) -> Result<T> {
        // One that nobody waits for any more stays under way.
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let (begun, outcome) = if AtomicBool::swap(&self.is_awaited, true, Ordering::AcqRel) {
            let outcome = statement.await;
            (self.begun.clone().await, outcome)
        } else {
            futures_util::join!(self.begun.clone(), statement)
        };
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        begun.map(|()| outcome)
    }

    /// Whether the transaction has begun, and nothing that was sent is still to be answered.
    fn is_at_rest(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0 && self.begun.peek().is_some_and(Result::is_ok)
    }

    /// Goes on with a snapshot in which a statement has failed; whether that can be.
    pub async fn resume(&self) -> bool {
        let mut connection: &AsyncPgConnection = &self.connection;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let resumed = connection.batch_execute("ROLLBACK TO SAVEPOINT opened").await;
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        resumed.is_ok()
    }

    /// Ends the transaction off the caller's path, and not before all that is under way.
    pub fn end(self, is_snapshot: bool) {
        let Ok(runtime) = Handle::try_current() else { return };
        let is_at_rest = is_snapshot && self.is_at_rest();
        let Self { mut connection, begun, turn, .. } = self;
        if is_at_rest {
            match Arc::try_unwrap(connection) {
                Ok(own) => return left::leave(own),
                Err(shared) => connection = shared,
            }
        }
        runtime.spawn(async move {
            let ended = tokio::time::timeout(END_WITHIN, async {
                // Also when it failed: what was sent with it may have begun.
                let _ = begun.await;
                let mut own: &AsyncPgConnection = &connection;
                own.batch_execute(END).await
            });
            let well = matches!(ended.await, Ok(Ok(())));
            if let (false, Ok(pooled)) = (well, Arc::try_unwrap(connection)) {
                drop(Pooled::take(pooled));
            }
            drop(turn);
        });
    }
}
