//! What is done in the background about webhooks.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::Act;
use crate::access::jobs::{Failed, Job, Queue, Registry, Run, delete_in_batches};
use crate::base::Result;
use crate::features::webhooks::deliver;
use crate::features::webhooks::queries::deliveries;

/// Sends one delivery. The trigger that writes deliveries enqueues it by its name.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookDeliver {
    /// Which.
    pub delivery: Uuid,
}

impl Job for WebhookDeliver {
    const NAME: &'static str = "webhook_deliver";
    const QUEUE: Queue = Queue::Webhook;

    async fn run(self, run: Run) -> Result<(), Failed> {
        deliver::deliver(&run, self.delivery).await
    }

    async fn given_up(self, act: Act, _: Uuid, reason: String) -> Result<()> {
        deliver::given_up(&act, self.delivery, reason).await
    }
}

/// Deletes what is known of a deleted endpoint, a little at a time.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookForget {
    /// Which it was.
    pub endpoint: Uuid,
}

impl Job for WebhookForget {
    const NAME: &'static str = "webhook_forget";
    const QUEUE: Queue = Queue::Maintenance;

    async fn run(self, run: Run) -> Result<(), Failed> {
        while run.write(move |act| async move { deliveries::delete_some(&act, self.endpoint).await }).await? > 0 {}
        Ok(())
    }
}

/// Brings the jobs of webhooks, and what is done from time to time: what is older than 30 days goes.
pub fn register(jobs: &mut Registry) {
    jobs.add::<WebhookDeliver>();
    jobs.add::<WebhookForget>();
    jobs.every("webhooks_old", "41 3 * * *", |services| async move {
        let deleted = delete_in_batches(&services, "SELECT delete_old_webhooks(?)").await?;
        tracing::info!(deleted, "old deliveries and events are deleted");
        Ok(())
    });
}
