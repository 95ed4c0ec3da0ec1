//! The rows of tasks.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::tasks;
use crate::text_enum;

text_enum! {
    /// How far a task has come.
    pub enum TaskStatus {
        /// Not begun.
        Open = "OPEN",
        /// Begun.
        InProgress = "IN_PROGRESS",
        /// Completed.
        Done = "DONE",
        /// Given up.
        Cancelled = "CANCELLED",
    }
}

text_enum! {
    /// How pressing a task is.
    pub enum TaskPriority {
        /// Can wait.
        Low = "LOW",
        /// As most are.
        Normal = "NORMAL",
        /// Before others.
        High = "HIGH",
        /// At once.
        Urgent = "URGENT",
    }
}

/// The identifier of a task.
pub type TaskId = Id<Task>;

/// A task as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = tasks, check_for_backend(diesel::pg::Pg))]
pub struct Task {
    /// The row's id.
    pub id: Uuid,
    /// What is to be done.
    pub title: Col<String>,
    /// More about it.
    pub description: Col<Option<String>>,
    /// How far it has come.
    pub status: Col<TaskStatus>,
    /// How pressing it is.
    pub priority: Col<TaskPriority>,
    /// The member who is to do it.
    pub assignee_id: Col<Option<Uuid>>,
    /// The contact it is about.
    pub contact_id: Col<Option<Uuid>>,
    /// The deal it is about.
    pub deal_id: Col<Option<Uuid>>,
    /// Until when.
    pub due_at: Col<Option<DateTime<Utc>>>,
    /// `due_at`, or the end of time: made by the database, for the ordering alone.
    #[serde(skip)]
    pub due_key: Col<DateTime<Utc>>,
    /// When it was done.
    pub completed_at: Col<Option<DateTime<Utc>>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Task {
    const PREFIX: &'static str = "task";
}

impl ReadShape for Task {
    const TYPE: &'static str = "Task";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("assignee", &["assignee_id"]),
        ("contact", &["contact_id"]),
        ("deal", &["deal_id"]),
        ("is_overdue", &["status", "due_at"]),
    ];
}

/// A task to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = tasks)]
pub struct NewTask {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What is to be done.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// How far it has come.
    pub status: TaskStatus,
    /// How pressing it is.
    pub priority: TaskPriority,
    /// The member who is to do it.
    pub assignee_id: Option<Uuid>,
    /// The contact it is about.
    pub contact_id: Option<Uuid>,
    /// The deal it is about.
    pub deal_id: Option<Uuid>,
    /// Until when.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was done.
    pub completed_at: Option<DateTime<Utc>>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a task: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = tasks)]
pub struct TaskChanges {
    /// What is to be done.
    pub title: Option<String>,
    /// More about it.
    pub description: Option<Option<String>>,
    /// How far it has come.
    pub status: Option<TaskStatus>,
    /// How pressing it is.
    pub priority: Option<TaskPriority>,
    /// The member who is to do it.
    pub assignee_id: Option<Option<Uuid>>,
    /// The contact it is about.
    pub contact_id: Option<Option<Uuid>>,
    /// The deal it is about.
    pub deal_id: Option<Option<Uuid>>,
    /// Until when.
    pub due_at: Option<Option<DateTime<Utc>>>,
    /// When it was done.
    pub completed_at: Option<Option<DateTime<Utc>>>,
}
