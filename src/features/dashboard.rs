//! The dashboard: what an organization's business comes to, over all nouns.
//!
//! What must hold: each field is one statement, however often and for however many periods it is selected, and only those of the selected fields
//! run, side by side in the operation's snapshot; nothing below the dashboard reads on; days, weeks and months begin in the organization's time
//! zone; amounts of different currencies are never added up.
//!
//! No table of its own. The statements are written for the partial indexes `deals_won`, `deals_open` and `tasks_open`, which is why they name a
//! status as a literal.

pub mod loaders;
pub mod model;
pub mod object;
pub mod period;
pub mod queries;
pub mod roots;

/// Nothing here is changed.
pub use async_graphql::EmptyMutation as Mutations;
pub use roots::Roots;
