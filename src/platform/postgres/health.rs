//! How the nodes are: whether they answer, what they are, and how far each has come.
//!
//! Every node is asked four times a second over a connection of its own, since a node whose connections are all at work is busy and not ill. The
//! primary is asked by a heartbeat: it writes its timeline and the time into one row. A replica that shows the row has replayed that much of that
//! timeline, and the age of what it shows, by the primary's clock alone, is how far it is behind.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use tokio::sync::watch;

use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::connect::line_of;
use crate::platform::postgres::pool::Pool;
use crate::platform::postgres::position::{Line, Lineage, Lsn, Position};
use crate::platform::postgres::routing::replayed;
use crate::platform::postgres::settings::Settings;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::transaction::{Access, Transaction};

/// How long after an answer the next question comes.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long an answer may take.
const WITHIN: Duration = Duration::from_millis(500);
/// What is remembered of sessions that have written, and of changes to their standing, outlasts this.
const MOST_LAG: Duration = Duration::from_secs(50);
const OUT_AFTER: u32 = 2;
const BACK_AFTER: u32 = 3;
/// How often a replica is asked whether it has caught up, while somebody waits for it.
const POLL: Duration = Duration::from_millis(1);

/// The heart of the primary: when it last beat, by its own clock, and whether it still does.
#[derive(Default)]
pub struct Heart {
    beat: Mutex<Option<Beat>>,
    failures: AtomicU32,
}

/// What the primary said at a heartbeat.
#[derive(Debug, Clone, Copy)]
struct Beat {
    at: DateTime<Utc>,
    /// How far it had written.
    position: Position,
    /// When it was asked.
    asked: Instant,
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

    /// Whether the primary takes heartbeats: at most one in a row has failed. It counts as taking them before it was asked.
    #[must_use]
    pub fn beats(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < OUT_AFTER
    }

    /// How far the primary had written at a moment after this one, if it has been asked since.
    #[must_use]
    pub fn place_after(&self, moment: Instant) -> Option<Position> {
        self.last().filter(|beat| beat.asked > moment).map(|beat| beat.position)
    }

    fn last(&self) -> Option<Beat> {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the heartbeat, unless another server has just done so or is about to, and says when it was. Nobody waits for the row: a server that stops
/// in the middle would stop all others.
const BEAT: &str = "WITH here AS (SELECT (SELECT system_identifier FROM pg_control_system()) AS system, \
      ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::bigint AS timeline, clock_timestamp() AS at, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS lsn), \
    due AS (SELECT heartbeats.id FROM heartbeats, here WHERE heartbeats.timeline <> here.timeline OR heartbeats.system_identifier <> here.system \
      OR heartbeats.at NOT BETWEEN here.at - interval '200 milliseconds' AND here.at FOR UPDATE OF heartbeats SKIP LOCKED), \
    beaten AS (UPDATE heartbeats SET system_identifier = here.system, timeline = here.timeline, at = here.at FROM here \
      WHERE heartbeats.id IN (SELECT id FROM due) RETURNING heartbeats.at), \
    first AS (INSERT INTO heartbeats (system_identifier, timeline, at) SELECT system, timeline, at FROM here \
      WHERE NOT EXISTS (SELECT FROM heartbeats) ON CONFLICT DO NOTHING RETURNING at) \
    SELECT system, timeline, lsn, coalesce((SELECT at FROM beaten), (SELECT at FROM first), (SELECT at FROM heartbeats)) FROM here";

type BeatTypes = (BigInt, BigInt, BigInt, Nullable<Timestamptz>);

async fn keep_beating(pool: Pool, heart: Weak<Heart>) {
    loop {
        let beaten = tokio::time::timeout(WITHIN, beat(&pool)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let Some(heart) = heart.upgrade() else { return };
        match beaten {
            Ok(beat) => {
                if heart.failures.swap(0, Ordering::Relaxed) >= OUT_AFTER {
                    tracing::info!("the primary takes heartbeats again");
                }
                let mut last = heart.beat.lock().unwrap_or_else(PoisonError::into_inner);
                *last = beat.or(*last);
            }
            Err(reason) => {
                if heart.failures.fetch_add(1, Ordering::Relaxed) + 1 == OUT_AFTER {
                    tracing::warn!("the primary takes no heartbeat: {reason}");
                }
            }
        }
        drop(heart);
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn beat(pool: &Pool) -> Result<Option<Beat>, String> {
    let asked = Instant::now();
    let db = Transaction::new(pool.clone(), Access::Write, &heartbeat_settings());
    let beaten = db.first::<_, (i64, i64, i64, Option<DateTime<Utc>>), _>(Sql::<BeatTypes>::new(BEAT, Vec::new())).await;
    let (system, timeline, lsn, at) = beaten.map_err(reason)?.ok_or("no row")?;
    db.commit().await.map_err(reason)?;
    let line = line_of(system, timeline);
    pool.lineage().learn(line)?;
    Ok(at.map(|at| Beat { at, position: Position { line, lsn: Lsn(lsn.cast_unsigned()) }, asked }))
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
    /// Whoever asks how far it has come, for all who wait.
    asking: Arc<tokio::sync::Mutex<()>>,
    lineage: Arc<Lineage>,
    max_lag: TimeDelta,
}

#[derive(Default)]
struct Seen {
    /// Whether it answers, for those who wait for an answer of it.
    answers: watch::Sender<bool>,
    /// How far it has come, for those who wait for that.
    progress: watch::Sender<Option<Lsn>>,
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
        anyhow::ensure!(
            config.max_lag <= MOST_LAG,
            "DATABASE_MAX_LAG is at most {} s: sessions are not kept from missing their writes for longer",
            MOST_LAG.as_secs()
        );
        let replica = Self {
            name: format!("replica-{number}").into(),
            pool: Pool::replica(url, config, lineage)?,
            // It counts as unfit until it has answered once.
            seen: Arc::new(Mutex::new(Seen { successes: BACK_AFTER - 1, ..Seen::default() })),
            asking: Arc::default(),
            lineage: Arc::clone(lineage),
            max_lag: TimeDelta::from_std(config.max_lag)?,
        };
        let own = Pool::new(url, &DatabaseConfig { pool_size: 1, pool_wait: WITHIN, ..config.clone() })?;
        let (name, seen) = (Arc::clone(&replica.name), Arc::downgrade(&replica.seen));
        tokio::spawn(keep_asking(own, name, seen, Arc::downgrade(heart), Arc::clone(lineage)));
        Ok(replica)
    }

    /// Whether it answers, follows the present timeline and is not too far behind. Not before the primary was met: until then nobody knows how far
    /// it ought to be.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        *self.seen().answers.borrow() && self.kept_up()
    }

    /// Whether it followed the present timeline and was not too far behind when it answered last.
    #[must_use]
    pub fn kept_up(&self) -> bool {
        self.seen().said.is_some_and(|said| self.lineage.known() == Some(said.line) && said.lag <= self.max_lag)
    }

    /// How far it has replayed the write-ahead log, and of which timeline, when it was asked last.
    #[must_use]
    pub fn replayed(&self) -> Option<(Line, Lsn)> {
        self.seen().said.map(|said| (said.line, said.replayed))
    }

    /// How far it was behind the last heartbeat when it was asked last; `None` when it has not answered as a replica yet.
    #[must_use]
    pub fn lag(&self) -> Option<TimeDelta> {
        self.seen().said.map(|said| said.lag)
    }

    /// Waits until it has replayed so much; whether it had by then. However many wait, one of them asks.
    pub async fn catch_up(&self, lsn: Lsn, until: Instant) -> bool {
        let mut progress = self.seen().progress.subscribe();
        let reached = async {
            tokio::select! {
                reached = progress.wait_for(|replayed| *replayed >= Some(lsn)) => reached.is_ok(),
                never = self.ask_on() => never,
                () = self.is_out() => false,
            }
        };
        tokio::time::timeout_at(until.into(), reached).await.unwrap_or(false)
    }

    /// Asks how far it has come, again and again; one at a time.
    async fn ask_on(&self) -> bool {
        let _asking = self.asking.lock().await;
        let Ok(connection) = self.pool.get().await else { return false };
        loop {
            let Some(lsn) = replayed(&connection).await else { return false };
            self.has_replayed(lsn);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Notes what was found out besides: it has come this far at least.
    pub fn has_replayed(&self, lsn: Lsn) {
        let mut seen = self.seen();
        if let Some(said) = &mut seen.said {
            said.replayed = said.replayed.max(lsn);
        }
        seen.progress.send_replace(Some(lsn));
    }

    /// Comes when it does not answer any more.
    pub async fn is_out(&self) {
        let mut answers = self.seen().answers.subscribe();
        let _ = answers.wait_for(|answers| !answers).await.map(drop);
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
        if let Some(said) = said {
            self.said = Some(said);
            self.progress.send_replace(Some(said.replayed));
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
    let mut complaint = None;
    loop {
        let Some(last) = heart.upgrade().map(|heart| heart.last().map(|beat| beat.at)) else { return };
        let said = tokio::time::timeout(WITHIN, ask(&pool, &lineage, last)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let Some(seen) = seen.upgrade() else { return };
        let failure = said.as_ref().err().cloned();
        if failure != complaint
            && let Some(reason) = &failure
        {
            tracing::warn!("{name}: {reason}");
        }
        complaint = failure;
        seen.lock().unwrap_or_else(PoisonError::into_inner).note(said.ok(), &name);
        drop(seen);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The newest timeline that the node knows of is the one that it writes or, a little late, that of its last checkpoint. A heartbeat that was copied
/// along from another cluster says nothing.
const STATE: &str = "SELECT pg_is_in_recovery(), system_identifier, CASE WHEN pg_is_in_recovery() \
    THEN (SELECT timeline_id FROM pg_control_checkpoint())::bigint \
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::bigint END, \
    coalesce((pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, 0), heartbeats.timeline, heartbeats.at \
    FROM pg_control_system() LEFT JOIN heartbeats USING (system_identifier)";
type StateTypes = (Bool, BigInt, BigInt, BigInt, Nullable<BigInt>, Nullable<Timestamptz>);
type State = (bool, i64, i64, i64, Option<i64>, Option<DateTime<Utc>>);

async fn ask(pool: &Pool, lineage: &Lineage, last: Option<DateTime<Utc>>) -> Result<Said, String> {
    let db = Transaction::new(pool.clone(), Access::Snapshot, &heartbeat_settings());
    let asked = db.first::<_, State, _>(Sql::<StateTypes>::new(STATE, Vec::new())).await;
    let (recovering, system, newest, replayed, timeline, at) = asked.map_err(reason)?.ok_or("no row")?;
    // It may follow, or be, a new primary that this server has not met yet.
    lineage.hear(line_of(system, newest));
    if !recovering {
        return Err("this is no replica".to_owned());
    }
    if lineage.known().is_some_and(|known| known.system != system.cast_unsigned()) {
        return Err("this is a copy of another database".to_owned());
    }
    let (Some(timeline), Some(beat), Some(last)) = (timeline, at, last) else { return Err("no heartbeat has arrived yet".to_owned()) };
    let line = line_of(system, timeline);
    lineage.hear(line);
    Ok(Said { line, replayed: Lsn(replayed.cast_unsigned()), lag: (last - beat).max(TimeDelta::zero()) })
}
