//! Companies: the businesses that contacts work for.
//!
//! What must hold: a GSTIN passes its check and belongs to one company of the organization; the state is that of the GSTIN, where there is one; an
//! owner is a member of the organization. Deleting a company keeps its contacts and deals, without the company.
//!
//! Table: `companies`, with the addresses as JSON.

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
