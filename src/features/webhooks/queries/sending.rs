//! Every statement by which a delivery is sent, and what came of it is written down.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::Act;
use crate::access::events::{ChangeKind, Event, EventPosition};
use crate::base::Result;
use crate::features::webhooks::model::{NewWebhookAttempt, WebhookDeliveryState, WebhookEndpointState};
use crate::platform::postgres::Transaction;
use crate::platform::postgres::statement::{Bind, Sql};
use crate::schema::{api_keys, audit_entries, jobs, webhook_attempts, webhook_deliveries, webhook_endpoints};

/// So many jobs are released at once: each is a lock.
const MOST_RELEASED: i32 = 1_000;

/// What of a delivery is needed to send it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
pub struct Due {
    /// The row's id.
    pub id: Uuid,
    /// What the event is known by.
    pub event_id: Uuid,
    /// What was done.
    pub action: String,
    /// The kind of object; nothing for a test.
    pub noun: Option<String>,
    /// The object.
    pub row_id: Option<Uuid>,
    /// How far it has come.
    pub state: WebhookDeliveryState,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
}

/// What of an endpoint is needed to send to it.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_endpoints, check_for_backend(diesel::pg::Pg))]
pub struct Receiver {
    /// The row's id.
    pub id: Uuid,
    /// Where to.
    pub url: String,
    /// The subscription whose answer is sent.
    pub document: Option<String>,
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// The sealed secret before.
    pub previous_secret: Option<Vec<u8>>,
    /// How long that one signs as well.
    pub previous_until: Option<DateTime<Utc>>,
    /// The member under whose rights the document runs.
    pub acts_for: Uuid,
    /// The codes of what she might do when she set what is sent.
    pub granted: Vec<Option<String>>,
    /// The API key that she used.
    pub api_key_id: Option<Uuid>,
    /// Whether it is told of events.
    pub state: WebhookEndpointState,
    /// Since when nothing has arrived.
    pub failing_since: Option<DateTime<Utc>>,
}

/// A delivery and where it goes; `None` when it is not there any more.
///
/// # Errors
/// As the database fails.
pub async fn due(db: &Transaction, organization: Uuid, delivery: Uuid) -> Result<Option<(Due, Receiver)>> {
    let of = webhook_endpoints::organization_id.eq(webhook_deliveries::organization_id).and(webhook_endpoints::id.eq(webhook_deliveries::endpoint_id));
    let query = webhook_deliveries::table
        .inner_join(webhook_endpoints::table.on(of))
        .select((Due::as_select(), Receiver::as_select()))
        .filter(webhook_deliveries::organization_id.eq(organization))
        .filter(webhook_deliveries::id.eq(delivery));
    db.first(query).await
}

/// The columns of an event.
type Entry = (i64, i64, String, String, Uuid, DateTime<Utc>, bool, bool);

/// The event of an entry in the audit log.
///
/// # Errors
/// As the database fails.
pub async fn event(db: &Transaction, organization: Uuid, id: Uuid) -> Result<Option<Event>> {
    let columns = (
        audit_entries::tx,
        audit_entries::seq,
        audit_entries::action,
        audit_entries::noun,
        audit_entries::row_id,
        audit_entries::at,
        audit_entries::before.is_null(),
        audit_entries::after.is_null(),
    );
    let query = audit_entries::table.select(columns).filter(audit_entries::organization_id.eq(organization)).filter(audit_entries::id.eq(id));
    let found: Option<Entry> = db.first(query).await?;
    Ok(found.map(|(tx, seq, action, noun, row, at, created, deleted)| {
        let kind = match (created, deleted) {
            (true, false) => ChangeKind::Created,
            (false, true) => ChangeKind::Deleted,
            _ => ChangeKind::Updated,
        };
        Event { position: EventPosition { tx, seq }, action, noun, row, kind, at }
    }))
}

/// Whether an API key still stands.
///
/// # Errors
/// As the database fails.
pub async fn key_stands(db: &Transaction, organization: Uuid, key: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let query = api_keys::table
        .select(api_keys::id)
        .filter(api_keys::organization_id.eq(organization))
        .filter(api_keys::id.eq(key))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)));
    let found: Option<Uuid> = db.first(query).await?;
    Ok(found.is_some())
}

/// Writes an attempt down.
///
/// # Errors
/// As the database fails.
pub async fn insert_attempt(act: &Act, new: NewWebhookAttempt) -> Result<()> {
    act.db.execute(diesel::insert_into(webhook_attempts::table).values(new)).await.map(drop)
}

/// What becomes of a delivery.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = webhook_deliveries, treat_none_as_null = true)]
pub struct Outcome {
    /// How far it has come.
    pub state: WebhookDeliveryState,
    /// When it is due again.
    pub next_at: Option<DateTime<Utc>>,
    /// When it was taken.
    pub delivered_at: Option<DateTime<Utc>>,
    /// What was sent.
    pub request_body: Option<String>,
    /// What was answered.
    pub response_status: Option<i32>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Writes down what became of a delivery that is to be sent; `calls` is added to the count of its attempts.
///
/// # Errors
/// As the database fails.
pub async fn settle(act: &Act, delivery: Uuid, outcome: Outcome, calls: i32) -> Result<()> {
    let target = webhook_deliveries::table.filter(webhook_deliveries::organization_id.eq(act.organization())).filter(webhook_deliveries::id.eq(delivery));
    let target = target.filter(webhook_deliveries::state.eq(WebhookDeliveryState::Pending));
    let counted = (webhook_deliveries::attempt_count.eq(webhook_deliveries::attempt_count + calls), webhook_deliveries::updated_at.eq(act.now()));
    act.db.execute(diesel::update(target).set((outcome, counted))).await.map(drop)
}

/// The word by which jobs of endpoints to which nothing arrives are run one after another, as `enqueue_webhooks` has it.
const FAILING: &str = "webhook failing";

/// Has the job of a delivery that is tried again run one after another with those of all endpoints to which nothing arrives.
///
/// # Errors
/// As the database fails.
pub async fn line_up(act: &Act, job: Uuid) -> Result<()> {
    let target = jobs::table.filter(jobs::organization_id.eq(act.organization())).filter(jobs::id.eq(job));
    act.db.execute(diesel::update(target).set(jobs::serial.eq(Some(FAILING)))).await.map(drop)
}

/// Has what waits for an endpoint go its own way again, as something has arrived there: so much of it at least that others are not in its way. The ticket
/// of before stays in its line, and means nothing any more when it comes to its turn.
///
/// # Errors
/// As the database fails.
pub async fn release(act: &Act, endpoint: Uuid) -> Result<()> {
    let text = "WITH own AS (
            UPDATE jobs SET serial = ?, priority = 'NORMAL', requeued = true WHERE organization_id = ? AND id IN (
                SELECT id FROM jobs WHERE organization_id = ? AND state = 'QUEUED' AND queue = 'WEBHOOK' AND serial = ? AND payload ->> 'endpoint' = ?
                ORDER BY created_at, id LIMIT ? FOR UPDATE SKIP LOCKED)
            RETURNING *)
        SELECT wake_worker(organization_id, id, queue, priority, run_at, serial) FROM own";
    let own = Bind::Uuid(act.organization());
    let serial = format!("webhook {endpoint}");
    let binds = vec![Bind::Text(serial), own.clone(), own, Bind::Text(FAILING.to_owned()), Bind::Text(endpoint.to_string()), Bind::Int(MOST_RELEASED)];
    act.db.execute(Sql::<()>::new(text, binds)).await.map(drop)
}

/// Notes since when nothing has arrived at an endpoint; nothing when something has.
///
/// # Errors
/// As the database fails.
pub async fn note_failing(act: &Act, endpoint: Uuid, since: Option<DateTime<Utc>>) -> Result<()> {
    let target = webhook_endpoints::table.filter(webhook_endpoints::organization_id.eq(act.organization())).filter(webhook_endpoints::id.eq(endpoint));
    act.db.execute(diesel::update(target).set(webhook_endpoints::failing_since.eq(since))).await.map(drop)
}
