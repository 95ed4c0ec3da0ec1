//! PostgreSQL: pools, transactions, the columns that a statement reads, and migrations.
//!
//! What must hold: every statement of the server runs inside a [`Transaction`], so that the tenant is set before the first row is read; a read
//! operation uses one connection and one snapshot; a connection goes back to its pool only when its transaction has ended.

pub mod columns;
pub mod connect;
pub mod databases;
pub mod failure;
pub mod health;
pub mod lane;
pub mod migrate;
pub mod pool;
pub mod position;
pub mod routing;
mod row;
pub mod safety;
pub mod settings;
mod sparse;
pub mod statement;
pub mod transaction;

pub use columns::{Col, ColumnNames, Columns, Need, Needs, ReadShape};
pub use databases::Databases;
pub use pool::Pool;
pub use position::Position;
pub use routing::{Freshness, Route};
pub use settings::{Settings, Stamp};
pub use transaction::{Access, Transaction};
