//! The query fields of pipelines.

use async_graphql::{Context, Object};

use crate::access::writer::{Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::page::at_most;
use crate::features::pipelines::model::PipelineId;
use crate::features::pipelines::object::Pipeline;
use crate::features::pipelines::queries;

/// The query fields of pipelines.
#[derive(Default)]
pub struct Roots;

/// The query fields of pipelines.
#[Object(name = "PipelineRoots")]
impl Roots {
    /// One pipeline; null when there is no such pipeline in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn pipeline(&self, ctx: &Context<'_>, #[graphql(desc = "The pipeline's identifier.")] id: PipelineId) -> Result<Option<Written<Pipeline>>> {
        Pipeline::load(ctx, id.uuid()).await
    }

    /// The organization's pipelines, oldest first. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn pipelines(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many: 0 to 100, which is as many as an organization has.", default = 20)] first: i32,
    ) -> Result<Option<WrittenList<Vec<Pipeline>>>> {
        let pipelines = queries::oldest(&Operation::of(ctx)?.reads()?.reader, at_most(first)?).await?;
        Ok(Some(pipelines.into_iter().map(Pipeline::from).collect()))
    }
}
