//! The query fields of jobs.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::jobs::model::JobId;
use crate::features::jobs::object::{Job, JobConnection};
use crate::features::jobs::queries::{JobFilter, JobOrder};
use crate::features::lists;

/// The query fields of jobs.
#[derive(Default)]
pub struct Roots;

#[Object(name = "JobRoots")]
impl Roots {
    /// One job; null when there is no such job in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::JobsRead)")]
    async fn job(&self, ctx: &Context<'_>, #[graphql(desc = "The job's identifier.")] id: JobId) -> Result<Option<Written<Job>>> {
        Job::load(ctx, id.uuid()).await
    }

    /// The organization's jobs, newest first. Those that are done are kept for a week, those that were given up for ninety days. Null when it fails; the
    /// errors say why.
    #[graphql(guard = "Can(Permission::JobsRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<JobFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<JobOrder>,
    ) -> Result<Option<JobConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
