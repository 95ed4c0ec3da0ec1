//! What the server has at hand for all operations: the databases, the clock, and what signing in needs.

use std::sync::Arc;

use crate::access::scope::Scope;
use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::config::ServerConfig;
use crate::platform::postgres::Databases;
use crate::platform::redis::Redis;

/// The server's services; clones share them.
#[derive(Clone)]
pub struct Services {
    /// The database nodes.
    pub databases: Databases,
    /// Redis, where it is configured.
    pub redis: Option<Redis>,
    /// Where the time comes from.
    pub clock: SharedClock,
}

impl Services {
    /// The services of a configuration. Nothing is connected to yet. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When a part of the configuration cannot be understood.
    pub fn new(config: &ServerConfig, clock: SharedClock) -> anyhow::Result<Self> {
        Ok(Self { databases: Databases::new(&config.database)?, redis: Redis::new(&config.redis)?, clock })
    }

    /// On whose behalf a request with this access token runs.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when the token is broken, expired, revoked or of another server; `DATABASE_UNAVAILABLE` when that cannot be found out.
    pub async fn authenticate(&self, _token: &str, _request_id: Arc<str>) -> Result<Scope> {
        Err(Error::new(Code::InvalidToken, "This access token is not valid."))
    }
}
