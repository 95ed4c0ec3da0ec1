//! The rows of endpoints, deliveries and attempts. The endpoint that is read has no secrets, so that nothing that is shown or written to the audit log
//! can have them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::{webhook_attempts, webhook_deliveries, webhook_endpoints};
use crate::text_enum;

text_enum! {
    /// Whether an endpoint is told of events.
    pub enum WebhookEndpointState {
        /// It is.
        Enabled = "ENABLED",
        /// It is not, as somebody or the server decided; `disabledReason` says why.
        Disabled = "DISABLED",
    }
}

text_enum! {
    /// How far a delivery has come.
    pub enum WebhookDeliveryState {
        /// It is to be sent, for the first time or again.
        Pending = "PENDING",
        /// The receiver has taken it.
        Delivered = "DELIVERED",
        /// Nothing was sent, because the endpoint's document lets this event pass, or whoever answers for the endpoint may not see such objects.
        Skipped = "SKIPPED",
        /// It was given up; `error` says why. It can be sent again by `webhookReplay`.
        Failed = "FAILED",
    }
}

/// The identifier of an endpoint.
pub type WebhookEndpointId = Id<WebhookEndpoint>;
/// The identifier of a delivery.
pub type WebhookDeliveryId = Id<WebhookDelivery>;

/// An endpoint as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = webhook_endpoints, check_for_backend(diesel::pg::Pg))]
pub struct WebhookEndpoint {
    /// The row's id.
    pub id: Uuid,
    /// Where to.
    pub url: Col<String>,
    /// What it is for.
    pub description: Col<Option<String>>,
    /// Which events it is told of.
    pub events: Col<Vec<Option<String>>>,
    /// The subscription whose answer is sent.
    pub document: Col<Option<String>>,
    /// How long the secret before the present one signs as well.
    pub previous_until: Col<Option<DateTime<Utc>>>,
    /// The member under whose rights the document runs.
    pub acts_for: Col<Uuid>,
    /// The codes of what she might do when she set what is sent.
    pub granted: Col<Vec<Option<String>>>,
    /// The API key that she used.
    pub api_key_id: Col<Option<Uuid>>,
    /// Whether it is told of events.
    pub state: Col<WebhookEndpointState>,
    /// Why not.
    pub disabled_reason: Col<Option<String>>,
    /// Since when nothing has arrived. What calls come to is no change that the audit log would have to know.
    #[serde(skip)]
    pub failing_since: Col<Option<DateTime<Utc>>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for WebhookEndpoint {
    const PREFIX: &'static str = "webhook";
}

impl ReadShape for WebhookEndpoint {
    const TYPE: &'static str = "WebhookEndpoint";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("previous_secret_until", &["previous_until"]), ("api_key", &["api_key_id"])];
}

/// An endpoint to be created.
#[derive(Clone, Insertable)]
#[diesel(table_name = webhook_endpoints)]
pub struct NewWebhookEndpoint {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Where to.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// Which events it is told of.
    pub events: Vec<String>,
    /// The subscription whose answer is sent.
    pub document: Option<String>,
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// The member under whose rights the document runs.
    pub acts_for: Uuid,
    /// The codes of what she may do.
    pub granted: Vec<String>,
    /// The API key that she uses.
    pub api_key_id: Option<Uuid>,
    /// Whether it is told of events.
    pub state: WebhookEndpointState,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of an endpoint: `None` leaves a column as it is.
#[derive(Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = webhook_endpoints)]
pub struct WebhookEndpointChanges {
    /// Where to.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// Which events it is told of.
    pub events: Option<Vec<String>>,
    /// The subscription whose answer is sent.
    pub document: Option<Option<String>>,
    /// The sealed secret.
    pub secret: Option<Vec<u8>>,
    /// The sealed secret before.
    pub previous_secret: Option<Option<Vec<u8>>>,
    /// How long that one signs as well.
    pub previous_until: Option<Option<DateTime<Utc>>>,
    /// The member under whose rights the document runs.
    pub acts_for: Option<Uuid>,
    /// The codes of what she may do.
    pub granted: Option<Vec<String>>,
    /// The API key that she uses.
    pub api_key_id: Option<Option<Uuid>>,
    /// Whether it is told of events.
    pub state: Option<WebhookEndpointState>,
    /// Why not.
    pub disabled_reason: Option<Option<String>>,
    /// Since when nothing has arrived.
    pub failing_since: Option<Option<DateTime<Utc>>>,
}

/// A delivery as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
pub struct WebhookDelivery {
    /// The row's id.
    pub id: Uuid,
    /// Where to.
    pub endpoint_id: Col<Uuid>,
    /// The entry in the audit log, or an id that stands for none when it is a test.
    pub event_id: Col<Uuid>,
    /// What was done, such as `contact.update`.
    pub action: Col<String>,
    /// The kind of object; nothing for a test.
    pub noun: Col<Option<String>>,
    /// The object.
    pub row_id: Col<Option<Uuid>>,
    /// How far it has come.
    pub state: Col<WebhookDeliveryState>,
    /// How often it was tried.
    pub attempt_count: Col<i32>,
    /// When it is due.
    pub next_at: Col<Option<DateTime<Utc>>>,
    /// When it was taken.
    pub delivered_at: Col<Option<DateTime<Utc>>>,
    /// What was sent last.
    pub request_body: Col<Option<String>>,
    /// What was answered last.
    pub response_status: Col<Option<i32>>,
    /// Why the last attempt failed.
    pub error: Col<Option<String>>,
    /// When the event happened.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
}

impl Noun for WebhookDelivery {
    const PREFIX: &'static str = "delivery";
}

impl ReadShape for WebhookDelivery {
    const TYPE: &'static str = "WebhookDelivery";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] =
        &[("endpoint", &["endpoint_id"]), ("event", &["action"]), ("object_id", &["noun", "row_id"])];
}

/// A delivery to be created, due at once.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub struct NewWebhookDelivery {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Where to.
    pub endpoint_id: Uuid,
    /// What stands for the event.
    pub event_id: Uuid,
    /// What was done.
    pub action: String,
    /// How far it has come.
    pub state: WebhookDeliveryState,
    /// When it is due.
    pub next_at: Option<DateTime<Utc>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// An attempt as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_attempts, check_for_backend(diesel::pg::Pg))]
pub struct WebhookAttempt {
    /// The delivery.
    pub delivery_id: Uuid,
    /// When the call was made.
    pub at: Col<DateTime<Utc>>,
    /// How long it took.
    pub duration_ms: Col<i32>,
    /// What was sent beside the body.
    pub request_headers: Col<Value>,
    /// The answer's status.
    pub response_status: Col<Option<i32>>,
    /// The answer's headers.
    pub response_headers: Col<Option<Value>>,
    /// The beginning of the answer's body.
    pub response_body: Col<Option<String>>,
    /// Why it failed.
    pub error: Col<Option<String>>,
}

impl ReadShape for WebhookAttempt {
    const TYPE: &'static str = "WebhookAttempt";
    const ALWAYS: &'static [&'static str] = &["delivery_id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// An attempt to be written down.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_attempts)]
pub struct NewWebhookAttempt {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The delivery.
    pub delivery_id: Uuid,
    /// When the call was made.
    pub at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: i32,
    /// What was sent beside the body.
    pub request_headers: Value,
    /// The answer's status.
    pub response_status: Option<i32>,
    /// The answer's headers.
    pub response_headers: Option<Value>,
    /// The beginning of the answer's body.
    pub response_body: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}
