//! What the schema shows of a task.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::scalars::DateTime;
use crate::features::accounts::object::User;
use crate::features::contacts::object::Contact;
use crate::features::deals::object::Deal;
use crate::features::tasks::model::{self, TaskId, TaskPriority, TaskStatus};
use crate::features::tasks::queries::TaskOrderField;
use crate::features::tasks::rules;
use crate::object;

object! {
    /// Something that somebody is to do.
    Task of model::Task, ordered by TaskOrderField, seen with TasksRead;
    /// A page of tasks.
    TaskConnection;
    plain id, title, description, status, priority, due_at, completed_at, created_at, updated_at, version
}

/// Something that somebody is to do.
#[Object(guard = "Can(Permission::TasksRead)")]
impl Task {
    /// The identifier.
    pub async fn id(&self) -> TaskId {
        TaskId::new(self.0.id)
    }

    /// What is to be done.
    async fn title(&self) -> Result<&str> {
        self.0.title.text()
    }

    /// More about it; null when there is nothing more.
    async fn description(&self) -> Result<Option<&str>> {
        self.0.description.text()
    }

    /// How far the task has come.
    async fn status(&self) -> Result<TaskStatus> {
        self.0.status.value()
    }

    /// How pressing the task is.
    async fn priority(&self) -> Result<TaskPriority> {
        self.0.priority.value()
    }

    /// The member who is to do it; null when nobody is. Null when it fails; the errors say why.
    async fn assignee(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.assignee_id.value()?).await
    }

    /// The contact it is about; null when it is about none. Null when it fails; the errors say why.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Written<Contact>>> {
        Contact::load_if(ctx, self.0.contact_id.value()?).await
    }

    /// The deal it is about; null when it is about none. Null when it fails; the errors say why.
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Written<Deal>>> {
        Deal::load_if(ctx, self.0.deal_id.value()?).await
    }

    /// Until when it is to be done; null when there is no such date.
    async fn due_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.due_at.value()?.map(DateTime))
    }

    /// When it was done; null unless the status is `DONE`.
    async fn completed_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.completed_at.value()?.map(DateTime))
    }

    /// Whether it is past its due date now, and neither done nor cancelled.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = Operation::of(ctx)?.reads()?.reader.now;
        Ok(rules::is_overdue(self.0.status.value()?, self.0.due_at.value()?, now))
    }

    /// When the task was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the task was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
