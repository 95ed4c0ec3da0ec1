//! Batch functions over deals.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, ListKey, Reader};
use crate::base::Result;
use crate::base::page::Page;
use crate::features::deals::model::{Deal, DealStageChange};
use crate::features::deals::queries::{self, DealList};

pub use crate::features::deals::queries::DealParent;

/// Deals by their ids.
pub struct DealById;

impl Batch for DealById {
    type Key = Uuid;
    type Value = Arc<Deal>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<HashMap<Uuid, Arc<Deal>>> {
        let deals = queries::by_ids(&reader, keys).await?;
        Ok(deals.into_iter().map(|deal| (deal.id, Arc::new(deal))).collect())
    }
}

/// The arguments of a list of deals, and what kind of parent it is listed under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DealsOf {
    /// What the deals are listed under.
    pub parent: DealParent,
    /// Which deals.
    pub list: DealList,
}

/// A page of deals for each contact, company, owner or stage.
pub struct DealsByParent;

impl Batch for DealsByParent {
    type Key = ListKey<DealsOf>;
    type Value = Page<Arc<Deal>>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<HashMap<Self::Key, Self::Value>> {
        let read = |of: Arc<DealsOf>, parents| {
            let reader = reader.clone();
            async move {
                let rows = queries::pages_by_parent(&reader, of.parent, parents, &of.list).await?;
                rows.into_iter().map(|row| Ok((of.parent.of(&row)?, row))).collect()
            }
        };
        ListKey::pages(keys, read, |of| &of.list.window).await
    }
}

/// How many deals each contact, company, owner or stage has.
pub struct DealCountByParent;

impl Batch for DealCountByParent {
    type Key = ListKey<DealsOf>;
    type Value = i64;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<HashMap<Self::Key, i64>> {
        let read = |of: Arc<DealsOf>, parents| {
            let reader = reader.clone();
            async move { queries::counts_by_parent(&reader, of.parent, parents, &of.list).await }
        };
        ListKey::counts(keys, read).await
    }
}

/// The moves of each deal, newest first.
pub struct MovesByDeal;

impl Batch for MovesByDeal {
    type Key = Uuid;
    type Value = Vec<Arc<DealStageChange>>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<HashMap<Uuid, Self::Value>> {
        let mut moves: HashMap<Uuid, Self::Value> = HashMap::new();
        for row in queries::moves_by_deals(&reader, keys).await? {
            moves.entry(row.deal_id).or_default().push(Arc::new(row));
        }
        Ok(moves)
    }
}
