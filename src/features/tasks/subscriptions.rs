//! What is told of tasks as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::tasks::model::TaskId;
use crate::features::tasks::object::Task;
use crate::features::tasks::queries::TaskFilter;
use crate::features::told;
use crate::told;

told!("a task", "task": Task; TaskChange { task_id: TaskId, task });

/// What is told of tasks.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "TaskSubscriptions")]
impl Subscriptions {
    /// Each change of a task that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksRead)")]
    async fn task_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only tasks that are like this after the change; what was deleted is told of all.")] filter: Option<TaskFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<TaskChange>>> {
        TaskChange::of(ctx, told::of_list::<Task>(ctx, filter, since).await?)
    }
}
