//! A clock that a test holds.

use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};
use payaid::base::Clock;

/// Stands still until it is moved.
pub struct HeldClock(Mutex<DateTime<Utc>>);

impl HeldClock {
    pub fn at(instant: &str) -> Self {
        Self(Mutex::new(instant.parse().unwrap()))
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for HeldClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
