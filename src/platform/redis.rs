//! Redis, where it is configured: a pool that answers within a bounded time or says that it cannot.
//!
//! No truth lives in Redis. Whoever asks must be able to go on without an answer.

use std::time::Duration;

use anyhow::Context;
use bb8_redis::RedisConnectionManager;
use bb8_redis::bb8;

use crate::platform::config::RedisConfig;

/// How long an answer may take before the caller goes on without it.
const ANSWER_WITHIN: Duration = Duration::from_millis(50);

/// A pool of connections to Redis.
#[derive(Clone)]
pub struct Redis {
    pool: bb8::Pool<RedisConnectionManager>,
}

/// Redis did not answer; why, for the log.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not answer: {0}")]
pub struct Unanswered(String);

impl Redis {
    /// A pool that connects when it is first used; `None` when no address is configured.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(config: &RedisConfig) -> anyhow::Result<Option<Self>> {
        let Some(url) = config.url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let manager = RedisConnectionManager::new(url).context("REDIS_URL")?;
        // A connection is checked by the command that is sent over it, so the extra PING of each checkout is left out.
        let builder = bb8::Pool::builder().max_size(8).connection_timeout(ANSWER_WITHIN).test_on_check_out(false).retry_connection(false);
        Ok(Some(Self { pool: builder.build_unchecked(manager) }))
    }

    /// Runs a script and reads its answer.
    ///
    /// # Errors
    /// When Redis is away, slow or refuses.
    pub async fn run<T: redis::FromRedisValue>(&self, invocation: &redis::ScriptInvocation<'_>) -> Result<T, Unanswered> {
        let asked = async {
            let mut connection = self.pool.get().await.map_err(|error| Unanswered(error.to_string()))?;
            invocation.invoke_async(&mut *connection).await.map_err(|error| Unanswered(error.to_string()))
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }

    /// Whether Redis answers a new connection within a second.
    ///
    /// # Errors
    /// When it does not, with the reason.
    pub async fn ping(&self) -> Result<(), Unanswered> {
        let asked = async {
            // Not of the pool, which gives up sooner than is meant here.
            let mut connection = self.pool.dedicated_connection().await.map_err(|error| Unanswered(error.to_string()))?;
            redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(|error| Unanswered(error.to_string()))
        };
        tokio::time::timeout(Duration::from_secs(1), asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }
}
