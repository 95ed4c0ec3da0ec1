//! Reading the log of events.
//!
//! What must hold: a page ends before the first entry whose transaction is not below the horizon, the oldest transaction under way in the snapshot. Below
//! it everything has ended, so that a position that was passed is never written before again; that is so on a replica as well, for what it has replayed.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use uuid::Uuid;

use crate::access::events::{ChangeKind, Event, EventPosition};
use crate::base::page::rows_to_read;
use crate::base::{Error, Result};
use crate::platform::postgres::Transaction;
use crate::platform::postgres::statement::{Limited, Sql};
use crate::schema::audit_entries;

/// The number of the oldest transaction that is under way in the snapshot.
const HORIZON: &str = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
const SELECT_HORIZON: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/// Events in their order.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// The events, all of them complete.
    pub events: Vec<Event>,
    /// Whether there are more that are complete.
    pub has_more: bool,
    /// Whether something was committed that is not complete yet.
    pub is_held: bool,
}

type Entry = (i64, i64, String, String, Uuid, DateTime<Utc>, bool, bool, i64);

/// The events of an organization after a position, at most so many, of these kinds of objects.
///
/// # Errors
/// As the database fails.
pub async fn read(db: &Transaction, organization: Uuid, nouns: &[&str], after: EventPosition, most: usize) -> Result<LogPage> {
    let columns = (
        audit_entries::tx,
        audit_entries::seq,
        audit_entries::action,
        audit_entries::noun,
        audit_entries::row_id,
        audit_entries::at,
        audit_entries::before.is_null(),
        audit_entries::after.is_null(),
        sql::<BigInt>(HORIZON),
    );
    let nouns: Vec<String> = nouns.iter().map(|noun| (*noun).to_owned()).collect();
    let query = audit_entries::table
        .select(columns)
        .filter(audit_entries::organization_id.eq(organization))
        .filter(audit_entries::tx.ge(after.tx))
        .filter(audit_entries::tx.gt(after.tx).or(audit_entries::seq.gt(after.seq)))
        .filter(audit_entries::noun.eq_any(nouns))
        .order((audit_entries::tx, audit_entries::seq));
    let limit = rows_to_read(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let entries: Vec<Entry> = db.load(Limited { query, limit }).await?;
    let mut page = LogPage::default();
    for (tx, seq, action, noun, row, at, created, deleted, horizon) in entries {
        if tx >= horizon {
            page.is_held = true;
            break;
        }
        if page.events.len() == most {
            page.has_more = true;
            break;
        }
        let kind = match (created, deleted) {
            (true, false) => ChangeKind::Created,
            (false, true) => ChangeKind::Deleted,
            _ => ChangeKind::Updated,
        };
        page.events.push(Event { position: EventPosition { tx, seq }, action, noun, row, kind, at });
    }
    Ok(page)
}

/// The position after all that is complete in a snapshot.
///
/// # Errors
/// As the database fails.
pub async fn horizon(db: &Transaction) -> Result<EventPosition> {
    let tx = db.first(Sql::<BigInt>::new(SELECT_HORIZON, Vec::new())).await?;
    let tx = tx.ok_or_else(|| Error::internal("the database does not say which transactions are under way"))?;
    Ok(EventPosition { tx, seq: 0 })
}
