//! Batch functions over the audit log.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::audit_log::model::AuditEntry;
use crate::features::audit_log::queries;

/// Entries by their ids.
pub struct AuditEntryById;

impl Batch for AuditEntryById {
    type Key = Uuid;
    type Value = Arc<AuditEntry>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<AuditEntry>>> {
        let entries = queries::by_ids(&reader, keys).await?;
        Ok(entries.into_iter().map(|entry| (entry.id, entry)).collect())
    }
}
