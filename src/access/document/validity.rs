//! With which variables a document was found valid: the rules leave out an argument in which a variable without a value stands.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The bit that says that there is a set; the others are the variables.
const IS_THERE: u64 = 1 << 63;

/// How many sets are known of a document.
const MOST_SETS: usize = 16;

/// Some sets of variables that had no value when the document was found valid. Several, since callers take turns: those who page forwards leave out
/// others than those who page back, and of many filters each sends its own.
#[derive(Debug, Default)]
pub struct Validity {
    sets: [AtomicU64; MOST_SETS],
    next: AtomicUsize,
}

impl Validity {
    /// Whether the document was found valid while no others than these had no value.
    pub fn holds_without(&self, absent: u64) -> bool {
        self.sets.iter().map(|known| known.load(Ordering::Relaxed)).any(|known| known & IS_THERE != 0 && known & !IS_THERE & !absent == 0)
    }

    /// Notes that the document was found valid while these had no value: in place of a set that says less, or of one after the other.
    pub fn note_without(&self, absent: u64) {
        let says_less = |known: &&AtomicU64| {
            let known = known.load(Ordering::Relaxed);
            known & IS_THERE == 0 || absent & !known == 0
        };
        let in_turn = || self.sets.get(self.next.fetch_add(1, Ordering::Relaxed) % MOST_SETS);
        if let Some(place) = self.sets.iter().find(says_less).or_else(in_turn) {
            place.store(IS_THERE | absent, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_for_all_that_lack_no_less() {
        let validity = Validity::default();
        assert!(!validity.holds_without(0) && !validity.holds_without(0b11));
        validity.note_without(0b0011);
        validity.note_without(0b1100);
        assert!([0b0011, 0b1100, 0b0111].into_iter().all(|absent| validity.holds_without(absent)));
        assert!(![0, 0b0001, 0b0110].into_iter().any(|absent| validity.holds_without(absent)));
        validity.note_without(0b0001);
        assert!(validity.holds_without(0b0001) && validity.holds_without(0b0011) && validity.holds_without(0b1100));
    }

    #[test]
    fn as_many_kinds_of_callers_as_there_are_places_are_known_in_turn() {
        let validity = Validity::default();
        // The later ones take the places of the first ones, and then all of them have places.
        for first in [0, 4] {
            let kinds = (first..first + MOST_SETS).map(|variable| 1_u64 << variable).collect::<Vec<_>>();
            kinds.iter().filter(|kind| !validity.holds_without(**kind)).for_each(|kind| validity.note_without(*kind));
            assert!(kinds.iter().all(|kind| validity.holds_without(*kind)), "{validity:?}");
        }
        assert!(!validity.holds_without(1));
    }
}
