//! What keeps the jobs themselves in order.

use crate::access::jobs::{Registry, delete_in_batches};

/// Brings what is done from time to time: jobs that are over are deleted.
pub fn register(jobs: &mut Registry) {
    jobs.every("finished_jobs", "47 * * * *", |services| async move {
        let deleted = delete_in_batches(&services, "SELECT delete_finished_jobs(?)").await?;
        let spent = delete_in_batches(&services, "SELECT delete_spent_entries(?)").await?;
        tracing::info!(deleted, spent, "jobs that were over are deleted");
        Ok(())
    });
}
