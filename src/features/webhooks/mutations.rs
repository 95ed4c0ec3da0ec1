//! The mutations of webhooks.

use async_graphql::{Context, Object, SimpleObject};

use crate::access::payload::{UserError, divide};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::webhooks::actions::{
    self, WebhookEndpointCreateInput, WebhookEndpointDeleteInput, WebhookEndpointUpdateInput, WebhookSecretRotateInput,
};
use crate::features::webhooks::model::{self, WebhookEndpointId};
use crate::features::webhooks::object::{WebhookDelivery, WebhookEndpoint};
use crate::features::webhooks::replay::{self, WebhookReplayInput, WebhookTestInput};
use crate::{deletion, payload};

/// What came of `webhookEndpointCreate`.
#[derive(Clone, SimpleObject)]
pub struct WebhookEndpointCreatePayload {
    /// The endpoint; null when there are user errors.
    pub webhook_endpoint: Option<Written<WebhookEndpoint>>,
    /// The secret that calls are signed with, `whsec_...`. It is shown this once: nobody can read it again. Null when there are user errors.
    pub secret: Option<String>,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

impl Writable for WebhookEndpointCreatePayload {}

/// What came of `webhookSecretRotate`.
#[derive(Clone, SimpleObject)]
pub struct WebhookSecretRotatePayload {
    /// The endpoint as it is now; null when there are user errors.
    pub webhook_endpoint: Option<Written<WebhookEndpoint>>,
    /// The new secret, `whsec_...`. It is shown this once: nobody can read it again. Null when there are user errors.
    pub secret: Option<String>,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

impl Writable for WebhookSecretRotatePayload {}

/// What came of `webhookReplay`.
#[derive(Clone, SimpleObject)]
pub struct WebhookReplayPayload {
    /// How many deliveries are sent again; null when there are user errors.
    pub count: Option<i64>,
    /// Whether there are more, which are sent by doing the same again; null when there are user errors.
    pub has_more: Option<bool>,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

impl Writable for WebhookReplayPayload {}

payload!(
    /// What came of `webhookEndpointUpdate`.
    WebhookEndpointUpdatePayload {
        /// The endpoint as it is now; null when there are user errors.
        webhook_endpoint: WebhookEndpoint
    }
);
payload!(
    /// What came of `webhookTest`.
    WebhookTestPayload {
        /// What is sent; null when there are user errors.
        webhook_delivery: WebhookDelivery
    }
);
deletion!("endpoints": WebhookEndpointId; WebhookEndpointDeletePayload);

type WithSecret = (Option<Written<WebhookEndpoint>>, Option<String>, WrittenList<Vec<UserError>>);

fn with_secret(outcome: Result<(model::WebhookEndpoint, String)>) -> Result<WithSecret> {
    let (done, user_errors) = divide(outcome)?;
    let (row, secret) = done.unzip();
    Ok((row.map(|row| Written(row.into())), secret, user_errors))
}

/// The mutations of webhooks.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "WebhookMutations")]
impl Mutations {
    /// Makes an endpoint and shows its secret this once. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_endpoint_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: WebhookEndpointCreateInput,
    ) -> Result<Option<Written<WebhookEndpointCreatePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let outcome = operation.write(|act| async move { actions::create(&act, &services, input).await }).await;
        let (webhook_endpoint, secret, user_errors) = with_secret(outcome)?;
        Ok(Some(Written(WebhookEndpointCreatePayload { webhook_endpoint, secret, user_errors })))
    }

    /// Changes an endpoint. Whoever changes where to or what is sent answers for it from then on. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_endpoint_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: WebhookEndpointUpdateInput,
    ) -> Result<Option<Written<WebhookEndpointUpdatePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        WebhookEndpointUpdatePayload::of(operation.write(|act| async move { actions::update(&act, &services, input).await }).await)
    }

    /// Deletes an endpoint, and in the background all that is known of what was sent there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_endpoint_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: WebhookEndpointDeleteInput,
    ) -> Result<Option<Written<WebhookEndpointDeletePayload>>> {
        WebhookEndpointDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { actions::delete(&act, input.id).await }).await)
    }

    /// Gives an endpoint another secret and shows it this once. The present one signs as well for a time, so that the receiver can change over.
    /// Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_secret_rotate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: WebhookSecretRotateInput,
    ) -> Result<Option<Written<WebhookSecretRotatePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let outcome = operation.write(|act| async move { actions::rotate(&act, &services, input).await }).await;
        let (webhook_endpoint, secret, user_errors) = with_secret(outcome)?;
        Ok(Some(Written(WebhookSecretRotatePayload { webhook_endpoint, secret, user_errors })))
    }

    /// Sends again what was sent, or what an endpoint has missed, at most 1,000 deliveries at once. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_replay(&self, ctx: &Context<'_>, #[graphql(desc = "What to send again.")] input: WebhookReplayInput) -> Result<Option<Written<WebhookReplayPayload>>> {
        let (done, user_errors) = divide(Operation::of(ctx)?.write(|act| async move { replay::replay(&act, input).await }).await)?;
        let (count, has_more) = done.unzip();
        Ok(Some(Written(WebhookReplayPayload { count, has_more, user_errors })))
    }

    /// Calls an endpoint without an event, to try it out. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::WebhooksManage)")]
    async fn webhook_test(&self, ctx: &Context<'_>, #[graphql(desc = "Which endpoint.")] input: WebhookTestInput) -> Result<Option<Written<WebhookTestPayload>>> {
        WebhookTestPayload::of(Operation::of(ctx)?.write(move |act| async move { replay::test(&act, input.endpoint_id).await }).await)
    }
}
