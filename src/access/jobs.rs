//! Work that is done later: jobs, enqueued in the transaction of what causes them, and run by a worker.
//!
//! What must hold: a job is there exactly when what caused it was committed. Each attempt is counted before it begins, so that a job that ends the
//! process is given up after as many attempts as any other. A job may be run more than once, when a worker dies between an effect and the word that it
//! is done: whatever a job does outside the database bears the job's id, by which a receiver tells the second time. No connection is held while a job
//! waits for somebody else.

mod perform;
mod registry;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::access::permissions::Role;
use crate::access::scope::{Means, Scope};
use crate::access::services::Services;
use crate::access::tier::Plan;
use crate::access::writing::Act;
use crate::access::writing::write_as;
use crate::base::{Error, Result, SharedClock};
pub use crate::platform::jobs::{Priority, Queue};
use crate::platform::postgres::statement::{Bind, Sql};
use crate::platform::postgres::{Access, Transaction};
pub use perform::Performing;
pub use registry::Registry;
pub use upkeep::delete_in_batches;

/// A kind of job: what it needs to know, and what it does.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is called in the database; no other kind may have it.
    const NAME: &'static str;
    /// Where it waits.
    const QUEUE: Queue;

    /// Does it.
    fn run(self, run: Run) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Writes what follows from its having been given up, in the transaction that says so: no attempt comes any more, and the last one may have ended at
    /// any point.
    fn given_up(self, act: Act, job: Uuid, reason: String) -> impl Future<Output = Result<()>> + Send {
        drop((act, job, reason));
        std::future::ready(Ok(()))
    }
}

/// Work that belongs to no tenant; it is tried again after ever longer times, and has no row that anybody could look at.
pub trait Errand: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is called in the queue; no other kind may have it.
    const NAME: &'static str;

    /// Does it.
    fn run(self, services: Services) -> impl Future<Output = Result<()>> + Send;
}

/// Why an attempt failed, and what follows.
#[derive(Debug)]
pub enum Failed {
    /// It is tried again when its queue says so, if attempts are left.
    Again(Error),
    /// It is tried again after this time, if attempts are left.
    After(Duration, Error),
    /// It cannot be done, however often it is tried.
    Never(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Again(error)
    }
}

/// How a job is enqueued; by default as its queue says.
#[derive(Debug, Clone, Default)]
pub struct Enqueue {
    /// Which of the jobs that are due goes first.
    pub priority: Option<Priority>,
    /// Not before this instant.
    pub at: Option<DateTime<Utc>>,
    /// Jobs with the same word are run one after another.
    pub one_after_another: Option<String>,
    /// How often it is tried, when that is not what its queue says.
    pub attempts: Option<i32>,
}

impl Act {
    /// Enqueues a job, which is run once this action's transaction is committed, and says its id.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn enqueue<J: Job>(&self, job: &J, how: Enqueue) -> Result<Uuid> {
        let id = self.fresh_id();
        let payload = serde_json::to_string(job).map_err(Error::internal)?;
        let binds = vec![
            Bind::Uuid(self.organization()),
            Bind::Uuid(id),
            Bind::Text(J::NAME.to_owned()),
            Bind::Text(J::QUEUE.as_str().to_owned()),
            Bind::Text(payload),
            Bind::Text(how.priority.unwrap_or(Priority::Normal).as_str().to_owned()),
            Bind::MaybeText(how.one_after_another),
            Bind::MaybeInstant(how.at),
            Bind::Int(how.attempts.unwrap_or(J::QUEUE.rules().attempts)),
        ];
        let text = "SELECT enqueue_jobs(?, ARRAY[?], ?, ?, ARRAY[?::jsonb], ARRAY[?], ARRAY[?], ?, ?)";
        self.db.execute(Sql::<()>::new(text, binds)).await?;
        Ok(id)
    }
}

/// Enqueues work that belongs to no tenant, in a transaction. `word` tells it apart: the same word is one entry.
///
/// # Errors
/// As the database fails.
pub async fn enqueue_errand<E: Errand>(db: &Transaction, errand: &E, word: &str, attempts: i32) -> Result<()> {
    let payload = serde_json::to_string(errand).map_err(Error::internal)?;
    let binds = vec![Bind::Text(E::NAME.to_owned()), Bind::Text(payload), Bind::Text(word.to_owned()), Bind::Int(attempts)];
    db.execute(Sql::<()>::new("SELECT enqueue_errand(?, ?::jsonb, ?, ?)", binds)).await?;
    Ok(())
}

/// What a running job has at hand.
#[derive(Clone)]
pub struct Run {
    /// The job's id, the same at each attempt: what is done outside bears it.
    pub id: Uuid,
    /// What the server has at hand.
    pub services: Services,
    /// Within the organization, on behalf of who caused the job.
    pub scope: Scope,
    /// The number of this attempt, from 1.
    pub attempt: i32,
    /// How many attempts there are.
    pub attempts: i32,
}

impl Run {
    /// Whether no attempt follows this one.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.attempt >= self.attempts
    }

    /// Runs an action in one transaction.
    ///
    /// # Errors
    /// What the action or committing failed with.
    pub async fn write<T, F, Fut>(&self, action: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Act) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        write_as(&self.services, self.scope.clone(), action).await
    }

    /// A snapshot of the primary to read from, within the organization.
    #[must_use]
    pub fn snapshot(&self) -> Transaction {
        Transaction::new(self.services.databases.primary().clone(), Access::Snapshot, &self.scope.settings())
    }

    /// Says how far it has come.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn progress(&self, done: i64, total: i64) -> Result<()> {
        let id = self.id;
        self.write(move |act| async move {
            let binds = vec![Bind::BigInt(done), Bind::BigInt(total), Bind::Instant(act.now()), Bind::Uuid(act.organization()), Bind::Uuid(id)];
            let text =
                "UPDATE jobs SET progress_done = ?, progress_total = ?, updated_at = ? WHERE organization_id = ? AND id = ? AND state = 'RUNNING'";
            act.db.execute(Sql::<()>::new(text, binds)).await.map(drop)
        })
        .await
    }
}

/// The scope of a job: it does what was decided when it was enqueued, so it may do what the system may.
fn scope(organization: Uuid, actor: Option<Uuid>, job: Uuid, request_id: &str, clock: &SharedClock) -> Scope {
    Scope {
        organization,
        user: actor.unwrap_or_else(Uuid::nil),
        means: Means::Job(job),
        role: Role::Owner,
        permissions: Role::Owner.permissions(),
        plan: Plan::Free,
        time_zone: chrono_tz::Asia::Kolkata,
        request_id: Arc::from(request_id),
        clock: SharedClock::clone(clock),
    }
}
