//! What the schema shows of endpoints, deliveries and attempts: never a secret.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::id::AnyId;
use crate::base::page::{PageArgs, at_most};
use crate::base::scalars::{DateTime, Json};
use crate::features::accounts::object::User;
use crate::features::api_keys::object::ApiKey;
use crate::features::lists;
use crate::features::webhooks::loaders::{AttemptsByDelivery, WebhookDeliveryById};
use crate::features::webhooks::model::{self, WebhookDeliveryId, WebhookDeliveryState, WebhookEndpointId, WebhookEndpointState};
use crate::features::webhooks::queries::WebhookEndpointOrderField;
use crate::features::webhooks::queries::deliveries::{WebhookDeliveryFilter, WebhookDeliveryOrder, WebhookDeliveryOrderField, WebhookDeliveryParent};
use crate::features::webhooks::rules;
use crate::from_rows;
use crate::object;
use crate::plain;

object! {
    /// An address that is told of events.
    WebhookEndpoint of model::WebhookEndpoint, ordered by WebhookEndpointOrderField, seen with WebhooksManage;
    /// A page of endpoints.
    WebhookEndpointConnection;
    plain id, url, description, events, document, previous_secret_until, granted, state, disabled_reason, failing_since, created_at, updated_at,
        version
}

/// An address that is told of events, by signed calls as Standard Webhooks describes them.
#[Object(guard = "Can(Permission::WebhooksManage)")]
impl WebhookEndpoint {
    /// The identifier.
    pub async fn id(&self) -> WebhookEndpointId {
        WebhookEndpointId::new(self.0.id)
    }

    /// Where events are sent to.
    async fn url(&self) -> Result<&str> {
        self.0.url.text()
    }

    /// What it is for; null when nobody said.
    async fn description(&self) -> Result<Option<&str>> {
        self.0.description.text()
    }

    /// Which events it is told of: `contact.update`, `contact.*` for all of a kind, `*` for all.
    async fn events(&self) -> Result<Vec<&str>> {
        Ok(self.0.events.get()?.iter().flatten().map(String::as_str).collect())
    }

    /// The subscription whose answer is sent; null when the kind of event and the object's identifier are all that is sent.
    async fn document(&self) -> Result<Option<&str>> {
        self.0.document.text()
    }

    /// Until when the secret before the present one signs as well; null when none was replaced.
    async fn previous_secret_until(&self) -> Result<Option<DateTime>> {
        Ok(self.0.previous_until.value()?.map(DateTime))
    }

    /// The member who last set where to and what is sent. Nothing is sent that she may not see. Null when it fails; the errors say why.
    async fn acts_for(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load(ctx, self.0.acts_for.value()?).await
    }

    /// The codes of what she might do when she did: nothing beyond is sent, even if her role allows more by now.
    async fn granted(&self) -> Result<Vec<&str>> {
        Ok(self.0.granted.get()?.iter().flatten().map(String::as_str).collect())
    }

    /// The API key that she used, whose end is the endpoint's as well; null when she was signed in herself. Null when it fails; the errors say why.
    async fn api_key(&self, ctx: &Context<'_>) -> Result<Option<Written<ApiKey>>> {
        ApiKey::load_if(ctx, self.0.api_key_id.value()?).await
    }

    /// Whether it is told of events.
    async fn state(&self) -> Result<WebhookEndpointState> {
        self.0.state.value()
    }

    /// Why it is not told of events; null while it is.
    async fn disabled_reason(&self) -> Result<Option<&str>> {
        self.0.disabled_reason.text()
    }

    /// Since when nothing has arrived there; null when the last call went well, or none was made. After five days it is disabled.
    async fn failing_since(&self) -> Result<Option<DateTime>> {
        Ok(self.0.failing_since.value()?.map(DateTime))
    }

    /// What was sent there and is to be sent, newest first unless ordered otherwise; kept for 30 days. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<WebhookDeliveryFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<WebhookDeliveryOrder>,
    ) -> Result<Option<WebhookDeliveryConnection>> {
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (WebhookDeliveryParent::Endpoint, self.0.id), &page, filter, order_by).await
    }

    /// When it was made.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// One event for one endpoint.
#[derive(Clone)]
pub struct WebhookDelivery(pub Arc<model::WebhookDelivery>);

/// A page of deliveries.
pub type WebhookDeliveryConnection = Written<Connection<WebhookDelivery>>;

from_rows!(WebhookDelivery of model::WebhookDelivery);

impl Writable for WebhookDelivery {
    plain!(id, event_id, event, state, attempt_count, next_at, delivered_at, request_body, response_status, error, created_at, updated_at);

    fn parent_id(&self) -> Option<Uuid> {
        Some(self.0.id)
    }
}

impl Listed for WebhookDelivery {
    const NAME: &'static str = "WebhookDelivery";
    const READ: Permission = Permission::WebhooksManage;
    type Order = WebhookDeliveryOrderField;
    type Row = model::WebhookDelivery;

    fn row(&self) -> &model::WebhookDelivery {
        &self.0
    }
}

impl NodeObject for WebhookDelivery {
    type Row = model::WebhookDelivery;
    const READ: Permission = Permission::WebhooksManage;

    async fn find(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<WebhookDeliveryById>(id).await?.map(Self))
    }
}

/// One event, told or to be told to one endpoint.
#[Object(guard = "Can(Permission::WebhooksManage)")]
impl WebhookDelivery {
    /// The identifier.
    pub async fn id(&self) -> WebhookDeliveryId {
        WebhookDeliveryId::new(self.0.id)
    }

    /// The endpoint. Null when it fails; the errors say why.
    async fn endpoint(&self, ctx: &Context<'_>) -> Result<Option<Written<WebhookEndpoint>>> {
        WebhookEndpoint::load(ctx, self.0.endpoint_id.value()?).await
    }

    /// What the header `webhook-id` says: the same at each attempt, so that a receiver can tell what it had already.
    async fn event_id(&self) -> Result<ID> {
        Ok(ID(self.0.event_id.value()?.to_string()))
    }

    /// What was done, such as `contact.update`; `webhook.test` for a test.
    async fn event(&self) -> Result<&str> {
        self.0.action.text()
    }

    /// The identifier of the object to which it was done, which may have been deleted since; null for a test, and when the caller may not see such objects.
    async fn object_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        let operation = Operation::of(ctx)?;
        let (permissions, nouns) = (operation.scope()?.permissions, operation.services().events.nouns());
        let id = self.0.noun.text()?.zip(self.0.row_id.value()?).filter(|(noun, _)| permissions.has(rules::needed(nouns, noun)));
        Ok(id.map(|(noun, uuid)| ID(AnyId { prefix: noun.to_owned(), uuid }.to_string())))
    }

    /// How far it has come.
    async fn state(&self) -> Result<WebhookDeliveryState> {
        self.0.state.value()
    }

    /// How often it was tried.
    async fn attempt_count(&self) -> Result<i32> {
        self.0.attempt_count.value()
    }

    /// When it is due; null when it is over.
    async fn next_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.next_at.value()?.map(DateTime))
    }

    /// When the receiver has taken it; null when it has not.
    async fn delivered_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.delivered_at.value()?.map(DateTime))
    }

    /// What was sent last; null before the first attempt.
    async fn request_body(&self) -> Result<Option<&str>> {
        self.0.request_body.text()
    }

    /// The status of the last answer; null when there was none.
    async fn response_status(&self) -> Result<Option<i32>> {
        self.0.response_status.value()
    }

    /// Why the last attempt failed; null when it did not.
    async fn error(&self) -> Result<Option<&str>> {
        self.0.error.text()
    }

    /// The calls that were made, newest first. Null when it fails; the errors say why.
    async fn attempts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many calls: 0 to 100.", default = 10)] first: i32,
    ) -> Result<Option<WrittenList<Vec<WebhookAttempt>>>> {
        let attempts = Operation::of(ctx)?.reads()?.load::<AttemptsByDelivery>((self.0.id, at_most(first)?)).await?;
        Ok(Some(attempts.unwrap_or_default().into_iter().map(WebhookAttempt).collect()))
    }

    /// When the event happened.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When something of it last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }
}

/// One call.
#[derive(Clone)]
pub struct WebhookAttempt(pub Arc<model::WebhookAttempt>);

impl Writable for WebhookAttempt {
    plain!(at, duration_ms, request_headers, response_status, response_headers, response_body, error);
}

/// One call to an endpoint.
#[Object(guard = "Can(Permission::WebhooksManage)")]
impl WebhookAttempt {
    /// When it was made.
    async fn at(&self) -> Result<DateTime> {
        self.0.at.value().map(DateTime)
    }

    /// How long it took, in milliseconds.
    async fn duration_ms(&self) -> Result<i32> {
        self.0.duration_ms.value()
    }

    /// The headers that were sent.
    async fn request_headers(&self) -> Result<Json> {
        self.0.request_headers.get().cloned().map(Json)
    }

    /// The status of the answer; null when there was none.
    async fn response_status(&self) -> Result<Option<i32>> {
        self.0.response_status.value()
    }

    /// The headers of the answer; null when there was none.
    async fn response_headers(&self) -> Result<Option<Json>> {
        Ok(self.0.response_headers.get()?.clone().map(Json))
    }

    /// The beginning of the answer's body; null when there was none.
    async fn response_body(&self) -> Result<Option<&str>> {
        self.0.response_body.text()
    }

    /// Why it failed; null when the receiver has taken it.
    async fn error(&self) -> Result<Option<&str>> {
        self.0.error.text()
    }
}
