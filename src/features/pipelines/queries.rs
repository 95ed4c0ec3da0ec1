//! Every statement about pipelines and their stages. Each names its organization; row level security stands behind it.

use std::sync::Arc;

use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::base::page::rows_to_read;
use crate::features::pipelines::model::{NewPipeline, NewStage, Pipeline, PipelineChanges, PipelineStage, StageChanges};
use crate::platform::postgres::statement::Limited;
use crate::schema::{pipeline_stages, pipelines};

/// The most pipelines that an organization has, which are listed without pages.
pub const MOST_PIPELINES: i64 = 100;

/// The organization's oldest pipelines, so many of them, oldest first.
///
/// # Errors
/// As the database fails.
pub async fn oldest(reader: &Reader, most: usize) -> Result<Vec<Arc<Pipeline>>> {
    let columns = reader.columns::<Pipeline>(&[]);
    let query = pipelines::table.select(columns).filter(pipelines::organization_id.eq(reader.organization()));
    let limit = rows_to_read(i64::try_from(most).unwrap_or(MOST_PIPELINES));
    let mut oldest = reader.db.load_columns(columns, Limited { query: query.order((pipelines::created_at, pipelines::id)), limit }).await?;
    oldest.truncate(most);
    Ok(oldest)
}

/// How many pipelines the organization has.
///
/// # Errors
/// As the database fails.
pub async fn count(act: &Act) -> Result<i64> {
    let query = pipelines::table.count().filter(pipelines::organization_id.eq(act.organization()));
    Ok(act.db.first(query).await?.unwrap_or_default())
}

/// The pipelines of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<Pipeline>>> {
    let columns = reader.columns::<Pipeline>(&[]);
    let query = pipelines::table.select(columns);
    reader.db.load_columns(columns, query.filter(pipelines::organization_id.eq(reader.organization())).filter(pipelines::id.eq_any(ids))).await
}

/// The stages of these ids.
///
/// # Errors
/// As the database fails.
pub async fn stages_by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<PipelineStage>>> {
    let columns = reader.columns::<PipelineStage>(&[]);
    let query = pipeline_stages::table.select(columns);
    reader.db.load_columns(columns, query.filter(pipeline_stages::organization_id.eq(reader.organization())).filter(pipeline_stages::id.eq_any(ids))).await
}

/// The stages of these pipelines, in their order.
///
/// # Errors
/// As the database fails.
pub async fn stages_by_pipelines(reader: &Reader, pipelines: Vec<Uuid>) -> Result<Vec<Arc<PipelineStage>>> {
    let columns = reader.columns::<PipelineStage>(&[]);
    let query = pipeline_stages::table.select(columns);
    let query = query.filter(pipeline_stages::organization_id.eq(reader.organization())).filter(pipeline_stages::pipeline_id.eq_any(pipelines));
    reader.db.load_columns(columns, query.order((pipeline_stages::pipeline_id, pipeline_stages::position))).await
}

/// The pipeline of an id, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock(act: &Act, id: Uuid) -> Result<Option<Pipeline>> {
    let query = pipelines::table.select(Pipeline::as_select()).filter(pipelines::organization_id.eq(act.organization()));
    act.db.first(query.filter(pipelines::id.eq(id)).for_update()).await
}

/// The default pipeline, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock_default(act: &Act) -> Result<Option<Pipeline>> {
    let query = pipelines::table.select(Pipeline::as_select()).filter(pipelines::organization_id.eq(act.organization()));
    act.db.first(query.filter(pipelines::is_default).for_update()).await
}

/// The stage of an id, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock_stage(act: &Act, id: Uuid) -> Result<Option<PipelineStage>> {
    let query = pipeline_stages::table.select(PipelineStage::as_select()).filter(pipeline_stages::organization_id.eq(act.organization()));
    act.db.first(query.filter(pipeline_stages::id.eq(id)).for_update()).await
}

/// The stage of an id, whole.
///
/// # Errors
/// As the database fails.
pub async fn stage(act: &Act, id: Uuid) -> Result<Option<PipelineStage>> {
    let query = pipeline_stages::table.select(PipelineStage::as_select()).filter(pipeline_stages::organization_id.eq(act.organization()));
    act.db.first(query.filter(pipeline_stages::id.eq(id))).await
}

/// The stages of a pipeline, whole, in their order; none when there is no such pipeline. `None` stands for the default pipeline.
///
/// # Errors
/// As the database fails.
pub async fn stages(act: &Act, pipeline: Option<Uuid>) -> Result<Vec<PipelineStage>> {
    let query = pipeline_stages::table.select(PipelineStage::as_select()).filter(pipeline_stages::organization_id.eq(act.organization()));
    let query = query.order(pipeline_stages::position);
    let Some(pipeline) = pipeline else {
        let default = pipelines::table.select(pipelines::id).filter(pipelines::organization_id.eq(act.organization())).filter(pipelines::is_default);
        return act.db.load(query.filter(pipeline_stages::pipeline_id.eq_any(default))).await;
    };
    act.db.load(query.filter(pipeline_stages::pipeline_id.eq(pipeline))).await
}

/// Stores a new pipeline.
///
/// # Errors
/// As the database fails.
pub async fn insert(act: &Act, new: NewPipeline) -> Result<Vec<Pipeline>> {
    act.db.load(diesel::insert_into(pipelines::table).values(new).returning(Pipeline::as_returning())).await
}

/// Stores new stages.
///
/// # Errors
/// As the database fails.
pub async fn insert_stages(act: &Act, new: Vec<NewStage>) -> Result<Vec<PipelineStage>> {
    act.db.load(diesel::insert_into(pipeline_stages::table).values(new).returning(PipelineStage::as_returning())).await
}

/// Changes a pipeline and counts its version up.
///
/// # Errors
/// As the database fails.
pub async fn update(act: &Act, id: Uuid, changes: PipelineChanges) -> Result<Vec<Pipeline>> {
    let target = pipelines::table.filter(pipelines::organization_id.eq(act.organization())).filter(pipelines::id.eq(id));
    let stamped = (changes, pipelines::updated_at.eq(act.now()), pipelines::version.eq(pipelines::version + 1));
    act.db.load(diesel::update(target).set(stamped).returning(Pipeline::as_returning())).await
}

/// Changes a stage and counts its version up.
///
/// # Errors
/// As the database fails.
pub async fn update_stage(act: &Act, id: Uuid, changes: StageChanges) -> Result<Vec<PipelineStage>> {
    let target = pipeline_stages::table.filter(pipeline_stages::organization_id.eq(act.organization())).filter(pipeline_stages::id.eq(id));
    let stamped = (changes, pipeline_stages::updated_at.eq(act.now()), pipeline_stages::version.eq(pipeline_stages::version + 1));
    act.db.load(diesel::update(target).set(stamped).returning(PipelineStage::as_returning())).await
}

/// The stages of a pipeline, whole, in their order, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock_stages(act: &Act, pipeline: Uuid) -> Result<Vec<PipelineStage>> {
    let query = pipeline_stages::table.select(PipelineStage::as_select()).filter(pipeline_stages::organization_id.eq(act.organization()));
    act.db.load(query.filter(pipeline_stages::pipeline_id.eq(pipeline)).order(pipeline_stages::position).for_update()).await
}

/// Moves the stages of a pipeline from this position on by so many places, and counts their versions up.
///
/// # Errors
/// As the database fails.
pub async fn shift_stages(act: &Act, pipeline: Uuid, from: i32, by: i32) -> Result<Vec<PipelineStage>> {
    let target = pipeline_stages::table.filter(pipeline_stages::organization_id.eq(act.organization()));
    let target = target.filter(pipeline_stages::pipeline_id.eq(pipeline)).filter(pipeline_stages::position.ge(from));
    let moved = (
        pipeline_stages::position.eq(pipeline_stages::position + by),
        pipeline_stages::updated_at.eq(act.now()),
        pipeline_stages::version.eq(pipeline_stages::version + 1),
    );
    act.db.load(diesel::update(target).set(moved).returning(PipelineStage::as_returning())).await
}

/// Deletes stages.
///
/// # Errors
/// As the database fails; it refuses while deals, or what is kept of their moves, refer to one.
pub async fn delete_stages(act: &Act, ids: Vec<Uuid>) -> Result<usize> {
    let target = pipeline_stages::table.filter(pipeline_stages::organization_id.eq(act.organization()));
    act.db.execute(diesel::delete(target.filter(pipeline_stages::id.eq_any(ids)))).await
}

/// Deletes a pipeline whose stages are deleted.
///
/// # Errors
/// As the database fails.
pub async fn delete(act: &Act, id: Uuid) -> Result<usize> {
    let target = pipelines::table.filter(pipelines::organization_id.eq(act.organization())).filter(pipelines::id.eq(id));
    act.db.execute(diesel::delete(target)).await
}
