//! Reading the log of events.
//!
//! What must hold: a page ends before the first entry whose transaction is not below the horizon, the oldest transaction under way in the snapshot. Below
//! it everything has ended, so that a position that was passed is never written before again; that is so on a replica as well, for what it has replayed.
//!
//! Attempts and progress of jobs are nobody's deeds and would flood the audit log: a job's row bears the position of its last change itself, so that of a
//! job the latest is told, and not each step there. Jobs that are over go without a word, so that who keeps a copy of everything is not told of jobs.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use uuid::Uuid;

use crate::access::events::{ChangeKind, Event, EventPosition};
use crate::base::page::rows_to_read;
use crate::base::{Error, Result};
use crate::platform::postgres::Transaction;
use crate::platform::postgres::statement::{Limited, Sql};
use crate::schema::{audit_entries, jobs};

/// What identifiers of jobs begin with.
pub const JOB: &str = "job";
/// The number of the oldest transaction that is under way in the snapshot.
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
    /// After this comes all that was not complete yet; what is complete comes before, in this page or the next ones.
    pub horizon: EventPosition,
}

type Row = (i64, i64, String, String, Uuid, DateTime<Utc>, bool, bool);

/// The events of an organization after a position, at most so many, of these kinds of objects.
///
/// # Errors
/// As the database fails.
pub async fn read(db: &Transaction, organization: Uuid, nouns: &[&str], after: EventPosition, most: usize) -> Result<LogPage> {
    let limit = rows_to_read(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let (jobs, others): (Vec<&str>, Vec<&str>) = nouns.iter().partition(|noun| **noun == JOB);
    // Asked for none, PostgreSQL looks through them all.
    let entries = async { if others.is_empty() { Ok(Vec::new()) } else { entries_after(db, organization, &others, after, limit).await } };
    let of_jobs = async { if jobs.is_empty() { Ok(Vec::new()) } else { jobs_after(db, organization, after, limit).await } };
    // All see the same snapshot.
    let (horizon, entries, of_jobs) = futures_util::try_join!(horizon(db), entries, of_jobs)?;
    let mut all: Vec<Row> = entries.into_iter().chain(of_jobs).collect();
    all.sort_by_key(|(tx, seq, ..)| (*tx, *seq));
    let mut page = LogPage { horizon, ..LogPage::default() };
    for (tx, seq, action, noun, row, at, created, deleted) in all {
        if tx >= horizon.tx {
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

/// Entries of the audit log.
async fn entries_after(db: &Transaction, organization: Uuid, nouns: &[&str], after: EventPosition, limit: i64) -> Result<Vec<Row>> {
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
    let nouns: Vec<String> = nouns.iter().map(|noun| (*noun).to_owned()).collect();
    let query = audit_entries::table
        .select(columns)
        .filter(audit_entries::organization_id.eq(organization))
        .filter(audit_entries::tx.ge(after.tx))
        .filter(audit_entries::tx.gt(after.tx).or(audit_entries::seq.gt(after.seq)))
        .filter(audit_entries::noun.eq_any(nouns))
        .order((audit_entries::tx, audit_entries::seq));
    db.load(Limited { query, limit }).await
}

/// Jobs by where they were changed last. What became of one before that is not told any more, only how it is.
async fn jobs_after(db: &Transaction, organization: Uuid, after: EventPosition, limit: i64) -> Result<Vec<Row>> {
    let columns = (
        jobs::tx,
        jobs::seq,
        sql::<Text>("'job.update'"),
        JOB.into_sql::<Text>(),
        jobs::id,
        jobs::updated_at,
        jobs::version.eq(1),
        false.into_sql::<Bool>(),
    );
    let query = jobs::table
        .select(columns)
        .filter(jobs::organization_id.eq(organization))
        .filter(jobs::tx.ge(after.tx))
        .filter(jobs::tx.gt(after.tx).or(jobs::seq.gt(after.seq)))
        .order((jobs::tx, jobs::seq));
    db.load(Limited { query, limit }).await
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
