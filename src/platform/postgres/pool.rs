//! A pool of connections to one database node.

use std::sync::Arc;
use std::time::Duration;

use ::deadpool::managed::{QueueMode, TimeoutType};
use diesel_async::pooled_connection::deadpool::{self, Hook, HookError, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::base::{Error, Result};
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::connect::{Kept, Purpose, connect_bound, hosts};
use crate::platform::postgres::lane::Lane;
use crate::platform::postgres::position::{Lineage, is_left};

/// The role that every connection of the server takes on, whatever login it came by: row level security binds it, and it owns nothing. A login
/// that is not a member of it cannot connect.
pub const SERVER_ROLE: &str = "payaid_server";

/// A pool of connections to one database node.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool::Pool<AsyncPgConnection>,
    queue_limit: usize,
    writes: TaskTracker,
    lineage: Arc<Lineage>,
    lane: Arc<Lane>,
}

/// Why a pool gives no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGiven {
    /// All are at work.
    Busy,
    /// None can be made.
    Unreachable,
}

/// A connection that returns to its pool when it is dropped.
pub type Pooled = deadpool::Object<AsyncPgConnection>;

impl Pool {
    /// A pool that connects when it is first used, to whatever node the address leads to.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(url: &str, config: &DatabaseConfig) -> anyhow::Result<Self> {
        Self::build(url, config, Purpose::Any, Arc::default())
    }

    /// A pool for writing: it connects to no replica, to no other cluster than the known one, and to no primary that was left behind.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn primary(url: &str, config: &DatabaseConfig, lineage: &Arc<Lineage>) -> anyhow::Result<Self> {
        Self::build(url, config, Purpose::Primary(Arc::clone(lineage)), Arc::clone(lineage))
    }

    /// A pool for reading from a replica: it connects to nothing else, and to no other cluster than the known one.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn replica(url: &str, config: &DatabaseConfig, lineage: &Arc<Lineage>) -> anyhow::Result<Self> {
        Self::build(url, config, Purpose::Replica(Arc::clone(lineage)), Arc::clone(lineage))
    }

    fn build(url: &str, config: &DatabaseConfig, purpose: Purpose, lineage: Arc<Lineage>) -> anyhow::Result<Self> {
        let lane = Lane::new(url, config, purpose.clone(), &lineage)?;
        let prepared = hosts(url, config)?;
        let mut manager_config = ManagerConfig::default();
        manager_config.recycling_method = RecyclingMethod::Fast;
        manager_config.custom_setup = Box::new(move |_| connect_bound(prepared.clone(), purpose.clone()).boxed());
        let manager = AsyncDieselConnectionManager::new_with_config(url, manager_config);
        let (lifetime, most, present) = (config.max_lifetime, config.max_prepared, Arc::clone(&lineage));
        let fit = Hook::sync_fn(move |connection: &mut AsyncPgConnection, metrics| {
            let (prepared, line) = connection.instrumentation().downcast_ref::<Kept>().map_or((0, None), |kept| (kept.prepared, kept.line));
            match (metrics.age() < lifetime, prepared < most) {
                (true, true) if is_left(line, &present) => Err(HookError::message("to a primary that was left behind")),
                (true, true) => Ok(()),
                (false, _) => Err(HookError::message("past its lifetime")),
                (_, false) => Err(HookError::message("too many statements are prepared on it")),
            }
        });
        let inner = deadpool::Pool::builder(manager)
            .max_size(config.pool_size)
            // Who was used last is warm: its process, its caches and the statements in them.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(config.pool_wait))
            .create_timeout(Some(config.connect_timeout))
            .runtime(::deadpool::Runtime::Tokio1)
            .pre_recycle(fit)
            .build()?;
        Ok(Self { inner, queue_limit: config.pool_size.saturating_mul(64), writes: TaskTracker::new(), lineage, lane })
    }

    /// A connection, within the configured wait.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when none is free in time, too many are waiting already, or the database cannot be reached.
    pub async fn get(&self) -> Result<Pooled> {
        if self.inner.status().waiting > self.queue_limit {
            return Err(Error::database_unavailable("too many operations wait for a connection"));
        }
        self.inner.get().await.map_err(Error::database_unavailable)
    }

    /// A connection, if one is free or can be made; unless it `waits`, without waiting for others to give theirs back.
    ///
    /// # Errors
    /// Whether the pool is busy or the node cannot be reached.
    pub async fn try_get(&self, waits: bool) -> std::result::Result<Pooled, NotGiven> {
        let own = self.inner.timeouts();
        let timeouts = ::deadpool::managed::Timeouts { wait: if waits { own.wait } else { Some(Duration::ZERO) }, ..own };
        self.inner.timeout_get(&timeouts).await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => NotGiven::Busy,
            _ => NotGiven::Unreachable,
        })
    }

    /// What is written to by this pool, where it is one for writing.
    #[must_use]
    pub const fn lineage(&self) -> &Arc<Lineage> {
        &self.lineage
    }

    /// The connection beside those of the pool that reads of one row share.
    #[must_use]
    pub const fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Runs a write in a task of its own, which the server waits for before it ends, whether or not anybody else does.
    pub fn spawn_write<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.writes.spawn(write)
    }

    /// Comes when no write is under way any more.
    pub async fn settled(&self) {
        self.writes.close();
        self.writes.wait().await;
    }

    /// How many connections are open, free and waited for.
    #[must_use]
    pub fn status(&self) -> (usize, usize, usize) {
        let status = self.inner.status();
        (status.size, status.available, status.waiting)
    }

    /// How many operations use a connection or wait for one.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let status = self.inner.status();
        status.size.saturating_sub(status.available) + status.waiting
    }

    /// Closes the pool: whoever asks from now on is refused.
    pub fn close(&self) {
        self.inner.close();
        self.lane.close();
    }
}
