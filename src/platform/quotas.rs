//! How much a provider may be sent in a span of time, counted in the database, so that all servers and workers share one count.
//!
//! What must hold: however many ask at once, no more than the limit is let through. What was let through stays counted unless it is given back, because a
//! provider may have counted what came to nothing as well.

use chrono::{DateTime, DurationRound, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Asia::Kolkata;
use diesel::sql_types::Integer;

use crate::base::{Error, Result, SharedClock};
use crate::platform::postgres::statement::{Bind, Sql};
use crate::platform::postgres::{Access, Databases, Settings, Transaction};

/// How long counts of the past are kept.
const KEPT: TimeDelta = TimeDelta::days(7);

/// A span of time that is counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// A day as India counts it.
    IndianDay,
    /// An hour.
    Hour,
}

impl Span {
    /// When the span around an instant began, and when the next one does.
    #[must_use]
    pub fn around(self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Hour => {
                let begun = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
                (begun, begun + TimeDelta::hours(1))
            }
            Self::IndianDay => {
                let midnight = now.with_timezone(&Kolkata).date_naive().and_time(NaiveTime::MIN);
                // India has had no summer time since 1945, so each midnight is there once.
                let begun = Kolkata.from_local_datetime(&midnight).single().map_or(now, |midnight| midnight.to_utc());
                (begun, begun + TimeDelta::days(1))
            }
        }
    }
}

/// Counts what providers are sent.
#[derive(Clone)]
pub struct Quotas {
    databases: Databases,
    clock: SharedClock,
}

/// What was let through.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    what: String,
    begun: DateTime<Utc>,
}

impl Quotas {
    /// The counts in a database.
    #[must_use]
    pub const fn new(databases: Databases, clock: SharedClock) -> Self {
        Self { databases, clock }
    }

    /// Counts one more for `what`, unless there were `limit` in this span already: then it says when the next span begins.
    ///
    /// # Errors
    /// As the database fails: then nothing may be sent.
    pub async fn take(&self, what: &str, span: Span, limit: u32) -> Result<Result<Taken, DateTime<Utc>>> {
        let (begun, next) = span.around(self.clock.now());
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        if limit == 0 {
            return Ok(Err(next));
        }
        let settings = Settings { quotas: true, ..Settings::default() };
        let db = Transaction::new(self.databases.primary().clone(), Access::Write, &settings);
        let count = "INSERT INTO provider_quotas (provider, begins_at, used) VALUES (?, ?, 1) ON CONFLICT (provider, begins_at) \
                     DO UPDATE SET used = provider_quotas.used + 1 WHERE provider_quotas.used < ? RETURNING used";
        let binds = vec![Bind::Text(what.to_owned()), Bind::Instant(begun), Bind::Int(limit)];
        let used: Option<i32> = db.first(Sql::<Integer>::new(count, binds)).await?;
        if used == Some(1) {
            db.execute(Sql::<()>::new("DELETE FROM provider_quotas WHERE begins_at < ?", vec![Bind::Instant(begun - KEPT)])).await?;
        }
        db.commit().await.map_err(|error| Error::database_unavailable(error.internal.unwrap_or(error.message)))?;
        Ok(used.map_or(Err(next), |_| Ok(Taken { what: what.to_owned(), begun })))
    }

    /// Counts one less, of which it is certain that nothing came.
    ///
    /// # Errors
    /// As the database fails: then it stays counted.
    pub async fn give_back(&self, taken: Taken) -> Result<()> {
        let settings = Settings { quotas: true, ..Settings::default() };
        let db = Transaction::new(self.databases.primary().clone(), Access::Write, &settings);
        let count = "UPDATE provider_quotas SET used = used - 1 WHERE provider = ? AND begins_at = ? AND used > 0";
        db.execute(Sql::<()>::new(count, vec![Bind::Text(taken.what), Bind::Instant(taken.begun)])).await?;
        db.commit().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_india() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let day = (at("2026-11-20T18:30:00Z"), at("2026-11-21T18:30:00Z"));
        assert_eq!(Span::IndianDay.around(at("2026-11-20T18:30:00Z")), day);
        assert_eq!(Span::IndianDay.around(at("2026-11-21T18:29:59.999999Z")), day);
        assert_eq!(Span::Hour.around(at("2026-11-21T18:29:59Z")), (at("2026-11-21T18:00:00Z"), at("2026-11-21T19:00:00Z")));
    }
}
