//! Who may do what: the scope that an operation runs in, permissions and guards, the operation's own reading and writing, the audit log.

pub mod audit;
pub mod connection;
pub mod consistency;
pub mod document;
pub mod execution;
pub mod executor;
pub mod guard;
pub mod loaders;
pub mod node;
mod objects;
pub mod operation;
pub mod passwords;
pub mod payload;
pub mod permissions;
mod plan;
pub mod refresh;
pub mod same;
pub mod scope;
pub mod services;
pub mod standing;
pub mod throttle;
pub mod tokens;
mod turns;
mod variables;
pub mod writer;

pub use guard::{Can, Public, SignedIn};
pub use loaders::{Batch, ListKey};
pub use node::NodeObject;
pub use operation::{Act, ClientInfo, Operation, Reader, Reads};
pub use permissions::{Permission, Role};
pub use scope::Scope;
pub use services::Services;
