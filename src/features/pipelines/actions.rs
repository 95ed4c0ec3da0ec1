//! What is done with pipelines: check, write, audit, in the caller's transaction.

use async_graphql::InputObject;
use uuid::Uuid;

use crate::access::Act;
use crate::access::audit::{self, Changed};
use crate::base::patch::optional;
use crate::base::{Checks, Code, Error, Result, text};
use crate::features::accounts::queries::lock_organization;
use crate::features::pipelines::model::{
    NewPipeline, NewStage, Pipeline, PipelineChanges, PipelineId, PipelineStage, StageChanges, StageId, StageKind,
};
use crate::features::pipelines::rules::{self, Draft, MOST_STAGES};
use crate::features::pipelines::queries;
use crate::platform::postgres::failure::violated;

/// A stage of a pipeline to create.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineStageInput {
    /// The name, 1 to 100 characters, unique in the pipeline.
    pub name: String,
    /// What the stage is for.
    #[graphql(default_with = "StageKind::Open")]
    pub kind: StageKind,
    /// How likely a deal that comes into an open stage is won, 0 to 100 percent; 50 when left out. The won stage always has 100, the lost one 0.
    pub probability: Option<i32>,
}

/// A pipeline to create.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineCreateInput {
    /// The name, 1 to 100 characters; no other pipeline of the organization may have it.
    pub name: String,
    /// Whether it becomes the default in place of the one that is.
    #[graphql(default)]
    pub is_default: bool,
    /// The stages in their order, at most 20: open ones, exactly one won and exactly one lost.
    pub stages: Vec<PipelineStageInput>,
}

/// Changes to a pipeline: what is left out stays.
#[derive(Debug, Clone, Default, InputObject)]
pub struct PipelineChangesInput {
    /// The name, 1 to 100 characters; no other pipeline of the organization may have it.
    pub name: Option<String>,
    /// `true` makes it the default in place of the one that is; `false` is refused, because that would leave none.
    pub is_default: Option<bool>,
}

/// A change of one pipeline.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineUpdateInput {
    /// The pipeline.
    pub id: PipelineId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: PipelineChangesInput,
}

/// An open stage to add to a pipeline.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineStageCreateInput {
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The name, 1 to 100 characters, unique in the pipeline.
    pub name: String,
    /// How likely a deal that comes into the stage is won, 0 to 100 percent; 50 when left out.
    pub probability: Option<i32>,
    /// Where it stands, from 0: the stages from there on move one place on. After the last open stage when left out.
    pub position: Option<i32>,
}

/// Changes to a stage: what is left out stays.
#[derive(Debug, Clone, Default, InputObject)]
pub struct PipelineStageChangesInput {
    /// The name, 1 to 100 characters, unique in the pipeline.
    pub name: Option<String>,
    /// How likely a deal that comes into the open stage from now on is won, 0 to 100 percent. Deals that stand in it keep theirs.
    pub probability: Option<i32>,
}

/// A change of one stage.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineStageUpdateInput {
    /// The stage.
    pub id: StageId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: PipelineStageChangesInput,
}

/// Which pipeline to delete.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineDeleteInput {
    /// The pipeline.
    pub id: PipelineId,
}

/// Which stage to delete.
#[derive(Debug, Clone, InputObject)]
pub struct PipelineStageDeleteInput {
    /// The stage.
    pub id: StageId,
}

/// Creates a pipeline with its stages.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` when the name is taken.
pub async fn create(act: &Act, input: PipelineCreateInput) -> Result<Pipeline> {
    let drafts: Vec<Draft> =
        input.stages.into_iter().map(|stage| Draft { name: stage.name, kind: stage.kind, probability: stage.probability }).collect();
    let mut checks = Checks::new();
    let name = checks.take("name", text::line(&input.name, 100));
    let stages = rules::stages(&mut checks, &drafts);
    checks.finish()?;
    // The lock keeps two callers from adding pipelines at once, so that their number stays right.
    lock_organization(act).await?.ok_or_else(|| Error::not_found("organization"))?;
    if queries::count(act).await? >= queries::MOST_PIPELINES {
        let message = format!("An organization has at most {} pipelines: delete one that is not used, or rename it.", queries::MOST_PIPELINES);
        return Err(Error::invalid("name", message));
    }
    if input.is_default {
        clear_default(act).await?;
    }
    let (organization_id, now) = (act.organization(), act.now());
    let new = NewPipeline {
        organization_id,
        id: act.fresh_id(),
        name: name.unwrap_or_default(),
        is_default: input.is_default,
        created_at: now,
        updated_at: now,
    };
    let created = queries::insert(act, new).await.map_err(|error| explain(error, ""))?;
    let pipeline = created.into_iter().next().ok_or_else(|| Error::internal("an inserted pipeline was not returned"))?;
    let new_stage = |(position, (name, kind, probability)): (i32, (String, StageKind, i32))| NewStage {
        position,
        name,
        kind,
        probability,
        ..blank_stage(act, pipeline.id)
    };
    let stages = queries::insert_stages(act, (0..).zip(stages).map(new_stage).collect()).await?;
    audit::record(act, "pipeline.create", &[Changed { id: pipeline.id, before: None, after: Some(&pipeline) }]).await?;
    let changes: Vec<_> = stages.iter().map(|stage| Changed { id: stage.id, before: None, after: Some(stage) }).collect();
    audit::record(act, "pipeline.create", &changes).await?;
    Ok(pipeline)
}

/// Renames a pipeline, or makes it the default.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: PipelineUpdateInput) -> Result<Pipeline> {
    let mut checks = Checks::new();
    let name = optional(&mut checks, "changes.name", input.changes.name.as_deref(), |name| text::line(name, 100));
    let is_default = input.changes.is_default;
    checks.require(is_default != Some(false), "changes.isDefault", "Make another pipeline the default instead.");
    checks.require(input.changes.name.is_some() || is_default.is_some(), "changes", "Send at least one change.");
    checks.finish()?;
    let before = queries::lock(act, input.id.uuid()).await?.ok_or_else(|| Error::field_not_found("id", "pipeline"))?;
    let version = before.version.value()?;
    if version != input.version {
        return Err(Error::version_conflict("pipeline", input.version, version));
    }
    if is_default == Some(true) && !before.is_default.value()? {
        clear_default(act).await?;
    }
    change(act, &before, PipelineChanges { name, is_default }).await
}

/// Adds an open stage to a pipeline.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND` for a pipeline that is not there, `CONFLICT` when the name is taken.
pub async fn create_stage(act: &Act, input: PipelineStageCreateInput) -> Result<PipelineStage> {
    let mut checks = Checks::new();
    let name = checks.take("name", text::line(&input.name, 100));
    let probability = checks.take("probability", rules::probability(StageKind::Open, input.probability));
    checks.finish()?;
    // The lock keeps two callers from adding stages at once, so that the positions and their number stay right.
    let pipeline = queries::lock(act, input.pipeline_id.uuid()).await?.ok_or_else(|| Error::field_not_found("pipelineId", "pipeline"))?;
    let stages = queries::lock_stages(act, pipeline.id).await?;
    let count = i32::try_from(stages.len()).unwrap_or(i32::MAX);
    let after_open = (1..).zip(&stages).filter(|(_, stage)| stage.kind.value().is_ok_and(|kind| kind == StageKind::Open)).map(|(next, _)| next).last();
    let position = input.position.or(after_open).unwrap_or_default();
    let mut checks = Checks::new();
    checks.require(stages.len() < MOST_STAGES, "pipelineId", format!("A pipeline has at most {MOST_STAGES} stages: delete one that is not used."));
    checks.require((0..=count).contains(&position), "position", format!("The position is 0 to {count}."));
    checks.finish()?;
    shift(act, &stages, position, 1).await?;
    let new =
        NewStage { position, name: name.unwrap_or_default(), probability: probability.unwrap_or_default(), ..blank_stage(act, pipeline.id) };
    let created = queries::insert_stages(act, vec![new]).await.map_err(|error| explain(error, ""))?;
    let stage = created.into_iter().next().ok_or_else(|| Error::internal("an inserted stage was not returned"))?;
    audit::record(act, "pipeline.stageCreate", &[Changed { id: stage.id, before: None, after: Some(&stage) }]).await?;
    Ok(stage)
}

/// Renames a stage, or changes its probability.
///
/// # Errors
/// As [`create_stage`], and `CONFLICT` when somebody else changed it first.
pub async fn update_stage(act: &Act, input: PipelineStageUpdateInput) -> Result<PipelineStage> {
    let before = queries::lock_stage(act, input.id.uuid()).await?.ok_or_else(|| Error::field_not_found("id", "stage"))?;
    let (version, kind) = (before.version.value()?, before.kind.value()?);
    let mut checks = Checks::new();
    let changes = StageChanges {
        name: optional(&mut checks, "changes.name", input.changes.name.as_deref(), |name| text::line(name, 100)),
        probability: optional(&mut checks, "changes.probability", input.changes.probability.as_ref(), |percent| {
            rules::probability(kind, Some(*percent))
        }),
    };
    checks.require(input.changes.name.is_some() || input.changes.probability.is_some(), "changes", "Send at least one change.");
    checks.finish()?;
    if version != input.version {
        return Err(Error::version_conflict("stage", input.version, version));
    }
    let changed = queries::update_stage(act, before.id, changes).await.map_err(|error| explain(error, "changes."))?;
    let after = changed.into_iter().next().ok_or_else(|| Error::internal("an updated stage was not returned"))?;
    audit::record(act, "pipeline.stageUpdate", &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await?;
    Ok(after)
}

/// Deletes a pipeline with its stages.
///
/// # Errors
/// `NOT_FOUND`, or `CONFLICT` while it has deals or is the default.
pub async fn delete(act: &Act, id: PipelineId) -> Result<Vec<PipelineId>> {
    let before = queries::lock(act, id.uuid()).await?.ok_or_else(|| Error::field_not_found("id", "pipeline"))?;
    if before.is_default.value()? {
        return Err(Error::on_field(Code::Conflict, "id", "This is the default pipeline; make another one the default first."));
    }
    let stages = queries::lock_stages(act, before.id).await?;
    let in_use = "This pipeline has deals; delete them first.";
    queries::delete_stages(act, stages.iter().map(|stage| stage.id).collect()).await.map_err(|error| explain_use(error, in_use, in_use))?;
    queries::delete(act, before.id).await?;
    record_deletion(act, "pipeline.delete", &stages).await?;
    audit::record(act, "pipeline.delete", &[Changed { id: before.id, before: Some(&before), after: None }]).await?;
    Ok(vec![id])
}

/// Deletes an open stage; those after it move one place up.
///
/// # Errors
/// `NOT_FOUND`, or `CONFLICT` for a won or lost stage, the last open one, and one that a deal stands in or ever went through.
pub async fn delete_stage(act: &Act, id: StageId) -> Result<Vec<StageId>> {
    let missing = || Error::field_not_found("id", "stage");
    let found = queries::stage(act, id.uuid()).await?.ok_or_else(missing)?;
    // As when a stage is added: first the pipeline, then its stages.
    queries::lock(act, found.pipeline_id).await?.ok_or_else(missing)?;
    let stages = queries::lock_stages(act, found.pipeline_id).await?;
    let before = stages.iter().find(|stage| stage.id == id.uuid()).ok_or_else(missing)?;
    let open = |stage: &&PipelineStage| stage.kind.value().is_ok_and(|kind| kind == StageKind::Open);
    if !open(&before) {
        return Err(Error::on_field(Code::Conflict, "id", "A pipeline keeps its won and its lost stage; rename it instead."));
    }
    if stages.iter().filter(open).count() <= 1 {
        return Err(Error::on_field(Code::Conflict, "id", "A pipeline keeps at least one open stage; add another one first."));
    }
    let standing = "Deals stand in this stage; move them into another one first.";
    let history = "Deals went through this stage, and their history names it; rename it instead, or delete those deals first.";
    queries::delete_stages(act, vec![before.id]).await.map_err(|error| explain_use(error, standing, history))?;
    record_deletion(act, "pipeline.stageDelete", std::slice::from_ref(before)).await?;
    shift(act, &stages, before.position.value()?.saturating_add(1), -1).await?;
    Ok(vec![id])
}

/// Moves those of a pipeline's stages that stand at `from` or after it.
async fn shift(act: &Act, stages: &[PipelineStage], from: i32, by: i32) -> Result<()> {
    let Some(pipeline) = stages.first().map(|stage| stage.pipeline_id) else { return Ok(()) };
    let moved = queries::shift_stages(act, pipeline, from, by).await?;
    let was = |id: Uuid| stages.iter().find(|stage| stage.id == id);
    let changes: Vec<_> = moved.iter().map(|stage| Changed { id: stage.id, before: was(stage.id), after: Some(stage) }).collect();
    audit::record(act, "pipeline.stageMove", &changes).await
}

async fn record_deletion(act: &Act, action: &'static str, stages: &[PipelineStage]) -> Result<()> {
    let changes: Vec<_> = stages.iter().map(|stage| Changed { id: stage.id, before: Some(stage), after: None }).collect();
    audit::record(act, action, &changes).await
}

async fn clear_default(act: &Act) -> Result<()> {
    if let Some(before) = queries::lock_default(act).await? {
        change(act, &before, PipelineChanges { is_default: Some(false), ..PipelineChanges::default() }).await?;
    }
    Ok(())
}

async fn change(act: &Act, before: &Pipeline, changes: PipelineChanges) -> Result<Pipeline> {
    let changed = queries::update(act, before.id, changes).await.map_err(|error| explain(error, "changes."))?;
    let after = changed.into_iter().next().ok_or_else(|| Error::internal("an updated pipeline was not returned"))?;
    audit::record(act, "pipeline.update", &[Changed { id: after.id, before: Some(before), after: Some(&after) }]).await?;
    Ok(after)
}

fn blank_stage(act: &Act, pipeline_id: Uuid) -> NewStage {
    let now = act.now();
    NewStage {
        organization_id: act.organization(),
        id: act.fresh_id(),
        pipeline_id,
        name: String::new(),
        position: 0,
        kind: StageKind::Open,
        probability: 0,
        created_at: now,
        updated_at: now,
    }
}

/// Says what still refers to a stage that cannot be deleted. The database decides, so that no deal comes in between.
fn explain_use(error: Error, standing: &str, history: &str) -> Error {
    if violated(&error, "deals_organization_id_pipeline_id_stage_id_fkey") {
        return Error::on_field(Code::Conflict, "id", standing);
    }
    let moves = ["deal_stage_changes_organization_id_from_stage_id_fkey", "deal_stage_changes_organization_id_to_stage_id_fkey"];
    if moves.iter().any(|constraint| violated(&error, constraint)) {
        return Error::on_field(Code::Conflict, "id", history);
    }
    error
}

/// Names the field that a violated constraint is about.
fn explain(error: Error, under: &str) -> Error {
    if violated(&error, "pipelines_organization_id_name_key") {
        return Error::on_field(Code::Conflict, &format!("{under}name"), "Another pipeline has this name.");
    }
    if violated(&error, "pipelines_default") {
        return Error::on_field(Code::Conflict, &format!("{under}isDefault"), "Another pipeline was made the default meanwhile; try again.");
    }
    if violated(&error, "pipeline_stages_organization_id_pipeline_id_name_key") {
        return Error::on_field(Code::Conflict, &format!("{under}name"), "Another stage of this pipeline has this name.");
    }
    error
}
