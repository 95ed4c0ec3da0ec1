//! Spans of time as people write them.

use std::time::Duration;

/// A span in seconds, one that is begun counted as whole.
#[must_use]
pub fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}

/// Reads a duration such as `250ms`, `15s`, `10m`, `12h` or `30d`.
///
/// # Errors
/// A sentence for the person who configures.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write 250ms, 15s, 10m, 12h or 30d");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let (millis, most) = match unit {
        "ms" => (1, 86_400_000),
        "s" => (1_000, 86_400 * 365),
        "m" => (60_000, 1_440 * 365),
        "h" => (3_600_000, 24 * 365),
        "d" => (86_400_000, 3_650),
        _ => return Err(wrong()),
    };
    if number > most {
        return Err(wrong());
    }
    Ok(Duration::from_millis(number * millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "5", "s", "-5s", "5 s", "99999999999999999999s", "5y"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
