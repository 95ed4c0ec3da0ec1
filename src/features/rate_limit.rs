//! What the running operation costs, and what is left of its caller's budget. Nothing of it is kept in a table.

pub mod object;
pub mod roots;

/// Nothing here is changed.
pub use async_graphql::EmptyMutation as Mutations;
pub use roots::Roots;
