//! PayAid's GraphQL server: one binary over PostgreSQL. `ARCHITECTURE.md` is the map.

pub mod access;
pub mod base;
pub mod commands;
pub mod features;
pub mod platform;
#[allow(missing_docs)]
pub mod schema;
