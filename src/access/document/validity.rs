//! With which variables a document was found valid: the rules leave out an argument in which a variable without a value stands.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bit that says that there is a set; the others are the variables.
const IS_THERE: u64 = 1 << 63;

/// Some sets of variables that had no value when the document was found valid. Several, since callers take turns: those who page forwards leave out
/// others than those who page back.
#[derive(Debug, Default)]
pub struct Validity([AtomicU64; 4]);

impl Validity {
    /// Whether the document was found valid while no others than these had no value.
    pub fn holds_without(&self, absent: u64) -> bool {
        self.0.iter().map(|known| known.load(Ordering::Relaxed)).any(|known| known & IS_THERE != 0 && known & !IS_THERE & !absent == 0)
    }

    /// Notes that the document was found valid while these had no value: in place of a set that says less, or of the last.
    pub fn note_without(&self, absent: u64) {
        let says_less = |known: &&AtomicU64| {
            let known = known.load(Ordering::Relaxed);
            known & IS_THERE == 0 || absent & !known == 0
        };
        if let Some(place) = self.0.iter().find(says_less).or(self.0.last()) {
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
        for other in 4..20 {
            validity.note_without(1 << other);
            assert!(validity.holds_without(1 << other));
        }
        assert!(validity.holds_without(0b0001) && validity.holds_without(0b1100));
    }
}
