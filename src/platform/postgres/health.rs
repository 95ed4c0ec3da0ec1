//! How the nodes are: whether they answer, what they are, and how far each has come.
//!
//! Every node is asked four times a second over a connection of its own, since a node whose connections are all at work is busy and not ill. The
//! primary is asked by a heartbeat: it writes its timeline and the time into one row. A replica that shows the row has replayed that much of that
//! timeline, and the age of what it shows, by the primary's clock alone, is how far it is behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use tokio::sync::watch;

use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::connect::line_of;
use crate::platform::postgres::pool::Pool;
use crate::platform::postgres::position::{Line, Lineage, Lsn};
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::transaction::{Access, Settings, Transaction};

const INTERVAL: Duration = Duration::from_millis(250);
/// How long an answer may take.
const WITHIN: Duration = Duration::from_millis(500);
/// As long as sessions are remembered that have written: a replica may not be further behind than that, or their writes would be missed.
const MOST_LAG: Duration = Duration::from_secs(50);
const OUT_AFTER: u32 = 2;
const BACK_AFTER: u32 = 3;

/// The heart of the primary: when it last beat, by its own clock, and whether it still does.
#[derive(Default)]
pub struct Heart {
    beat: Mutex<Option<DateTime<Utc>>>,
    failing: AtomicBool,
}

impl Heart {
    /// Begins to write heartbeats; must be called inside a Tokio runtime. It ends with the last handle.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn watch(url: &str, config: &DatabaseConfig, lineage: &Arc<Lineage>) -> anyhow::Result<Arc<Self>> {
        let heart = Arc::new(Self::default());
        let own = Pool::primary(url, &DatabaseConfig { pool_size: 1, pool_wait: WITHIN, ..config.clone() }, lineage)?;
        tokio::spawn(keep_beating(own, Arc::downgrade(&heart)));
        Ok(heart)
    }

    /// Whether the primary took the last heartbeat, or was not asked yet.
    #[must_use]
    pub fn beats(&self) -> bool {
        !AtomicBool::load(&self.failing, Ordering::Relaxed)
    }

    fn last(&self) -> Option<DateTime<Utc>> {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the heartbeat, unless another server has just done so, and says when it was.
const BEAT: &str = "WITH line AS (SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::bigint AS timeline), \
    beaten AS (INSERT INTO heartbeats (timeline, at) SELECT timeline, clock_timestamp() FROM line \
      ON CONFLICT (id) DO UPDATE SET timeline = excluded.timeline, at = excluded.at WHERE heartbeats.timeline <> excluded.timeline \
        OR heartbeats.at NOT BETWEEN excluded.at - interval '200 milliseconds' AND excluded.at RETURNING at) \
    SELECT (SELECT system_identifier FROM pg_control_system()), (SELECT timeline FROM line), \
      coalesce((SELECT at FROM beaten), (SELECT at FROM heartbeats))";

async fn keep_beating(pool: Pool, heart: Weak<Heart>) {
    loop {
        let beaten = tokio::time::timeout(WITHIN, beat(&pool)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let Some(heart) = heart.upgrade() else { return };
        match beaten {
            Ok(at) => {
                if heart.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the primary takes heartbeats again");
                }
                *heart.beat.lock().unwrap_or_else(PoisonError::into_inner) = at;
            }
            Err(reason) => {
                if !heart.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the primary takes no heartbeat: {reason}");
                }
            }
        }
        drop(heart);
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn beat(pool: &Pool) -> Result<Option<DateTime<Utc>>, String> {
    let db = Transaction::new(pool.clone(), Access::Write, &heartbeat_settings());
    let asked = db.first::<_, (i64, i64, Option<DateTime<Utc>>), _>(Sql::<(BigInt, BigInt, Nullable<Timestamptz>)>::new(BEAT, Vec::new())).await;
    let (system, timeline, at) = asked.map_err(reason)?.ok_or("no row")?;
    db.commit().await.map_err(reason)?;
    pool.lineage().learn(line_of(system, timeline))?;
    Ok(at)
}

fn heartbeat_settings() -> Settings {
    Settings { heartbeat: true, ..Settings::default() }
}

fn reason(error: crate::base::Error) -> String {
    error.internal.unwrap_or(error.message)
}

/// A replica, and what it last said of itself.
#[derive(Clone)]
pub struct Replica {
    /// How metrics and answers call it: `replica-1` is the first that is configured.
    pub name: Arc<str>,
    /// Connections to it.
    pub pool: Pool,
    seen: Arc<Mutex<Seen>>,
    lineage: Arc<Lineage>,
    max_lag: TimeDelta,
}

#[derive(Default)]
struct Seen {
    /// Whether it answers, for those who wait for an answer of it.
    answers: watch::Sender<bool>,
    failures: u32,
    successes: u32,
    said: Option<Said>,
}

/// What a replica says of itself.
#[derive(Debug, Clone, Copy)]
struct Said {
    line: Line,
    replayed: Lsn,
    /// How far it was behind the last heartbeat that was known then.
    lag: TimeDelta,
}

impl Replica {
    /// Begins to watch a node; must be called inside a Tokio runtime. The watch ends with the last handle.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn watch(number: usize, url: &str, config: &DatabaseConfig, heart: &Arc<Heart>, lineage: &Arc<Lineage>) -> anyhow::Result<Self> {
        anyhow::ensure!(config.max_lag <= MOST_LAG, "DATABASE_MAX_LAG is at most {} s", MOST_LAG.as_secs());
        let replica = Self {
            name: format!("replica-{number}").into(),
            pool: Pool::new(url, config)?,
            // It counts as unfit until it has answered once.
            seen: Arc::new(Mutex::new(Seen { successes: BACK_AFTER - 1, ..Seen::default() })),
            lineage: Arc::clone(lineage),
            max_lag: TimeDelta::from_std(config.max_lag)?,
        };
        let own = Pool::new(url, &DatabaseConfig { pool_size: 1, pool_wait: WITHIN, ..config.clone() })?;
        let (name, seen) = (Arc::clone(&replica.name), Arc::downgrade(&replica.seen));
        tokio::spawn(keep_asking(own, name, seen, Arc::downgrade(heart), Arc::clone(lineage)));
        Ok(replica)
    }

    /// Whether it answers, follows the present timeline and is not too far behind.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        let seen = self.seen();
        let Some(said) = seen.said.filter(|_| *seen.answers.borrow()) else { return false };
        self.lineage.known().is_none_or(|known| known == said.line) && said.lag <= self.max_lag
    }

    /// How far it has replayed the write-ahead log, and of which timeline, when it was asked last.
    #[must_use]
    pub fn replayed(&self) -> Option<(Line, Lsn)> {
        self.seen().said.map(|said| (said.line, said.replayed))
    }

    /// How far it is behind the primary, to the quarter of a second; `None` when that is not known.
    #[must_use]
    pub fn lag(&self) -> Option<TimeDelta> {
        self.seen().said.map(|said| said.lag)
    }

    /// Comes when it does not answer any more.
    pub async fn is_out(&self) {
        let mut answers = self.seen().answers.subscribe();
        let _ = answers.wait_for(|answers| !answers).await.map(drop);
    }

    /// Notes what was found out besides: it has come this far at least.
    pub fn has_replayed(&self, lsn: Lsn) {
        if let Some(said) = &mut self.seen().said {
            said.replayed = said.replayed.max(lsn);
        }
    }

    /// Notes that a connection to it was lost: as bad as a question without an answer.
    pub fn was_lost(&self) {
        self.seen().note(None, &self.name);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn note(&mut self, said: Option<Said>, name: &str) {
        (self.failures, self.successes) = match said {
            Some(_) => (0, self.successes.saturating_add(1)),
            None => (self.failures.saturating_add(1), 0),
        };
        if said.is_some() {
            self.said = said;
        }
        let answers = *self.answers.borrow();
        if answers && self.failures >= OUT_AFTER {
            tracing::warn!("{name} does not answer as a replica: nothing is read from it");
            self.answers.send_replace(false);
        } else if !answers && self.successes >= BACK_AFTER {
            tracing::info!("{name} answers as a replica: it is read from while it keeps up");
            self.answers.send_replace(true);
        }
    }
}

async fn keep_asking(pool: Pool, name: Arc<str>, seen: Weak<Mutex<Seen>>, heart: Weak<Heart>, lineage: Arc<Lineage>) {
    let mut complaint = String::new();
    loop {
        let Some(last) = heart.upgrade().map(|heart| heart.last()) else { return };
        let said = tokio::time::timeout(WITHIN, ask(&pool, &lineage, last)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let Some(seen) = seen.upgrade() else { return };
        if let Err(reason) = &said
            && *reason != complaint
        {
            tracing::warn!("{name}: {reason}");
            complaint.clone_from(reason);
        }
        seen.lock().unwrap_or_else(PoisonError::into_inner).note(said.ok(), &name);
        drop(seen);
        tokio::time::sleep(INTERVAL).await;
    }
}

const STATE: &str = "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()), \
    coalesce((pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, 0), (SELECT timeline FROM heartbeats), (SELECT at FROM heartbeats)";
type StateTypes = (Bool, BigInt, BigInt, Nullable<BigInt>, Nullable<Timestamptz>);

async fn ask(pool: &Pool, lineage: &Lineage, last: Option<DateTime<Utc>>) -> Result<Said, String> {
    let db = Transaction::new(pool.clone(), Access::Snapshot, &heartbeat_settings());
    let asked = db.first::<_, (bool, i64, i64, Option<i64>, Option<DateTime<Utc>>), _>(Sql::<StateTypes>::new(STATE, Vec::new())).await;
    let (recovering, system, replayed, timeline, at) = asked.map_err(reason)?.ok_or("no row")?;
    if !recovering {
        return Err("this is no replica".to_owned());
    }
    let (Some(timeline), Some(beat)) = (timeline, at) else { return Err("no heartbeat has arrived yet".to_owned()) };
    let line = line_of(system, timeline);
    match lineage.known() {
        Some(known) if known.system != line.system => return Err("this is a copy of another database".to_owned()),
        // It may follow a new primary that this server has not met yet; or an old one, which is not learned.
        Some(_) => drop(lineage.learn(line)),
        None => {}
    }
    let lag = last.map_or(TimeDelta::zero(), |last| last - beat).max(TimeDelta::zero());
    Ok(Said { line, replayed: Lsn(replayed.cast_unsigned()), lag })
}
