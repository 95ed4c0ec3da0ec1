//! What the command line does beside serving: loading data, looking after an installation, answering a container's health check.
//!
//! Nothing here prints: whoever calls hands in a writer or shows the outcome.

pub mod seed;
