//! Tasks: what somebody is to do, and until when.
//!
//! What must hold: a task has an instant of completion exactly when it is done; an assignee is a member of the organization. A task outlives the
//! contact and the deal it is about.
//!
//! Table: `tasks`, with the column `due_key`, by which tasks without a due date come after all others.

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
