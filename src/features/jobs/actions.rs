//! What is done with jobs by people: one that was given up is done again.

use async_graphql::InputObject;

use crate::access::Act;
use crate::base::{Code, Error, Result};
use crate::features::jobs::model::{Job, JobChanges, JobId, JobState};
use crate::features::jobs::queries;
use crate::features::rows;

/// Which job to do again.
#[derive(Debug, Clone, InputObject)]
pub struct JobRetryInput {
    /// The job.
    pub id: JobId,
    /// The version that the decision is based on, as it was read.
    pub version: i32,
}

/// Has a job that was given up done again, with as many attempts as it had at first.
///
/// # Errors
/// `NOT_FOUND`; `CONFLICT` when it was not given up, or changed meanwhile.
pub async fn retry(act: &Act, input: JobRetryInput) -> Result<Job> {
    let job = rows::lock_one(act, input.id, input.version).await?;
    if job.state.value()? != JobState::Dead {
        return Err(Error::on_field(Code::Conflict, "id", "This job was not given up: only a job in the state DEAD can be done again."));
    }
    let changes = JobChanges { state: Some(JobState::Queued), attempts: Some(0), run_at: Some(act.now()), finished_at: Some(None) };
    let changed = rows::apply(act, "retry", &[job], |_| Ok(changes.clone())).await?.into_iter().next();
    queries::wake(act, input.id).await?;
    changed.ok_or_else(|| Error::not_found("job"))
}
