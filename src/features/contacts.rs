//! Contacts: the people a business deals with.
//!
//! What must hold: an e-mail address is in lower case and belongs to one contact of the organization; a telephone number is E.164; an owner is a
//! member of the organization. Deleting a contact keeps its deals and tasks, without the contact, and removes its timeline.
//!
//! Table: `contacts`, with the full-text column `search` that `contact_search` reads.

pub mod actions;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod subscriptions;

pub use mutations::Mutations;
pub use roots::Roots;
