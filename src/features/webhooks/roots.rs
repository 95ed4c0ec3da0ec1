//! The query fields of webhooks.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::lists;
use crate::features::webhooks::model::{WebhookDeliveryId, WebhookEndpointId};
use crate::features::webhooks::object::{WebhookDelivery, WebhookDeliveryConnection, WebhookEndpoint, WebhookEndpointConnection};
use crate::features::webhooks::queries::deliveries::{WebhookDeliveryFilter, WebhookDeliveryOrder};
use crate::features::webhooks::queries::{WebhookEndpointFilter, WebhookEndpointOrder};

/// The query fields of webhooks.
#[derive(Default)]
pub struct Roots;

#[Object(name = "WebhookRoots")]
impl Roots {
    /// One endpoint; null when there is no such endpoint in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_endpoint(&self, ctx: &Context<'_>, #[graphql(desc = "The endpoint's identifier.")] id: WebhookEndpointId) -> Result<Option<Written<WebhookEndpoint>>> {
        WebhookEndpoint::load(ctx, id.uuid()).await
    }

    /// The addresses that are told of the organization's events, newest first unless ordered otherwise. For owners and admins. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn webhook_endpoints(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<WebhookEndpointFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<WebhookEndpointOrder>,
    ) -> Result<Option<WebhookEndpointConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }

    /// One delivery; null when there is no such delivery in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_delivery(&self, ctx: &Context<'_>, #[graphql(desc = "The delivery's identifier.")] id: WebhookDeliveryId) -> Result<Option<Written<WebhookDelivery>>> {
        WebhookDelivery::load(ctx, id.uuid()).await
    }

    /// What was sent to the organization's endpoints and is to be sent, newest first unless ordered otherwise; kept for 30 days. For owners and admins.
    /// Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<WebhookDeliveryFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<WebhookDeliveryOrder>,
    ) -> Result<Option<WebhookDeliveryConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
