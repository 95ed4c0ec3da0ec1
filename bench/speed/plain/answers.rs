//! Contacts: one, a page, a search, a new one.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::DateTime;
use data_encoding::BASE64URL_NOPAD;
use futures_util::try_join;
use payaid::base::id::AnyId;
use payaid::base::text::search_words;
use payaid::features::contacts::model::Contact;
use payaid::features::deals::model::Deal;
use payaid::features::tasks::model::Task;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::values::{Amount, At, Day, Key};
use super::{Plain, Shared, answer, create, dashboard, variables, written};

const CONTACT: &str = "SELECT id, name, email, phone, city, stage, status, created_at FROM contacts WHERE organization_id = $1 AND id = $2";
/// A page after a cursor.
const PAGE: &str = "SELECT id, name, email, stage, city, created_at FROM contacts WHERE organization_id = $1 AND created_at <= $2 AND (created_at < $2 OR id < $3) \
     ORDER BY created_at DESC, id DESC LIMIT 51";
const COUNT: &str = "SELECT count(*) FROM contacts WHERE organization_id = $1";
const PARENTS: &str = "SELECT id, name, email, created_at FROM contacts WHERE organization_id = $1 AND created_at <= $2 AND (created_at < $2 OR id < $3) \
     ORDER BY created_at DESC, id DESC LIMIT 51";
const DEALS: &str = "SELECT child.* FROM unnest($1::uuid[]) AS parent (id) CROSS JOIN LATERAL (\
     SELECT id, title, value_minor, currency, expected_close, contact_id FROM deals \
     WHERE organization_id = $2 AND status = ANY($3) AND contact_id = parent.id ORDER BY created_at DESC, id DESC LIMIT 6) AS child";
const TASKS: &str = "SELECT child.* FROM unnest($1::uuid[]) AS parent (id) CROSS JOIN LATERAL (\
     SELECT id, title, due_at, contact_id FROM tasks \
     WHERE organization_id = $2 AND status = ANY($3) AND contact_id = parent.id ORDER BY created_at DESC, id DESC LIMIT 6) AS child";
const SEARCH: &str = "SELECT id, name, email, phone, city, created_at FROM contacts \
     WHERE organization_id = $1 AND id = ANY(SELECT contact_search($1, $2, $3)) ORDER BY created_at DESC, id DESC LIMIT 21";
/// Every statement, in the order of the numbers below and those of the dashboard.
pub async fn prepare(client: &Client) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for text in
        [CONTACT, PAGE, COUNT, PARENTS, DEALS, TASKS, SEARCH, create::INSERT, create::AUDIT, create::PLACE].into_iter().chain(dashboard::STATEMENTS)
    {
        statements.push(client.prepare(text).await?);
    }
    Ok(statements)
}

/// The number of the statement that asks how far the log was written.
pub const PLACE_NUMBER: usize = 9;
/// The number of the dashboard's first statement.
pub const OF_DASHBOARD: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneContact<'a> {
    id: String,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    city: Option<&'a str>,
    stage: &'a str,
    status: &'a str,
    created_at: String,
}

pub async fn contact(State(plain): Shared, headers: HeaderMap, body: Bytes) -> Response {
    answer(find(&plain, &headers, &body).await)
}

async fn find(plain: &Plain, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Variables<'a> {
        id: &'a str,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        contact: Option<OneContact<'a>>,
    }
    let who = plain.who(headers)?;
    let id = AnyId::parse(variables::<Variables<'_>>(body)?.id).map_err(|error| anyhow!("{error:?}"))?;
    let rows = plain.read_once(who).await?.only(0, &[&Key(who.organization), &Key(id.uuid)]).await?;
    let contact = rows.first().map(|row| OneContact {
        id: row.get::<_, Key>(0).of::<Contact>(),
        name: row.get(1),
        email: row.get(2),
        phone: row.get(3),
        city: row.get(4),
        stage: row.get(5),
        status: row.get(6),
        created_at: row.get::<_, At>(7).text(),
    });
    written(Data { contact })
}

#[derive(Serialize)]
struct Contacts<T> {
    contacts: T,
}

#[derive(Serialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
struct After<'a> {
    after: &'a str,
}

/// Where a page begins: a cursor is `CREATED_AT|d|<id>|t<microseconds>` in base64.
fn place(body: &Bytes) -> Result<(At, Key)> {
    let plain = String::from_utf8(BASE64URL_NOPAD.decode(variables::<After<'_>>(body)?.after.as_bytes())?)?;
    let mut parts = plain.split('|').skip(2);
    let id = Uuid::try_parse(parts.next().context("no id")?)?;
    let micros = parts.next().and_then(|key| key.strip_prefix('t')).context("no key")?.parse()?;
    Ok((At(DateTime::from_timestamp_micros(micros).context("out of range")?), Key(id)))
}

pub async fn page(State(plain): Shared, headers: HeaderMap, body: Bytes) -> Response {
    answer(read_page(&plain, &headers, &body).await)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    total_count: i64,
    page_info: PageInfo,
    nodes: Vec<OnPage<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnPage<'a> {
    id: String,
    name: &'a str,
    email: Option<&'a str>,
    stage: &'a str,
    city: Option<&'a str>,
    created_at: String,
}

async fn read_page(plain: &Plain, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>> {
    let who = plain.who(headers)?;
    let (at, id) = place(body)?;
    let organization = Key(who.organization);
    let db = plain.read(who).await?;
    let (values, tenant): ([&(dyn ToSql + Sync); 3], [&(dyn ToSql + Sync); 1]) = ([&organization, &at, &id], [&organization]);
    let (rows, count) = try_join!(db.first(1, &values), db.rows(2, &tenant))?;
    let end_cursor = rows.iter().take(50).next_back().map(|row| {
        let (id, at) = (row.get::<_, Key>(0), row.get::<_, At>(5));
        BASE64URL_NOPAD.encode(format!("CREATED_AT|d|{}|t{}", id.0.simple(), at.0.timestamp_micros()).as_bytes())
    });
    let nodes = rows.iter().take(50).map(|row| OnPage {
        id: row.get::<_, Key>(0).of::<Contact>(),
        name: row.get(1),
        email: row.get(2),
        stage: row.get(3),
        city: row.get(4),
        created_at: row.get::<_, At>(5).text(),
    });
    let total_count = count.first().context("no count")?.get(0);
    let page_info = PageInfo { has_next_page: rows.len() > 50, end_cursor };
    written(Contacts { contacts: Page { total_count, page_info, nodes: nodes.collect() } })
}

pub async fn nested(State(plain): Shared, headers: HeaderMap, body: Bytes) -> Response {
    answer(read_nested(&plain, &headers, &body).await)
}

#[derive(Serialize)]
struct Parent<'a> {
    id: String,
    name: &'a str,
    email: Option<&'a str>,
    deals: Nodes<DealBelow<'a>>,
    tasks: Nodes<TaskBelow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DealBelow<'a> {
    id: String,
    title: &'a str,
    value: Amount,
    expected_close: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskBelow<'a> {
    id: String,
    title: &'a str,
    due_at: Option<String>,
}

/// Rows by the parent in the column of a number, at most so many for each.
fn by_parent(rows: &[Row], column: usize, most: usize) -> HashMap<Uuid, Vec<&Row>> {
    let mut found: HashMap<Uuid, Vec<&Row>> = HashMap::new();
    for row in rows {
        let below = found.entry(row.get::<_, Key>(column).0).or_default();
        if below.len() < most {
            below.push(row);
        }
    }
    found
}

async fn read_nested(plain: &Plain, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>> {
    let who = plain.who(headers)?;
    let (at, id) = place(body)?;
    let organization = Key(who.organization);
    let db = plain.read(who).await?;
    let rows = db.first(3, &[&organization, &at, &id]).await?;
    let parents: Vec<Key> = rows.iter().take(50).map(|row| row.get(0)).collect();
    let open = vec!["OPEN"];
    let values: [&(dyn ToSql + Sync); 3] = [&parents, &organization, &open];
    let (deals, tasks) = try_join!(db.rows(4, &values), db.rows(5, &values))?;
    let (deals, tasks) = (by_parent(&deals, 5, 5), by_parent(&tasks, 3, 3));
    let mut nodes = Vec::with_capacity(50);
    for row in rows.iter().take(50) {
        let id: Key = row.get(0);
        let deals = deals.get(&id.0).into_iter().flatten().map(|row| deal(row)).collect::<Result<_>>()?;
        let tasks = tasks.get(&id.0).into_iter().flatten().map(|row| task(row)).collect();
        nodes.push(Parent {
            id: id.of::<Contact>(),
            name: row.get(1),
            email: row.get(2),
            deals: Nodes { nodes: deals },
            tasks: Nodes { nodes: tasks },
        });
    }
    written(Contacts { contacts: Nodes { nodes } })
}

fn deal(row: &Row) -> Result<DealBelow<'_>> {
    Ok(DealBelow {
        id: row.get::<_, Key>(0).of::<Deal>(),
        title: row.get(1),
        value: Amount::new(row.get(2), row.get(3))?,
        expected_close: row.get::<_, Option<Day>>(4).map(|day| day.0.to_string()),
    })
}

fn task(row: &Row) -> TaskBelow<'_> {
    TaskBelow { id: row.get::<_, Key>(0).of::<Task>(), title: row.get(1), due_at: row.get::<_, Option<At>>(2).map(At::text) }
}

pub async fn search(State(plain): Shared, headers: HeaderMap, body: Bytes) -> Response {
    answer(read_search(&plain, &headers, &body).await)
}

async fn read_search(plain: &Plain, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Variables<'a> {
        words: &'a str,
    }
    #[derive(Serialize)]
    struct Found<'a> {
        id: String,
        name: &'a str,
        email: Option<&'a str>,
        phone: Option<&'a str>,
        city: Option<&'a str>,
    }
    let who = plain.who(headers)?;
    let words = search_words(variables::<Variables<'_>>(body)?.words).map_err(|error| anyhow!("{error:?}"))?.context("no words")?;
    let rows = plain.read(who).await?.first(6, &[&Key(who.organization), &words, &10_000_i32]).await?;
    let nodes = rows.iter().take(20).map(|row| Found {
        id: row.get::<_, Key>(0).of::<Contact>(),
        name: row.get(1),
        email: row.get(2),
        phone: row.get(3),
        city: row.get(4),
    });
    written(Contacts { contacts: Nodes { nodes: nodes.collect() } })
}
