//! What is done with tasks: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};
use chrono::{DateTime as Instant, Utc};

use crate::access::Act;
use crate::base::patch::{nullable, optional, plain};
use crate::base::scalars::DateTime;
use crate::base::{Checks, Result, text};
use crate::features::accounts::model::UserId;
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::DealId;
use crate::features::rows;
use crate::features::tasks::model::{NewTask, Task, TaskChanges, TaskId, TaskPriority, TaskStatus};
use crate::features::tasks::rules::completion;
use crate::inputs;

/// A task to create.
#[derive(Debug, Clone, InputObject)]
pub struct TaskCreateInput {
    /// What is to be done, 1 to 200 characters.
    pub title: String,
    /// More about it, up to 10,000 characters.
    pub description: Option<String>,
    /// How far it has come.
    #[graphql(default_with = "TaskStatus::Open")]
    pub status: TaskStatus,
    /// How pressing it is.
    #[graphql(default_with = "TaskPriority::Normal")]
    pub priority: TaskPriority,
    /// The member who is to do it.
    pub assignee_id: Option<UserId>,
    /// The contact it is about.
    pub contact_id: Option<ContactId>,
    /// The deal it is about.
    pub deal_id: Option<DealId>,
    /// Until when.
    pub due_at: Option<DateTime>,
}

/// Changes to one or several tasks: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct TaskChangesInput {
    /// What is to be done, 1 to 200 characters.
    pub title: Option<String>,
    /// More about it, up to 10,000 characters.
    pub description: MaybeUndefined<String>,
    /// How far it has come. `DONE` sets the instant of completion, anything else clears it.
    pub status: Option<TaskStatus>,
    /// How pressing it is.
    pub priority: Option<TaskPriority>,
    /// The member who is to do it.
    pub assignee_id: MaybeUndefined<UserId>,
    /// The contact it is about.
    pub contact_id: MaybeUndefined<ContactId>,
    /// The deal it is about.
    pub deal_id: MaybeUndefined<DealId>,
    /// Until when.
    pub due_at: MaybeUndefined<DateTime>,
}

inputs! {
    "task", "tasks": TaskId, TaskChangesInput;
    TaskUpdateInput, TaskBulkUpdateInput, TaskDeleteInput, TaskBulkDeleteInput
}

/// Which task to complete.
#[derive(Debug, Clone, InputObject)]
pub struct TaskCompleteInput {
    /// The task.
    pub id: TaskId,
    /// The version of it that was read.
    pub version: i32,
}

/// Creates a task.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND` for an assignee, contact or deal that is not there.
pub async fn create(act: &Act, input: TaskCreateInput) -> Result<Task> {
    let mut checks = Checks::new();
    let title = checks.take("title", text::line(&input.title, 200));
    let description = optional(&mut checks, "description", input.description.as_deref(), |description| text::block(description, 10_000));
    checks.finish()?;
    let now = act.now();
    let new = NewTask {
        organization_id: act.organization(),
        id: act.fresh_id(),
        title: title.unwrap_or_default(),
        description,
        status: input.status,
        priority: input.priority,
        assignee_id: input.assignee_id.map(UserId::uuid),
        contact_id: input.contact_id.map(ContactId::uuid),
        deal_id: input.deal_id.map(DealId::uuid),
        due_at: input.due_at.map(|due| due.0),
        completed_at: completion(TaskStatus::Open, input.status, now).flatten(),
        created_at: now,
        updated_at: now,
    };
    rows::create(act, new).await
}

/// Changes a task.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: TaskUpdateInput) -> Result<Task> {
    let changes = checked(&input.changes)?;
    rows::update(act, input.id, input.version, |task| completed(task, &changes, act.now())).await
}

/// Completes a task; one that is done already keeps its instant of completion.
///
/// # Errors
/// `NOT_FOUND` when it is not there, `CONFLICT` when somebody else changed it first.
pub async fn complete(act: &Act, input: TaskCompleteInput) -> Result<Task> {
    let changes = TaskChanges { status: Some(TaskStatus::Done), ..TaskChanges::default() };
    rows::update(act, input.id, input.version, |task| completed(task, &changes, act.now())).await
}

/// Changes up to 100 tasks alike: all of them, or none when one is not there.
///
/// # Errors
/// As [`create`].
pub async fn bulk_update(act: &Act, input: TaskBulkUpdateInput) -> Result<Vec<Task>> {
    let changes = checked(&input.changes)?;
    rows::update_all(act, &input.ids, |task| completed(task, &changes, act.now())).await
}

fn checked(input: &TaskChangesInput) -> Result<TaskChanges> {
    let mut checks = Checks::new();
    let changes = TaskChanges {
        title: optional(&mut checks, "changes.title", input.title.as_deref(), |title| text::line(title, 200)),
        description: nullable(&mut checks, "changes.description", &input.description, |description| text::block(description, 10_000)),
        status: input.status,
        priority: input.priority,
        assignee_id: plain(&input.assignee_id).map(|id| id.map(UserId::uuid)),
        contact_id: plain(&input.contact_id).map(|id| id.map(ContactId::uuid)),
        deal_id: plain(&input.deal_id).map(|id| id.map(DealId::uuid)),
        due_at: plain(&input.due_at).map(|due| due.map(|due| due.0)),
        completed_at: None,
    };
    checks.require(changes != TaskChanges::default(), "changes", "Send at least one change.");
    checks.finish()?;
    Ok(changes)
}

/// The changes with the instant of completion that follows from the status.
fn completed(task: &Task, changes: &TaskChanges, now: Instant<Utc>) -> Result<TaskChanges> {
    let before = task.status.value()?;
    let completed_at = completion(before, changes.status.unwrap_or(before), now);
    Ok(TaskChanges { completed_at, ..changes.clone() })
}
