//! Every statement that reads the audit log. Each names its organization; row level security stands behind it.

use async_graphql::{Enum, InputObject};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::Reader;
use crate::base::Result;
use crate::base::cursor::Key;
use crate::base::filter::{DateTimeFilter, StringFilter, check_string};
use crate::base::id::AnyId;
use crate::base::page::Window;
use crate::features::accounts::model::UserId;
use crate::features::audit_log::model::AuditEntry;
use crate::platform::postgres::statement::Limited;
use crate::schema::audit_entries;
use crate::{keyset, narrow_instant};

/// What the audit log can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum AuditOrderField {
    /// When it happened.
    At,
}

/// Narrows the audit log; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct AuditLogFilter {
    /// Only what this user did.
    pub actor_id: Option<UserId>,
    /// Only this kind of object, such as `contact`.
    pub noun: Option<String>,
    /// Only what was done to this object, of whatever kind.
    pub object_id: Option<async_graphql::ID>,
    /// Only this action, such as `contact.update`.
    pub action: Option<String>,
    /// By the instant at which it happened.
    pub at: Option<DateTimeFilter>,
}

/// The arguments of the audit log, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditList {
    filter: AuditLogFilter,
    object: Option<AnyId>,
    /// Which page.
    pub window: Window<AuditOrderField>,
}

impl AuditList {
    /// Checks the arguments.
    ///
    /// # Errors
    /// `INVALID_ID` or `VALIDATION_ERROR`.
    pub fn new(filter: AuditLogFilter, window: Window<AuditOrderField>) -> Result<Self> {
        for (name, text) in [("filter.noun", &filter.noun), ("filter.action", &filter.action)] {
            check_string(name, &StringFilter { eq: text.clone(), any: None })?;
        }
        let object = filter.object_id.as_ref().map(|id| AnyId::parse(id)).transpose()?;
        Ok(Self { filter, object, window })
    }
}

type Query<ST> = audit_entries::BoxedQuery<'static, Pg, ST>;

fn filtered<ST>(query: Query<ST>, organization: Uuid, list: &AuditList) -> Query<ST> {
    let mut query = query.filter(audit_entries::organization_id.eq(organization));
    if let Some(actor) = list.filter.actor_id {
        query = query.filter(audit_entries::actor_id.eq(actor.uuid()));
    }
    if let Some(object) = &list.object {
        query = query.filter(audit_entries::row_id.eq(object.uuid)).filter(audit_entries::noun.eq(object.prefix.clone()));
    }
    if let Some(noun) = &list.filter.noun {
        query = query.filter(audit_entries::noun.eq(noun.clone()));
    }
    if let Some(action) = &list.filter.action {
        query = query.filter(audit_entries::action.eq(action.clone()));
    }
    narrow_instant!(query, list.filter.at, audit_entries::at)
}

/// A page of the log, one row more than the page holds.
///
/// # Errors
/// As the database fails.
pub async fn page(reader: &Reader, list: &AuditList) -> Result<Vec<AuditEntry>> {
    let query = audit_entries::table.select(reader.columns::<AuditEntry>(&["at"])).into_boxed();
    let window = &list.window;
    let query = keyset!(filtered(query, reader.organization(), list), window, audit_entries::at, audit_entries::id, Key::as_instant);
    reader.db.load(Limited { query, limit: window.limit() }).await
}

/// How many entries the whole list has.
///
/// # Errors
/// As the database fails.
pub async fn count(reader: &Reader, list: &AuditList) -> Result<i64> {
    let query = filtered(audit_entries::table.count().into_boxed(), reader.organization(), list);
    Ok(reader.db.first(query).await?.unwrap_or_default())
}

/// The entries of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<AuditEntry>> {
    let query = audit_entries::table.select(reader.columns::<AuditEntry>(&[]));
    reader.db.load(query.filter(audit_entries::organization_id.eq(reader.organization())).filter(audit_entries::id.eq_any(ids))).await
}
