//! The rows that the demo data is made of, as they are inserted.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{
    activities, audit_entries, companies, contacts, deal_stage_changes, deals, memberships, organizations, pipeline_stages, pipelines, tasks, users,
};

type Instant = DateTime<Utc>;

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = organizations)]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
    pub gstin: Option<String>,
    pub state_code: &'static str,
    pub plan: &'static str,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = users)]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub password_hash: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = memberships)]
pub struct Membership {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub user_id: Uuid,
    pub role: &'static str,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = pipelines)]
pub struct Pipeline {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub name: &'static str,
    pub is_default: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = pipeline_stages)]
pub struct Stage {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub pipeline_id: Uuid,
    pub name: &'static str,
    pub position: i32,
    pub kind: &'static str,
    pub probability: i32,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = companies)]
pub struct Company {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub name: String,
    pub gstin: Option<String>,
    pub state_code: &'static str,
    pub industry: &'static str,
    pub email: String,
    pub phone: String,
    pub website: String,
    pub addresses: Value,
    pub owner_id: Uuid,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = contacts)]
pub struct Contact {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company_id: Option<Uuid>,
    pub city: &'static str,
    pub state_code: &'static str,
    pub stage: &'static str,
    pub status: &'static str,
    pub source: &'static str,
    pub tags: Vec<&'static str>,
    pub owner_id: Uuid,
    pub notes: Option<&'static str>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = deals)]
pub struct Deal {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub title: String,
    pub pipeline_id: Uuid,
    pub stage_id: Uuid,
    pub status: &'static str,
    pub contact_id: Uuid,
    pub company_id: Option<Uuid>,
    pub owner_id: Uuid,
    pub value_minor: i64,
    pub currency: &'static str,
    pub probability: i32,
    pub expected_close: NaiveDate,
    pub closed_at: Option<Instant>,
    pub closed_reason: Option<&'static str>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub version: i32,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = deal_stage_changes)]
pub struct StageChange {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub deal_id: Uuid,
    pub from_stage_id: Option<Uuid>,
    pub to_stage_id: Uuid,
    pub actor_id: Uuid,
    pub at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = tasks)]
pub struct Task {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub title: String,
    pub status: &'static str,
    pub priority: &'static str,
    pub assignee_id: Option<Uuid>,
    pub contact_id: Option<Uuid>,
    pub deal_id: Option<Uuid>,
    pub due_at: Option<Instant>,
    pub completed_at: Option<Instant>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = activities)]
pub struct Activity {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub kind: &'static str,
    pub subject: String,
    pub occurred_at: Instant,
    pub duration_minutes: Option<i32>,
    pub contact_id: Uuid,
    pub deal_id: Option<Uuid>,
    pub author_id: Uuid,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Debug, Clone, PartialEq, Insertable)]
#[diesel(table_name = audit_entries)]
pub struct AuditEntry {
    pub organization_id: Uuid,
    pub id: Uuid,
    pub at: Instant,
    pub action: &'static str,
    pub noun: &'static str,
    pub row_id: Uuid,
    pub after: Value,
    pub request_id: &'static str,
}
