//! The outside world: configuration, PostgreSQL, Redis, telemetry, and the private servers of `payaid dev` and of the tests.

pub mod cluster;
pub mod config;
pub mod postgres;
pub mod redis;
pub mod telemetry;
