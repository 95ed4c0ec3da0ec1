//! Batch functions over deals.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::deals::model::DealStageChange;
use crate::features::deals::queries;

/// The moves of each deal, newest first, by how many are asked for.
pub struct MovesByDeal;

impl Batch for MovesByDeal {
    type Key = (Uuid, usize);
    type Value = Vec<Arc<DealStageChange>>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<Map<Self::Key, Self::Value>> {
        let most = keys.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let deals: BTreeSet<Uuid> = keys.iter().map(|(deal, _)| *deal).collect();
        let mut moves: Map<Uuid, Self::Value> = Map::default();
        for row in queries::moves_by_deals(&reader, deals.into_iter().collect(), most).await? {
            moves.entry(row.deal_id).or_default().push(row);
        }
        let newest = |deal, count| moves.get(&deal).into_iter().flatten().take(count).map(Arc::clone).collect();
        Ok(keys.into_iter().map(|(deal, count)| ((deal, count), newest(deal, count))).collect())
    }
}
