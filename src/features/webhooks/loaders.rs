//! Batch functions over deliveries and attempts.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::webhooks::model::{WebhookAttempt, WebhookDelivery};
use crate::features::webhooks::queries::deliveries;

/// Deliveries by their ids.
pub struct WebhookDeliveryById;

impl Batch for WebhookDeliveryById {
    type Key = Uuid;
    type Value = Arc<WebhookDelivery>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<WebhookDelivery>>> {
        let rows = deliveries::by_ids(&reader, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The attempts of each delivery, newest first, by how many are asked for.
pub struct AttemptsByDelivery;

impl Batch for AttemptsByDelivery {
    type Key = (Uuid, usize);
    type Value = Vec<Arc<WebhookAttempt>>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<Map<Self::Key, Self::Value>> {
        let most = keys.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let parents: BTreeSet<Uuid> = keys.iter().map(|(delivery, _)| *delivery).collect();
        let mut attempts: Map<Uuid, Self::Value> = Map::default();
        for row in deliveries::attempts_by_deliveries(&reader, parents.into_iter().collect(), most).await? {
            attempts.entry(row.delivery_id).or_default().push(row);
        }
        let newest = |delivery, count| attempts.get(&delivery).into_iter().flatten().take(count).map(Arc::clone).collect();
        Ok(keys.into_iter().map(|(delivery, count)| ((delivery, count), newest(delivery, count))).collect())
    }
}
