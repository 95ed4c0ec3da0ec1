//! The errors of fields that are null by themselves: noted while the operation goes on, and told with its answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_graphql::ServerError;

/// The errors that one operation noted, in their order.
#[derive(Debug, Default)]
pub struct Failures {
    errors: Mutex<Vec<ServerError>>,
    /// How many they are: asked before and after each object, and so without a lock.
    count: AtomicUsize,
}

impl Failures {
    /// Adds one.
    pub fn note(&self, error: ServerError) {
        self.change(|errors| errors.push(error));
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Takes those back that were noted after there were so many.
    pub fn truncate(&self, count: usize) {
        if count < self.count() {
            self.change(|errors| errors.truncate(count));
        }
    }

    /// All of them, which are noted no longer.
    #[must_use]
    pub fn take(&self) -> Vec<ServerError> {
        self.change(std::mem::take)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<ServerError>) -> T) -> T {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut errors);
        self.count.store(errors.len(), Ordering::Release);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_taken_back_and_taken() {
        let failures = Failures::default();
        for text in ["first", "second", "third"] {
            failures.note(ServerError::new(text, None));
        }
        assert_eq!(failures.count(), 3);
        failures.truncate(5);
        failures.truncate(2);
        assert_eq!(failures.count(), 2);
        let taken: Vec<String> = failures.take().into_iter().map(|error| error.message).collect();
        assert_eq!((taken, failures.count()), (vec!["first".to_owned(), "second".to_owned()], 0));
    }
}
