//! Every statement by which deliveries and attempts are shown, and by which they are sent again.

use std::sync::Arc;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::page::{MAX_SIZE, rows_to_read};
use crate::base::{Error, Result};
use crate::features::lists::Filter;
use crate::features::webhooks::model::{NewWebhookDelivery, WebhookAttempt, WebhookDelivery, WebhookDeliveryState, WebhookEndpointId};
use crate::lists;
use crate::narrow_id;
use crate::platform::postgres::statement::{Bind, ForEachParent, Sql, parent_id};
use crate::schema::{webhook_attempts, webhook_deliveries};

/// So many events are told again by one mutation.
pub const MOST_AGAIN: i32 = 1_000;

lists! {
    webhook_deliveries of WebhookDelivery, narrowed by WebhookDeliveryFilter, usually CreatedAt Desc;

    /// How to order deliveries.
    pub struct WebhookDeliveryOrder;

    /// What deliveries can be ordered by.
    pub enum WebhookDeliveryOrderField {
        /// When the event happened.
        CreatedAt = created_at: DateTime<Utc>,
    }

    /// Whose deliveries a list holds.
    pub enum WebhookDeliveryParent {
        /// Those of an endpoint.
        Endpoint = endpoint_id,
    }
}

/// Narrows a list of deliveries; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct WebhookDeliveryFilter {
    /// Only those to this endpoint.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// Only those that have come so far.
    pub state: Option<WebhookDeliveryState>,
}

impl Filter for WebhookDeliveryFilter {}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &WebhookDeliveryFilter) -> Query<ST> {
    let query = narrow_id!(query, filter.endpoint_id, webhook_deliveries::endpoint_id);
    match filter.state {
        Some(state) => query.filter(webhook_deliveries::state.eq(state)),
        None => query,
    }
}

/// The deliveries of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<WebhookDelivery>>> {
    let columns = reader.columns::<WebhookDelivery>(&[]);
    let query = webhook_deliveries::table.select(columns).filter(webhook_deliveries::organization_id.eq(reader.organization()));
    reader.db.load_columns(columns, query.filter(webhook_deliveries::id.eq_any(ids))).await
}

/// The attempts of these deliveries, newest first, so many of each or more.
///
/// # Errors
/// As the database fails.
pub async fn attempts_by_deliveries(reader: &Reader, deliveries: Vec<Uuid>, most: usize) -> Result<Vec<Arc<WebhookAttempt>>> {
    let columns = reader.columns::<WebhookAttempt>(&[]);
    let query = webhook_attempts::table.select(columns);
    let query = query.filter(webhook_attempts::organization_id.eq(reader.organization())).filter(webhook_attempts::delivery_id.eq(parent_id()));
    let query = query.order((webhook_attempts::at.desc(), webhook_attempts::id.desc()));
    reader.db.load_columns(columns, ForEachParent { parents: deliveries, query, limit: rows_to_read(i64::try_from(most).unwrap_or(MAX_SIZE)) }).await
}

/// Writes a delivery down, and has it run.
///
/// # Errors
/// As the database fails.
pub async fn insert(act: &Act, new: NewWebhookDelivery) -> Result<WebhookDelivery> {
    let query = diesel::insert_into(webhook_deliveries::table).values(new).returning(WebhookDelivery::as_returning());
    let row: Option<WebhookDelivery> = act.db.first(query).await?;
    let row = row.ok_or_else(|| Error::internal("an inserted delivery was not returned"))?;
    enqueue(act, row.id, row.endpoint_id.value()?).await?;
    Ok(row)
}

async fn enqueue(act: &Act, delivery: Uuid, endpoint: Uuid) -> Result<()> {
    let binds = vec![Bind::Uuid(act.organization()), Bind::Uuid(delivery), Bind::Uuid(endpoint)];
    act.db.execute(Sql::<()>::new("SELECT enqueue_webhooks(?, ARRAY[?], ARRAY[?], true)", binds)).await.map(drop)
}

/// Where a delivery goes; `None` when it is not there.
///
/// # Errors
/// As the database fails.
pub async fn endpoint_of(act: &Act, id: Uuid) -> Result<Option<Uuid>> {
    let query = webhook_deliveries::table.select(webhook_deliveries::endpoint_id).filter(webhook_deliveries::organization_id.eq(act.organization()));
    act.db.first(query.filter(webhook_deliveries::id.eq(id))).await
}

/// Deletes deliveries to an endpoint with their attempts, at most [`MOST_AGAIN`]; how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete_some(act: &Act, endpoint: Uuid) -> Result<usize> {
    let text = "DELETE FROM webhook_deliveries WHERE organization_id = ? AND id IN (
        SELECT id FROM webhook_deliveries WHERE organization_id = ? AND endpoint_id = ? ORDER BY created_at, id LIMIT ?)";
    let own = Bind::Uuid(act.organization());
    act.db.execute(Sql::<()>::new(text, vec![own.clone(), own, Bind::Uuid(endpoint), Bind::Int(MOST_AGAIN)])).await
}

/// A delivery, locked against others until the transaction ends. Its endpoint is locked before, where both are.
///
/// # Errors
/// As the database fails.
pub async fn lock(act: &Act, id: Uuid) -> Result<Option<WebhookDelivery>> {
    let query = webhook_deliveries::table.select(WebhookDelivery::as_select()).filter(webhook_deliveries::organization_id.eq(act.organization()));
    act.db.first(query.filter(webhook_deliveries::id.eq(id)).for_update()).await
}

/// Has a delivery that is over sent again.
///
/// # Errors
/// As the database fails.
pub async fn again(act: &Act, id: Uuid, endpoint: Uuid) -> Result<()> {
    let target = webhook_deliveries::table.filter(webhook_deliveries::organization_id.eq(act.organization())).filter(webhook_deliveries::id.eq(id));
    let change = (
        webhook_deliveries::state.eq(WebhookDeliveryState::Pending),
        webhook_deliveries::next_at.eq(Some(act.now())),
        webhook_deliveries::delivered_at.eq(None::<DateTime<Utc>>),
        webhook_deliveries::error.eq(None::<String>),
        webhook_deliveries::updated_at.eq(act.now()),
    );
    act.db.execute(diesel::update(target).set(change)).await?;
    enqueue(act, id, endpoint).await
}

/// Has what was given up since an instant sent again, at most [`MOST_AGAIN`]; how many there were.
///
/// # Errors
/// As the database fails.
pub async fn failed_again(act: &Act, endpoint: Uuid, since: DateTime<Utc>) -> Result<i64> {
    let text = "WITH again AS (
            UPDATE webhook_deliveries SET state = 'PENDING', next_at = ?, error = NULL, updated_at = ?
            WHERE organization_id = ? AND id IN (
                SELECT id FROM webhook_deliveries WHERE organization_id = ? AND endpoint_id = ? AND state = 'FAILED' AND created_at >= ?
                ORDER BY created_at, id LIMIT ?)
            RETURNING organization_id, id, endpoint_id, created_at)
        SELECT enqueue_webhooks(?, array_agg(id ORDER BY created_at, id), array_agg(endpoint_id ORDER BY created_at, id), false) FROM again";
    let (now, own) = (Bind::Instant(act.now()), Bind::Uuid(act.organization()));
    let binds = vec![now.clone(), now, own.clone(), own.clone(), Bind::Uuid(endpoint), Bind::Instant(since), Bind::Int(MOST_AGAIN), own];
    Ok(act.db.first(Sql::<sql_types::BigInt>::new(text, binds)).await?.unwrap_or_default())
}

/// Has the endpoint told of events since an instant that it was not told of, because it was disabled then, at most so many; how many there were.
///
/// # Errors
/// As the database fails.
pub async fn missed_again(act: &Act, endpoint: Uuid, since: DateTime<Utc>, most: i32) -> Result<i64> {
    let text = "WITH missed AS (
            INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event_id, action, noun, row_id, state, next_at, created_at, updated_at)
            SELECT entry.organization_id, fresh_id(entry.at), endpoint.id, entry.id, entry.action, entry.noun, entry.row_id, 'PENDING', ?, entry.at, ?
            FROM webhook_endpoints endpoint
            JOIN audit_entries entry ON entry.organization_id = endpoint.organization_id AND entry.at >= greatest(?, endpoint.created_at)
                AND endpoint.events && ARRAY['*', entry.noun || '.*', entry.action]
            WHERE endpoint.organization_id = ? AND endpoint.id = ? AND entry.row_id <> endpoint.id
                AND NOT EXISTS (SELECT FROM webhook_deliveries known WHERE known.organization_id = entry.organization_id
                    AND known.endpoint_id = endpoint.id AND known.event_id = entry.id)
            ORDER BY entry.at, entry.id LIMIT ?
            RETURNING organization_id, id, endpoint_id, created_at)
        SELECT enqueue_webhooks(?, array_agg(id ORDER BY created_at, id), array_agg(endpoint_id ORDER BY created_at, id), false) FROM missed";
    let (now, own) = (Bind::Instant(act.now()), Bind::Uuid(act.organization()));
    let binds = vec![now.clone(), now, Bind::Instant(since), own.clone(), Bind::Uuid(endpoint), Bind::Int(most), own];
    Ok(act.db.first(Sql::<sql_types::BigInt>::new(text, binds)).await?.unwrap_or_default())
}
