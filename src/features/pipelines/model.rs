//! The rows of pipelines and their stages.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::{pipeline_stages, pipelines};
use crate::text_enum;

text_enum! {
    /// What a stage is for.
    pub enum StageKind {
        /// Deals in it are being worked on.
        Open = "OPEN",
        /// Deals in it are won.
        Won = "WON",
        /// Deals in it are lost.
        Lost = "LOST",
    }
}

/// The identifier of a pipeline.
pub type PipelineId = Id<Pipeline>;
/// The identifier of a stage.
pub type StageId = Id<PipelineStage>;

/// A pipeline as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = pipelines, check_for_backend(diesel::pg::Pg))]
pub struct Pipeline {
    /// The row's id.
    pub id: Uuid,
    /// The name, unique in the organization.
    pub name: Col<String>,
    /// Whether new deals go here when nothing else is said.
    pub is_default: Col<bool>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Pipeline {
    const PREFIX: &'static str = "pipeline";
}

impl ReadShape for Pipeline {
    const TYPE: &'static str = "Pipeline";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// A stage as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = pipeline_stages, check_for_backend(diesel::pg::Pg))]
pub struct PipelineStage {
    /// The row's id.
    pub id: Uuid,
    /// The pipeline that the stage is part of.
    pub pipeline_id: Uuid,
    /// The name, unique in the pipeline.
    pub name: Col<String>,
    /// Where the stage stands in its pipeline, from 0.
    pub position: Col<i32>,
    /// What the stage is for.
    pub kind: Col<StageKind>,
    /// How likely a deal in this stage is won, in percent.
    pub probability: Col<i32>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for PipelineStage {
    const PREFIX: &'static str = "stage";
}

impl ReadShape for PipelineStage {
    const TYPE: &'static str = "PipelineStage";
    const ALWAYS: &'static [&'static str] = &["id", "pipeline_id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// A pipeline to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = pipelines)]
pub struct NewPipeline {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// Whether new deals go here when nothing else is said.
    pub is_default: bool,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// A stage to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = pipeline_stages)]
pub struct NewStage {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The pipeline.
    pub pipeline_id: Uuid,
    /// The name.
    pub name: String,
    /// Where the stage stands.
    pub position: i32,
    /// What the stage is for.
    pub kind: StageKind,
    /// How likely a deal in this stage is won, in percent.
    pub probability: i32,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a pipeline: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = pipelines)]
pub struct PipelineChanges {
    /// The name.
    pub name: Option<String>,
    /// Whether new deals go here when nothing else is said.
    pub is_default: Option<bool>,
}

/// What changes of a stage: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = pipeline_stages)]
pub struct StageChanges {
    /// The name.
    pub name: Option<String>,
    /// How likely a deal in this stage is won, in percent.
    pub probability: Option<i32>,
}
