//! What makes a list of stages a pipeline. Nothing here reads or writes.

use std::collections::HashSet;

use crate::base::{Checks, text};
use crate::features::pipelines::model::StageKind;

/// The most stages that a pipeline may have.
pub const MOST_STAGES: usize = 20;
/// How likely a deal in an open stage is won when nothing else is said, in percent.
pub const USUAL_PROBABILITY: i32 = 50;

/// A stage as somebody described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The name.
    pub name: String,
    /// What the stage is for.
    pub kind: StageKind,
    /// How likely a deal in it is won, in percent; the usual one when left out.
    pub probability: Option<i32>,
}

/// Checks the stages of a new pipeline, in their order, and fills in the probabilities that were left out.
pub fn stages(checks: &mut Checks, drafts: &[Draft]) -> Vec<(String, StageKind, i32)> {
    let count = |kind: StageKind| drafts.iter().filter(|draft| draft.kind == kind).count();
    checks.require(drafts.len() <= MOST_STAGES, "stages", format!("A pipeline has at most {MOST_STAGES} stages."));
    checks.require(count(StageKind::Open) >= 1, "stages", "A pipeline needs at least one open stage.");
    checks.require(count(StageKind::Won) == 1, "stages", "A pipeline needs exactly one won stage.");
    checks.require(count(StageKind::Lost) == 1, "stages", "A pipeline needs exactly one lost stage.");
    let mut names = HashSet::new();
    let mut kept = Vec::new();
    for (index, draft) in drafts.iter().take(MOST_STAGES).enumerate() {
        let name = checks.take(&format!("stages.{index}.name"), text::line(&draft.name, 100));
        let probability = checks.take(&format!("stages.{index}.probability"), probability(draft.kind, draft.probability));
        if let (Some(name), Some(probability)) = (name, probability) {
            checks.require(names.insert(name.to_lowercase()), &format!("stages.{index}.name"), "Another stage of this pipeline has this name.");
            kept.push((name, draft.kind, probability));
        }
    }
    kept
}

/// How likely a deal in a stage of this kind is won: what was said for an open one, all or nothing for the others.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn probability(kind: StageKind, said: Option<i32>) -> Result<i32, String> {
    match (kind, said) {
        (StageKind::Open, None) => Ok(USUAL_PROBABILITY),
        (StageKind::Open, Some(percent)) if (0..=100).contains(&percent) => Ok(percent),
        (StageKind::Open, Some(_)) => Err("A probability is 0 to 100 percent.".to_owned()),
        (StageKind::Won, None | Some(100)) => Ok(100),
        (StageKind::Lost, None | Some(0)) => Ok(0),
        (StageKind::Won, Some(_)) => Err("The probability of the won stage is always 100.".to_owned()),
        (StageKind::Lost, Some(_)) => Err("The probability of the lost stage is always 0.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str, kind: StageKind, probability: Option<i32>) -> Draft {
        Draft { name: name.to_owned(), kind, probability }
    }

    fn problems(drafts: &[Draft]) -> Vec<String> {
        let mut checks = Checks::new();
        stages(&mut checks, drafts);
        checks.finish().err().map(|error| error.problems.into_iter().map(|problem| problem.field.join(".")).collect()).unwrap_or_default()
    }

    #[test]
    fn a_pipeline_has_open_stages_and_one_end_of_each_kind() {
        let (open, won, lost) = (draft("New", StageKind::Open, None), draft("Won", StageKind::Won, None), draft("Lost", StageKind::Lost, Some(0)));
        let mut checks = Checks::new();
        let kept = stages(&mut checks, &[open.clone(), won.clone(), lost.clone()]);
        assert!(checks.finish().is_ok());
        assert_eq!(kept.iter().map(|(_, _, percent)| *percent).collect::<Vec<_>>(), [50, 100, 0]);
        assert_eq!(problems(&[]).len(), 3);
        assert_eq!(problems(&[open.clone(), won.clone()]), ["input.stages"]);
        assert_eq!(problems(&[open.clone(), won.clone(), draft("Won again", StageKind::Won, None), lost.clone()]), ["input.stages"]);
        assert_eq!(problems(&[open.clone(), draft("new ", StageKind::Open, None), won.clone(), lost.clone()]), ["input.stages.1.name"]);
        assert_eq!(problems(&[draft("New", StageKind::Open, Some(101)), draft("Won", StageKind::Won, Some(90)), lost]).len(), 2);
    }
}
