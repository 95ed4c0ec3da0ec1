//! A transaction that is opened together with its first statement.
//!
//! `BEGIN` and the tenant's settings travel as one message just before the first statement, so that opening costs no round trip of its own;
//! statements that are awaited together travel together. A transaction that is dropped without [`Transaction::commit`] ends by itself, off the
//! caller's path, and only then does its connection return to the pool.
//!
//! A statement of a snapshot that fails fails alone. To PostgreSQL it aborts the transaction, and whatever was sent with it; so a snapshot begins with
//! a savepoint, goes back there after a failure, and runs again what was only taken along. The snapshot stays the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::QueryResult;
use diesel::deserialize::{FromSqlRow, Queryable};
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, Query, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel_async::{AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, TryStreamExt};
use tokio::sync::{OnceCell, OwnedSemaphorePermit};

use crate::base::{Error, Result};
use crate::platform::postgres::columns::{ColumnNames, Columns};
use crate::platform::postgres::failure::{moves, taken_along, translate};
use crate::platform::postgres::pool::{Pool, Pooled};
use crate::platform::postgres::position::Position;
use crate::platform::postgres::routing::{Found, Route, too_far_behind, written};
use crate::platform::postgres::row::DriverRow;
use crate::platform::postgres::settings::{SAVEPOINT, Settings};
use crate::platform::postgres::sparse::FromSparse;
use crate::platform::postgres::statement::{ByText, OneRow};

/// How long the end of a transaction may take before its connection is given up.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a statement of a snapshot is run again because others that failed took it along.
const MOST_REPEATS: usize = 8;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read one consistent state: `READ ONLY`, `REPEATABLE READ`.
    Snapshot,
    /// Read and change.
    Write,
}

/// A transaction on one connection; clones share it.
#[derive(Clone)]
pub struct Transaction {
    inner: Arc<Inner>,
}

struct Inner {
    source: Source,
    access: Access,
    begin: String,
    /// Tried once: the fields of an operation do not wait for a connection one after another.
    opened: OnceCell<Result<Opened>>,
    committed: AtomicBool,
    /// Whether one row is all that is read.
    alone: AtomicBool,
    /// Whether it was read, on a connection that others share.
    shared: AtomicBool,
    after_commit: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

/// Where a transaction gets its connection.
#[derive(Clone)]
enum Source {
    Pool(Pool),
    Route(Arc<Route>),
}

struct Opened {
    connection: Arc<Pooled>,
    begun: Shared<BoxFuture<'static, Result<()>>>,
    is_awaited: AtomicBool,
    /// Held until the connection has returned.
    turn: Option<OwnedSemaphorePermit>,
}

impl Transaction {
    /// A transaction that takes a connection when its first statement is run.
    #[must_use]
    pub fn new(pool: Pool, access: Access, settings: &Settings) -> Self {
        Self::from(Source::Pool(pool), access, settings)
    }

    /// A snapshot on the node that a route leads to.
    #[must_use]
    pub fn routed(route: Arc<Route>, settings: &Settings) -> Self {
        Self::from(Source::Route(route), Access::Snapshot, settings)
    }

    fn from(source: Source, access: Access, settings: &Settings) -> Self {
        let begin = settings.begin(access);
        let [committed, alone, shared] = [const { AtomicBool::new(false) }; 3];
        let (opened, after_commit) = (OnceCell::new(), Mutex::default());
        Self { inner: Arc::new(Inner { source, access, begin, opened, committed, alone, shared, after_commit }) }
    }

    /// Runs a statement and reads its rows.
    ///
    /// # Errors
    /// As [`translate`] says, or `DATABASE_UNAVAILABLE` when no connection can be had.
    pub async fn load<Q, T, ST>(&self, query: Q) -> Result<Vec<T>>
    where
        Q: AsQuery,
        Q::Query: QueryFragment<Pg> + QueryId,
        Q::SqlType: CompatibleType<T, Pg, SqlType = ST>,
        T: FromSqlRow<ST, Pg>,
    {
        self.rows(query).await?.iter().map(|row| T::build_from_row(row).map_err(unreadable)).collect()
    }

    /// Runs a statement that selects these columns of its rows' struct, and reads its rows, which several objects may show.
    ///
    /// # Errors
    /// As [`Transaction::load`].
    pub async fn load_columns<Q, T, ST, S>(&self, columns: Columns<S>, query: Q) -> Result<Vec<Arc<T>>>
    where
        Q: AsQuery,
        Q::Query: QueryFragment<Pg> + QueryId,
        Q::SqlType: CompatibleType<T, Pg, SqlType = ST>,
        T: Queryable<ST, Pg>,
        T::Row: FromSparse<ST>,
        S: ColumnNames,
    {
        read(&self.rows(query).await?, columns)
    }

    /// Notes that the next row is all that is read from this snapshot, so that it may be one of its own, which others' reads stand beside.
    pub fn note_alone(&self) {
        AtomicBool::store(&self.inner.alone, true, Ordering::Release);
    }

    /// Reads one row by its id, as [`Transaction::load_columns`]; where it is [all](Transaction::note_alone) that is read, on a connection that others
    /// share, if there is a place.
    ///
    /// # Errors
    /// As [`Transaction::load`].
    pub async fn load_row<Q, T, ST, S>(&self, columns: Columns<S>, row: OneRow<Q>) -> Result<Vec<Arc<T>>>
    where
        OneRow<Q>: Query<SqlType = Q> + QueryFragment<Pg> + QueryId,
        Q: CompatibleType<T, Pg, SqlType = ST>,
        T: Queryable<ST, Pg>,
        T::Row: FromSparse<ST>,
        S: ColumnNames,
    {
        match self.inner.share(&row).await {
            Some(rows) => read(&rows, columns),
            None => self.load_columns(columns, row).await,
        }
    }

    async fn rows<Q>(&self, query: Q) -> Result<Vec<Row>>
    where
        Q: AsQuery,
        Q::Query: QueryFragment<Pg> + QueryId,
    {
        let opened = self.open().await?;
        // A query can be sent to other threads but not shared by them, unless one at a time looks at it.
        let query = Mutex::new(query.as_query());
        let mut repeats = 0;
        loop {
            let rows = opened.after_begin(send(&opened.connection, &query)).await?;
            match rows {
                Err(failure) if self.inner.access == Access::Snapshot => {
                    self.inner.source.note(&failure);
                    let resumed = opened.resume().await;
                    if !(resumed && taken_along(&failure) && repeats < MOST_REPEATS) {
                        return Err(translate(failure));
                    }
                    repeats += 1;
                }
                outcome => return outcome.map_err(translate),
            }
        }
    }

    /// Runs a statement and reads its first row, if there is one.
    ///
    /// # Errors
    /// As [`Transaction::load`].
    pub async fn first<Q, T, ST>(&self, query: Q) -> Result<Option<T>>
    where
        Q: AsQuery,
        Q::Query: QueryFragment<Pg> + QueryId,
        Q::SqlType: CompatibleType<T, Pg, SqlType = ST>,
        T: FromSqlRow<ST, Pg>,
    {
        Ok(self.load(query).await?.into_iter().next())
    }

    /// Runs a statement and says how many rows it concerned.
    ///
    /// # Errors
    /// As [`Transaction::load`].
    pub async fn execute<Q>(&self, query: Q) -> Result<usize>
    where
        Q: QueryFragment<Pg> + QueryId,
    {
        let opened = self.open().await?;
        let mut connection: &AsyncPgConnection = &opened.connection;
        opened.after_begin(AsyncConnectionCore::execute_returning_count(&mut connection, ByText(query))).await?.map_err(translate)
    }

    /// Makes what was written last.
    ///
    /// # Errors
    /// As [`translate`] says: nothing was written. When the connection is lost while this is under way, the outcome is not known, and the message
    /// says so.
    ///
    /// # Returns
    /// A place at which the write is there; `None` where it is not known what is written to, or nothing was.
    pub async fn commit(&self) -> Result<Option<Position>> {
        let Some(Ok(opened)) = self.inner.opened.get() else { return Ok(None) };
        opened.begun.clone().await?;
        let mut connection: &AsyncPgConnection = &opened.connection;
        // Sent along, and run when the commit has ended.
        let (committed, place) = futures_util::join!(connection.batch_execute("COMMIT"), self.inner.source.written(&opened.connection));
        committed.map_err(|error| {
            let mut error = translate(error);
            if error.code == crate::base::Code::DatabaseUnavailable {
                error.message =
                    "The connection was lost while the change was being confirmed. Read the object before you repeat the change.".to_owned();
            }
            error
        })?;
        self.inner.committed.store(true, Ordering::Release);
        for step in std::mem::take(&mut *self.inner.after_commit.lock().unwrap_or_else(PoisonError::into_inner)) {
            step();
        }
        Ok(place)
    }

    /// Has something done in this process right after the commit, such as forgetting what was remembered of the rows before; not at all when there
    /// is no commit. It is done even when nobody waits for the outcome any more.
    pub fn after_commit(&self, step: impl FnOnce() + Send + 'static) {
        self.inner.after_commit.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(step));
    }

    async fn open(&self) -> Result<&Opened> {
        // In a box: the future of every statement would be as large as that of connecting.
        self.inner.opened.get_or_init(|| self.inner.begin().boxed()).await.as_ref().map_err(Error::clone)
    }
}

impl Inner {
    /// A row that is all that is read, from a connection that others share; `None` where it must be read the ordinary way.
    async fn share<ST>(&self, row: &OneRow<ST>) -> Option<Vec<DriverRow>> {
        if !AtomicBool::swap(&self.alone, false, Ordering::AcqRel) || self.opened.initialized() {
            return None;
        }
        let begin = self.begin.strip_suffix(SAVEPOINT)?;
        let (statement, values) = row.parts();
        let (place, proof) = match &self.source {
            Source::Pool(pool) => (pool.lane().place(statement)?, None),
            Source::Route(route) => route.place(statement)?,
        };
        let rows = place.read(proof.as_deref(), begin, values).await;
        match (&rows, &self.source) {
            (Some(_), _) => AtomicBool::store(&self.shared, true, Ordering::Release),
            (None, Source::Route(route)) => route.leave(),
            (None, Source::Pool(_)) => {}
        }
        rows
    }

    /// Takes a connection and prepares `BEGIN`. The first statement polls it just before itself, so that the two go out as one write, and after the
    /// statement has been put together, which would leave time for a write of its own. So all statements of a transaction belong into one task: of
    /// two, one could overtake a `BEGIN` that the other is sending.
    async fn begin(&self) -> Result<Opened> {
        if AtomicBool::load(&self.shared, Ordering::Acquire) {
            return Err(Error::internal("more is read than the one row that was to be all"));
        }
        let Found { connection, proof, turn } = match &self.source {
            Source::Pool(pool) => Found { connection: pool.get().await?, proof: None, turn: None },
            Source::Route(route) => route.connect().await?,
        };
        let connection = Arc::new(connection);
        let (own, sql, source) = (Arc::clone(&connection), self.begin.clone(), self.source.clone());
        let begun = async move {
            let (mut connection, mut before): (&AsyncPgConnection, &AsyncPgConnection) = (&own, &own);
            let Some(proof) = proof else { return connection.batch_execute(&sql).await.map_err(|failure| source.failed(failure)) };
            let (proven, begun) = futures_util::join!(before.batch_execute(&proof), connection.batch_execute(&sql));
            begun.map_err(|failure| source.failed(failure))?;
            proven.map_err(|_| source.is_behind())
        };
        Ok(Opened { connection, begun: begun.boxed().shared(), is_awaited: AtomicBool::new(false), turn })
    }
}

impl Source {
    /// Tells the route of a failure that another node may not have.
    fn note(&self, failure: &diesel::result::Error) {
        if let (Self::Route(route), Some(gone)) = (self, moves(failure)) {
            route.fail(gone);
        }
    }

    fn failed(&self, failure: diesel::result::Error) -> Error {
        self.note(&failure);
        translate(failure)
    }

    fn is_behind(&self) -> Error {
        if let Self::Route(route) = self {
            route.fail(false);
        }
        too_far_behind()
    }

    /// How far the log was written, after a commit that is sent just before.
    async fn written(&self, connection: &AsyncPgConnection) -> Option<Position> {
        let Self::Pool(pool) = self else { return None };
        written(connection, pool.lineage()).await
    }
}

impl Opened {
    /// What a statement comes to, which has been put together and is handed on right behind `BEGIN`. The answer to `BEGIN` comes first, and one of the
    /// statements waits for it; if the others did as well, all of them would be woken only to wait again.
    async fn after_begin<T>(&self, statement: impl Future<Output = T>) -> Result<T> {
        if !AtomicBool::swap(&self.is_awaited, true, Ordering::AcqRel) {
            let (begun, outcome) = futures_util::join!(self.begun.clone(), statement);
            return begun.map(|()| outcome);
        }
        let outcome = statement.await;
        self.begun.clone().await.map(|()| outcome)
    }

    /// Goes on with a snapshot in which a statement has failed; whether that can be.
    async fn resume(&self) -> bool {
        let mut connection: &AsyncPgConnection = &self.connection;
        connection.batch_execute("ROLLBACK TO SAVEPOINT opened").await.is_ok()
    }
}

/// What rows say of which these columns were read. Each is put where it stays at once: rows are large, and there are many.
fn read<'a, R, T, ST, S>(rows: &[R], columns: Columns<S>) -> Result<Vec<Arc<T>>>
where
    R: diesel::row::Row<'a, Pg>,
    T: Queryable<ST, Pg>,
    T::Row: FromSparse<ST>,
    S: ColumnNames,
{
    rows.iter().map(|row| T::Row::from_sparse(row, columns.read()).and_then(T::build).map(Arc::new).map_err(unreadable)).collect()
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::internal(format!("a row cannot be read: {error}"))
}

type Row = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;

/// Sends a statement and reads its rows; what is sent is put together before this returns.
fn send<'c, Q>(connection: &'c AsyncPgConnection, query: &Mutex<Q>) -> BoxFuture<'c, QueryResult<Vec<Row>>>
where
    Q: Query + QueryFragment<Pg> + QueryId,
{
    let query = query.lock().unwrap_or_else(PoisonError::into_inner);
    let mut shared = connection;
    // Around the reference, which would not hand on what the wrapper says of itself.
    let stream = AsyncConnectionCore::load(&mut shared, ByText(&*query));
    async move { stream.await?.try_collect().await }.boxed()
}

impl Drop for Inner {
    fn drop(&mut self) {
        let left_open = self.opened.take().filter(|_| !AtomicBool::load(&self.committed, Ordering::Acquire));
        let Some(Ok(Opened { connection, begun, turn, .. })) = left_open else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // Nothing could be sent any more, and nobody else may be given what is open.
            drop(begun);
            return drop(Arc::try_unwrap(connection).map(Pooled::take));
        };
        // For a snapshot, rolling back is as good as committing.
        runtime.spawn(async move {
            let ended = tokio::time::timeout(END_TIMEOUT, async {
                // Also when it failed: what was sent with it may have begun.
                let _ = begun.await;
                let mut own: &AsyncPgConnection = &connection;
                own.batch_execute("ROLLBACK").await
            });
            if let (false, Ok(pooled)) = (matches!(ended.await, Ok(Ok(()))), Arc::try_unwrap(connection)) {
                drop(Pooled::take(pooled));
            }
            drop(turn);
        });
    }
}
