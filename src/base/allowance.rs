//! How much of something is allowed in a span of time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::base::duration;

/// So much at once, and as much again in each period, bit by bit: `5/1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allowance {
    /// At most so much at once.
    pub most: NonZeroU32,
    /// The time in which as much comes back.
    pub period: Duration,
}

impl Allowance {
    /// So much in a period of so many seconds, one of each at least.
    #[must_use]
    pub const fn per(most: u32, seconds: u64) -> Self {
        let most = match NonZeroU32::new(most) {
            Some(most) => most,
            None => NonZeroU32::MIN,
        };
        Self { most, period: Duration::from_secs(if seconds == 0 { 1 } else { seconds }) }
    }

    /// The time in which one comes back, in microseconds, one at least.
    #[must_use]
    pub fn each_micros(self) -> u64 {
        let period = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        (period / u64::from(self.most.get())).max(1)
    }

    /// How much comes back in a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.most.get()) / self.period.as_secs_f64()
    }

    /// So many times as much in the same time.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self { most: self.most.saturating_mul(NonZeroU32::MIN.saturating_add(factor.saturating_sub(1))), ..self }
    }

    /// The share of one of so many who divide it among themselves, one at least.
    #[must_use]
    pub fn share(self, of: u32) -> Self {
        let share = self.most.get().checked_div(of).and_then(NonZeroU32::new);
        Self { most: share.unwrap_or(NonZeroU32::MIN), ..self }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}s", self.most, self.period.as_secs_f64())
    }
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an allowance; write 10/1h, 3/15m or 3000/60s");
        let (most, period) = text.split_once('/').ok_or_else(wrong)?;
        let most = most.trim().parse().map_err(|_| wrong())?;
        let period = duration::parse(period.trim()).map_err(|_| wrong())?;
        if period.is_zero() {
            return Err(wrong());
        }
        Ok(Self { most, period })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_a_number_and_a_time() {
        assert_eq!("3/15m".parse(), Ok(Allowance::per(3, 900)));
        assert_eq!("3000/60s".parse::<Allowance>().unwrap().each_micros(), 20_000);
        for wrong in ["", "3", "3/", "/1m", "0/1m", "-1/1m", "3/1", "3/0s", "3 per 1m", "99999999999/1m"] {
            assert!(wrong.parse::<Allowance>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_one_at_least() {
        let shares = [1, 2, 3, 4, 0].map(|of| Allowance::per(3, 900).share(of).most.get());
        assert_eq!(shares, [3, 1, 1, 1, 1]);
        assert_eq!(Allowance::per(7, 1).times(3), Allowance::per(21, 1));
    }
}
