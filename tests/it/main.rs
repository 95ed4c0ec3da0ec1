//! The integration tests: one binary, so that it links once and shares one PostgreSQL primary, replica and Redis.
//!
//! Every test has a database of its own and goes through HTTP as a client does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::as_conversions, missing_docs)]

mod accounts;
mod api_keys;
mod architecture;
mod bad_input;
mod catalog;
mod changes;
mod commands;
mod containers;
mod coverage;
mod dashboard;
mod deals;
mod doctor;
mod documents;
mod failing;
mod fuzz;
mod harness;
mod isolation;
mod jobs;
mod limits;
mod mail;
mod messages;
mod nouns;
mod policies;
mod processes;
mod reading;
mod replicas;
mod search;
mod selections;
mod sharing;
mod sms;
mod speed;
mod subscriptions;
mod timeouts;
mod webhooks;
mod websocket;
mod writing;
mod written;
