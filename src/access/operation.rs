//! One operation of a caller: how it reads and how it writes.
//!
//! A query reads everything from one snapshot on one node. A mutation's fields run one after another, each in a transaction of its own, and what
//! a payload shows is read afterwards from a fresh snapshot of the primary.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_graphql::parser::types::Field;
use async_graphql::{Context, ContextSelectionSet, Positioned, QueryEnv, ServerError};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::access::budget::Charge;
use crate::access::document::{Plans, Selection};
use crate::access::events::Event;
use crate::access::events::watch::Watch;
use crate::access::failures::Failures;
use crate::access::guard::unauthenticated;
use crate::access::loaders::{Batch, ListKey, Lists, Loaders, OfParents};
use crate::access::permissions::{Granted, Permission};
use crate::access::plan::{Plan, Proven};
use crate::access::same::SameArguments;
use crate::access::scope::Scope;
use crate::access::services::Services;
use crate::access::turns::Turns;
use crate::access::writer::{Again, Writable};
use crate::access::writing::{Act, write_as};
use crate::base::{Error, Result};
use crate::platform::postgres::{Access, ColumnNames, Columns, Need, ReadShape, Route, Transaction};

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
    pub fn columns<R: ReadShape<SelectExpression: ColumnNames> + 'static>(&self, also: &[&str]) -> Columns<R::SelectExpression> {
        self.need::<R>().columns::<R>(also)
    }

    /// What the operation needs of the rows of `R`.
    #[must_use]
    pub fn need<R: ReadShape<SelectExpression: ColumnNames> + 'static>(&self) -> Arc<Need> {
        self.selection.need::<R>()
    }

    /// Whether the operation selects any of these fields (in snake case) of a type, anywhere.
    #[must_use]
    pub fn selects(&self, of: &str, fields: &[&str]) -> bool {
        self.selection.fields(of).is_some_and(|known| known.iter().any(|field| fields.contains(&field.as_str())))
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

    /// What parents have, read together with what their siblings have.
    ///
    /// # Errors
    /// What the batch function failed with.
    pub async fn load_lists<B, A, V>(&self, key: ListKey<A>) -> Result<Lists<V>>
    where
        B: Batch<Key = ListKey<A>, Value = OfParents<V>>,
        A: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        self.loaders.load_lists::<B, A, V>(&self.reader, key).await
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

/// What was noted of an operation up to a point.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    own: usize,
    others: usize,
    spent: u64,
}

/// The operation, as resolvers find it in their context.
#[derive(Clone)]
pub struct Operation {
    inner: Arc<Inner>,
}

struct Inner {
    services: Services,
    scope: RwLock<Option<Scope>>,
    /// Those of the scope.
    granted: Granted,
    selection: Arc<Selection>,
    client: ClientInfo,
    reads: Mutex<Option<Arc<Reads>>>,
    /// The way to a replica, for a query where there are replicas.
    route: Option<Arc<Route>>,
    failures: Failures,
    turns: Arc<Turns>,
    /// Plans that are not kept with the document.
    plans: Mutex<Plans>,
    proven: Proven,
    /// What it has taken from its caller's budgets.
    charge: Option<Arc<Charge>>,
    /// The points that it has come to.
    spent: AtomicU64,
    /// The event that a subscription is run for.
    watch: Watch,
}

impl Operation {
    /// An operation of a caller; `scope` is `None` for an anonymous one.
    #[must_use]
    pub fn new(services: Services, scope: Option<Scope>, selection: Arc<Selection>, client: ClientInfo) -> Self {
        Self::routed(services, scope, selection, client, None, None)
    }

    /// As [`Operation::new`], for one that has taken from its caller's budgets, and a query that reads where a route leads.
    #[must_use]
    pub fn routed(
        services: Services,
        scope: Option<Scope>,
        selection: Arc<Selection>,
        client: ClientInfo,
        charge: Option<Arc<Charge>>,
        route: Option<Arc<Route>>,
    ) -> Self {
        Self::build(services, scope, selection, client, charge, route, Watch::default())
    }

    /// A subscription's operation for one event, or for none yet. It reads from the primary, which shows what was committed.
    #[must_use]
    pub fn watching(services: Services, scope: Option<Scope>, selection: Arc<Selection>, client: ClientInfo, event: Option<Arc<Event>>) -> Self {
        Self::build(services, scope, selection, client, None, None, Watch::new(event))
    }

    fn build(
        services: Services,
        scope: Option<Scope>,
        selection: Arc<Selection>,
        client: ClientInfo,
        charge: Option<Arc<Charge>>,
        route: Option<Arc<Route>>,
        watch: Watch,
    ) -> Self {
        let granted = Granted::default();
        granted.set(scope.as_ref().map(|scope| scope.permissions).unwrap_or_default());
        Self {
            inner: Arc::new(Inner {
                services,
                scope: RwLock::new(scope),
                granted,
                selection,
                client,
                reads: Mutex::new(None),
                failures: Failures::default(),
                turns: Arc::default(),
                plans: Mutex::default(),
                proven: Proven::default(),
                route,
                charge,
                spent: AtomicU64::new(0),
                watch,
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

    /// The event that a subscription is run for, and what its field says of it.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.inner.watch
    }

    /// What it selects.
    #[must_use]
    pub fn selection(&self) -> &Arc<Selection> {
        &self.inner.selection
    }

    /// Notes the error of a field that is null by itself.
    pub fn note_error(&self, error: ServerError) {
        self.inner.failures.note(error);
    }

    /// What was noted so far: errors, here and by async-graphql, and points.
    #[must_use]
    pub fn noted(&self, environment: &QueryEnv) -> Noted {
        let others = environment.errors.lock().unwrap_or_else(PoisonError::into_inner).len();
        Noted { own: self.inner.failures.count(), others, spent: self.spent() }
    }

    /// Whether errors were noted since then.
    #[must_use]
    pub fn has_failed_since(&self, environment: &QueryEnv, noted: Noted) -> bool {
        let now = self.noted(environment);
        (now.own, now.others) != (noted.own, noted.others)
    }

    /// Forgets what was noted since then: by a field that is begun anew.
    pub fn forget(&self, environment: &QueryEnv, noted: Noted) {
        self.inner.failures.truncate(noted.own);
        environment.errors.lock().unwrap_or_else(PoisonError::into_inner).truncate(noted.others);
        self.inner.spent.store(noted.spent, Ordering::Relaxed);
    }

    /// Counts objects of so many points each.
    pub fn spend(&self, points: u64, objects: usize) {
        if points > 0 {
            let points = points.saturating_mul(u64::try_from(objects).unwrap_or(u64::MAX));
            self.inner.spent.fetch_add(points, Ordering::Relaxed);
        }
    }

    /// The points that it has come to.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.inner.spent.load(Ordering::Relaxed)
    }

    /// What it has taken from its caller's budgets; `None` where it was not charged.
    #[must_use]
    pub fn charge(&self) -> Option<&Charge> {
        self.inner.charge.as_deref()
    }

    /// What is selected of `T` at the place of a context.
    ///
    /// # Errors
    /// As [`Selection::plan`].
    pub fn plan<T: Writable>(&self, ctx: &ContextSelectionSet<'_>) -> Result<Arc<Plan>> {
        self.inner.selection.plan::<T>(ctx, &self.inner.plans)
    }

    /// Whether an object was resolved in full by a plan of this operation, guards and all, without an error.
    #[must_use]
    pub fn is_proven(&self, plan: &Plan) -> bool {
        self.inner.proven.has(plan)
    }

    /// Notes that an object was resolved in full by a plan of this operation, without an error.
    pub fn note_proven(&self, plan: &Plan) {
        self.inner.proven.add(plan);
    }

    /// The errors that were noted, which belong into the answer.
    #[must_use]
    pub fn take_errors(&self) -> Vec<ServerError> {
        self.inner.failures.take()
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

    /// Refuses unless somebody is signed in who has the permission.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, or as [`Scope::require`].
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.inner.granted.has(permission) {
            return Ok(());
        }
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
        let mut known = self.inner.scope.write().unwrap_or_else(PoisonError::into_inner);
        self.inner.granted.set(scope.permissions);
        *known = Some(scope);
        drop(known);
        self.inner.proven.clear();
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
