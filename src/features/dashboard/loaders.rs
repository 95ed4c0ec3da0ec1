//! Batch functions of the dashboard: however often a figure is selected in one operation, it is read once.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::access::{Batch, Reader};
use crate::base::Result;
use crate::features::activities::model::Activity;
use crate::features::contacts::model::ContactStage;
use crate::features::dashboard::model::{Instants, OpenDeals, OpenTasks, WonDeals};
use crate::features::dashboard::queries;
use crate::features::lists;

/// How many contacts stand in each stage.
pub struct ContactsByStage;

impl Batch for ContactsByStage {
    type Key = ();
    type Value = Arc<HashMap<ContactStage, i64>>;

    async fn load(reader: Reader, _: Vec<()>) -> Result<HashMap<(), Self::Value>> {
        let counts = queries::contacts_by_stage(&reader).await?;
        Ok(HashMap::from([((), Arc::new(counts.into_iter().collect()))]))
    }
}

/// The open deals by stage and currency.
pub struct OpenDealsByStage;

impl Batch for OpenDealsByStage {
    type Key = ();
    type Value = Arc<Vec<OpenDeals>>;

    async fn load(reader: Reader, _: Vec<()>) -> Result<HashMap<(), Self::Value>> {
        Ok(HashMap::from([((), Arc::new(queries::open_deals(&reader).await?))]))
    }
}

/// The deals won in each stretch of time.
pub struct WonDealsIn;

impl Batch for WonDealsIn {
    type Key = Instants;
    type Value = Arc<Vec<WonDeals>>;

    async fn load(reader: Reader, keys: Vec<Instants>) -> Result<HashMap<Instants, Self::Value>> {
        let read = keys.into_iter().map(|span| {
            let reader = reader.clone();
            async move { Ok((span, Arc::new(queries::won_deals(&reader, span).await?))) }
        });
        Ok(futures_util::future::try_join_all(read).await?.into_iter().collect())
    }
}

/// The open tasks as of an instant, and those of a day and of a week.
pub struct OpenTasksAsOf;

impl Batch for OpenTasksAsOf {
    type Key = (DateTime<Utc>, Instants, Instants);
    type Value = OpenTasks;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<HashMap<Self::Key, OpenTasks>> {
        // The instant is the operation's, so there is one key, unless an operation spans midnight.
        let read = keys.into_iter().map(|key| {
            let reader = reader.clone();
            async move { Ok((key, queries::open_tasks(&reader, key.0, key.1, key.2).await?)) }
        });
        Ok(futures_util::future::try_join_all(read).await?.into_iter().collect())
    }
}

/// The newest activities, by how many are asked for.
pub struct RecentActivities;

impl Batch for RecentActivities {
    type Key = i32;
    type Value = Vec<Arc<Activity>>;

    async fn load(reader: Reader, keys: Vec<i32>) -> Result<HashMap<i32, Self::Value>> {
        let most = keys.iter().copied().max().unwrap_or_default();
        let rows: Vec<Arc<Activity>> = lists::first::<Activity>(&reader, most).await?.into_iter().map(Arc::new).collect();
        let newest = |count: i32| rows.iter().take(usize::try_from(count).unwrap_or_default()).map(Arc::clone).collect();
        Ok(keys.into_iter().map(|count| (count, newest(count))).collect())
    }
}
