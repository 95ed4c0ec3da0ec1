//! Batch functions of the dashboard: however often a figure is selected in one operation, for however many periods, it is read by one statement.

use std::collections::HashMap;
use std::sync::Arc;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::contacts::model::ContactStage;
use crate::features::dashboard::model::{Instants, OpenDeals, OpenTasks, RecentActivity, WonDeals};
use crate::features::dashboard::period::Span;
use crate::features::dashboard::queries;

/// How many contacts stand in each stage.
pub struct ContactsByStage;

impl Batch for ContactsByStage {
    type Key = ();
    type Value = Arc<HashMap<ContactStage, i64>>;

    async fn load(reader: Reader, _: Vec<()>) -> Result<Map<(), Self::Value>> {
        let counts = queries::contacts_by_stage(&reader).await?;
        Ok(Map::from_iter([((), Arc::new(counts.into_iter().collect()))]))
    }
}

/// The open deals by stage and currency.
pub struct OpenDealsByStage;

impl Batch for OpenDealsByStage {
    type Key = ();
    type Value = Arc<Vec<OpenDeals>>;

    async fn load(reader: Reader, _: Vec<()>) -> Result<Map<(), Self::Value>> {
        Ok(Map::from_iter([((), Arc::new(queries::open_deals(&reader).await?))]))
    }
}

/// The deals won in each stretch of time.
pub struct WonDealsIn;

impl Batch for WonDealsIn {
    type Key = Instants;
    type Value = Vec<WonDeals>;

    async fn load(reader: Reader, keys: Vec<Instants>) -> Result<Map<Instants, Self::Value>> {
        let mut won: Map<Instants, Self::Value> = Map::default();
        for (first, until, month, currency, count, value) in queries::won_deals(&reader, &keys).await? {
            won.entry((first, until)).or_default().push((month, currency, count, value));
        }
        Ok(won)
    }
}

/// The open tasks as they stand now, and those of today and of this week.
pub struct OpenTasksNow;

impl Batch for OpenTasksNow {
    type Key = ();
    type Value = OpenTasks;

    async fn load(reader: Reader, _: Vec<()>) -> Result<Map<(), OpenTasks>> {
        let zone = reader.scope.time_zone;
        let today = reader.now.with_timezone(&zone).date_naive();
        let (day, week) = (Span { first: today, last: today }, Span::week_of(today));
        let tasks = queries::open_tasks(&reader, day.instants(zone), week.instants(zone)).await?;
        Ok(Map::from_iter([((), tasks)]))
    }
}

/// The newest activities, by how many are asked for.
pub struct RecentActivities;

impl Batch for RecentActivities {
    type Key = i32;
    type Value = Vec<Arc<RecentActivity>>;

    async fn load(reader: Reader, keys: Vec<i32>) -> Result<Map<i32, Self::Value>> {
        let most = keys.iter().copied().max().unwrap_or_default();
        let rows: Vec<_> = queries::recent_activities(&reader, most).await?.into_iter().map(Arc::new).collect();
        let newest = |count: i32| rows.iter().take(usize::try_from(count).unwrap_or_default()).map(Arc::clone).collect();
        Ok(keys.into_iter().map(|count| (count, newest(count))).collect())
    }
}
