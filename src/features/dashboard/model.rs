//! The figures of a dashboard as its statements read them. Sums come as text, because a sum of 64-bit amounts may need more than 64 bits.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::base::money::StoredCurrency;
use crate::features::activities::model::ActivityKind;

/// The open deals of one stage and currency. A stage without open deals has a row without a currency.
#[derive(Debug, Clone, Queryable)]
pub struct OpenDeals {
    /// The stage.
    pub stage_id: Uuid,
    /// Its name.
    pub stage_name: String,
    /// Its pipeline.
    pub pipeline_id: Uuid,
    /// The pipeline's name.
    pub pipeline_name: String,
    /// The currency.
    pub currency: Option<StoredCurrency>,
    /// How many.
    pub count: i64,
    /// Their value.
    pub value: Option<String>,
    /// Their weighted value.
    pub weighted: Option<String>,
}

/// The deals won in one month of a stretch of time, in one currency: the stretch's beginning and end, the month's first day, the currency, how many,
/// and their value.
pub type WonDealsOfSpan = (DateTime<Utc>, DateTime<Utc>, NaiveDate, StoredCurrency, i64, String);

/// The deals won in one month and currency: the month's first day, the currency, how many, and their value.
pub type WonDeals = (NaiveDate, StoredCurrency, i64, String);

/// The open tasks: all, those that are overdue, and those due today and this week.
pub type OpenTasks = (i64, i64, i64, i64);

/// From an instant to just before another.
pub type Instants = (DateTime<Utc>, DateTime<Utc>);

/// An activity with the names of what it refers to.
#[derive(Debug, Clone, Queryable)]
pub struct RecentActivity {
    /// What stands in its row.
    pub line: ActivityLine,
    /// The names, which stand in others' rows; none where no name is asked for.
    pub names: ActivityNames,
}

/// An activity by itself.
#[derive(Debug, Clone, Queryable)]
pub struct ActivityLine {
    /// The activity.
    pub id: Uuid,
    /// What passed.
    pub kind: ActivityKind,
    /// What it was about, in a line.
    pub subject: String,
    /// When it took place.
    pub occurred_at: DateTime<Utc>,
    /// How long it took, in minutes.
    pub duration_minutes: Option<i32>,
    /// The contact it was with.
    pub contact_id: Option<Uuid>,
    /// The deal it was about.
    pub deal_id: Option<Uuid>,
    /// The member who wrote it down.
    pub author_id: Option<Uuid>,
}

/// The names of what an activity refers to.
#[derive(Debug, Clone, Default, Queryable)]
pub struct ActivityNames {
    /// The contact's name.
    pub contact: Option<String>,
    /// The deal's title.
    pub deal: Option<String>,
    /// The member's name.
    pub author: Option<String>,
}
