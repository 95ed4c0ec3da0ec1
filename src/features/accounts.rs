//! Accounts: organizations, the people who sign in, their memberships, invitations and sessions.
//!
//! What must hold: an organization has at least one owner, and only owners make or unmake owners; a person has one user whatever number of
//! organizations she belongs to; passwords and tokens are kept as hashes alone, and no row that is written to the audit log holds one; who is
//! removed, signs out or changes her password is out on this server at once and on the others within ten seconds.
//!
//! Tables: `organizations`, `users`, `memberships`, `invitations`, `sessions`. Users are no tenant table, and signing in happens before a tenant
//! is known: what a transaction may see then is said by [`crate::platform::postgres::Settings`].

pub mod actions;
pub mod jobs;
pub mod loaders;
pub mod model;
pub mod mutations;
pub mod object;
pub mod queries;
pub mod roots;
pub mod rules;

pub use mutations::Mutations;
pub use roots::Roots;
