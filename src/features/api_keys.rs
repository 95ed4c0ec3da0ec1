//! API keys: by which programs, of partners or of the business itself, ask without anybody signing in.
//!
//! A key acts for the member who made it. What it may do at a moment is what is in its scopes and what that member's role allows at that moment. It
//! ends when it is revoked, when it expires, and for good when its maker is removed from the organization; a change of her password leaves it alone.
//!
//! What must hold: a key is shown once, and kept as a SHA-256 alone; neither is in an answer, the audit log or a log line afterwards. A key has no
//! scope that its maker's role lacks when it is made, and none by which it could make keys, let people in or change the organization. A revoked key
//! does not come back. What is changed of a key counts on this server at once and on the others within ten seconds.
//!
//! Table: `api_keys`. How a key is written is in [`crate::access::keys`], how it is checked in [`crate::access::standing`].

pub mod actions;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod rules;

pub use mutations::Mutations;
pub use roots::Roots;
