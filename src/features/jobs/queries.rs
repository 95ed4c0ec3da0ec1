//! Every statement about jobs, but for those of their attempts ([`crate::access::jobs`]). Each names its organization; row level security stands behind
//! it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::jobs::Queue as JobQueue;
use crate::access::{Act, Reader};
use crate::base::Result;
use crate::base::filter::{StringFilter, check_strings};
use crate::features::jobs::model::{Job, JobChanges, JobId, JobState, NewJob};
use crate::features::lists::Filter;
use crate::platform::postgres::statement::{Bind, Sql};
use crate::schema::jobs;
use crate::{lists, narrow_any, narrow_text, operators, stored};

stored! {
    jobs of Job, NewJob, JobChanges;
}

lists! {
    jobs of Job, narrowed by JobFilter, usually CreatedAt Desc;

    /// How to order jobs.
    pub struct JobOrder;

    /// What jobs can be ordered by.
    pub enum JobOrderField {
        /// When they were enqueued.
        CreatedAt = created_at: DateTime<Utc>,
    }
}

operators!(
    /// Compares a state.
    JobStateFilter,
    JobState
);
operators!(
    /// Compares a queue.
    JobQueueFilter,
    JobQueue
);

/// Narrows a list of jobs; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct JobFilter {
    /// By state.
    pub state: Option<JobStateFilter>,
    /// By queue.
    pub queue: Option<JobQueueFilter>,
    /// By kind.
    pub kind: Option<StringFilter>,
}

impl Filter for JobFilter {
    fn check(&self) -> Result<()> {
        check_strings(&[("filter.kind", &self.kind)])
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &JobFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.state, jobs::state);
    query = narrow_any!(query, filter.queue, jobs::queue);
    narrow_text!(query, filter.kind, jobs::kind)
}

/// Has a job run when it is due.
///
/// # Errors
/// As the database fails.
pub async fn wake(act: &Act, job: JobId) -> Result<()> {
    let text = "WITH woken AS (UPDATE jobs SET requeued = true WHERE organization_id = ? AND id = ? RETURNING *) \
                SELECT wake_worker(organization_id, id, queue, priority, run_at, serial) FROM woken";
    act.db.execute(Sql::<()>::new(text, vec![Bind::Uuid(act.organization()), Bind::Uuid(job.uuid())])).await.map(drop)
}
