//! The mutations of jobs.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::jobs::actions::{self, JobRetryInput};
use crate::features::jobs::object::Job;
use crate::payload;

payload!(
    /// What came of `jobRetry`.
    JobRetryPayload {
        /// The job as it is now; null when there are user errors.
        job: Job
    }
);

/// The mutations of jobs.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "JobMutations")]
impl Mutations {
    /// Has a job that was given up done again, with as many attempts as it had at first. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::JobsWrite)")]
    async fn job_retry(&self, ctx: &Context<'_>, #[graphql(desc = "Which job.")] input: JobRetryInput) -> Result<Option<Written<JobRetryPayload>>> {
        JobRetryPayload::of(Operation::of(ctx)?.write(|act| async move { actions::retry(&act, input).await }).await)
    }
}
