//! A new contact, with its entry in the audit log.

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{SecondsFormat, SubsecRound};
use payaid::base::Clock;
use payaid::base::clock::SystemClock;
use payaid::base::id::fresh;
use payaid::features::contacts::model::Contact;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::answers::PLACE_NUMBER;
use super::values::{At, Json, Key};
use super::{Plain, Shared, Who, answer, variables};

pub const INSERT: &str = "INSERT INTO contacts (organization_id, id, name, email, phone, city, stage, status, source, tags, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) RETURNING id, name, email, phone, company_id, city, state_code, stage, status, source, tags, \
     owner_id, notes, created_at, updated_at, version";
pub const AUDIT: &str = "INSERT INTO audit_entries (organization_id, id, at, actor_id, action, noun, row_id, after, request_id) \
     VALUES ($1, $2, $3, $4, 'contact.create', 'contact', $5, $6, $7)";

/// Up to where the log was written, which reads of the same client have to see.
pub const PLACE: &str = "SELECT ('x' || substr(pg_walfile_name(lsn), 1, 8))::bit(32)::int::bigint, (lsn - '0/0'::pg_lsn)::bigint \
     FROM pg_current_wal_insert_lsn() AS lsn";

#[derive(Deserialize)]
struct Variables<'a> {
    #[serde(borrow)]
    input: Input<'a>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: &'a str,
    email: &'a str,
    phone: &'a str,
    city: &'a str,
    stage: &'a str,
}

/// The row as the audit log keeps it.
#[derive(Serialize)]
struct Whole<'a> {
    id: Uuid,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    company_id: Option<Uuid>,
    city: Option<&'a str>,
    state_code: Option<&'a str>,
    stage: &'a str,
    status: &'a str,
    source: &'a str,
    tags: Vec<&'a str>,
    owner_id: Option<Uuid>,
    notes: Option<&'a str>,
    created_at: String,
    updated_at: String,
    version: i32,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    city: Option<&'a str>,
    stage: &'a str,
}

#[derive(Serialize)]
struct Answer<'a> {
    data: Data<'a>,
    extensions: Extensions,
}

#[derive(Serialize)]
struct Extensions {
    consistency: Consistency,
}

#[derive(Serialize)]
struct Consistency {
    token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    contact_create: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    contact: Shown<'a>,
    user_errors: Vec<()>,
}

pub async fn create(State(plain): Shared, headers: HeaderMap, body: Bytes) -> Response {
    answer(insert(&plain, &headers, &body).await)
}

async fn insert(plain: &Plain, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>> {
    let Who { organization, user } = plain.who(headers)?;
    let Variables { input } = variables(body)?;
    // What the server checks, in short.
    ensure!(!input.name.trim().is_empty() && input.email.contains('@') && input.phone.starts_with('+'), "not valid");
    let now = SystemClock.now().trunc_subsecs(6);
    let (id, request) = (fresh(&SystemClock), fresh(&SystemClock).simple().to_string());
    let db = plain
        .begin(format!(
            "BEGIN; SET LOCAL app.organization_id = '{organization}'; SET LOCAL app.user_id = '{user}'; SET LOCAL app.now = '{}'; \
             SET LOCAL app.request_id = '{request}'",
            now.to_rfc3339_opts(SecondsFormat::Micros, true)
        ))
        .await?;
    let (tenant, at, tags) = (Key(organization), At(now), Vec::<String>::new());
    let rows = db
        .first(7, &[&tenant, &Key(id), &input.name, &input.email, &input.phone, &input.city, &input.stage, &"ACTIVE", &"OTHER", &tags, &at])
        .await?;
    let row = rows.first().context("nothing came back")?;
    let after = Json(serde_json::to_vec(&whole(row))?);
    db.rows(8, &[&tenant, &Key(fresh(&SystemClock)), &at, &Key(user), &Key(id), &after, &request]).await?;
    let place = db.commit_at(PLACE_NUMBER).await?;
    let contact = Shown {
        id: row.get::<_, Key>(0).of::<Contact>(),
        name: row.get(1),
        email: row.get(2),
        phone: row.get(3),
        city: row.get(5),
        stage: row.get(7),
    };
    let token = format!("{:08x}{:016x}", place.get::<_, i64>(0), place.get::<_, i64>(1));
    let data = Data { contact_create: Payload { contact, user_errors: Vec::new() } };
    Ok(serde_json::to_vec(&Answer { data, extensions: Extensions { consistency: Consistency { token } } })?)
}

fn whole(row: &Row) -> Whole<'_> {
    Whole {
        id: row.get::<_, Key>(0).0,
        name: row.get(1),
        email: row.get(2),
        phone: row.get(3),
        company_id: row.get::<_, Option<Key>>(4).map(|key| key.0),
        city: row.get(5),
        state_code: row.get(6),
        stage: row.get(7),
        status: row.get(8),
        source: row.get(9),
        tags: row.get(10),
        owner_id: row.get::<_, Option<Key>>(11).map(|key| key.0),
        notes: row.get(12),
        created_at: row.get::<_, At>(13).text(),
        updated_at: row.get::<_, At>(14).text(),
        version: row.get(15),
    }
}
