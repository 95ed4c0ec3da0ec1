//! What is told of jobs as it happens: how far long work has come, and how it ended.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::jobs::model::JobId;
use crate::features::jobs::object::Job;
use crate::features::jobs::queries::JobFilter;
use crate::features::told;
use crate::told;

told!("a job", "job": Job; JobChange { job_id: JobId, job });

/// What is told of jobs.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "JobSubscriptions")]
impl Subscriptions {
    /// Each job as it is enqueued, begins, comes further and ends; what follows at once is told together, and what is deleted after its time is not told.
    /// Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::JobsRead)")]
    async fn job_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this job.")] id: Option<JobId>,
        #[graphql(desc = "Only jobs that are like this after the change.")] filter: Option<JobFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<JobChange>>> {
        if let Some(id) = id
            && told::is_of_another(ctx, id.uuid())?
        {
            return Ok(None);
        }
        JobChange::of(ctx, told::of_list::<Job>(ctx, filter, since).await?)
    }
}
