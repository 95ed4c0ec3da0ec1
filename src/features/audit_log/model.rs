//! The rows of the audit log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::audit_entries;

/// The identifier of an entry.
pub type AuditEntryId = Id<AuditEntry>;

/// An entry as it is read.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit_entries, check_for_backend(diesel::pg::Pg))]
pub struct AuditEntry {
    /// The row's id.
    pub id: Uuid,
    /// When it happened.
    pub at: Col<DateTime<Utc>>,
    /// Who did it.
    pub actor_id: Col<Option<Uuid>>,
    /// The API key by which it was done.
    pub api_key_id: Col<Option<Uuid>>,
    /// What was done.
    pub action: Col<String>,
    /// The kind of object.
    pub noun: Col<String>,
    /// The object.
    pub row_id: Col<Uuid>,
    /// What of it was changed, as it was.
    pub before: Col<Option<Value>>,
    /// What of it was changed, as it became.
    pub after: Col<Option<Value>>,
    /// The request in which it happened.
    pub request_id: Col<String>,
}

impl Noun for AuditEntry {
    const PREFIX: &'static str = "audit";
}

impl ReadShape for AuditEntry {
    const TYPE: &'static str = "AuditEntry";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] =
        &[("actor", &["actor_id"]), ("api_key", &["api_key_id"]), ("object_id", &["noun", "row_id"])];
}
