//! The query fields of pipelines.

use async_graphql::{Context, Object};

use crate::access::writer::{Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
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

    /// The organization's pipelines, oldest first: the first 100. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn pipelines(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<Pipeline>>>> {
        let pipelines = queries::all(&Operation::of(ctx)?.reads()?.reader).await?;
        Ok(Some(pipelines.into_iter().map(Pipeline::from).collect()))
    }
}
