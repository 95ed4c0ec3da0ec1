//! Sending again, and trying an endpoint out.

use async_graphql::InputObject;
use chrono::TimeDelta;

use crate::access::Act;
use crate::base::scalars::DateTime;
use crate::base::{Code, Error, Result};
use crate::features::rows::Stored;
use crate::features::webhooks::model::{
    NewWebhookDelivery, WebhookDelivery, WebhookDeliveryId, WebhookDeliveryState, WebhookEndpoint, WebhookEndpointId, WebhookEndpointState,
};
use crate::features::webhooks::queries::deliveries::{self, MOST_AGAIN};

/// What a test is called where events have their name.
pub const TEST: &str = "webhook.test";
/// What is older is not kept.
const OLDEST: TimeDelta = TimeDelta::days(30);
/// How far back is looked when nobody says.
const USUALLY: TimeDelta = TimeDelta::days(1);

/// What to send again: one delivery, or what an endpoint has missed.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookReplayInput {
    /// This delivery, whether it was taken or not. Either this or `endpointId` is given.
    pub delivery_id: Option<WebhookDeliveryId>,
    /// What this endpoint has missed: what was given up, and what happened while it was disabled.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// With `endpointId`: only what happened since then, at most 30 days ago; one day ago when left out.
    pub since: Option<DateTime>,
}

/// Which endpoint to try out.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookTestInput {
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
}

/// Has deliveries sent again; how many, and whether there are more to be sent by doing this again.
///
/// # Errors
/// `VALIDATION_ERROR`, `NOT_FOUND`, `CONFLICT` when a delivery is to be sent anyway or the endpoint is disabled.
pub async fn replay(act: &Act, input: WebhookReplayInput) -> Result<(i64, bool)> {
    match (input.delivery_id, input.endpoint_id) {
        (Some(delivery), None) => one(act, delivery).await.map(|()| (1, false)),
        (None, Some(endpoint)) => missed(act, endpoint, input.since).await,
        _ => Err(Error::invalid("deliveryId", "Send either `deliveryId` or `endpointId`.")),
    }
}

async fn one(act: &Act, id: WebhookDeliveryId) -> Result<()> {
    let missing = || Error::field_not_found("deliveryId", "delivery");
    let endpoint = deliveries::endpoint_of(act, id.uuid()).await?.ok_or_else(missing)?;
    let endpoint = enabled(act, WebhookEndpointId::new(endpoint), "deliveryId").await?;
    let row = deliveries::lock(act, id.uuid()).await?.ok_or_else(missing)?;
    if row.state.value()? == WebhookDeliveryState::Pending {
        return Err(Error::on_field(Code::Conflict, "deliveryId", "This delivery is to be sent anyway; `nextAt` says when."));
    }
    deliveries::again(act, row.id, endpoint.id).await
}

async fn missed(act: &Act, id: WebhookEndpointId, since: Option<DateTime>) -> Result<(i64, bool)> {
    let since = since.map_or(act.now() - USUALLY, |DateTime(since)| since);
    if since < act.now() - OLDEST {
        return Err(Error::invalid("since", "What was sent is kept for 30 days: nothing older can be sent again."));
    }
    let endpoint = enabled(act, id, "endpointId").await?;
    let failed = deliveries::failed_again(act, endpoint.id, since).await?;
    let room = i32::try_from(i64::from(MOST_AGAIN) - failed).unwrap_or_default();
    let missed = deliveries::missed_again(act, endpoint.id, since, room).await?;
    Ok((failed + missed, failed + missed >= i64::from(MOST_AGAIN)))
}

/// Has an endpoint called without an event.
///
/// # Errors
/// `NOT_FOUND`, `CONFLICT` when the endpoint is disabled.
pub async fn test(act: &Act, id: WebhookEndpointId) -> Result<WebhookDelivery> {
    let endpoint = enabled(act, id, "endpointId").await?;
    let now = act.now();
    let new = NewWebhookDelivery {
        organization_id: act.organization(),
        id: act.fresh_id(),
        endpoint_id: endpoint.id,
        event_id: act.fresh_id(),
        action: TEST.to_owned(),
        state: WebhookDeliveryState::Pending,
        next_at: Some(now),
        created_at: now,
        updated_at: now,
    };
    deliveries::insert(act, new).await
}

async fn enabled(act: &Act, id: WebhookEndpointId, field: &str) -> Result<WebhookEndpoint> {
    let endpoint = WebhookEndpoint::lock(act, &[id.uuid()]).await?.into_iter().next().ok_or_else(|| Error::field_not_found(field, "endpoint"))?;
    match endpoint.state.value()? {
        WebhookEndpointState::Enabled => Ok(endpoint),
        WebhookEndpointState::Disabled => Err(Error::on_field(Code::Conflict, field, "The endpoint is disabled: enable it first.")),
    }
}
