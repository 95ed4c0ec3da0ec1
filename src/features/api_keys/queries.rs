//! Every statement about API keys, but for those that check a presented key ([`crate::access::keys`], [`crate::access::standing`]) and the one that
//! ends the keys of a removed member. Each names its organization; row level security stands behind it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::Reader;
use crate::features::accounts::model::UserId;
use crate::features::api_keys::model::{ApiKey, ApiKeyChanges, NewApiKey};
use crate::features::lists::Filter;
use crate::schema::api_keys;
use crate::{lists, narrow_id, stored};

stored! {
    api_keys of ApiKey, NewApiKey, ApiKeyChanges;
}

lists! {
    api_keys of ApiKey, narrowed by ApiKeyFilter, usually CreatedAt Desc;

    /// How to order API keys.
    pub struct ApiKeyOrder;

    /// What API keys can be ordered by.
    pub enum ApiKeyOrderField {
        /// When they were made.
        CreatedAt = created_at: DateTime<Utc>,
        /// Their name, letter by letter.
        Name = name: String,
    }
}

/// Narrows a list of API keys; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct ApiKeyFilter {
    /// `true`: only those that can be used; `false`: only those that were revoked or have expired.
    pub active: Option<bool>,
    /// Only those that act for this member.
    pub created_by_id: Option<UserId>,
}

impl Filter for ApiKeyFilter {}

fn narrowed<ST>(query: Query<ST>, reader: &Reader, filter: &ApiKeyFilter) -> Query<ST> {
    let now = reader.now;
    let query = narrow_id!(query, filter.created_by_id, api_keys::created_by);
    match filter.active {
        None => query,
        Some(true) => query.filter(api_keys::revoked_at.is_null()).filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now))),
        Some(false) => query.filter(api_keys::revoked_at.is_not_null().or(api_keys::expires_at.le(now))),
    }
}
