//! How the fields of one operation take turns, with each other and with everybody else's operations.
//!
//! What is loaded already resolves without waiting for anything, so that an operation with much to compute would keep its thread to itself: no time
//! limit, and nobody else, would come to their turn. So a turn is so many fields long. And what many fields ask for is read when all siblings have
//! asked: in a whole turn nobody has asked, been answered or been held back.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

/// How many fields begin in one turn of the runtime: about a millisecond's work.
const FIELDS_IN_A_TURN: usize = 1_000;

/// The turns of one operation.
#[derive(Default)]
pub struct Turns {
    /// Fields that began in this turn.
    begun: AtomicUsize,
    /// Counts fields that ask, are answered, or are held back.
    stirred: AtomicUsize,
    /// What is to be done once nothing stirs.
    later: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Turns {
    /// Runs an operation turn by turn, and between its turns what it left for later.
    pub async fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        let mut batches = FuturesUnordered::new();
        std::future::poll_fn(|context| {
            loop {
                self.begun.store(0, Ordering::Relaxed);
                let before = self.stirred.load(Ordering::Relaxed);
                if let Poll::Ready(outcome) = operation.as_mut().poll(context) {
                    return Poll::Ready(outcome);
                }
                if self.stirred.load(Ordering::Relaxed) != before {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                batches.extend(std::mem::take(&mut *self.later.lock().unwrap_or_else(PoisonError::into_inner)));
                // What is over has answers for the operation; there may be none to wait for.
                if !matches!(batches.poll_next_unpin(context), Poll::Ready(Some(()))) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Begins a field, in this turn or in a later one.
    pub async fn begin(&self) {
        self.begin_all(1).await;
    }

    /// Begins so many fields together.
    pub async fn begin_all(&self, fields: usize) {
        while self.begun.fetch_add(fields, Ordering::Relaxed) >= FIELDS_IN_A_TURN {
            self.stir();
            tokio::task::yield_now().await;
        }
    }

    /// Says that a field asked or was answered.
    pub fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves something to be done when nothing has stirred for a turn: then all siblings have asked.
    pub fn when_quiet(&self, work: BoxFuture<'static, ()>) {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;

    use super::*;

    /// On one thread: the other task counts how often it comes to its turn while thousands of fields begin.
    #[tokio::test]
    async fn others_come_to_their_turn() {
        let turns = Arc::new(Turns::default());
        let own = Arc::clone(&turns);
        let operation = tokio::spawn(async move {
            let fields = join_all((0..10 * FIELDS_IN_A_TURN).map(|_| own.begin()));
            own.run(fields).await.len()
        });
        let mut between = 0;
        while !operation.is_finished() {
            tokio::task::yield_now().await;
            between += 1;
        }
        assert_eq!(operation.await.unwrap(), 10 * FIELDS_IN_A_TURN);
        assert!(between >= 9, "{between}");
    }

    #[tokio::test]
    async fn it_is_not_quiet_while_fields_are_held_back() {
        let turns = Turns::default();
        let begun = Arc::new(AtomicUsize::new(0));
        let (seen, told) = tokio::sync::oneshot::channel();
        let own = Arc::clone(&begun);
        turns.when_quiet(Box::pin(async move {
            let _ = seen.send(own.load(Ordering::Relaxed));
        }));
        let fields = join_all((0..5 * FIELDS_IN_A_TURN).map(|_| async {
            turns.begin().await;
            begun.fetch_add(1, Ordering::Relaxed);
        }));
        let (_, seen) = turns.run(futures_util::future::join(fields, told)).await;
        assert_eq!(seen, Ok(5 * FIELDS_IN_A_TURN));
    }
}
