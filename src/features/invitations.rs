//! Inviting people to an organization: what accounts keep of it, and the mail with the link.
//!
//! What must hold: an invitation is there exactly when its mail is. What becomes of it (accepted, revoked, expired) is a matter of accounts alone, which
//! know nothing of messages.

pub mod actions;
pub mod mutations;
pub mod object;

/// Nothing here is read: the invitations are fields of the accounts. This is an object without fields.
pub use async_graphql::EmptyMutation as Roots;
pub use mutations::Mutations;
