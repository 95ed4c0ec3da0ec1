//! What a deal is worth by its chances, and what a stage makes of a deal. Nothing here reads or writes.

use chrono::{DateTime, Utc};

use crate::features::deals::model::{DealChanges, DealStatus};
use crate::features::pipelines::model::StageKind;

/// The value weighted by the probability, in minor units, rounded half up to a whole one.
///
/// The dashboard's SQL says the same: `(value_minor * probability + 50) / 100`. Neither can overflow, because a value is at most
/// [`crate::base::money::MAX_MINOR`] and a probability 100.
#[must_use]
pub fn weighted(value_minor: i64, probability: i32) -> i64 {
    (value_minor * i64::from(probability) + 50) / 100
}

/// How a deal stands in a stage of this kind.
#[must_use]
pub const fn status(kind: StageKind) -> DealStatus {
    match kind {
        StageKind::Open => DealStatus::Open,
        StageKind::Won => DealStatus::Won,
        StageKind::Lost => DealStatus::Lost,
    }
}

/// Whether a reason belongs to a move into a stage of this kind: a loss needs one, a win may have one, and an open deal has none.
///
/// # Errors
/// A sentence for the person who moves the deal.
pub fn reason(kind: StageKind, reason: Option<String>) -> Result<Option<String>, String> {
    match (kind, reason) {
        (StageKind::Lost, None) => Err("Say why the deal is lost.".to_owned()),
        (StageKind::Open, Some(_)) => Err("A reason belongs to a deal that is won or lost; this stage is open.".to_owned()),
        (_, reason) => Ok(reason),
    }
}

/// What entering a stage changes of a deal, beside the stage itself. Going back to an open stage reopens the deal.
#[must_use]
pub fn enter(kind: StageKind, probability: i32, reason: Option<String>, now: DateTime<Utc>) -> DealChanges {
    let closed = kind != StageKind::Open;
    DealChanges {
        status: Some(status(kind)),
        probability: Some(probability),
        closed_at: Some(closed.then_some(now)),
        closed_reason: Some(reason.filter(|_| closed)),
        ..DealChanges::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minor_unit_is_rounded_up() {
        for (value, probability, expected) in [(100, 50, 50), (101, 50, 51), (99, 50, 50), (149, 1, 1), (150, 1, 2), (7, 0, 0), (7, 100, 7)] {
            assert_eq!(weighted(value, probability), expected, "{value} at {probability} %");
        }
        assert_eq!(weighted(crate::base::money::MAX_MINOR, 100), crate::base::money::MAX_MINOR);
    }

    #[test]
    fn a_loss_needs_a_reason_and_an_open_stage_takes_none() {
        let said = || Some("Too dear".to_owned());
        assert!(reason(StageKind::Lost, None).is_err());
        assert!(reason(StageKind::Open, said()).is_err());
        assert_eq!(reason(StageKind::Lost, said()), Ok(said()));
        assert_eq!(reason(StageKind::Won, None), Ok(None));
        assert_eq!(reason(StageKind::Won, said()), Ok(said()));
    }

    #[test]
    fn a_stage_closes_and_reopens_a_deal() {
        let now = DateTime::UNIX_EPOCH;
        let lost = enter(StageKind::Lost, 0, Some("Too dear".to_owned()), now);
        assert_eq!((lost.status, lost.closed_at, lost.probability), (Some(DealStatus::Lost), Some(Some(now)), Some(0)));
        let open = enter(StageKind::Open, 30, None, now);
        assert_eq!((open.status, open.closed_at, open.closed_reason), (Some(DealStatus::Open), Some(None), Some(None)));
    }
}
