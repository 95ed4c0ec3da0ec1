//! The audit log: who did what to which object, for owners and admins to read. What writes it is [`crate::access::audit`].
//!
//! Table: `audit_entries`, which the server's role may add to and read, and neither change nor delete from.

pub mod loaders;
pub mod model;
pub mod object;
pub mod queries;
pub mod roots;

pub use roots::{Mutations, Roots};
