//! The rows of API keys. The one that is read has no hash, so that nothing that is shown or written to the audit log can have it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::api_keys;

/// The identifier of an API key.
pub type ApiKeyId = Id<ApiKey>;

/// An API key as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub struct ApiKey {
    /// The row's id.
    pub id: Uuid,
    /// What it is for.
    pub name: Col<String>,
    /// The codes of what it may do.
    pub scopes: Col<Vec<Option<String>>>,
    /// The addresses and ranges from which it may be used.
    pub allowed_ips: Col<Vec<Option<String>>>,
    /// The user whom it acts for.
    pub created_by: Col<Uuid>,
    /// When it ends by itself.
    pub expires_at: Col<Option<DateTime<Utc>>>,
    /// When it was last used, to the minute. Using a key changes nothing that the audit log would have to know.
    #[serde(skip)]
    pub last_used_at: Col<Option<DateTime<Utc>>>,
    /// When it was ended.
    pub revoked_at: Col<Option<DateTime<Utc>>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for ApiKey {
    const PREFIX: &'static str = "apikey";
}

impl ReadShape for ApiKey {
    const TYPE: &'static str = "ApiKey";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// An API key to be created.
#[derive(Clone, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// The SHA-256 of the whole key.
    pub secret_hash: String,
    /// The codes of what it may do.
    pub scopes: Vec<String>,
    /// The addresses and ranges from which it may be used.
    pub allowed_ips: Vec<String>,
    /// The user whom it acts for.
    pub created_by: Uuid,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of an API key: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = api_keys)]
pub struct ApiKeyChanges {
    /// What it is for.
    pub name: Option<String>,
    /// The addresses and ranges from which it may be used.
    pub allowed_ips: Option<Vec<String>>,
    /// When it was ended.
    pub revoked_at: Option<Option<DateTime<Utc>>>,
}
