//! What the schema shows of a job: never what it needs to know, which may be anybody's words.

use async_graphql::{Context, Object, SimpleObject};

use crate::access::jobs::{Priority, Queue};
use crate::access::writer::{Writable, Written};
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::scalars::DateTime;
use crate::features::accounts::object::User;
use crate::features::jobs::model::{self, JobId, JobState};
use crate::features::jobs::queries::JobOrderField;
use crate::object;
use crate::plain;

object! {
    /// Something that is done in the background.
    Job of model::Job, ordered by JobOrderField, seen with JobsRead;
    /// A page of jobs.
    JobConnection;
    plain id, kind, queue, priority, state, attempts, max_attempts, progress, last_error, run_at, started_at, finished_at, created_at, updated_at,
        version
}

/// How far long work has come.
#[derive(Clone, SimpleObject)]
pub struct JobProgress {
    /// How much is done.
    pub done: i32,
    /// How much there is to do in all.
    pub total: i32,
}

impl Writable for JobProgress {
    plain!(done, total);
}

/// Something that is done in the background: a message to send, a report to write.
#[Object(guard = "Can(Permission::JobsRead)")]
impl Job {
    /// The identifier.
    pub async fn id(&self) -> JobId {
        JobId::new(self.0.id)
    }

    /// What kind of job it is, such as `message_send`.
    async fn kind(&self) -> Result<&str> {
        self.0.kind.text()
    }

    /// Where it waits.
    async fn queue(&self) -> Result<Queue> {
        self.0.queue.value()
    }

    /// Which of the jobs that are due goes first.
    async fn priority(&self) -> Result<Priority> {
        self.0.priority.value()
    }

    /// How far it has come.
    async fn state(&self) -> Result<JobState> {
        self.0.state.value()
    }

    /// How often it was tried so far.
    async fn attempts(&self) -> Result<i32> {
        self.0.attempts.value()
    }

    /// How often it is tried before it is given up.
    async fn max_attempts(&self) -> Result<i32> {
        self.0.max_attempts.value()
    }

    /// How far long work has come; null when it is not known.
    async fn progress(&self) -> Result<Option<Written<JobProgress>>> {
        let whole = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        let (done, total) = (self.0.progress_done.value()?, self.0.progress_total.value()?);
        Ok(done.zip(total).map(|(done, total)| Written(JobProgress { done: whole(done), total: whole(total) })))
    }

    /// Why the last attempt failed; null when none has.
    async fn last_error(&self) -> Result<Option<&str>> {
        self.0.last_error.text()
    }

    /// Who has caused it; null when nobody has, or when it fails; the errors say why.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.actor_id.value()?).await
    }

    /// When it is due, or was.
    async fn run_at(&self) -> Result<DateTime> {
        self.0.run_at.value().map(DateTime)
    }

    /// When its last attempt began; null before the first one.
    async fn started_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.started_at.value()?.map(DateTime))
    }

    /// When it was done or given up; null before.
    async fn finished_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.finished_at.value()?.map(DateTime))
    }

    /// When it was enqueued.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When it last came further.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with `jobRetry`.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
