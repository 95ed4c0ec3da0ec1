//! The statements of `payaid documents`: documents are written as their owner, whom the server cannot become, and listed as the server sees them.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use diesel::upsert::excluded;
use diesel::{ExpressionMethods, Insertable, QueryDsl};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

use crate::access::documents::TextHash;
use crate::commands::documents::Summary;
use crate::commands::documents::manifest::Entry;
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::{Access, Pool, Settings, Transaction, connect};
use crate::schema::trusted_documents::{self, dsl};

/// How many documents are written by one statement.
const BATCH: usize = 100;

/// Of two imports at once the second waits for the first, and then sees what it has stored.
const BEGIN: &str = "SET LOCAL ROLE payaid_owner; SET LOCAL lock_timeout = '10s'; LOCK TABLE trusted_documents IN SHARE ROW EXCLUSIVE MODE";

/// What became of the documents of a file.
#[derive(Debug, Default)]
pub struct Stored {
    /// The documents that are there with another text; when there are any, nothing was stored.
    pub refused: Vec<String>,
    /// What was done.
    pub summary: Summary,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = trusted_documents)]
struct Row {
    id: String,
    hash: String,
    text: String,
    name: Option<String>,
    imported_at: DateTime<Utc>,
}

/// Stores documents in one transaction; what is there with another text is replaced only when it may be.
///
/// # Errors
/// When the database cannot be reached, has no table for documents, or the login is not a member of its owner.
pub async fn store(url: &str, entries: &[Entry], replace: bool, now: DateTime<Utc>) -> anyhow::Result<Stored> {
    let mut connection = connect::connect(connect::parse(url)?).await.context("the database cannot be reached")?;
    // A file may have the same document twice.
    let by_id: HashMap<&str, &Entry> = entries.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    connection.transaction(async |connection| write(connection, &by_id, replace, now).await).await
}

async fn write(connection: &mut AsyncPgConnection, entries: &HashMap<&str, &Entry>, replace: bool, now: DateTime<Utc>) -> anyhow::Result<Stored> {
    // Elsewhere it would take the place of a transaction's own methods.
    use diesel_async::RunQueryDsl;
    const ADVICE: &str = "the documents cannot be written: run `payaid migrate` first, and let DATABASE_DIRECT_URL name a member of payaid_owner";
    connection.batch_execute(BEGIN).await.context(ADVICE)?;
    let ids: Vec<&str> = entries.keys().copied().collect();
    let there = dsl::trusted_documents.filter(dsl::id.eq_any(ids)).select((dsl::id, dsl::hash));
    let there: HashMap<String, String> = there.load::<(String, String)>(connection).await?.into_iter().collect();
    let (mut stored, mut rows) = (Stored::default(), Vec::new());
    for (id, entry) in entries {
        let hash = TextHash::of(&entry.text).to_string();
        match there.get(*id) {
            None => stored.summary.imported += 1,
            Some(known) if *known == hash => {
                stored.summary.unchanged += 1;
                continue;
            }
            Some(_) if replace => stored.summary.replaced += 1,
            Some(_) => stored.refused.push(format!("{entry}: another text is stored under this id")),
        }
        rows.push(Row { id: (*id).to_owned(), hash, text: entry.text.clone(), name: entry.name.clone(), imported_at: now });
    }
    stored.refused.sort_unstable();
    if !stored.refused.is_empty() {
        return Ok(stored);
    }
    for batch in rows.chunks(BATCH) {
        let insert = diesel::insert_into(dsl::trusted_documents).values(batch).on_conflict(dsl::id).do_update();
        let texts = (dsl::hash.eq(excluded(dsl::hash)), dsl::text.eq(excluded(dsl::text)));
        let insert = insert.set((texts, dsl::name.eq(excluded(dsl::name)), dsl::imported_at.eq(excluded(dsl::imported_at))));
        insert.execute(connection).await.context("the documents cannot be written")?;
    }
    Ok(stored)
}

/// A line for each document: its id, its name, the length of its text and when it was imported.
///
/// # Errors
/// When the database cannot be reached or has no table for documents.
pub async fn list(url: &str) -> anyhow::Result<Vec<String>> {
    let pool = Pool::primary(url, &DatabaseConfig::at(url), &Arc::default()).context("DATABASE_URL")?;
    let db = Transaction::new(pool, Access::Snapshot, &Settings { documents: true, ..Settings::default() });
    let length = diesel::dsl::sql::<diesel::sql_types::Integer>("octet_length(text)");
    let all = dsl::trusted_documents.select((dsl::id, dsl::name, length, dsl::imported_at)).order(dsl::id);
    let rows: Vec<(String, Option<String>, i32, DateTime<Utc>)> =
        db.load(all).await.map_err(|error| anyhow::anyhow!("the documents cannot be read: {}", error.internal.unwrap_or(error.message)))?;
    let line = |(id, name, length, at): (String, Option<String>, i32, DateTime<Utc>)| {
        format!("{id}  {}  {length} bytes  {}", name.as_deref().unwrap_or("-"), at.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    Ok(rows.into_iter().map(line).collect())
}
