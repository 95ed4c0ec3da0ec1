//! Companies.
pub mod model;
