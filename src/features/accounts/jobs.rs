//! What is done from time to time about accounts.

use crate::access::jobs::{Registry, delete_in_batches};

/// Brings what is done from time to time: sessions and invitations that expired more than a week ago are deleted.
pub fn register(jobs: &mut Registry) {
    jobs.every("expired", "13 * * * *", |services| async move {
        let deleted = delete_in_batches(&services, "SELECT delete_expired(?)").await?;
        tracing::info!(deleted, "expired sessions and invitations are deleted");
        Ok(())
    });
}
