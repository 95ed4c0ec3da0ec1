//! The query fields of tasks.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::tasks::model::TaskId;
use crate::features::tasks::object::{Task, TaskConnection};
use crate::features::tasks::queries::{TaskFilter, TaskOrder};
use crate::features::lists;

/// The query fields of tasks.
#[derive(Default)]
pub struct Roots;

#[Object(name = "TaskRoots")]
impl Roots {
    /// One task; null when there is no such task in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksRead)")]
    async fn task(&self, ctx: &Context<'_>, #[graphql(desc = "The task's identifier.")] id: TaskId) -> Result<Option<Written<Task>>> {
        Task::load(ctx, id.uuid()).await
    }

    /// The organization's tasks, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::TasksRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<TaskFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<TaskOrder>,
    ) -> Result<Option<TaskConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
