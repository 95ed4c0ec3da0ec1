//! A connection that many callers share for reads of one row.
//!
//! A connection of the pool belongs to one operation from `BEGIN` to `ROLLBACK`, and stands idle whenever that one does. Where a row is all that an
//! operation reads, `BEGIN` with the tenant, the statement and `ROLLBACK` are known at once and travel in one piece, and those of the next caller
//! right behind them, without waiting for an answer: the server and PostgreSQL both have a fraction of the system calls and of the changes from one
//! process to another. So a read takes part in this as long as it is quick; whoever finds no place, or has no answer soon, goes the ordinary way. What
//! has no answer also keeps others away for a while: a table that is locked would stop those behind it again and again.
//!
//! What must hold: the statement of a read stands between its own `BEGIN` and `ROLLBACK` and nobody else's does, or a statement would run in somebody else's transaction. The driver hands a message on
//! when it is first polled, if the statement is prepared; so all messages of a read are polled once under a lock. And the statement says itself of
//! which organization the row is: in a transaction of another tenant it would find nothing.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use crate::base::Map;
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::connect::{Purpose, connect_client, hosts};
use crate::platform::postgres::position::{Line, Lineage, is_left};
use crate::platform::postgres::row::DriverRow;

/// How many reads are under way at once: so many wait for one that takes long.
const MOST: usize = 128;

/// How long a read waits for its answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long PostgreSQL waits for a lock before it gives a read up, so that those behind it still have their answers.
const LOCK_TIMEOUT: Duration = Duration::from_millis(50);

/// Nobody joins those who have waited so long for the next answer.
const STANDS_STILL: Duration = Duration::from_millis(20);

/// How long nobody joins after something has failed, and how long a connection stands still before it is given up.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a connection that was given up is waited for.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A shared connection to one node, made when it is first asked for.
pub struct Lane {
    hosts: Vec<tokio_postgres::Config>,
    purpose: Purpose,
    lineage: Arc<Lineage>,
    lifetime: Duration,
    most_prepared: usize,
    state: RwLock<State>,
    answered: AtomicU64,
}

enum State {
    Absent,
    Connecting,
    Failed(Instant),
    Open(Arc<Open>),
    Closed,
}

struct Open {
    client: Client,
    /// What it writes to; `None` on a replica.
    line: Option<Line>,
    since: Instant,
    /// By their texts; `None` for one that is being prepared, or could not be a moment ago.
    statements: RwLock<Map<Arc<str>, Option<Prepared>>>,
    is_full: AtomicBool,
    is_hung: AtomicBool,
    /// What reads and writes for the client; it would wait for the answers of a node that gives none.
    driver: AbortHandle,
    /// Held while the messages of one read are handed on.
    order: Mutex<()>,
    /// Reads without an answer, whether or not somebody waits for it.
    under_way: AtomicUsize,
    /// When it last came on, in microseconds since it was opened.
    moved: AtomicU64,
    /// Until when nobody joins, in the same way.
    rests: AtomicU64,
}

#[derive(Clone)]
struct Prepared {
    text: Arc<str>,
    statement: Statement,
    types: Arc<[NonZeroU32]>,
}

/// A place among the reads that are under way.
pub struct Place {
    lane: Arc<Lane>,
    open: Arc<Open>,
    prepared: Prepared,
    /// Whether nothing that was sent is without an answer.
    is_done: bool,
}

impl Lane {
    /// A lane to the nodes of an address.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(url: &str, config: &DatabaseConfig, purpose: Purpose, lineage: &Arc<Lineage>) -> anyhow::Result<Arc<Self>> {
        let short = DatabaseConfig {
            statement_timeout: shorter(config.statement_timeout, PATIENCE),
            lock_timeout: shorter(config.lock_timeout, LOCK_TIMEOUT),
            ..config.clone()
        };
        Ok(Arc::new(Self {
            hosts: hosts(url, &short)?,
            purpose,
            lineage: Arc::clone(lineage),
            lifetime: config.max_lifetime,
            most_prepared: config.max_prepared,
            state: RwLock::new(State::Absent),
            answered: AtomicU64::new(0),
        }))
    }

    /// A place for a statement; `None` while there is none: no connection yet, the statement not prepared on it yet, too many before it, no answer for
    /// too long, or none a moment ago.
    pub fn place(self: &Arc<Self>, statement: &Arc<str>) -> Option<Place> {
        let open = self.open().filter(|open| open.now() >= open.rests.load(Ordering::Acquire))?;
        let prepared = open.prepared(statement, self.most_prepared)?;
        open.enter().then(|| Place { lane: Arc::clone(self), open, prepared, is_done: true })
    }

    /// How many reads it has answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the connection, once its reads have their answers; there is no other after it.
    pub fn close(&self) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Closed;
    }

    fn open(self: &Arc<Self>) -> Option<Arc<Open>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(open) if self.is_fit(open) => return Some(Arc::clone(open)),
            State::Connecting | State::Closed => return None,
            State::Failed(at) if at.elapsed() < PAUSE => return None,
            State::Absent | State::Failed(_) | State::Open(_) => {}
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Connecting | State::Closed => {}
            // Somebody else has been here meanwhile.
            State::Open(open) if self.is_fit(open) => return Some(Arc::clone(open)),
            State::Absent | State::Failed(_) | State::Open(_) => {
                *state = State::Connecting;
                tokio::spawn(Arc::clone(self).connect());
            }
        }
        None
    }

    fn is_fit(&self, open: &Open) -> bool {
        if open.stands_still_for() >= PAUSE {
            open.is_hung.store(true, Ordering::Release);
        }
        let is_worn = open.is_full.load(Ordering::Relaxed) || open.order.is_poisoned() || open.since.elapsed() >= self.lifetime;
        !(is_worn || open.is_hung.load(Ordering::Acquire) || open.client.is_closed() || is_left(open.line, &self.lineage))
    }

    async fn connect(self: Arc<Self>) {
        let next = match connect_client(self.hosts.clone(), self.purpose.clone()).await {
            Ok((client, driver, line)) => State::Open(Arc::new(Open::new(client, driver, line))),
            Err(error) => {
                tracing::debug!("no connection to be shared: {error}");
                State::Failed(Instant::now())
            }
        };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Closed) {
            *state = next;
        }
    }
}

impl Open {
    fn new(client: Client, driver: AbortHandle, line: Option<Line>) -> Self {
        Self {
            client,
            line,
            since: Instant::now(),
            statements: RwLock::default(),
            is_full: AtomicBool::new(false),
            is_hung: AtomicBool::new(false),
            driver,
            order: Mutex::new(()),
            under_way: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            rests: AtomicU64::new(0),
        }
    }

    /// A statement that is prepared; one that is not will be, for those who come later.
    fn prepared(self: &Arc<Self>, text: &Arc<str>, most: usize) -> Option<Prepared> {
        if let Some(known) = self.statements.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return known.clone();
        }
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = statements.get(text) {
            return known.clone();
        }
        if statements.len() >= most {
            self.is_full.store(true, Ordering::Relaxed);
        } else {
            statements.insert(Arc::clone(text), None);
            tokio::spawn(Arc::clone(self).prepare(Arc::clone(text)));
        }
        None
    }

    async fn prepare(self: Arc<Self>, text: Arc<str>) {
        match tokio::time::timeout(END_TIMEOUT, self.client.prepare(&text)).await {
            Ok(Ok(statement)) => {
                let types = statement.columns().iter().map(|column| NonZeroU32::new(column.type_().oid()).unwrap_or(NonZeroU32::MIN)).collect();
                let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
                statements.insert(Arc::clone(&text), Some(Prepared { text, statement, types }));
            }
            Ok(Err(error)) => {
                tracing::debug!("a statement cannot be prepared to be shared: {error}");
                tokio::time::sleep(PAUSE).await;
                self.statements.write().unwrap_or_else(PoisonError::into_inner).remove(&text);
            }
            Err(_) => self.is_hung.store(true, Ordering::Release),
        }
    }

    /// Nobody joins for a while, and the statement is prepared anew, unless it has been: what it reads may have changed.
    fn rest(&self, failed: &Prepared) {
        self.rests.store(self.now().saturating_add(micros(PAUSE)), Ordering::Release);
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        if statements.get(&failed.text).and_then(Option::as_ref).is_some_and(|known| Arc::ptr_eq(&known.types, &failed.types)) {
            statements.remove(&failed.text);
        }
    }

    /// Notes that there was an answer.
    fn comes_on(&self) {
        self.moved.store(self.now(), Ordering::Release);
    }

    /// Whether there is room for one more, who is then counted.
    fn enter(&self) -> bool {
        // Before anybody is counted, or for a moment it would seem to have stood still ever since the last one.
        if self.under_way.load(Ordering::Acquire) == 0 {
            self.comes_on();
        }
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        let enters = before < MOST && self.stands_still_for() < STANDS_STILL;
        if !enters {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        enters
    }

    /// How long those who wait have seen no answer.
    fn stands_still_for(&self) -> Duration {
        match self.under_way.load(Ordering::Acquire) {
            0 => Duration::ZERO,
            _ => Duration::from_micros(self.now().saturating_sub(self.moved.load(Ordering::Acquire))),
        }
    }

    fn now(&self) -> u64 {
        micros(self.since.elapsed())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The shorter of two limits, of which zero is none.
fn shorter(limit: Duration, most: Duration) -> Duration {
    if limit.is_zero() { most } else { limit.min(most) }
}

impl Place {
    /// Reads a row by its organization and its id, in a transaction that `begin` opens, after `proof`, where there is one. `None` when there is no
    /// answer, for whatever reason: that is for the ordinary way to say.
    pub async fn read(mut self, proof: Option<&str>, begin: &str, values: [Uuid; 2]) -> Option<Vec<DriverRow>> {
        self.is_done = false;
        let answer = self.ask(proof, begin, values).await;
        // Those who have their answer, whatever it is, leave nothing behind.
        self.is_done = answer.is_ok();
        if self.is_done {
            self.open.comes_on();
        }
        match answer.and_then(|answer| answer.map_err(|error| error.to_string())) {
            Ok(rows) => {
                self.lane.answered.fetch_add(1, Ordering::Relaxed);
                Some(rows.into_iter().map(|row| DriverRow::new(row, Arc::clone(&self.prepared.types))).collect())
            }
            Err(reason) => {
                tracing::debug!("a shared connection has no answer: {reason}");
                self.open.rest(&self.prepared);
                None
            }
        }
    }

    /// The answer, or why there is none yet.
    async fn ask(&self, proof: Option<&str>, begin: &str, values: [Uuid; 2]) -> Result<Result<Vec<Row>, tokio_postgres::Error>, String> {
        let (client, statement) = (&self.open.client, &self.prepared.statement);
        let proven = async {
            match proof {
                Some(proof) => client.batch_execute(proof).await,
                None => Ok(()),
            }
        };
        let rows = async { client.query_raw(statement, values).await?.try_collect::<Vec<Row>>().await };
        // None of them is left out because another one failed.
        let mut all = pin!(async { futures_util::join!(proven, client.batch_execute(begin), rows, client.batch_execute("ROLLBACK")) });
        let first = std::future::poll_fn(|context| {
            let order = self.open.order.lock();
            Poll::Ready(order.map(|_order| all.as_mut().poll(context)).map_err(|_| "what was sent before may lack its end".to_owned()))
        });
        let (proven, begun, rows, ended) = match first.await? {
            Poll::Ready(answers) => answers,
            Poll::Pending => tokio::time::timeout(PATIENCE, all).await.map_err(|_| "it takes too long".to_owned())?,
        };
        Ok(proven.and(begun).and(rows).and_then(|rows| ended.map(|()| rows)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = Arc::clone(&self.open);
        let leave = move || open.under_way.fetch_sub(1, Ordering::AcqRel);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !self.is_done => {
                let open = Arc::clone(&self.open);
                runtime.spawn(async move {
                    // Answers come in their order, and this is behind the one that nobody waits for any more. It does nothing wherever it comes in.
                    match tokio::time::timeout(END_TIMEOUT, open.client.batch_execute("")).await {
                        Ok(_) => open.comes_on(),
                        Err(_) => open.is_hung.store(true, Ordering::Release),
                    }
                    leave();
                });
            }
            _ => {
                leave();
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_hung.load(Ordering::Acquire) {
            self.driver.abort();
        }
    }
}
