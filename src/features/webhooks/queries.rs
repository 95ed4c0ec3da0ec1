//! Every statement about endpoints; those about deliveries and attempts are beside. Each names its organization; row level security stands behind it.

pub mod deliveries;
pub mod sending;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::features::lists::Filter;
use crate::features::webhooks::model::{NewWebhookEndpoint, WebhookEndpoint, WebhookEndpointChanges, WebhookEndpointState};
use crate::schema::webhook_endpoints;
use crate::{lists, stored};

stored! {
    webhook_endpoints of WebhookEndpoint, NewWebhookEndpoint, WebhookEndpointChanges;
}

lists! {
    webhook_endpoints of WebhookEndpoint, narrowed by WebhookEndpointFilter, usually CreatedAt Desc;

    /// How to order endpoints.
    pub struct WebhookEndpointOrder;

    /// What endpoints can be ordered by.
    pub enum WebhookEndpointOrderField {
        /// When they were made.
        CreatedAt = created_at: DateTime<Utc>,
    }
}

/// Narrows a list of endpoints; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct WebhookEndpointFilter {
    /// Only those that are enabled, or only those that are not.
    pub state: Option<WebhookEndpointState>,
}

impl Filter for WebhookEndpointFilter {}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &WebhookEndpointFilter) -> Query<ST> {
    match filter.state {
        Some(state) => query.filter(webhook_endpoints::state.eq(state)),
        None => query,
    }
}

/// How many endpoints the organization has.
///
/// # Errors
/// As the database fails.
pub async fn count(act: &Act) -> Result<i64> {
    let query = webhook_endpoints::table.filter(webhook_endpoints::organization_id.eq(act.organization())).count();
    Ok(act.db.first(query).await?.unwrap_or_default())
}

/// The sealed secret of an endpoint.
///
/// # Errors
/// As the database fails.
pub async fn secret(act: &Act, id: Uuid) -> Result<Option<Vec<u8>>> {
    let query = webhook_endpoints::table.select(webhook_endpoints::secret).filter(webhook_endpoints::organization_id.eq(act.organization()));
    act.db.first(query.filter(webhook_endpoints::id.eq(id))).await
}
