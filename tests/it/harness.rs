//! What every test stands on: the shared servers, a database of its own, a server in this process, and clients.

pub mod answering;
pub mod app;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod crowd;
pub mod exim;
pub mod process;
pub mod schema;
pub mod scripted;
pub mod servers;
pub mod snapshot;
pub mod statements;
pub mod waiting;
pub mod world;

pub use app::TestApp;
pub use client::Client;

/// The identifier of a noun's object.
pub fn identifier(noun: &str, id: uuid::Uuid) -> String {
    payaid::base::id::AnyId { prefix: noun.to_owned(), uuid: id }.to_string()
}
