//! The stretches of days that a dashboard looks at. Nothing here reads or writes.
//!
//! A financial year runs from April to March (section 2(11) of the Companies Act sets the accounting year so, and the Income-tax Act taxes by it);
//! its quarters begin with those of the calendar.

use async_graphql::Enum;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The stretch of days that a dashboard looks at, up to and including its last day, which may lie ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DashboardPeriod {
    /// The calendar month.
    ThisMonth,
    /// Today and the 29 days before.
    #[graphql(name = "LAST_30_DAYS")]
    Last30Days,
    /// The quarter: April to June, July to September, October to December or January to March.
    ThisQuarter,
    /// The financial year, from April to March.
    ThisFinancialYear,
    /// The financial year before this one.
    LastFinancialYear,
}

/// Days from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub first: NaiveDate,
    /// The last day.
    pub last: NaiveDate,
}

impl DashboardPeriod {
    /// The days of the period as seen from `today`.
    #[must_use]
    pub fn span(self, today: NaiveDate) -> Span {
        let month = today.month0();
        match self {
            Self::ThisMonth => Span::months(today, 0, 1),
            Self::Last30Days => Span { first: today.checked_sub_days(Days::new(29)).unwrap_or(today), last: today },
            Self::ThisQuarter => Span::months(today, month % 3, 3),
            Self::ThisFinancialYear => Span::months(today, since_april(month), 12),
            Self::LastFinancialYear => Span::months(today, since_april(month) + 12, 12),
        }
    }
}

impl Span {
    /// So many whole months, the first of which began `back` months before the present one.
    fn months(today: NaiveDate, back: u32, count: u32) -> Self {
        let first = month_of(today).checked_sub_months(Months::new(back)).unwrap_or(today);
        let last = first.checked_add_months(Months::new(count)).and_then(|next| next.pred_opt()).unwrap_or(today);
        Self { first, last }
    }

    /// The week from Monday to Sunday that the day lies in.
    #[must_use]
    pub fn week_of(day: NaiveDate) -> Self {
        let first = day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())).unwrap_or(day);
        Self { first, last: first.checked_add_days(Days::new(6)).unwrap_or(day) }
    }

    /// The instants at which the first day begins and the last one has ended.
    #[must_use]
    pub fn instants(self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        (beginning(self.first, zone), beginning(self.last.succ_opt().unwrap_or(self.last), zone))
    }

    /// The first day of every month that has a day in the span.
    #[must_use]
    pub fn month_starts(self) -> Vec<NaiveDate> {
        let next = |month: &NaiveDate| month.checked_add_months(Months::new(1)).filter(|next| *next <= self.last);
        std::iter::successors(Some(month_of(self.first)), next).collect()
    }
}

/// When a day begins in a zone: at midnight, or, where the clocks skip that, at the first instant after.
#[must_use]
pub fn beginning(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let quarters = (0..=96).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let first = quarters.into_iter().find_map(|local| zone.from_local_datetime(&local).earliest());
    first.map_or_else(|| midnight.and_utc(), |first| first.to_utc())
}

fn month_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// How many whole months of the financial year lie before this one (January is 0).
const fn since_april(month0: u32) -> u32 {
    (month0 + 9) % 12
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn span(period: DashboardPeriod, today: &str) -> (String, String) {
        let span = period.span(day(today));
        (span.first.to_string(), span.last.to_string())
    }

    fn days(first: &str, last: &str) -> (String, String) {
        (first.to_owned(), last.to_owned())
    }

    #[test]
    fn a_financial_year_runs_from_april_to_march() {
        use DashboardPeriod::{LastFinancialYear, ThisFinancialYear};
        assert_eq!(span(ThisFinancialYear, "2026-04-01"), days("2026-04-01", "2027-03-31"));
        assert_eq!(span(ThisFinancialYear, "2026-03-31"), days("2025-04-01", "2026-03-31"));
        assert_eq!(span(ThisFinancialYear, "2026-12-31"), days("2026-04-01", "2027-03-31"));
        assert_eq!(span(LastFinancialYear, "2026-04-01"), days("2025-04-01", "2026-03-31"));
        assert_eq!(span(LastFinancialYear, "2026-03-31"), days("2024-04-01", "2025-03-31"));
        assert_eq!(ThisFinancialYear.span(day("2026-11-21")).month_starts().len(), 12);
    }

    #[test]
    fn months_quarters_and_thirty_days() {
        use DashboardPeriod::{Last30Days, ThisMonth, ThisQuarter};
        assert_eq!(span(ThisMonth, "2028-02-10"), days("2028-02-01", "2028-02-29"));
        assert_eq!(span(ThisQuarter, "2026-11-21"), days("2026-10-01", "2026-12-31"));
        assert_eq!(span(ThisQuarter, "2026-03-31"), days("2026-01-01", "2026-03-31"));
        assert_eq!(span(Last30Days, "2026-03-01"), days("2026-01-31", "2026-03-01"));
        assert_eq!(Last30Days.span(day("2026-03-01")).month_starts(), [day("2026-01-01"), day("2026-02-01"), day("2026-03-01")]);
    }

    #[test]
    fn a_week_runs_from_monday_to_sunday() {
        for today in ["2026-11-16", "2026-11-21", "2026-11-22"] {
            assert_eq!(Span::week_of(day(today)), Span { first: day("2026-11-16"), last: day("2026-11-22") }, "{today}");
        }
    }

    #[test]
    fn a_day_begins_in_its_zone() {
        assert_eq!(beginning(day("2026-04-01"), Tz::Asia__Kolkata).to_rfc3339(), "2026-03-31T18:30:00+00:00");
        // The clocks of Beirut skip the hour after midnight.
        assert_eq!(beginning(day("2026-03-29"), Tz::Asia__Beirut).to_rfc3339(), "2026-03-28T22:00:00+00:00");
    }
}
