//! What the operation of a subscription has at hand: the event that it is run for.
//!
//! A subscription is run once before it is opened, without an event: its guards and arguments are looked at, nothing is read, and its field leaves word
//! which events concern it. Then it is run for each of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::events::{Event, EventPosition};

/// Which events concern a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Of these kinds of objects.
    pub nouns: Vec<&'static str>,
    /// After this position; `None` from now on.
    pub since: Option<EventPosition>,
}

/// The event of an operation, and what its field said.
#[derive(Debug, Default)]
pub struct Watch {
    event: Option<Arc<Event>>,
    interest: Mutex<Option<Interest>>,
    passed: AtomicBool,
}

impl Watch {
    /// For one event; `None` to find out which events concern the operation.
    #[must_use]
    pub fn new(event: Option<Arc<Event>>) -> Self {
        Self { event, ..Self::default() }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> Option<&Arc<Event>> {
        self.event.as_ref()
    }

    /// Says which events concern the operation.
    pub fn note_interest(&self, interest: Interest) {
        *self.interest.lock().unwrap_or_else(PoisonError::into_inner) = Some(interest);
    }

    /// Which events concern the operation; `None` when its field was not asked or has failed.
    #[must_use]
    pub fn take_interest(&self) -> Option<Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says that the event is none of those that are told.
    pub fn let_pass(&self) {
        self.passed.store(true, Ordering::Relaxed);
    }

    /// Whether the event is none of those that are told.
    #[must_use]
    pub fn was_let_pass(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }
}
