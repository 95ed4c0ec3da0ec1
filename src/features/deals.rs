//! Deals.
pub mod model;
