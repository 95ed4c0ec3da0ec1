//! Accounts.
pub mod loaders;
pub mod model;
pub mod object;
pub mod queries;
