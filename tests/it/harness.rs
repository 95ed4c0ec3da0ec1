//! What every test stands on: the shared servers, a database of its own, a server in this process, and clients.

pub mod app;
pub mod client;
pub mod clock;
pub mod process;
pub mod servers;
pub mod statements;
pub mod waiting;
pub mod world;

pub use app::TestApp;
pub use client::Client;
