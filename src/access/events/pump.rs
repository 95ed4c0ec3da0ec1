//! From the log to those who follow it.
//!
//! After each commit the server says whose events there are: to itself, and to the other servers (`wire`). When it hears of an organization with
//! subscribers, it reads their events once for all of them, and hands them on. What must hold:
//! - Without a subscriber, or without a commit, nothing is read. Only while something was committed that is not complete yet, because an older
//!   transaction is under way, does it look again by itself.
//! - Nobody waits for a slow subscriber: who has too many events before her is told where to go on from, and let go.
//! - What is said is only that there is something. Who missed it, because a connection broke or a server died before it said so, finds it in the log with
//!   the next word.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::access::events::log::{self, LogPage};
use crate::access::events::subscription::{Replay, Subscription};
use crate::access::events::watch::Interest;
use crate::access::events::wire::Wire;
use crate::access::events::{Event, EventPosition, Noun, Watching};
use crate::base::clock::Clock;
use crate::base::{Error, Result, id};
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::position::Line;
use crate::platform::postgres::{Access, Databases, Settings, Transaction};
use crate::platform::redis::Redis;

/// How many events may wait for a subscriber.
const MOST_WAITING: usize = 1024;
/// How many events are read at once.
const PAGE: usize = 100;
/// How soon it is looked again for what is not complete yet: from, and at the latest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));
/// How long the end of a process waits for the other servers to be told.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);
/// How soon it is looked again after the database has failed: from, and at the latest.
const FAILED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The events of all organizations, as this server follows them.
#[derive(Clone)]
pub struct Events {
    hub: Arc<Hub>,
    wire: Arc<Wire>,
    attached: Arc<OnceLock<Attached>>,
    /// Turns for answers: one event may concern thousands at once, and others want to read as well.
    turns: Arc<Semaphore>,
    _until: Arc<DropGuard>,
}

struct Attached {
    nouns: &'static [Noun],
    watching: Weak<dyn Watching>,
}

/// Who follows which organization.
pub(super) struct Hub {
    databases: Databases,
    channels: Mutex<HashMap<Uuid, Channel>>,
    /// Whether anybody follows anything.
    followed: watch::Sender<bool>,
    nouns: Arc<OnceLock<Attached>>,
    numbers: AtomicU64,
}

/// The subscribers of an organization.
struct Channel {
    /// Which database its position is one of.
    line: Option<Line>,
    /// Up to where its events were handed on.
    position: EventPosition,
    subscribers: HashMap<u64, Subscriber>,
    /// Whether a task is reading its events.
    is_read: bool,
    /// Whether there was word of it since that task last read.
    again: bool,
}

pub(super) struct Subscriber {
    nouns: Vec<&'static str>,
    events: mpsc::Sender<Arc<Event>>,
    /// Whether she had too many events before her.
    lagged: Arc<AtomicBool>,
}

impl Events {
    /// Follows nothing yet, and connects to nothing. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the address of the database cannot be understood.
    pub fn new(config: &DatabaseConfig, databases: &Databases, redis: Option<Redis>, clock: &dyn Clock) -> anyhow::Result<Self> {
        let (attached, stopped) = (Arc::<OnceLock<Attached>>::default(), CancellationToken::new());
        let hub = Arc::new(Hub {
            databases: databases.clone(),
            channels: Mutex::default(),
            followed: watch::Sender::new(false),
            nouns: Arc::clone(&attached),
            numbers: AtomicU64::new(0),
        });
        let wire = Wire::new(config, databases, redis, &hub, &stopped, id::fresh(clock))?;
        // Of four connections two are left to what does not come from events.
        let turns = Arc::new(Semaphore::new((config.pool_size / 2).clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { hub, wire, attached, turns, _until: Arc::new(stopped.drop_guard()) })
    }

    /// Says which kinds of objects are told of, and who runs documents for events. What is said first counts.
    pub fn attach(&self, nouns: &'static [Noun], watching: Weak<dyn Watching>) {
        let _ = self.attached.set(Attached { nouns, watching });
    }

    /// The kinds of objects whose changes are told.
    #[must_use]
    pub fn nouns(&self) -> &'static [Noun] {
        self.attached.get().map_or(&[], |attached| attached.nouns)
    }

    /// Those of which nothing goes without a word, so that copies of them can be kept.
    pub fn kept_nouns(&self) -> impl Iterator<Item = &'static Noun> + use<> {
        self.nouns().iter().filter(|noun| noun.prefix != log::JOB)
    }

    /// What runs the documents of subscriptions; `None` when the server has ended.
    #[must_use]
    pub fn watching(&self) -> Option<Arc<dyn Watching>> {
        self.attached.get()?.watching.upgrade()
    }

    /// A turn to answer an event.
    ///
    /// # Errors
    /// When the server has ended.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)
    }

    /// How many subscriptions there are that have come to the present.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.hub.channels().values().map(|channel| channel.subscribers.len()).sum()
    }

    /// Says that there are new events of an organization, after they were committed.
    pub fn publish(&self, organization: Uuid) {
        self.hub.wake(organization);
        self.wire.tell(organization);
    }

    /// Waits until the other servers were told of all that was published, a second at most: for the end of a process, which takes along what it has not
    /// said.
    pub async fn flush(&self) {
        if tokio::time::timeout(FLUSHED_WITHIN, self.wire.quiet()).await.is_err() {
            tracing::warn!("other servers could not be told in time of what was committed last: they find out with what comes next");
        }
    }

    /// Follows the events of an organization.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn subscribe(&self, organization: Uuid, interest: Interest) -> Result<Subscription> {
        let (sender, events) = mpsc::channel(MOST_WAITING);
        let lagged = Arc::<AtomicBool>::default();
        let subscriber = Subscriber { nouns: interest.nouns.clone(), events: sender, lagged: Arc::clone(&lagged) };
        let number = self.hub.numbers.fetch_add(1, Ordering::Relaxed);
        let (place, replay) = match interest.since {
            Some(since) => (since, Replay::All(subscriber)),
            None => (self.hub.join_now(organization, number, subscriber).await?, Replay::Nothing),
        };
        Ok(Subscription::new(&self.hub, (organization, number), interest, (events, lagged), place, replay))
    }
}

impl Hub {
    fn channels(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody follows anything, and when that changes.
    pub fn followed(&self) -> watch::Receiver<bool> {
        self.followed.subscribe()
    }

    /// Has the events of an organization read, if anybody follows them.
    pub fn wake(self: &Arc<Self>, organization: Uuid) {
        let mut channels = self.channels();
        let Some(channel) = channels.get_mut(&organization) else { return };
        channel.again = true;
        if !std::mem::replace(&mut channel.is_read, true) {
            tokio::spawn(Arc::clone(self).hand_on(organization));
        }
    }

    /// As [`Hub::wake`] for all organizations that are followed: word of them may have been missed.
    pub fn wake_all(self: &Arc<Self>) {
        let all: Vec<Uuid> = self.channels().keys().copied().collect();
        all.into_iter().for_each(|organization| self.wake(organization));
    }

    /// Which database is written to.
    pub fn line(&self) -> Option<Line> {
        self.databases.lineage().known()
    }

    fn snapshot(&self, organization: Uuid) -> Transaction {
        let settings = Settings { organization: Some(organization), ..Settings::default() };
        Transaction::new(self.databases.primary().clone(), Access::Snapshot, &settings)
    }

    pub async fn read(&self, organization: Uuid, nouns: &[&str], after: EventPosition) -> Result<LogPage> {
        log::read(&self.snapshot(organization), organization, nouns, after, PAGE).await
    }

    /// Adds a subscriber to what is told from now on, and says since when that is.
    async fn join_now(self: &Arc<Self>, organization: Uuid, number: u64, subscriber: Subscriber) -> Result<EventPosition> {
        let mut subscriber = Some(subscriber);
        let join = |channels: &mut HashMap<Uuid, Channel>, subscriber: &mut Option<Subscriber>| {
            let channel = channels.get_mut(&organization)?;
            channel.subscribers.insert(number, subscriber.take()?);
            Some(channel.position)
        };
        if let Some(position) = join(&mut self.channels(), &mut subscriber) {
            return Ok(position);
        }
        let now = log::horizon(&self.snapshot(organization)).await?;
        let position = {
            let mut channels = self.channels();
            channels.entry(organization).or_insert_with(|| Channel::at(now, self.line()));
            let position = join(&mut channels, &mut subscriber).ok_or_else(|| Error::internal("a subscriber was lost"))?;
            self.note_followed(&channels);
            position
        };
        // Nobody heard the word of what was committed since that snapshot.
        self.wake(organization);
        Ok(position)
    }

    /// Adds a subscriber who has read up to a position, and says from where on she is told.
    pub fn join_at(self: &Arc<Self>, organization: Uuid, number: u64, subscriber: Subscriber, read: EventPosition) -> EventPosition {
        let position = {
            let mut channels = self.channels();
            let channel = channels.entry(organization).or_insert_with(|| Channel::at(read, self.line()));
            channel.subscribers.insert(number, subscriber);
            let position = channel.position;
            self.note_followed(&channels);
            position
        };
        self.wake(organization);
        position
    }

    pub fn leave(&self, organization: Uuid, number: u64) {
        let mut channels = self.channels();
        if let Some(channel) = channels.get_mut(&organization) {
            channel.subscribers.remove(&number);
            if channel.subscribers.is_empty() {
                channels.remove(&organization);
            }
        }
        self.note_followed(&channels);
    }

    fn note_followed(&self, channels: &HashMap<Uuid, Channel>) {
        let is = !channels.is_empty();
        self.followed.send_if_modified(|was| std::mem::replace(was, is) != is);
    }

    /// Reads the events of an organization until there are no more, and hands them on.
    async fn hand_on(self: Arc<Self>, organization: Uuid) {
        let nouns: Vec<&str> = self.nouns.get().map_or_else(Vec::new, |attached| attached.nouns.iter().map(|noun| noun.prefix).collect());
        let (mut again, mut failed) = (AGAIN.0, FAILED.0);
        loop {
            let position = {
                let mut channels = self.channels();
                let Some(channel) = channels.get_mut(&organization) else { return };
                channel.again = false;
                channel.position
            };
            let page = match self.read(organization, &nouns, position).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(reason = error.internal.as_deref().unwrap_or_default(), "events could not be read: {error}");
                    tokio::time::sleep(failed).await;
                    failed = (failed * 2).min(FAILED.1);
                    continue;
                }
            };
            failed = FAILED.0;
            let progressed = !page.events.is_empty();
            let (has_more, is_held, horizon) = (page.has_more, page.is_held, page.horizon);
            {
                let mut channels = self.channels();
                let Some(channel) = channels.get_mut(&organization) else { return };
                if channel.line != self.line() {
                    // Numbers of transactions mean something else there: everybody has to start anew, and finds out by the end of her channel.
                    channels.remove(&organization);
                    return self.note_followed(&channels);
                }
                // Everybody may have left and others come while it was read.
                if channel.position == position {
                    channel.hand_on(page.events);
                    if !has_more {
                        channel.position = channel.position.max(horizon);
                    }
                }
                if !(has_more || is_held || channel.again) {
                    channel.is_read = false;
                    return;
                }
            }
            if is_held && !has_more {
                again = if progressed { AGAIN.0 } else { (again * 2).min(AGAIN.1) };
                tokio::time::sleep(again).await;
            }
        }
    }
}

impl Channel {
    fn at(position: EventPosition, line: Option<Line>) -> Self {
        Self { line, position, subscribers: HashMap::new(), is_read: false, again: false }
    }

    fn hand_on(&mut self, events: Vec<Event>) {
        for event in events {
            self.position = event.position;
            let event = Arc::new(event);
            self.subscribers.retain(|_, subscriber| {
                if !subscriber.nouns.contains(&event.noun.as_str()) || subscriber.events.try_send(Arc::clone(&event)).is_ok() {
                    return true;
                }
                // Her end of the channel closes with this.
                subscriber.lagged.store(true, Ordering::Release);
                false
            });
        }
    }
}
