//! Redis, where it is configured: a pool that answers within a bounded time or says that it cannot.
//!
//! No truth lives in Redis. Whoever asks must be able to go on without an answer.

use std::time::Duration;

use anyhow::Context;
use bb8_redis::RedisConnectionManager;
use bb8_redis::bb8;
use futures_util::{Stream, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::platform::config::RedisConfig;

/// How long an answer may take before the caller goes on without it.
const ANSWER_WITHIN: Duration = Duration::from_millis(50);

/// How long telling others may take, for which nobody waits.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection may take to be made; whoever asks has a limit of her own.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// How long the other side may be silent before it is asked whether it is there, how often it is asked, and how long what was sent may go without a sign.
/// Who listens sends nothing, and would never notice that the way to Redis is gone.
const SILENT: Duration = Duration::from_secs(10);
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ASKED_TIMES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(25);

fn connection(url: &str) -> redis::RedisResult<ConnectionInfo> {
    let keepalive = TcpKeepalive::new().with_time(SILENT).with_interval(ASKED_EVERY).with_retries(ASKED_TIMES);
    let tcp = TcpSettings::default().set_keepalive(keepalive).set_user_timeout(UNACKNOWLEDGED);
    Ok(url.into_connection_info()?.set_tcp_settings(tcp))
}

/// A pool of connections to Redis.
#[derive(Clone)]
pub struct Redis {
    pool: bb8::Pool<Manager>,
    client: redis::Client,
}

/// Connects, and drops a connection that has failed: a multiplexed one does not connect again by itself, and bb8-redis takes none for broken.
struct Manager(RedisConnectionManager);

/// A connection, and whether it has failed.
struct Held {
    connection: MultiplexedConnection,
    failed: bool,
}

impl bb8::ManageConnection for Manager {
    type Connection = Held;
    type Error = redis::RedisError;

    async fn connect(&self) -> Result<Held, redis::RedisError> {
        Ok(Held { connection: self.0.connect().await?, failed: false })
    }

    async fn is_valid(&self, held: &mut Held) -> Result<(), redis::RedisError> {
        self.0.is_valid(&mut held.connection).await
    }

    fn has_broken(&self, held: &mut Held) -> bool {
        held.failed
    }
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
        let info = connection(url).context("REDIS_URL")?;
        let manager = Manager(RedisConnectionManager::new(info.clone()).context("REDIS_URL")?);
        // A connection is checked by the command that is sent over it, so the extra PING of each checkout is left out.
        let builder = bb8::Pool::builder().max_size(8).connection_timeout(CONNECTED_WITHIN).test_on_check_out(false).retry_connection(false);
        Ok(Some(Self { pool: builder.build_unchecked(manager), client: redis::Client::open(info).context("REDIS_URL")? }))
    }

    /// Runs a script and reads its answer.
    ///
    /// # Errors
    /// When Redis is away, slow or refuses.
    pub async fn run<T: redis::FromRedisValue>(&self, invocation: &redis::ScriptInvocation<'_>) -> Result<T, Unanswered> {
        self.run_within(ANSWER_WITHIN, invocation).await
    }

    /// As [`Redis::run`], within a time of the caller's choice.
    ///
    /// # Errors
    /// When Redis is away, slower or refuses.
    pub async fn run_within<T: redis::FromRedisValue>(&self, within: Duration, invocation: &redis::ScriptInvocation<'_>) -> Result<T, Unanswered> {
        let asked = async {
            let mut held = self.pool.get().await.map_err(|error| Unanswered(error.to_string()))?;
            // Unless it answers: it is dropped as well when nobody waits for it any longer.
            held.failed = true;
            let answer = invocation.invoke_async(&mut held.connection).await;
            held.failed = answer.as_ref().is_err_and(|error: &redis::RedisError| error.is_io_error() || error.is_unrecoverable_error());
            answer.map_err(|error| Unanswered(error.to_string()))
        };
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }

    /// Says something to all who listen on a channel, and to nobody who does not at that moment.
    ///
    /// # Errors
    /// When Redis is away or slow.
    pub async fn publish(&self, channel: &str, words: &str) -> Result<(), Unanswered> {
        let asked = async {
            let mut held = self.pool.get().await.map_err(|error| Unanswered(error.to_string()))?;
            held.failed = true;
            let answer = redis::cmd("PUBLISH").arg(channel).arg(words).query_async::<()>(&mut held.connection).await;
            held.failed = answer.as_ref().is_err_and(|error: &redis::RedisError| error.is_io_error() || error.is_unrecoverable_error());
            answer.map_err(|error| Unanswered(error.to_string()))
        };
        tokio::time::timeout(ANSWERED_WITHIN, asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }

    /// What is said on a channel from now on, until the connection breaks.
    ///
    /// # Errors
    /// When Redis is away or slow.
    pub async fn listen(&self, channel: &str) -> Result<impl Stream<Item = String> + Send + Unpin + use<>, Unanswered> {
        let asked = async {
            let mut connection = self.client.get_async_pubsub().await.map_err(|error| Unanswered(error.to_string()))?;
            connection.subscribe(channel).await.map_err(|error| Unanswered(error.to_string()))?;
            Ok(Box::pin(connection.into_on_message().filter_map(async |message| message.get_payload().ok())))
        };
        tokio::time::timeout(CONNECTED_WITHIN, asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }

    /// Whether Redis answers a new connection within a second.
    ///
    /// # Errors
    /// When it does not, with the reason.
    pub async fn ping(&self) -> Result<(), Unanswered> {
        let asked = async {
            // Not of the pool, which gives up sooner than is meant here.
            let mut held = self.pool.dedicated_connection().await.map_err(|error| Unanswered(error.to_string()))?;
            redis::cmd("PING").query_async::<()>(&mut held.connection).await.map_err(|error| Unanswered(error.to_string()))
        };
        tokio::time::timeout(Duration::from_secs(1), asked).await.unwrap_or_else(|_| Err(Unanswered("too slow".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the system does so cannot be tried without cutting a network.
    #[test]
    fn the_system_is_asked_to_notice_when_the_other_side_is_gone() {
        let info = connection("redis://127.0.0.1:6379").unwrap();
        let tcp = info.tcp_settings();
        assert!(tcp.keepalive().is_some() && tcp.user_timeout() == Some(UNACKNOWLEDGED));
    }
}
