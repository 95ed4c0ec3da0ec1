//! Values without input or output: what every other layer speaks in.
//!
//! Nothing here opens a file, a socket or a clock of its own; time comes in through [`clock::Clock`].

pub mod allowance;
pub mod clock;
pub mod cursor;
pub mod directives;
pub mod duration;
pub mod email;
pub mod error;
pub mod filter;
pub mod gstin;
pub mod id;
pub mod json;
pub mod money;
pub mod network;
pub mod page;
pub mod patch;
pub mod phone;
pub mod scalars;
pub mod state;
pub mod text;
pub mod text_enum;

pub use clock::{Clock, SharedClock};
pub use error::{Checks, Code, Error, Result};
pub use id::{Id, Noun};

/// A map that is hashed quickly: for what one operation asks for, as much as its document allows, and for keys that nobody outside chooses.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
