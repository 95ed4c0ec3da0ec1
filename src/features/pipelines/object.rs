//! What the schema shows of pipelines and their stages.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::directives::list_size;
use crate::base::page::PageArgs;
use crate::base::scalars::DateTime;
use crate::base::{Error, Result};
use crate::features::deals::object::DealConnection;
use crate::features::deals::queries::{DealFilter, DealOrder, DealParent};
use crate::features::lists;
use crate::features::pipelines::loaders::{PipelineById, StageById, StagesByPipeline};
use crate::features::pipelines::model::{self, PipelineId, StageId, StageKind};
use crate::from_rows;
use crate::plain;

/// A way that deals go, stage by stage.
#[derive(Clone)]
pub struct Pipeline(pub Arc<model::Pipeline>);

from_rows!(Pipeline of model::Pipeline);

impl Writable for Pipeline {
    plain!(id, name, is_default, created_at, updated_at, version);
}

impl NodeObject for Pipeline {
    type Row = model::Pipeline;
    const READ: Permission = Permission::DealsRead;

    async fn find(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<PipelineById>(id).await?.map(Self))
    }
}

impl Pipeline {
    /// The pipeline that a foreign key leads to, which must therefore be there.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn required(ctx: &Context<'_>, id: Uuid) -> Result<Written<Self>> {
        Self::load(ctx, id).await?.ok_or_else(|| Error::internal("a pipeline that is referred to is not there"))
    }
}

/// A way that deals go, stage by stage.
#[Object(guard = "Can(Permission::DealsRead)")]
impl Pipeline {
    /// The identifier.
    pub async fn id(&self) -> PipelineId {
        PipelineId::new(self.0.id)
    }

    /// The name, unique in the organization.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// Whether new deals go here when nothing else is said.
    async fn is_default(&self) -> Result<bool> {
        self.0.is_default.value()
    }

    /// The stages in their order, at most 20. Null when it fails; the errors say why.
    #[graphql(directive = list_size::apply(Some(20), None, None, None))]
    async fn stages(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<PipelineStage>>>> {
        let stages = Operation::of(ctx)?.reads()?.load::<StagesByPipeline>(self.0.id).await?;
        Ok(Some(stages.unwrap_or_default().into_iter().map(PipelineStage).collect()))
    }

    /// When the pipeline was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the pipeline was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// A step of a pipeline that deals stand in.
#[derive(Clone)]
pub struct PipelineStage(pub Arc<model::PipelineStage>);

impl PipelineStage {
    /// The stage that a foreign key leads to, which must therefore be there.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn required(ctx: &Context<'_>, id: Uuid) -> Result<Written<Self>> {
        Self::load(ctx, id).await?.ok_or_else(|| Error::internal("a stage that is referred to is not there"))
    }
}

from_rows!(PipelineStage of model::PipelineStage);

impl Writable for PipelineStage {
    plain!(id, name, position, kind, probability, created_at, updated_at, version);

    fn parent_id(&self) -> Option<Uuid> {
        Some(self.0.id)
    }
}

impl NodeObject for PipelineStage {
    type Row = model::PipelineStage;
    const READ: Permission = Permission::DealsRead;

    async fn find(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<StageById>(id).await?.map(Self))
    }
}

/// A step of a pipeline that deals stand in.
#[Object(guard = "Can(Permission::DealsRead)")]
impl PipelineStage {
    /// The identifier.
    pub async fn id(&self) -> StageId {
        StageId::new(self.0.id)
    }

    /// The pipeline that the stage is part of. Null when it fails; the errors say why.
    async fn pipeline(&self, ctx: &Context<'_>) -> Result<Option<Written<Pipeline>>> {
        Pipeline::required(ctx, self.0.pipeline_id).await.map(Some)
    }

    /// The name, unique in the pipeline.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// Where the stage stands in its pipeline, from 0.
    async fn position(&self) -> Result<i32> {
        self.0.position.value()
    }

    /// What the stage is for; it never changes.
    async fn kind(&self) -> Result<StageKind> {
        self.0.kind.value()
    }

    /// How likely a deal that comes into this stage is won, in percent.
    async fn probability(&self) -> Result<i32> {
        self.0.probability.value()
    }

    /// The deals that stand in this stage, newest first unless ordered otherwise: a column of a board. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<DealFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<DealOrder>,
    ) -> Result<Option<DealConnection>> {
        lists::under(ctx, (DealParent::Stage, self.0.id), &PageArgs { first, after, last, before }, filter, order_by).await
    }

    /// When the stage was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the stage was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
