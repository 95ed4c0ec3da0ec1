//! Events: what was committed, in an order in which it can be followed without missing anything.
//!
//! The audit log is the log of events: every change, by an action or by the database itself, has its entry there, written in its own transaction. An entry
//! bears the number of its transaction and a number of its own, which together are its position. Transactions end in another order than they begin, so
//! what follows the log reads only below the number of the oldest transaction that is still under way ([`log`]): nothing can come to stand below that any
//! more. Nobody asks again and again: a server says after each commit whose events there are ([`pump`]).
//!
//! A subscription is an operation whose document is run once for each event that concerns it, with the event at hand ([`watch`]).

pub mod cursor;
pub mod log;
pub mod places;
pub mod pump;
pub mod subscription;
pub mod watch;
mod wire;

use async_graphql::{Enum, Response, Variables};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::access::permissions::{Permission, Permissions};
use crate::access::scope::Scope;
use crate::base::Result;

pub use cursor::EventPosition;
pub use pump::Events;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum ChangeKind {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted, and is not there any more.
    Deleted,
    /// Nothing of its kind may be seen any more by whoever asks: all objects of the kind are to be dropped. Only in `changes`, and without an object.
    Hidden,
    /// Its kind may be seen from now on by whoever asks: all objects of the kind are to be loaded. Only in `changes`, and without an object.
    Shown,
}

crate::plain_enums!(ChangeKind);

/// One change of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the log.
    pub position: EventPosition,
    /// What was done, such as `contact.update`.
    pub action: String,
    /// The kind of object, such as `contact`.
    pub noun: String,
    /// The object.
    pub row: Uuid,
    /// What became of it.
    pub kind: ChangeKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// A kind of objects whose changes are told.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    /// What its identifiers begin with.
    pub prefix: &'static str,
    /// The field of subscriptions that tells of it.
    pub field: &'static str,
    /// What a caller needs to see it.
    pub read: Permission,
}

/// Runs the document of a subscription for one event.
pub trait Watching: Send + Sync {
    /// What the document answers for an event, read from a fresh snapshot in which the event has happened; `None` when its field or its filter lets the
    /// event pass. What the scope may not see is an error in the answer.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` and the like for what is not the document of a subscription.
    fn answer<'a>(&'a self, scope: Scope, text: &'a str, variables: Variables, event: &'a Event) -> BoxFuture<'a, Result<Option<Response>>>;

    /// Refuses what is not the document of a valid subscription that runs without variables and costs no more than an operation may, and one for what
    /// these permissions do not let see.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `DOCUMENT_TOO_COMPLEX`, `INSUFFICIENT_PERMISSIONS`.
    fn check(&self, text: &str, permissions: Permissions) -> Result<()>;
}
