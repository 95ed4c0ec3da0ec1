//! The outside world: configuration, PostgreSQL, Redis, telemetry, and the private servers of `payaid dev` and of the tests.

pub mod cluster;
pub mod config;
pub mod jobs;
pub mod mail;
pub mod outgoing;
pub mod postgres;
pub mod quotas;
pub mod redis;
pub mod sms;
pub mod telemetry;
