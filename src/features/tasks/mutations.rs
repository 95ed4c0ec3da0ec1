//! The mutations of tasks.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::tasks::actions::{
    self, TaskBulkDeleteInput, TaskBulkUpdateInput, TaskCompleteInput, TaskCreateInput, TaskDeleteInput, TaskUpdateInput,
};
use crate::features::tasks::model::TaskId;
use crate::features::tasks::object::Task;
use crate::features::rows;
use crate::{payload, payloads};

payloads! {
    "task", "tasks": Task, TaskId;
    TaskCreatePayload { task }, TaskUpdatePayload { task }, TaskBulkUpdatePayload { tasks }, TaskDeletePayload
}

payload!(
    /// What came of completing a task.
    TaskCompletePayload {
        /// The task as it is now; null when there are user errors.
        task: Task
    }
);

/// The mutations of tasks.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "TaskMutations")]
impl Mutations {
    /// Creates a task. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_create(&self, ctx: &Context<'_>, #[graphql(desc = "The task.")] input: TaskCreateInput) -> Result<Option<Written<TaskCreatePayload>>> {
        TaskCreatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await)
    }

    /// Changes a task. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: TaskUpdateInput) -> Result<Option<Written<TaskUpdatePayload>>> {
        TaskUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await)
    }

    /// Completes a task. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_complete(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskCompleteInput) -> Result<Option<Written<TaskCompletePayload>>> {
        TaskCompletePayload::of(Operation::of(ctx)?.write(|act| async move { actions::complete(&act, input).await }).await)
    }

    /// Changes up to 100 tasks alike: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tasks, and what changes.")] input: TaskBulkUpdateInput,
    ) -> Result<Option<Written<TaskBulkUpdatePayload>>> {
        TaskBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await)
    }

    /// Deletes a task. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which task.")] input: TaskDeleteInput) -> Result<Option<Written<TaskDeletePayload>>> {
        TaskDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Deletes up to 100 tasks: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksWrite)")]
    async fn task_bulk_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which tasks.")] input: TaskBulkDeleteInput,
    ) -> Result<Option<Written<TaskDeletePayload>>> {
        TaskDeletePayload::of(Operation::of(ctx)?.write(|act| async move { rows::delete_all(&act, &input.ids).await }).await)
    }
}
