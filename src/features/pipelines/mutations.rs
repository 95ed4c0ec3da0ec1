//! The mutations of pipelines.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::pipelines::actions::{
    self, PipelineCreateInput, PipelineDeleteInput, PipelineStageCreateInput, PipelineStageDeleteInput, PipelineStageUpdateInput, PipelineUpdateInput,
};
use crate::features::pipelines::model::{PipelineId, StageId};
use crate::features::pipelines::object::{Pipeline, PipelineStage};
use crate::{deletion, payload};

payload!(
    /// What came of `pipelineCreate`.
    PipelineCreatePayload {
        /// The pipeline that was created; null when there are user errors.
        pipeline: Pipeline
    }
);
payload!(
    /// What came of `pipelineUpdate`.
    PipelineUpdatePayload {
        /// The pipeline as it is now; null when there are user errors.
        pipeline: Pipeline
    }
);
payload!(
    /// What came of `pipelineStageCreate`.
    PipelineStageCreatePayload {
        /// The stage that was created; null when there are user errors.
        stage: PipelineStage
    }
);
payload!(
    /// What came of `pipelineStageUpdate`.
    PipelineStageUpdatePayload {
        /// The stage as it is now; null when there are user errors.
        stage: PipelineStage
    }
);

deletion!("the pipeline": PipelineId; PipelineDeletePayload);
deletion!("the stage": StageId; PipelineStageDeletePayload);

/// The mutations of pipelines.
#[derive(Default)]
pub struct Mutations;

/// The mutations of pipelines.
#[Object(name = "PipelineMutations")]
impl Mutations {
    /// Creates a pipeline with its stages. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_create(&self, ctx: &Context<'_>, #[graphql(desc = "The pipeline.")] input: PipelineCreateInput) -> Result<Option<Written<PipelineCreatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await;
        PipelineCreatePayload::of(outcome)
    }

    /// Renames a pipeline, or makes it the default. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: PipelineUpdateInput) -> Result<Option<Written<PipelineUpdatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await;
        PipelineUpdatePayload::of(outcome)
    }

    /// Adds an open stage to a pipeline. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_stage_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The stage.")] input: PipelineStageCreateInput,
    ) -> Result<Option<Written<PipelineStageCreatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create_stage(&act, input).await }).await;
        PipelineStageCreatePayload::of(outcome)
    }

    /// Deletes a pipeline with its stages. Refused while it has deals or is the default. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which one.")] input: PipelineDeleteInput) -> Result<Option<Written<PipelineDeletePayload>>> {
        let outcome = Operation::of(ctx)?.write(move |act| async move { actions::delete(&act, input.id).await }).await;
        PipelineDeletePayload::of(outcome)
    }

    /// Deletes an open stage; those after it move one place up. Refused for the last open stage, and while a deal stands in it or went through it. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_stage_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: PipelineStageDeleteInput,
    ) -> Result<Option<Written<PipelineStageDeletePayload>>> {
        let outcome = Operation::of(ctx)?.write(move |act| async move { actions::delete_stage(&act, input.id).await }).await;
        PipelineStageDeletePayload::of(outcome)
    }

    /// Renames a stage, or changes its probability. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::PipelinesWrite)")]
    async fn pipeline_stage_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: PipelineStageUpdateInput,
    ) -> Result<Option<Written<PipelineStageUpdatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::update_stage(&act, input).await }).await;
        PipelineStageUpdatePayload::of(outcome)
    }
}
