//! Which node a query reads from: one, from its first statement to its last.
//!
//! A replica is chosen by what it said of itself up to a quarter of a second ago. What a query must see is looked at once more on the replica itself,
//! in the message that opens its snapshot and before it: inside a snapshot the position may be past a write that the snapshot does not show.
//! A node that is lost, or turns out not to be so far, ends the attempt; whoever runs the query runs it anew on [`Route::elsewhere`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::deserialize::FromSqlRow;
use diesel::pg::Pg;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use futures_util::TryStreamExt;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::base::{Error, Result};
use crate::platform::postgres::connect::line_of;
use crate::platform::postgres::databases::Databases;
use crate::platform::postgres::health::Replica;
use crate::platform::postgres::lane::Place;
use crate::platform::postgres::pool::{NotGiven, Pooled};
use crate::platform::postgres::position::{Line, Lineage, Lsn, Position};
use crate::platform::postgres::statement::{ByText, Sql};

/// Further than any replica: what was written stands somewhere in the log.
pub const SOMEWHERE: Lsn = Lsn(u64::MAX);

/// What a query must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any state of a replica that is not too far behind.
    Any,
    /// What was written up to a place.
    Since(Position),
    /// Everything: the primary.
    Latest,
    /// Everything, and the place up to which that is, since the one that the caller has says nothing.
    Renewed,
}

/// Why the primary is read although there are replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fallback {
    /// Asked for.
    Strong,
    /// Replicas have failed the query.
    Moved,
    /// A place on a timeline that was left, or that no replica has reached.
    Timeline,
    /// No replica has come so far.
    Behind,
    /// No replica is fit, or those that are have no connection to give.
    Unfit,
}

impl Fallback {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Moved => "moved",
            Self::Timeline => "timeline",
            Self::Behind => "behind",
            Self::Unfit => "unfit",
        }
    }
}

/// Where a query was read.
#[derive(Debug, Clone)]
pub struct Routed {
    /// `primary`, or the name of a replica.
    pub node: Arc<str>,
    /// How far that node was behind the primary; `None` when it is not known.
    pub lag: Option<Duration>,
    /// How long the query waited for a replica to catch up.
    pub waited: Duration,
    /// A place that the query has seen, where the one that it was to see lies on a timeline that was left.
    pub fresh: Option<Position>,
}

impl Routed {
    /// Without replicas, and for what follows a write.
    #[must_use]
    pub fn primary() -> Self {
        Self { node: "primary".into(), lag: Some(Duration::ZERO), waited: Duration::ZERO, fresh: None }
    }
}

/// The way of one query to its node.
pub struct Route {
    databases: Databases,
    freshness: Freshness,
    /// Names of replicas that failed it.
    avoided: Vec<Arc<str>>,
    routed: Mutex<Option<Routed>>,
    lost: AtomicBool,
    chosen: Notify,
}

/// A connection to the node that was chosen.
pub struct Found {
    /// The connection.
    pub connection: Pooled,
    /// A statement that fails on a node that has not come far enough, to be sent before the snapshot is opened.
    pub proof: Option<String>,
    /// A turn on the primary, to be kept for as long as the snapshot.
    pub turn: Option<OwnedSemaphorePermit>,
}

impl Route {
    /// The way of a query that must see so much.
    #[must_use]
    pub fn new(databases: Databases, freshness: Freshness) -> Arc<Self> {
        Self::avoiding(databases, freshness, Vec::new())
    }

    fn avoiding(databases: Databases, freshness: Freshness, avoided: Vec<Arc<str>>) -> Arc<Self> {
        Arc::new(Self { databases, freshness, avoided, routed: Mutex::default(), lost: AtomicBool::new(false), chosen: Notify::new() })
    }

    /// Where the query was read; `None` when it has read nothing.
    #[must_use]
    pub fn routed(&self) -> Option<Routed> {
        self.routed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The way to go when the node failed the query: once to another replica, then to the primary. `None` when there is nothing to be mended.
    #[must_use]
    pub fn elsewhere(&self) -> Option<Arc<Self>> {
        if !AtomicBool::load(&self.lost, Ordering::Acquire) {
            return None;
        }
        let node = self.routed()?.node;
        if self.replica(&node).is_none() {
            // Nothing shows more than the primary; but who only fell back on it may find a replica by now.
            let once = self.freshness != Freshness::Latest && self.freshness != Freshness::Renewed && !self.avoided.contains(&node);
            let avoided = self.avoided.iter().cloned().chain([node]).collect();
            return once.then(|| Self::avoiding(self.databases.clone(), self.freshness, avoided));
        }
        metrics::counter!("database_reads_moved_total", "from" => node.to_string()).increment(1);
        let freshness = if self.avoided.is_empty() { self.freshness } else { Freshness::Latest };
        let avoided = self.avoided.iter().cloned().chain([node]).collect();
        Some(Self::avoiding(self.databases.clone(), freshness, avoided))
    }

    /// Comes when the replica that the query is read from does not answer any more: one that hangs closes no connection.
    pub async fn hangs(&self) {
        loop {
            // Not chosen yet, or the primary, whose end nobody could mend.
            match self.routed().and_then(|routed| self.replica(&routed.node).cloned()) {
                // Another one may be chosen, when a read has no answer where reads share a connection.
                Some(replica) => tokio::select! {
                    () = replica.is_out() => return,
                    () = self.chosen.notified() => {}
                },
                None => self.chosen.notified().await,
            }
        }
    }

    /// Notes that the node failed the query in a way that another one may not; `gone` when the connection was lost.
    pub fn fail(&self, gone: bool) {
        let first = !self.lost.swap(true, Ordering::AcqRel);
        if first
            && gone
            && let Some(replica) = self.routed().and_then(|routed| self.replica(&routed.node).cloned())
        {
            replica.was_lost();
        }
    }

    /// Takes a connection to the node that the query is to be read from.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when there is none.
    pub async fn connect(&self) -> Result<Found> {
        let begun = Instant::now();
        let fallback = match self.freshness {
            Freshness::Latest if !self.avoided.is_empty() => Fallback::Moved,
            Freshness::Latest => Fallback::Strong,
            Freshness::Renewed => Fallback::Timeline,
            Freshness::Any => match self.take(self.databases.candidates(|replica| self.may(replica))).await {
                Some((replica, connection)) => return Ok(self.found(&replica, connection, None, Duration::ZERO)),
                None => Fallback::Unfit,
            },
            Freshness::Since(position) => match self.since(position).await {
                Ok((replica, connection, waited)) => {
                    return Ok(self.found(&replica, connection, Some(proof_of(&position)), waited));
                }
                Err(fallback) => fallback,
            },
        };
        metrics::counter!("database_fallbacks_total", "reason" => fallback.as_str()).increment(1);
        let waited = if fallback == Fallback::Behind { begun.elapsed() } else { Duration::ZERO };
        if !waited.is_zero() {
            metrics::histogram!("database_replica_wait_seconds").record(waited);
        }
        let turn = self.databases.turn_on_primary().await?;
        let connection = match self.databases.primary().get().await {
            Ok(connection) => connection,
            Err(error) => return self.last_resort().await.ok_or(error),
        };
        self.is_not_older()?;
        let fresh = if fallback == Fallback::Timeline { written(&connection, self.databases.lineage()).await } else { None };
        self.note(Routed { waited, fresh, ..Routed::primary() });
        Ok(Found { connection, proof: None, turn: Some(turn) })
    }

    /// A place for a read of one row where callers share a connection, and the proof to be sent before it; `None` where no node that shows what the
    /// query must see has one at once.
    pub fn place(&self, statement: &Arc<str>) -> Option<(Place, Option<String>)> {
        let proof = match self.freshness {
            Freshness::Any => None,
            Freshness::Since(position) => Some(proof_of(&position)),
            Freshness::Latest | Freshness::Renewed => return None,
        };
        let fit = self.databases.candidates(|replica| self.may(replica) && self.is_shown_by(replica));
        let (replica, place) = fit.into_iter().find_map(|replica| Some((replica, replica.pool.lane().place(statement)?)))?;
        self.note_replica(replica, Duration::ZERO);
        Some((place, proof))
    }

    /// Notes that there was no answer from where a place was: no node is read from yet.
    pub fn leave(&self) {
        *self.routed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.chosen.notify_one();
    }

    /// Without the primary, a replica that has only just failed to answer may still do; the proof holds for it as for others.
    async fn last_resort(&self) -> Option<Found> {
        let proof = match &self.freshness {
            Freshness::Any => None,
            Freshness::Since(position) => Some(proof_of(position)),
            Freshness::Latest | Freshness::Renewed => return None,
        };
        for replica in self.databases.replicas().iter().filter(|replica| replica.kept_up() && self.is_shown_by(replica)) {
            if let Ok(connection) = replica.pool.try_get(false).await {
                return Some(self.found(replica, connection, proof, Duration::ZERO));
            }
        }
        None
    }

    /// Whether a replica showed what the query must see when it answered last. Places on different timelines cannot be compared.
    fn is_shown_by(&self, replica: &Replica) -> bool {
        match self.freshness {
            Freshness::Any => true,
            Freshness::Since(position) => replica.replayed().is_some_and(|(line, lsn)| line == position.line && lsn >= position.lsn),
            Freshness::Latest | Freshness::Renewed => false,
        }
    }

    /// Refuses a primary that what the query must see is newer than: it is an old one.
    fn is_not_older(&self) -> Result<()> {
        match (self.freshness, self.databases.lineage().known()) {
            (Freshness::Since(needed), Some(known)) if needed.line.system == known.system && needed.line.timeline > known.timeline => {
                Err(Error::database_unavailable("what the query must see was written to a newer primary, which is not found yet"))
            }
            _ => Ok(()),
        }
    }

    /// A connection to a replica that has come so far, if need be after a short wait for the one that is closest.
    async fn since(&self, position: Position) -> Result<(Replica, Pooled, Duration), Fallback> {
        if self.databases.lineage().known() != Some(position.line) {
            return Err(Fallback::Timeline);
        }
        let lsn_of = |replica: &Replica| replica.replayed().map(|(_, lsn)| lsn);
        let fit = self.databases.candidates(|replica| self.may(replica));
        let closest = fit.iter().max_by_key(|replica| lsn_of(replica)).copied().ok_or(Fallback::Unfit)?;
        let far_enough: Vec<&Replica> = fit.into_iter().filter(|replica| lsn_of(replica) >= Some(position.lsn)).collect();
        let (candidates, waited) = if far_enough.is_empty() {
            let begun = Instant::now();
            if position.lsn == SOMEWHERE || !closest.catch_up(position.lsn, begun + self.databases.patience()).await {
                return Err(Fallback::Behind);
            }
            (vec![closest], begun.elapsed())
        } else {
            (far_enough, Duration::ZERO)
        };
        let (replica, connection) = self.take(candidates).await.ok_or(Fallback::Unfit)?;
        Ok((replica, connection, waited))
    }

    /// A connection to the first of these that has one free; if none has, to the first that is waited for.
    async fn take(&self, candidates: Vec<&Replica>) -> Option<(Replica, Pooled)> {
        for (replica, waits) in candidates.iter().map(|replica| (replica, false)).chain(candidates.first().map(|replica| (replica, true))) {
            let got = tokio::select! {
                got = replica.pool.try_get(waits) => got,
                () = replica.is_out() => continue,
            };
            match got {
                Ok(connection) => return Some(((*replica).clone(), connection)),
                Err(NotGiven::Unreachable) => replica.was_lost(),
                Err(NotGiven::Busy) => {}
            }
        }
        None
    }

    fn found(&self, replica: &Replica, connection: Pooled, proof: Option<String>, waited: Duration) -> Found {
        self.note_replica(replica, waited);
        Found { connection, proof, turn: None }
    }

    fn note_replica(&self, replica: &Replica, waited: Duration) {
        metrics::histogram!("database_replica_wait_seconds").record(waited);
        self.note(Routed { node: Arc::clone(&replica.name), lag: replica.lag().and_then(|lag| lag.to_std().ok()), waited, fresh: None });
    }

    fn note(&self, routed: Routed) {
        metrics::counter!("database_reads_total", "node" => routed.node.to_string()).increment(1);
        *self.routed.lock().unwrap_or_else(PoisonError::into_inner) = Some(routed);
        self.chosen.notify_one();
    }

    fn may(&self, replica: &Replica) -> bool {
        !self.avoided.contains(&replica.name)
    }

    fn replica(&self, name: &str) -> Option<&Replica> {
        self.databases.replicas().iter().find(|replica| &*replica.name == name)
    }
}

/// A statement that fails on a node that has not come so far, or is no replica.
fn proof_of(position: &Position) -> String {
    format!("SELECT 1 / (pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '{}')::int", position.lsn)
}

/// How far the node of a connection has replayed; `None` when it does not say. Asked outside of any transaction.
pub async fn replayed(connection: &AsyncPgConnection) -> Option<Lsn> {
    const REPLAYED: &str = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint";
    let lsn: Option<i64> = ask::<Nullable<BigInt>, _>(connection, REPLAYED).await?;
    Some(Lsn(lsn?.cast_unsigned()))
}

/// How far the primary of a connection has written; `None` when it does not say, or its cluster is not known.
pub async fn written(connection: &AsyncPgConnection, lineage: &Lineage) -> Option<Position> {
    const WRITTEN: &str = "SELECT ('x' || substr(pg_walfile_name(lsn), 1, 8))::bit(32)::int::bigint, (lsn - '0/0'::pg_lsn)::bigint \
        FROM pg_current_wal_insert_lsn() AS lsn";
    let system = lineage.known()?.system;
    let (timeline, lsn): (i64, i64) = ask::<(BigInt, BigInt), _>(connection, WRITTEN).await?;
    Some(Position { line: Line { system, ..line_of(0, timeline) }, lsn: Lsn(lsn.cast_unsigned()) })
}

/// The one row of a question that is always the same.
async fn ask<ST, T>(connection: &AsyncPgConnection, question: &'static str) -> Option<T>
where
    Sql<ST>: Query + QueryFragment<Pg> + QueryId,
    T: FromSqlRow<ST, Pg>,
{
    let mut shared = connection;
    let rows: Vec<_> = AsyncConnectionCore::load(&mut shared, ByText(Sql::<ST>::new(question, Vec::new()))).await.ok()?.try_collect().await.ok()?;
    T::build_from_row(rows.first()?).ok()
}

/// The error of a node that has not come as far as a query needs.
#[must_use]
pub fn too_far_behind() -> Error {
    Error::database_unavailable("the replica had not replayed what the query must see")
}
