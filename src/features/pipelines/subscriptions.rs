//! What is told of pipelines and their stages as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::pipelines::model::{PipelineId, StageId};
use crate::features::pipelines::object::{Pipeline, PipelineStage};
use crate::features::told;
use crate::told;

told!("a pipeline", "pipeline": Pipeline; PipelineChange { pipeline_id: PipelineId, pipeline });
told!("a stage of a pipeline", "stage": PipelineStage; PipelineStageChange { pipeline_stage_id: StageId, pipeline_stage });

/// What is told of pipelines and their stages.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "PipelineSubscriptions")]
impl Subscriptions {
    /// Each change of a pipeline that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn pipeline_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<PipelineChange>>> {
        PipelineChange::of(ctx, told::of::<Pipeline>(ctx, since, None).await?)
    }

    /// Each change of a pipeline's stage that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn pipeline_stage_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<PipelineStageChange>>> {
        PipelineStageChange::of(ctx, told::of::<PipelineStage>(ctx, since, None).await?)
    }
}
