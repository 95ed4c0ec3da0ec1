//! How the fields of one operation take turns, with each other and with everybody else's operations.
//!
//! What is loaded already resolves without waiting for anything, so that an operation with much to compute would keep its thread to itself: no time
//! limit, and nobody else, would come to their turn. So a turn is so many fields long. And a batch is read when all siblings have asked: nobody has
//! asked, been answered or been held back for a few turns.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many fields begin in one turn of the runtime: about a millisecond's work.
const FIELDS_IN_A_TURN: usize = 1_000;
/// For how many turns nothing may have stirred before the gathered keys are taken to the database.
const QUIET_TURNS: usize = 2;

/// The turns of one operation.
#[derive(Debug, Default)]
pub struct Turns {
    /// Fields that began in this turn.
    begun: AtomicUsize,
    /// Counts fields that ask, are answered, or are held back.
    stirred: AtomicUsize,
}

impl Turns {
    /// Runs an operation turn by turn.
    pub async fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        std::future::poll_fn(|context| {
            self.begun.store(0, Ordering::Relaxed);
            operation.as_mut().poll(context)
        })
        .await
    }

    /// Begins a field, in this turn or in a later one.
    pub async fn begin(&self) {
        while self.begun.fetch_add(1, Ordering::Relaxed) >= FIELDS_IN_A_TURN {
            self.stir();
            tokio::task::yield_now().await;
        }
    }

    /// Says that a field asked or was answered.
    pub fn stir(&self) {
        self.stirred.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nothing has stirred for a few turns: then all siblings have asked.
    pub async fn quiet(&self) {
        let (mut before, mut turns) = (self.stirred.load(Ordering::Relaxed), 0);
        while turns < QUIET_TURNS {
            tokio::task::yield_now().await;
            let now = self.stirred.load(Ordering::Relaxed);
            turns = if now == before { turns + 1 } else { 0 };
            before = now;
        }
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
        let begun = AtomicUsize::new(0);
        let fields = join_all((0..5 * FIELDS_IN_A_TURN).map(|_| async {
            turns.begin().await;
            begun.fetch_add(1, Ordering::Relaxed);
        }));
        let last = async {
            turns.quiet().await;
            begun.load(Ordering::Relaxed)
        };
        let (_, seen) = turns.run(futures_util::future::join(fields, last)).await;
        assert_eq!(seen, 5 * FIELDS_IN_A_TURN);
    }
}
