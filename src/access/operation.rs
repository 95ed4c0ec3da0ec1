//! One operation of a caller: how it reads and how it writes.
//!
//! A query reads everything from one snapshot on one node. A mutation's fields run one after another, each in a transaction of its own, and what
//! a payload shows is read afterwards from a fresh snapshot of the primary.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_graphql::parser::types::Field;
use async_graphql::{Context, ContextSelectionSet, OutputType, Positioned, ServerError};
use chrono::{DateTime, Utc};
use tracing::Instrument;
use uuid::Uuid;

use crate::access::document::{Plans, Selection};
use crate::access::guard::PUBLIC_FIELDS;
use crate::access::loaders::{Batch, Loaders};
use crate::access::permissions::Permission;
use crate::access::plan::Plan;
use crate::access::same::SameArguments;
use crate::access::scope::Scope;
use crate::access::services::Services;
use crate::access::turns::Turns;
use crate::access::writer::Again;
use crate::base::{Code, Error, Result, id};
use crate::platform::postgres::{Access, Columns, Pool, Position, ReadShape, Route, Settings, Transaction};

/// What a read needs: the snapshot, on whose behalf, and which fields were selected.
#[derive(Clone)]
pub struct Reader {
    /// The snapshot.
    pub db: Transaction,
    /// On whose behalf.
    pub scope: Scope,
    /// The present instant, the same for everything that is read from the snapshot.
    pub now: DateTime<Utc>,
    selection: Arc<Selection>,
}

impl Reader {
    /// The columns of `R` that the operation selects anywhere, and those in `also`.
    #[must_use]
    pub fn columns<R: ReadShape>(&self, also: &[&str]) -> Columns<R::SelectExpression>
    where
        R::SelectExpression: crate::platform::postgres::ColumnNames,
    {
        Columns::of::<R>(self.selection.fields(R::TYPE), also)
    }

    /// The tenant.
    #[must_use]
    pub const fn organization(&self) -> Uuid {
        self.scope.organization
    }
}

/// A snapshot and its loaders.
pub struct Reads {
    /// What a read needs.
    pub reader: Reader,
    loaders: Loaders,
}

impl Reads {
    /// The arguments that many parents share.
    #[must_use]
    pub const fn same(&self) -> &SameArguments {
        self.loaders.same()
    }

    /// The value for a key, read together with those of its siblings.
    ///
    /// # Errors
    /// What the batch function failed with.
    pub async fn load<B: Batch>(&self, key: B::Key) -> Result<Option<B::Value>> {
        self.loaders.load::<B>(&self.reader, key).await
    }
}

/// What an action has at hand: the transaction of its mutation field, and on whose behalf it runs.
#[derive(Clone)]
pub struct Act {
    /// The transaction.
    pub db: Transaction,
    /// On whose behalf.
    pub scope: Scope,
    now: DateTime<Utc>,
}

impl Act {
    /// What an action has at hand; all that it writes bears the present instant.
    #[must_use]
    pub fn new(db: Transaction, scope: Scope) -> Self {
        let now = chrono::SubsecRound::trunc_subsecs(scope.clock.now(), 6);
        Self { db, scope, now }
    }

    /// The tenant.
    #[must_use]
    pub const fn organization(&self) -> Uuid {
        self.scope.organization
    }

    /// The instant at which the action began, to the microsecond that the database keeps.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The same action within another organization of the acting user. The database has to be told as well.
    #[must_use]
    pub fn within(&self, organization: Uuid) -> Self {
        Self { db: self.db.clone(), scope: Scope { organization, ..self.scope.clone() }, now: self.now }
    }

    /// A fresh identifier.
    #[must_use]
    pub fn fresh_id(&self) -> Uuid {
        id::fresh(&*self.scope.clock)
    }
}

/// What is known of a caller before she is signed in.
#[derive(Debug, Clone)]
pub struct ClientInfo {
    /// The address that the request came from, past trusted proxies; `None` when it is not known.
    pub ip: Option<IpAddr>,
    /// The id of the request, as it stands in logs and in the audit log.
    pub request_id: Arc<str>,
}

/// The operation, as resolvers find it in their context.
#[derive(Clone)]
pub struct Operation {
    inner: Arc<Inner>,
}

struct Inner {
    services: Services,
    scope: RwLock<Option<Scope>>,
    selection: Arc<Selection>,
    client: ClientInfo,
    reads: Mutex<Option<Arc<Reads>>>,
    /// The way to a replica, for a query where there are replicas.
    route: Option<Arc<Route>>,
    /// Errors of fields that are null by themselves.
    errors: Mutex<Vec<ServerError>>,
    turns: Arc<Turns>,
    /// Plans that are not kept with the document.
    plans: Mutex<Plans>,
}

impl Operation {
    /// An operation of a caller; `scope` is `None` for an anonymous one.
    #[must_use]
    pub fn new(services: Services, scope: Option<Scope>, selection: Arc<Selection>, client: ClientInfo) -> Self {
        Self::routed(services, scope, selection, client, None)
    }

    /// As [`Operation::new`], for a query that reads where a route leads.
    #[must_use]
    pub fn routed(services: Services, scope: Option<Scope>, selection: Arc<Selection>, client: ClientInfo, route: Option<Arc<Route>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                services,
                scope: RwLock::new(scope),
                selection,
                client,
                reads: Mutex::new(None),
                errors: Mutex::default(),
                turns: Arc::default(),
                plans: Mutex::default(),
                route,
            }),
        }
    }

    /// The operation that a resolver belongs to.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the schema is executed without one.
    pub fn of<'a>(ctx: &Context<'a>) -> Result<&'a Self> {
        ctx.data_opt::<Self>().ok_or_else(|| Error::internal("the schema was executed without an operation"))
    }

    /// What it selects.
    #[must_use]
    pub fn selection(&self) -> &Arc<Selection> {
        &self.inner.selection
    }

    /// Notes the error of a field that is null by itself.
    pub fn note_error(&self, error: ServerError) {
        self.inner.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    /// How many errors were noted so far, here and by async-graphql.
    #[must_use]
    pub fn noted_errors(&self, ctx: &Context<'_>) -> (usize, usize) {
        let others = ctx.query_env.errors.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.inner.errors.lock().unwrap_or_else(PoisonError::into_inner).len(), others)
    }

    /// Forgets the errors that were noted since then: by a field that is begun anew.
    pub fn forget_errors(&self, ctx: &Context<'_>, (own, others): (usize, usize)) {
        self.inner.errors.lock().unwrap_or_else(PoisonError::into_inner).truncate(own);
        ctx.query_env.errors.lock().unwrap_or_else(PoisonError::into_inner).truncate(others);
    }

    /// What is selected of `T` at the place of a context; `None` when the document is not valid.
    #[must_use]
    pub fn plan<T: OutputType>(&self, ctx: &ContextSelectionSet<'_>) -> Option<Arc<Plan>> {
        self.inner.selection.plan::<T>(ctx, &self.inner.plans)
    }

    /// The errors that were noted, which belong into the answer.
    #[must_use]
    pub fn take_errors(&self) -> Vec<ServerError> {
        std::mem::take(&mut *self.inner.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How a field of the selection is asked for again, after it was looked at for one parent.
    #[must_use]
    pub fn again(&self, field: &Positioned<Field>) -> Option<Again> {
        let reads = self.inner.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.as_ref()?.same().again(field)
    }

    /// How its fields take turns.
    #[must_use]
    pub fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    /// What the server has at hand for all operations.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.inner.services
    }

    /// On whose behalf the operation runs.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nobody is signed in.
    pub fn scope(&self) -> Result<Scope> {
        self.inner.scope.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(unauthenticated)
    }

    /// Refuses unless somebody is signed in whose role has the permission.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, or as [`Scope::require`].
    pub fn require(&self, permission: Permission) -> Result<()> {
        let scope = self.inner.scope.read().unwrap_or_else(PoisonError::into_inner);
        scope.as_ref().ok_or_else(unauthenticated)?.require(permission)
    }

    /// What is known of the caller without her being signed in.
    #[must_use]
    pub fn client(&self) -> &ClientInfo {
        &self.inner.client
    }

    /// Goes on as somebody who has just proven who she is: what follows in this operation, beginning with the payload of the mutation that calls
    /// this, is read and written in her scope.
    pub fn continue_as(&self, scope: Scope) {
        *self.inner.scope.write().unwrap_or_else(PoisonError::into_inner) = Some(scope);
        self.forget_reads();
    }

    /// The snapshot of this operation and its loaders.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nobody is signed in.
    pub fn reads(&self) -> Result<Arc<Reads>> {
        let mut reads = self.inner.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reads) = &*reads {
            return Ok(Arc::clone(reads));
        }
        let scope = self.scope()?;
        let db = match &self.inner.route {
            Some(route) => Transaction::routed(Arc::clone(route), &scope.settings()),
            None => Transaction::new(self.inner.services.databases.primary().clone(), Access::Snapshot, &scope.settings()),
        };
        let reader = Reader { db, now: scope.clock.now(), scope, selection: Arc::clone(&self.inner.selection) };
        let fresh = Arc::new(Reads { reader, loaders: Loaders::new(Arc::clone(&self.inner.turns)) });
        *reads = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Runs an action of a signed-in caller in one transaction, which is committed when the action succeeds and rolled back when it fails.
    ///
    /// # Errors
    /// What the action failed with, `UNAUTHENTICATED` when nobody is signed in, or what committing failed with.
    pub async fn write<T, F, Fut>(&self, action: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Act) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let scope = self.scope()?;
        let outcome = write_as(&self.inner.services, scope, action).await;
        self.forget_reads();
        outcome
    }

    /// What was read before a write is stale after it.
    fn forget_reads(&self) {
        *self.inner.reads.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Refuses an anonymous operation unless every root field is open to everybody.
///
/// # Errors
/// `UNAUTHENTICATED`; `DOCUMENT_TOO_COMPLEX` for an anonymous mutation of several fields.
pub fn admit(signed_in: bool, selection: &Selection) -> Result<()> {
    let open = |name: &String| PUBLIC_FIELDS.contains(&name.as_str());
    if signed_in {
        return Ok(());
    }
    if !selection.root_fields().iter().all(open) {
        return Err(unauthenticated());
    }
    // Each hashes a password or tries a token: aliases would let one request do it hundreds of times.
    if selection.is_mutation() && selection.root_count() > 1 {
        return Err(Error::new(Code::DocumentTooComplex, "Without being signed in, a mutation has one field: send one operation after another."));
    }
    Ok(())
}

/// Runs an action in one transaction on the primary, in a task of its own, so that a caller who leaves cannot cut it; what it has written, the
/// session's reads see from then on.
///
/// # Errors
/// What the action or committing failed with. Of what may be tried again, the message says that nothing was changed.
pub async fn write_as<T, F, Fut>(services: &Services, scope: Scope, action: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Act) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let primary = services.databases.primary();
    let (settings, session, own) = (scope.settings(), scope.session, services.clone());
    let written = async move |place| own.consistency.remember(session, place, own.databases.lineage()).await;
    write(primary, &settings, move |db| action(Act::new(db, scope)), written).await
}

/// Runs work in one transaction on `pool` under the given settings, in a task of its own; `written` comes after the commit.
///
/// # Errors
/// As [`write_as`].
pub async fn write<T, F, Fut, W, Then>(pool: &Pool, settings: &Settings, work: F, written: W) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Transaction) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
    W: FnOnce(Option<Position>) -> Then + Send + 'static,
    Then: Future<Output = ()> + Send + 'static,
{
    let db = Transaction::new(pool.clone(), Access::Write, settings);
    let task = async move {
        let outcome = work(db.clone()).await.map_err(undone)?;
        let committed = db.commit().await;
        // Also when it failed: it may have been made all the same, and whoever looks must find it.
        written(committed.as_ref().copied().unwrap_or_default()).await;
        committed.map(|_| outcome)
    };
    pool.spawn_write(task.in_current_span()).await.unwrap_or_else(|failure| Err(Error::internal(format!("an action did not finish: {failure}"))))
}

/// An error of a transaction that is rolled back, for a caller who wonders whether to repeat the change.
fn undone(mut error: Error) -> Error {
    if matches!(error.code, Code::DatabaseUnavailable | Code::Timeout) {
        error.message.push_str(" Nothing was changed.");
    }
    error
}

/// The error for callers who are not signed in.
#[must_use]
pub fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "Sign in first: get an access token by `signIn` and send it as `Authorization: Bearer <token>`.")
}
