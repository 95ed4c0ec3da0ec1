//! Every statement about tasks. Each names its organization; row level security stands behind it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::access::Reader;
use crate::base::filter::DateTimeFilter;
use crate::features::accounts::model::UserId;
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::DealId;
use crate::features::lists::Filter;
use crate::features::tasks::model::{NewTask, Task, TaskChanges, TaskPriority, TaskStatus};
use crate::schema::tasks;
use crate::{lists, narrow_any, narrow_id, narrow_instant, operators, stored};

stored! {
    tasks of Task, NewTask, TaskChanges;
    Missing("tasks_organization_id_assignee_id_fkey", "assigneeId", "member"),
    Missing("tasks_organization_id_contact_id_fkey", "contactId", "contact"),
    Missing("tasks_organization_id_deal_id_fkey", "dealId", "deal"),
}

lists! {
    tasks of Task, narrowed by TaskFilter, usually CreatedAt Desc;

    /// How to order tasks.
    pub struct TaskOrder;

    /// What tasks can be ordered by.
    pub enum TaskOrderField {
        /// When they were created.
        CreatedAt = created_at: DateTime<Utc>,
        /// When they were last changed.
        UpdatedAt = updated_at: DateTime<Utc>,
        /// When they are due; those without a due date count as later than all others.
        DueAt = due_key: DateTime<Utc>,
    }

    /// Whose tasks a list holds.
    pub enum TaskParent {
        /// Those about a contact.
        Contact = contact_id,
        /// Those about a deal.
        Deal = deal_id,
        /// Those that a member is to do.
        Assignee = assignee_id,
    }
}

operators!(
    /// Compares a status.
    TaskStatusFilter,
    TaskStatus
);
operators!(
    /// Compares a priority.
    TaskPriorityFilter,
    TaskPriority
);

/// Narrows a list of tasks; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct TaskFilter {
    /// By status.
    pub status: Option<TaskStatusFilter>,
    /// By priority.
    pub priority: Option<TaskPriorityFilter>,
    /// Only those that this member is to do.
    pub assignee_id: Option<UserId>,
    /// Only those about this contact.
    pub contact_id: Option<ContactId>,
    /// Only those about this deal.
    pub deal_id: Option<DealId>,
    /// By the due date; a task without one passes no comparison.
    pub due_at: Option<DateTimeFilter>,
    /// Only those that are overdue now, or only those that are not.
    pub overdue: Option<bool>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
}

impl Filter for TaskFilter {}

fn narrowed<ST>(query: Query<ST>, reader: &Reader, filter: &TaskFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.status, tasks::status);
    query = narrow_any!(query, filter.priority, tasks::priority);
    query = narrow_id!(query, filter.assignee_id, tasks::assignee_id);
    query = narrow_id!(query, filter.contact_id, tasks::contact_id);
    query = narrow_id!(query, filter.deal_id, tasks::deal_id);
    query = narrow_instant!(query, filter.due_at, tasks::due_at);
    query = narrow_instant!(query, filter.created_at, tasks::created_at);
    let now = reader.now;
    match filter.overdue {
        Some(true) => query.filter(unfinished().and(tasks::due_key.lt(now))),
        Some(false) => query.filter(diesel::dsl::not(unfinished()).or(tasks::due_key.ge(now))),
        None => query,
    }
}

/// As the partial index `tasks_open` has it, word for word, so that the planner knows it again.
fn unfinished() -> SqlLiteral<Bool> {
    sql("tasks.status IN ('OPEN', 'IN_PROGRESS')")
}
