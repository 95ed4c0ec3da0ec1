//! What must hold of a task's values, without input or output.

use chrono::{DateTime, Utc};

use crate::base::patch::Change;
use crate::features::tasks::model::TaskStatus;

/// What becomes of the instant of completion when the status changes: set once a task is done, kept while it stays done, cleared when it is not.
#[must_use]
pub fn completion(before: TaskStatus, after: TaskStatus, now: DateTime<Utc>) -> Change<DateTime<Utc>> {
    match (before == TaskStatus::Done, after == TaskStatus::Done) {
        (false, true) => Some(Some(now)),
        (true, false) => Some(None),
        _ => None,
    }
}

/// Whether a task waits longer than it may: not yet done or given up, and past its due date.
#[must_use]
pub fn is_overdue(status: TaskStatus, due_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    matches!(status, TaskStatus::Open | TaskStatus::InProgress) && due_at.is_some_and(|due| due < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_774_000_000_000_000_000);

    #[test]
    fn completion_follows_the_status() {
        assert_eq!(completion(TaskStatus::Open, TaskStatus::Done, NOW), Some(Some(NOW)));
        assert_eq!(completion(TaskStatus::Done, TaskStatus::Done, NOW), None);
        assert_eq!(completion(TaskStatus::Done, TaskStatus::Cancelled, NOW), Some(None));
        assert_eq!(completion(TaskStatus::Open, TaskStatus::InProgress, NOW), None);
    }

    #[test]
    fn only_unfinished_tasks_are_overdue() {
        let earlier = Some(NOW - chrono::TimeDelta::microseconds(1));
        for status in TaskStatus::ALL {
            let unfinished = matches!(status, TaskStatus::Open | TaskStatus::InProgress);
            assert_eq!(is_overdue(*status, earlier, NOW), unfinished, "{status}");
            assert!(!is_overdue(*status, Some(NOW), NOW));
            assert!(!is_overdue(*status, None, NOW));
        }
    }
}
