//! Jobs: what is done in the background, as the people who look after an organization see it.
//!
//! What must hold: a job that was given up stays, with the reason, until somebody has it done again or ninety days are over; one that is done goes after a
//! week. What a job needs to know is never shown: it may be anybody's words.
//!
//! Table: `jobs`. How jobs are enqueued and run is in [`crate::access::jobs`].

pub mod actions;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod subscriptions;
pub mod upkeep;

pub use mutations::Mutations;
pub use roots::Roots;
