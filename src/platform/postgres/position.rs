//! Places in what a database has written: which cluster, which of its timelines, how far.
//!
//! A place can only be compared with another one of the same cluster and timeline: a replica that is promoted begins a new timeline, on which the same
//! numbers are given to other writes.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// How far the write-ahead log was written or replayed, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    /// As PostgreSQL writes it: `16/B374D848`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A cluster and one of its timelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// The cluster's system identifier, the same for a primary and all its replicas.
    pub system: u64,
    /// The number of the timeline, which grows with each promotion.
    pub timeline: u32,
}

/// A place in what a database has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// On which timeline.
    pub line: Line,
    /// How far.
    pub lsn: Lsn,
}

impl Position {
    /// The later of the two, where they can be compared; else the one of the newer timeline, or this one.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let newer = (other.line.timeline, other.lsn) > (self.line.timeline, self.lsn);
        if self.line.system == other.line.system && newer { other } else { self }
    }
}

/// The timeline that is written to, as far as this process has learned. It never goes back, so that an old primary that returns is not taken for the
/// present one.
#[derive(Debug, Default)]
pub struct Lineage {
    known: RwLock<Option<Line>>,
}

impl Lineage {
    /// What was learned last.
    #[must_use]
    pub fn known(&self) -> Option<Line> {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns on which line a node is that says to be the primary, or that follows it.
    ///
    /// # Errors
    /// In words, when the node belongs to another cluster or to a timeline that was left.
    pub fn learn(&self, line: Line) -> Result<(), String> {
        match self.judge(line)? {
            Judgement::Known => Ok(()),
            Judgement::Newer => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                // Somebody else may have learned more in between.
                let newer = known.is_none_or(|known| known.system == line.system && known.timeline < line.timeline);
                if newer && let Some(left) = known.replace(line) {
                    tracing::warn!("timeline {} is in use: nothing is written to timeline {} any more", line.timeline, left.timeline);
                }
                drop(known);
                self.judge(line).map(drop)
            }
        }
    }

    /// Whether a line may be written to, as far as is known.
    ///
    /// # Errors
    /// As [`Lineage::learn`].
    pub fn allows(&self, line: Line) -> Result<(), String> {
        self.judge(line).map(drop)
    }

    /// Learns by hearsay, from a node that follows the primary or was promoted, that there is a newer timeline of the known cluster.
    pub fn hear(&self, line: Line) {
        if self.known().is_some_and(|known| known.system == line.system) {
            // Of an older timeline there is nothing to learn.
            let _ = self.learn(line);
        }
    }

    fn judge(&self, line: Line) -> Result<Judgement, String> {
        match self.known() {
            None => Ok(Judgement::Newer),
            Some(known) if known.system != line.system => Err(format!(
                "this is another cluster (system identifier {}) than the one served so far ({}): restart the server if that is meant",
                line.system, known.system
            )),
            Some(known) if known.timeline > line.timeline => Err(format!(
                "this is an old primary: its timeline is {}, and timeline {} is already in use. Make it a replica, or stop it",
                line.timeline, known.timeline
            )),
            Some(known) if known.timeline < line.timeline => Ok(Judgement::Newer),
            Some(_) => Ok(Judgement::Known),
        }
    }
}

/// Whether a connection writes to a timeline that was left meanwhile.
#[must_use]
pub fn is_left(line: Option<Line>, present: &Lineage) -> bool {
    let (Some(line), Some(present)) = (line, present.known()) else { return false };
    present.system == line.system && present.timeline > line.timeline
}

enum Judgement {
    Known,
    Newer,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(system: u64, timeline: u32, lsn: u64) -> Position {
        Position { line: Line { system, timeline }, lsn: Lsn(lsn) }
    }

    #[test]
    fn places_are_written_as_postgresql_writes_them() {
        assert_eq!(Lsn(0x16_b374_d848).to_string(), "16/B374D848");
        assert_eq!(Lsn(0x10).to_string(), "0/10");
    }

    #[test]
    fn the_later_place_is_further_or_of_a_newer_timeline() {
        assert_eq!(at(1, 1, 5).later(at(1, 1, 7)), at(1, 1, 7));
        assert_eq!(at(1, 1, 7).later(at(1, 1, 5)), at(1, 1, 7));
        assert_eq!(at(1, 1, 7).later(at(1, 2, 5)), at(1, 2, 5));
        assert_eq!(at(1, 2, 5).later(at(1, 1, 7)), at(1, 2, 5));
        assert_eq!(at(1, 1, 5).later(at(2, 1, 7)), at(1, 1, 5));
    }

    #[test]
    fn what_was_left_is_not_gone_back_to() {
        let lineage = Lineage::default();
        let line = |system, timeline| Line { system, timeline };
        assert_eq!(lineage.learn(line(7, 1)), Ok(()));
        assert_eq!(lineage.learn(line(7, 1)), Ok(()));
        assert_eq!(lineage.learn(line(7, 3)), Ok(()));
        assert!(lineage.learn(line(7, 2)).unwrap_err().contains("old primary"));
        assert!(lineage.learn(line(8, 9)).unwrap_err().contains("another cluster"));
        assert_eq!(lineage.known(), Some(line(7, 3)));
        for (heard, known) in [(line(8, 9), line(7, 3)), (line(7, 2), line(7, 3)), (line(7, 4), line(7, 4))] {
            lineage.hear(heard);
            assert_eq!(lineage.known(), Some(known));
        }
        let young = Lineage::default();
        young.hear(line(7, 1));
        assert_eq!(young.known(), None, "hearsay does not choose the cluster");
    }
}
