//! How servers tell each other whose events there are: by Redis where it is configured, else by the database's own notifications.
//!
//! A notification inside of a write's transaction would have all commits of the database wait for each other, so it is sent afterwards, on a connection of
//! its own, and all that gathers while one is on its way goes with the next. Every server listens on both ways while somebody follows something on it, and
//! looks at the log anew when it has had to connect again. A server that has nothing to say or to hear has no connection.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::events::pump::Hub;
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::Databases;
use crate::platform::postgres::connect::{Purpose, connect_bound, hosts};
use crate::platform::redis::Redis;

/// What the channel is called.
const CHANNEL: &str = "payaid_events";
/// So many organizations are named in one notification, which holds 8,000 bytes.
const MOST_NAMED: usize = 200;
/// How long what is to be said gathers after something was said: each word is a transaction of the database's, which a busy server would else be asked
/// for all the time.
const GATHERED: Duration = Duration::from_millis(10);
/// How long the connection is kept when there is nothing to say or to hear.
const KEPT: Duration = Duration::from_secs(30);
/// How soon it is connected again: from, and at the latest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The way to the other servers.
pub(super) struct Wire {
    /// Of whom there is something to tell.
    pending: Mutex<HashSet<Uuid>>,
    told: Notify,
    /// Of whom Redis could not be told.
    left: Mutex<HashSet<Uuid>>,
    left_over: Notify,
    /// How many were taken from these to be told, and not told yet.
    under_way: AtomicUsize,
    /// Says that something was told.
    quieter: Notify,
    redis: Option<Redis>,
    /// By which a server knows what it has said itself.
    name: String,
    hosts: Vec<tokio_postgres::Config>,
    purpose: Purpose,
}

/// Some of whom there is something to tell, until they were told of or put back.
struct Taken<'w> {
    wire: &'w Wire,
    all: Vec<Uuid>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.wire.under_way.fetch_sub(1, Ordering::SeqCst);
        self.wire.quieter.notify_waiters();
    }
}

impl Wire {
    /// Begins the tasks, which end with the token.
    pub fn new(
        config: &DatabaseConfig,
        databases: &Databases,
        redis: Option<Redis>,
        hub: &Arc<Hub>,
        stopped: &CancellationToken,
        name: Uuid,
    ) -> anyhow::Result<Arc<Self>> {
        let wire = Arc::new(Self {
            pending: Mutex::default(),
            told: Notify::new(),
            left: Mutex::default(),
            left_over: Notify::new(),
            under_way: AtomicUsize::new(0),
            quieter: Notify::new(),
            redis,
            name: name.simple().to_string(),
            hosts: hosts(&config.url, config)?,
            purpose: Purpose::Primary(Arc::clone(databases.primary().lineage())),
        });
        let (own, weak, followed) = (Arc::clone(&wire), Arc::downgrade(hub), hub.followed());
        tokio::spawn(stopped.clone().run_until_cancelled_owned(async move { own.by_database(&weak, followed).await }));
        if let Some(redis) = wire.redis.clone() {
            let (own, weak, followed) = (Arc::clone(&wire), Arc::downgrade(hub), hub.followed());
            let heard = redis.clone();
            tokio::spawn(stopped.clone().run_until_cancelled_owned(async move { own.hear_redis(&heard, &weak, followed).await }));
            let own = Arc::clone(&wire);
            tokio::spawn(stopped.clone().run_until_cancelled_owned(async move { own.tell_redis(&redis).await }));
        }
        Ok(wire)
    }

    /// Tells the other servers of an organization, soon.
    pub fn tell(&self, organization: Uuid) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(organization);
        self.told.notify_one();
    }

    /// Waits until there is nothing left to tell.
    pub async fn quiet(&self) {
        loop {
            let quieter = self.quieter.notified();
            let is_empty = |set: &Mutex<HashSet<Uuid>>| set.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if is_empty(&self.pending) && is_empty(&self.left) && self.under_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            quieter.await;
        }
    }

    /// Takes what there is to tell.
    fn take<'w>(&'w self, set: &Mutex<HashSet<Uuid>>) -> Taken<'w> {
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the set is seen to be empty.
        self.under_way.fetch_add(1, Ordering::SeqCst);
        Taken { wire: self, all: std::mem::take(&mut *set).into_iter().collect() }
    }

    /// The words that name some.
    fn words(&self, some: &[Uuid]) -> String {
        format!("{}:{}", self.name, some.iter().map(|id| id.simple().to_string()).collect::<Vec<_>>().join(","))
    }

    /// The organizations that another server names.
    fn heard(&self, words: &str, hub: &Weak<Hub>) {
        let (Some((name, ids)), Some(hub)) = (words.split_once(':'), hub.upgrade()) else { return };
        if name != self.name {
            ids.split(',').filter_map(|id| id.parse().ok()).for_each(|id| hub.wake(id));
        }
    }

    async fn tell_redis(&self, redis: &Redis) {
        loop {
            self.told.notified().await;
            let taken = self.take(&self.pending);
            for some in taken.all.chunks(MOST_NAMED) {
                if let Err(error) = redis.publish(CHANNEL, &self.words(some)).await {
                    tracing::debug!("{error}");
                    self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(some);
                    self.left_over.notify_one();
                }
            }
        }
    }

    async fn hear_redis(&self, redis: &Redis, hub: &Weak<Hub>, mut followed: watch::Receiver<bool>) {
        let mut wait = RECONNECT.0;
        loop {
            if followed.wait_for(|followed| *followed).await.is_err() {
                return;
            }
            if let Ok(mut words) = redis.listen(CHANNEL).await {
                wait = RECONNECT.0;
                if let Some(hub) = hub.upgrade() {
                    hub.wake_all();
                }
                loop {
                    tokio::select! {
                        heard = words.next() => match heard {
                            Some(heard) => self.heard(&heard, hub),
                            None => break,
                        },
                        unfollowed = followed.wait_for(|followed| !*followed) => {
                            drop(unfollowed);
                            break;
                        }
                    }
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT.1);
        }
    }

    /// Tells and hears by the database: all there is without Redis, with it what Redis was not told.
    async fn by_database(&self, hub: &Weak<Hub>, mut followed: watch::Receiver<bool>) {
        let (set, told) = if self.redis.is_some() { (&self.left, &self.left_over) } else { (&self.pending, &self.told) };
        let mut wait = RECONNECT.0;
        loop {
            tokio::select! {
                () = told.notified() => {}
                wanted = followed.wait_for(|followed| *followed) => if wanted.is_err() { return },
            }
            // What there is to say is said as soon as there is a connection.
            told.notify_one();
            match connect_bound(self.hosts.clone(), self.purpose.clone()).await {
                Ok(mut connection) => {
                    wait = RECONNECT.0;
                    if let Err(error) = self.serve(&mut connection, (set, told), hub, &mut followed).await {
                        tracing::info!("the connection for events broke: {error}");
                        tokio::time::sleep(wait).await;
                    }
                }
                Err(error) => {
                    tracing::warn!("no connection for events can be made: {error}");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RECONNECT.1);
                }
            }
        }
    }

    /// Uses a connection as long as it lasts and is needed.
    async fn serve(
        &self,
        connection: &mut AsyncPgConnection,
        (set, told): (&Mutex<HashSet<Uuid>>, &Notify),
        hub: &Weak<Hub>,
        followed: &mut watch::Receiver<bool>,
    ) -> diesel::QueryResult<()> {
        let mut listens = false;
        loop {
            let wanted = *followed.borrow_and_update();
            if wanted != listens {
                connection.batch_execute(&format!("{} {CHANNEL}", if wanted { "LISTEN" } else { "UNLISTEN" })).await?;
                listens = wanted;
                if let (true, Some(hub)) = (listens, hub.upgrade()) {
                    hub.wake_all();
                }
            }
            let heard = {
                let mut notifications = std::pin::pin!(connection.notifications_stream());
                tokio::select! {
                    heard = notifications.next() => match heard {
                        Some(heard) => Some(heard?),
                        None => return Err(diesel::result::Error::BrokenTransactionManager),
                    },
                    () = told.notified() => None,
                    changed = followed.changed() => match changed {
                        Ok(()) => None,
                        Err(_) => return Ok(()),
                    },
                    () = tokio::time::sleep(KEPT), if !listens => return Ok(()),
                }
            };
            if let Some(heard) = heard {
                self.heard(&heard.payload, hub);
            }
            let taken = self.take(set);
            for some in taken.all.chunks(MOST_NAMED) {
                // Made of hexadecimal digits alone.
                if let Err(error) = connection.batch_execute(&format!("NOTIFY {CHANNEL}, '{}'", self.words(some))).await {
                    set.lock().unwrap_or_else(PoisonError::into_inner).extend(&taken.all);
                    told.notify_one();
                    return Err(error);
                }
            }
            let said = !taken.all.is_empty();
            drop(taken);
            if said {
                tokio::time::sleep(GATHERED).await;
            }
        }
    }
}
