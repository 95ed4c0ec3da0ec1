//! Batch functions over pipelines and their stages.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::pipelines::model::{Pipeline, PipelineStage};
use crate::features::pipelines::queries;

/// Pipelines by their ids.
pub struct PipelineById;

impl Batch for PipelineById {
    type Key = Uuid;
    type Value = Arc<Pipeline>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<Pipeline>>> {
        let pipelines = queries::by_ids(&reader, keys).await?;
        Ok(pipelines.into_iter().map(|pipeline| (pipeline.id, pipeline)).collect())
    }
}

/// Stages by their ids.
pub struct StageById;

impl Batch for StageById {
    type Key = Uuid;
    type Value = Arc<PipelineStage>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<PipelineStage>>> {
        let stages = queries::stages_by_ids(&reader, keys).await?;
        Ok(stages.into_iter().map(|stage| (stage.id, stage)).collect())
    }
}

/// The stages of each pipeline, in their order. No limit: a pipeline has at most [`crate::features::pipelines::rules::MOST_STAGES`].
pub struct StagesByPipeline;

impl Batch for StagesByPipeline {
    type Key = Uuid;
    type Value = Vec<Arc<PipelineStage>>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Self::Value>> {
        let mut stages: Map<Uuid, Self::Value> = Map::default();
        for stage in queries::stages_by_pipelines(&reader, keys).await? {
            stages.entry(stage.pipeline_id).or_default().push(stage);
        }
        Ok(stages)
    }
}
