//! Activities: the timeline of what passed between the business and its contacts.
//!
//! What must hold: an activity is about a contact or a deal, or both, and goes when one of them is deleted; it did not occur more than a day in the
//! future; its author is the member who wrote it down.
//!
//! Table: `activities`.

pub mod actions;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod rules;
pub mod subscriptions;

pub use mutations::Mutations;
pub use roots::Roots;
