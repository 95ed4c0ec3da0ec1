//! The figures of a dashboard as its statements read them. Sums come as text, because a sum of 64-bit amounts may need more than 64 bits.

use chrono::{DateTime, NaiveDate, Utc};

use crate::features::pipelines::model::PipelineStage;

/// The open deals of one stage and currency: the stage, the currency, how many, their value and their weighted value. A stage without open deals
/// has a row without a currency.
pub type OpenDeals = (PipelineStage, Option<String>, i64, Option<String>, Option<String>);

/// The deals won in one month and currency: the month's first day, the currency, how many, and their value.
pub type WonDeals = (NaiveDate, String, i64, String);

/// The open tasks: all, those that are overdue, and those due today and this week.
pub type OpenTasks = (i64, i64, i64, i64);

/// From an instant to just before another.
pub type Instants = (DateTime<Utc>, DateTime<Utc>);
