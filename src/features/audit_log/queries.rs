//! Every statement that reads the audit log. Each names its organization; row level security stands behind it.

use std::sync::Arc;

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::Reader;
use crate::base::Result;
use crate::base::filter::{DateTimeFilter, StringFilter, check_string};
use crate::base::id::AnyId;
use crate::features::accounts::model::UserId;
use crate::features::api_keys::model::ApiKeyId;
use crate::features::audit_log::model::AuditEntry;
use crate::features::lists::Filter;
use crate::schema::audit_entries;
use crate::{lists, narrow_id, narrow_instant};

lists! {
    audit_entries of AuditEntry, narrowed by AuditEntryFilter, usually At Desc;

    /// How to order the audit log.
    pub struct AuditEntryOrder;

    /// What the audit log can be ordered by.
    pub enum AuditEntryOrderField {
        /// When it happened.
        At = at: DateTime<Utc>,
    }
}

/// Narrows the audit log; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct AuditEntryFilter {
    /// Only what this user did.
    pub actor_id: Option<UserId>,
    /// Only what was done by this API key.
    pub api_key_id: Option<ApiKeyId>,
    /// Only this kind of object, such as `contact`.
    pub noun: Option<String>,
    /// Only what was done to this object, of whatever kind.
    pub object_id: Option<ID>,
    /// Only this action, such as `contact.update`.
    pub action: Option<String>,
    /// By the instant at which it happened.
    pub at: Option<DateTimeFilter>,
}

impl Filter for AuditEntryFilter {
    fn check(&self) -> Result<()> {
        for (name, text) in [("filter.noun", &self.noun), ("filter.action", &self.action)] {
            check_string(name, &StringFilter { eq: text.clone(), any: None })?;
        }
        self.object_id.as_ref().map(|id| AnyId::parse(id)).transpose().map(|_| ())
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &AuditEntryFilter) -> Query<ST> {
    let mut query = narrow_id!(query, filter.actor_id, audit_entries::actor_id);
    query = narrow_id!(query, filter.api_key_id, audit_entries::api_key_id);
    if let Some(Ok(object)) = filter.object_id.as_ref().map(|id| AnyId::parse(id)) {
        query = query.filter(audit_entries::row_id.eq(object.uuid)).filter(audit_entries::noun.eq(object.prefix));
    }
    if let Some(noun) = &filter.noun {
        query = query.filter(audit_entries::noun.eq(noun.clone()));
    }
    if let Some(action) = &filter.action {
        query = query.filter(audit_entries::action.eq(action.clone()));
    }
    narrow_instant!(query, filter.at, audit_entries::at)
}

/// The entries of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<AuditEntry>>> {
    let columns = reader.columns::<AuditEntry>(&[]);
    let query = audit_entries::table.select(columns);
    reader.db.load_columns(columns, query.filter(audit_entries::organization_id.eq(reader.organization())).filter(audit_entries::id.eq_any(ids))).await
}
