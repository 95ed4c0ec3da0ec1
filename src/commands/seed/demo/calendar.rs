//! The year behind the demo data: when business happens, in Indian time.

use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc, Weekday};

use crate::commands::seed::dice::Dice;

/// India is five and a half hours ahead, all year.
const AHEAD: Duration = Duration::minutes(330);
const DAYS: i64 = 365;

/// The days of a year that ends now, each with the share of the business that it brings.
pub struct Calendar {
    pub now: DateTime<Utc>,
    days: Vec<(NaiveDate, i64)>,
}

impl Calendar {
    /// A year that ends at `now`, in which each calendar month has a weight and business grows by a half.
    pub fn new(now: DateTime<Utc>, months: &[i64; 12]) -> Self {
        // To the second: the database does not keep nanoseconds.
        let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
        let today = day_of(now);
        let weight = |day: NaiveDate, ago: i64| {
            let month = usize::try_from(day.month0()).ok().and_then(|month| months.get(month)).copied().unwrap_or(100);
            let weekday = match day.weekday() {
                Weekday::Sun => 12,
                Weekday::Sat => 60,
                _ => 100,
            };
            month * weekday * (150 - 50 * ago / DAYS)
        };
        let days = (0..=DAYS).rev().map(|ago| (today - Duration::days(ago), ago)).map(|(day, ago)| (day, weight(day, ago))).collect();
        Self { now, days }
    }

    /// When the year begins.
    pub fn begin(&self) -> DateTime<Utc> {
        self.now - Duration::days(DAYS)
    }

    /// Instants of the year at which something happened, in order.
    pub fn instants(&self, dice: &mut Dice, count: usize) -> Vec<DateTime<Utc>> {
        let mut instants: Vec<_> = (0..count)
            .map(|_| {
                let day = dice.weighted(&self.days);
                let at = at_work(dice, day);
                self.until_now(dice, at)
            })
            .collect();
        instants.sort_unstable();
        instants
    }

    /// An instant during working hours of the same day, but not in the future.
    pub fn working(&self, dice: &mut Dice, at: DateTime<Utc>) -> DateTime<Utc> {
        let at = at_work(dice, day_of(at));
        self.until_now(dice, at)
    }

    /// What would come later today happened in the last hours instead.
    fn until_now(&self, dice: &mut Dice, at: DateTime<Utc>) -> DateTime<Utc> {
        if at < self.now { at } else { self.now - Duration::seconds(dice.between(60, 10_800)) }
    }
}

/// The date in India.
pub fn day_of(at: DateTime<Utc>) -> NaiveDate {
    (at + AHEAD).date_naive()
}

/// A full or half hour between ten and six of a day, as somebody sets a date.
pub fn appointed(dice: &mut Dice, day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() - AHEAD + Duration::minutes(30 * dice.between(20, 36))
}

/// Some second between half past nine and half past six.
fn at_work(dice: &mut Dice, day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() - AHEAD + Duration::minutes(570) + Duration::seconds(dice.below(32_400))
}
