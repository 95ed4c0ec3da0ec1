//! The subcommands of `payaid`. Each is a function that returns when its work is done; `cli` is the command line.

pub mod bounce;
pub mod cli;
pub mod dev;
pub mod doctor;
pub mod documents;
pub mod healthcheck;
mod http_get;
pub mod mail;
pub mod migrate;
pub mod output;
pub mod schema;
pub mod seed;
pub mod serve;
pub mod worker;
