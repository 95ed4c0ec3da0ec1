//! What must hold of an activity's values, without input or output.

use chrono::{DateTime, TimeDelta, Utc};

/// What is said when an activity would be about nobody and nothing.
pub const ABOUT_NOTHING: &str = "An activity is about a contact or a deal: send one at least.";

/// How far ahead of the server's clock an activity may have occurred: enough for every time zone.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Checks when an activity took place.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn occurred(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if at <= now + AHEAD { Ok(at) } else { Err("An activity has taken place already: this is more than a day in the future.".to_owned()) }
}

/// Checks how long an activity took: up to a day.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn duration(minutes: i32) -> Result<i32, String> {
    if (0..=1440).contains(&minutes) { Ok(minutes) } else { Err("A duration is 0 to 1440 minutes.".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_774_000_000_000_000_000);

    #[test]
    fn an_activity_occurs_at_most_a_day_ahead() {
        assert!(occurred(NOW + TimeDelta::days(1), NOW).is_ok());
        assert!(occurred(NOW + TimeDelta::days(1) + TimeDelta::microseconds(1), NOW).is_err());
        assert!(occurred(NOW - TimeDelta::days(10_000), NOW).is_ok());
    }

    #[test]
    fn a_duration_is_up_to_a_day() {
        assert!(duration(0).is_ok() && duration(1440).is_ok());
        assert!(duration(-1).is_err() && duration(1441).is_err());
    }
}
