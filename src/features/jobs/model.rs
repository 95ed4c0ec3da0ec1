//! The rows of jobs, without what the job needs to know.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::access::jobs::{Priority, Queue};
use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::jobs;
use crate::text_enum;

text_enum! {
    /// How far a job has come.
    pub enum JobState {
        /// Waits for its time, or to be tried again.
        Queued = "QUEUED",
        /// Is being run.
        Running = "RUNNING",
        /// Has been done.
        Done = "DONE",
        /// Was given up.
        Dead = "DEAD",
    }
}

/// The identifier of a job.
pub type JobId = Id<Job>;

/// A job as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
pub struct Job {
    /// The row's id.
    pub id: Uuid,
    /// What kind of job it is.
    pub kind: Col<String>,
    /// Where it waits.
    pub queue: Col<Queue>,
    /// Which of those that are due goes first.
    pub priority: Col<Priority>,
    /// How far it has come.
    pub state: Col<JobState>,
    /// Jobs with the same word are run one after another.
    pub serial: Col<Option<String>>,
    /// How often it was tried.
    pub attempts: Col<i32>,
    /// How often it is tried at most.
    pub max_attempts: Col<i32>,
    /// How much of it is done.
    pub progress_done: Col<Option<i64>>,
    /// How much there is to do.
    pub progress_total: Col<Option<i64>>,
    /// Why the last attempt failed.
    pub last_error: Col<Option<String>>,
    /// Who has caused it.
    pub actor_id: Col<Option<Uuid>>,
    /// When it is due.
    pub run_at: Col<DateTime<Utc>>,
    /// When its last attempt began.
    pub started_at: Col<Option<DateTime<Utc>>>,
    /// When it was done or given up.
    pub finished_at: Col<Option<DateTime<Utc>>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Job {
    const PREFIX: &'static str = "job";
}

impl ReadShape for Job {
    const TYPE: &'static str = "Job";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("progress", &["progress_done", "progress_total"]), ("actor", &["actor_id"])];
}

/// What a job is made of. The database writes it (`enqueue_jobs`), so that triggers can do the same.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = jobs)]
pub struct NewJob {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
}

/// What changes of a job: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = jobs)]
pub struct JobChanges {
    /// How far it has come.
    pub state: Option<JobState>,
    /// How often it was tried.
    pub attempts: Option<i32>,
    /// When it is due.
    pub run_at: Option<DateTime<Utc>>,
    /// When it was done or given up.
    pub finished_at: Option<Option<DateTime<Utc>>>,
}
