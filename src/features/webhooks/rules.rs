//! When a delivery is tried again and when it is over, and what events an endpoint can name, decided without a database.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::access::Permission;
use crate::access::events::Noun;

/// How long after the attempt of the same place the next one comes. The first attempt is made at once.
pub const SCHEDULE: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(10 * 3_600),
];
/// After so long of nothing but failures an endpoint is disabled.
pub const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(5);
/// The longest that a receiver can have itself left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// By how much of a delay it is longer at most, so that what failed together does not come together again.
const JITTER: f64 = 0.1;
/// The most events that one endpoint names.
const MOST_EVENTS: usize = 50;
/// The longest name of an event.
const LONGEST_EVENT: usize = 64;

/// What follows an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The receiver has taken it.
    Delivered,
    /// It is tried again after this time.
    Again(Duration),
    /// It is given up.
    Failed,
    /// The receiver wants nothing more.
    Gone,
}

/// What an attempt came to, in short: a status with what the receiver asked for, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// The header `Retry-After` of the answer.
    pub retry_after: Option<&'a str>,
}

/// What follows the attempt of this number, from 1; `chance` is between 0 and 1.
#[must_use]
pub fn next(came: Came<'_>, attempt: i32, now: DateTime<Utc>, chance: f64) -> Next {
    match came.status {
        Some(200..=299) => return Next::Delivered,
        Some(410) => return Next::Gone,
        _ => {}
    }
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or_default();
    let Some(delay) = SCHEDULE.get(index) else { return Next::Failed };
    let asked = match came.status {
        Some(429 | 503) => came.retry_after.and_then(|text| wait(text, now)),
        _ => None,
    };
    let delay = delay.mul_f64(JITTER.mul_add(chance.clamp(0.0, 1.0), 1.0));
    // Never sooner than the schedule says: a receiver that answers 0 would be called all the time.
    Next::Again(asked.map_or(delay, |asked| asked.min(LONGEST_WAIT).max(delay)))
}

/// What `Retry-After` asks for: seconds, or an instant.
fn wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (at.with_timezone(&Utc) - now).to_std().ok()
}

/// Whether an endpoint to which nothing has arrived since then is given up.
#[must_use]
pub fn is_given_up(failing_since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - failing_since >= GIVEN_UP_AFTER
}

/// What it takes to be told that something was done to an object of this kind, and to which.
#[must_use]
pub fn needed(nouns: &[Noun], kind: &str) -> Permission {
    // What is told by the log alone is for those who may read the log.
    nouns.iter().find(|noun| noun.prefix == kind).map_or(Permission::AuditRead, |noun| noun.read)
}

/// Reads the names of events: `contact.update`, `contact.*` for all of a kind, `*` for all.
///
/// # Errors
/// A sentence for the person who typed them.
pub fn events(names: &[String]) -> Result<Vec<String>, String> {
    if names.is_empty() || names.len() > MOST_EVENTS {
        return Err(format!("Name 1 to {MOST_EVENTS} events, such as `contact.update`, `contact.*` or `*`."));
    }
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        let name = name.trim();
        if name != "*" && !is_event(name) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_EVENT).collect();
            return Err(format!("`{shown}` is no event: write `contact.update`, `contact.*` or `*`."));
        }
        if !kept.iter().any(|known| known == name) {
            kept.push(name.to_owned());
        }
    }
    Ok(kept)
}

fn is_event(name: &str) -> bool {
    let Some((noun, verb)) = name.split_once('.') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    name.len() <= LONGEST_EVENT && is_word(noun) && (verb == "*" || is_word(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T10:00:00Z";

    fn after(status: Option<u16>, retry_after: Option<&str>, attempt: i32) -> Next {
        next(Came { status, retry_after }, attempt, NOW.parse().unwrap(), 0.0)
    }

    #[test]
    fn the_schedule_is_eight_attempts_in_more_than_a_day() {
        let seconds: Vec<u64> = (1..=7)
            .map(|attempt| match after(Some(500), None, attempt) {
                Next::Again(delay) => delay.as_secs(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(seconds, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
        for status in [None, Some(500), Some(301), Some(404), Some(101)] {
            assert_eq!(after(status, None, 8), Next::Failed, "{status:?}");
            assert_eq!(after(status, None, 1), Next::Again(Duration::from_secs(5)), "{status:?}");
        }
        for attempt in [1, 8] {
            assert_eq!(after(Some(204), None, attempt), Next::Delivered);
            assert_eq!(after(Some(410), None, attempt), Next::Gone);
        }
        let longest = next(Came { status: None, retry_after: None }, 7, NOW.parse().unwrap(), 1.0);
        assert_eq!(longest, Next::Again(Duration::from_secs(39_600)));
    }

    #[test]
    fn a_receiver_says_when_it_can_be_called_again() {
        for (status, text, attempt, seconds) in [
            (429, "120", 1, 120),
            (503, "120", 1, 120),
            (429, "Sat, 21 Nov 2026 10:02:00 GMT", 1, 120),
            (429, "1", 1, 5),
            (429, "60", 2, 300),
            (429, "Sat, 21 Nov 2026 09:00:00 GMT", 1, 5),
            (429, "999999999", 1, 86_400),
            (429, "soon", 1, 5),
            (500, "120", 1, 5),
        ] {
            assert_eq!(after(Some(status), Some(text), attempt), Next::Again(Duration::from_secs(seconds)), "{status} {text}");
        }
        assert_eq!(after(Some(429), Some("120"), 8), Next::Failed);
    }

    #[test]
    fn an_endpoint_is_given_up_after_five_days() {
        let now: DateTime<Utc> = NOW.parse().unwrap();
        assert!(is_given_up(now - TimeDelta::days(5), now));
        assert!(!is_given_up(now - TimeDelta::days(5) + TimeDelta::seconds(1), now));
    }

    #[test]
    fn events_are_words_with_a_dot_or_stars() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(events(&names(&["contact.*", " deal.stageSet", "*", "contact.*", "member.role_set"])), Ok(names(&["contact.*", "deal.stageSet", "*", "member.role_set"])));
        for wrong in ["", "contact", "contact.", ".update", "*.update", "contact.up*", "a.b.c", "contact.update'"] {
            assert!(events(&names(&[wrong])).unwrap_err().contains("is no event"), "{wrong}");
        }
        assert!(events(&[]).is_err());
        assert!(events(&vec!["contact.update".to_owned(); 51]).is_err());
    }
}
