//! How many subscriptions each session and each API key has open at this server, so that none of them takes the places of all others.

use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::base::{Code, Error, Map, Result};

/// The subscriptions that are open, by sessions and API keys.
pub struct Places {
    most: usize,
    taken: Arc<Mutex<Map<Uuid, usize>>>,
}

/// The place of a subscription, which is free again when this is dropped.
pub struct Place {
    of: Uuid,
    taken: Arc<Mutex<Map<Uuid, usize>>>,
}

impl Places {
    /// So many for each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place for one more subscription of a session or API key.
    ///
    /// # Errors
    /// `RATE_LIMITED` when it has as many open as it may.
    pub fn take(&self, application: Uuid) -> Result<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&application).copied().unwrap_or_default();
        if count >= self.most {
            let message = format!("This session or API key has {count} subscriptions open, as many as it may: end one of them first.");
            return Err(Error::new(Code::RateLimited, message));
        }
        taken.insert(application, count + 1);
        Ok(Place { of: application, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.of) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_and_gets_them_back() {
        let (places, one, other) = (Places::new(2), Uuid::from_u128(1), Uuid::from_u128(2));
        let held = [places.take(one).unwrap(), places.take(one).unwrap()];
        assert_eq!(places.take(one).err().map(|error| error.code), Some(Code::RateLimited));
        let _others = places.take(other).unwrap();
        drop(held);
        assert_eq!(places.taken.lock().unwrap().len(), 1, "who has none is not remembered");
        places.take(one).unwrap();
    }
}
