//! Chance that repeats itself: the same seed throws the same numbers, on every machine and with every version of every crate.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

/// What lasting identifiers begin with: 1 January 2025.
const EARLY: DateTime<Utc> = DateTime::from_timestamp_nanos(1_735_689_600_000_000_000);

/// `SplitMix64` (Steele, Lea and Flood, 2014): small, and good enough to scatter demo data.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall alike for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to and without `end`; 0 when there is none.
    pub fn below(&mut self, end: i64) -> i64 {
        let end = u64::try_from(end).unwrap_or_default().max(1);
        i64::try_from(self.throw() % end).unwrap_or_default()
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below(last - first + 1)
    }

    /// A place in a list of that length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(i64::try_from(length).unwrap_or(i64::MAX))).unwrap_or_default()
    }

    /// Yes, in so many of a hundred cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// One of a list; the first value of its type when the list is empty.
    pub fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        of.get(self.index(of.len())).copied().unwrap_or_default()
    }

    /// One of a list in which each has a weight.
    pub fn weighted<T: Copy + Default>(&mut self, of: &[(T, i64)]) -> T {
        let mut left = self.below(of.iter().map(|(_, weight)| weight).sum());
        for (value, weight) in of {
            left -= weight;
            if left < 0 {
                return *value;
            }
        }
        T::default()
    }

    /// A number scattered about a middle as amounts of money and lengths of time are: most are near it, a few many times larger (log-normal with
    /// a sigma of 0.9, by its quantiles).
    pub fn spread(&mut self, middle: i64) -> i64 {
        /// The quantiles 0, 5, 10 ... 100 % in thousandths of the median; the outermost are cut off.
        const QUANTILES: [i64; 21] =
            [120, 228, 316, 393, 469, 545, 624, 707, 796, 893, 1_000, 1_120, 1_256, 1_415, 1_603, 1_835, 2_133, 2_542, 3_169, 4_395, 9_000];
        let place = self.index(QUANTILES.len() - 1);
        let (low, high) = (QUANTILES.get(place).copied().unwrap_or(1_000), QUANTILES.get(place + 1).copied().unwrap_or(1_000));
        middle.saturating_mul(self.between(low, high)) / 1_000
    }

    /// Bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.throw().to_be_bytes().first().copied().unwrap_or_default())
    }

    /// An identifier (version 7) of something made at that instant.
    pub fn id(&mut self, at: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// An identifier that does not depend on when the seed is sown.
    pub fn lasting_id(&mut self) -> Uuid {
        self.id(EARLY)
    }

    /// An instant between two, both included.
    pub fn instant(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> DateTime<Utc> {
        from + Duration::seconds(self.between(0, (to - from).num_seconds().max(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for the seed 1234567.
    #[test]
    fn numbers_are_those_of_the_publication() {
        let mut dice = Dice::new(1_234_567);
        assert_eq!([dice.throw(), dice.throw()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn weights_and_spreads_come_out_as_asked() {
        let mut dice = Dice::new(1);
        let often = (0..10_000).filter(|_| dice.weighted(&[("a", 3), ("b", 1)]) == "a").count();
        assert!((7_300..7_700).contains(&often), "{often}");
        let mut amounts: Vec<i64> = (0..10_001).map(|_| dice.spread(1_000)).collect();
        amounts.sort_unstable();
        assert!((950..1_050).contains(&amounts[5_000]), "{}", amounts[5_000]);
        assert!(amounts[0] >= 120 && amounts[10_000] <= 9_000);
        assert_eq!(Dice::new(1).id(DateTime::UNIX_EPOCH).get_version_num(), 7);
    }
}
