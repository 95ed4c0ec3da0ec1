//! Batch functions over deals.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::deals::model::DealStageChange;
use crate::features::deals::queries;

/// The moves of each deal, newest first.
pub struct MovesByDeal;

impl Batch for MovesByDeal {
    type Key = Uuid;
    type Value = Vec<Arc<DealStageChange>>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Self::Value>> {
        let mut moves: Map<Uuid, Self::Value> = Map::default();
        for row in queries::moves_by_deals(&reader, keys).await? {
            moves.entry(row.deal_id).or_default().push(Arc::new(row));
        }
        Ok(moves)
    }
}
