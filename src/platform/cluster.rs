//! Private servers, for `payaid dev` and for the tests: PostgreSQL (and its replicas) and Redis, started from the programs installed on this machine
//! and gone when the process that started them is gone.
//!
//! What must hold:
//! - Nothing of a server outlives its process by more than a moment, however that one ends: `stop`, a drop, an exit, SIGKILL (`process.rs`).
//! - No server of the machine is touched, nor a well-known port: what listens is a socket in a folder that only the server's account can enter.
//! - What cannot work is said in one sentence that names what to do.

mod account;
mod binaries;
mod folder;
pub mod postgres;
mod process;
pub mod redis;
mod replica;
mod site;

#[cfg(test)]
mod tests;

use std::time::Duration;

/// Between two looks at a server that is starting or stopping: short, for somebody is waiting for it.
const POLL: Duration = Duration::from_millis(10);
