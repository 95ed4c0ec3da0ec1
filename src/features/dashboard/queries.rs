//! Every statement of the dashboard. Each names its organization; row level security stands behind it.

use chrono::{DateTime, Utc};
use diesel::dsl::{SqlTypeOf, count_star};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text};

use crate::access::Reader;
use crate::base::Result;
use crate::features::contacts::model::ContactStage;
use crate::features::dashboard::model::{Instants, OpenDeals, OpenTasks, WonDeals};
use crate::features::pipelines::model::PipelineStage;
use crate::platform::postgres::statement::{Bind, Sql};
use crate::schema::contacts;

type StageColumns = SqlTypeOf<<PipelineStage as Selectable<Pg>>::SelectExpression>;

/// The open stages of all pipelines in their order, with their open deals.
const OPEN_DEALS: &str = "\
SELECT stage.id, stage.pipeline_id, stage.name, stage.position, stage.kind, stage.probability, stage.created_at, stage.updated_at, stage.version,
  deal.currency, coalesce(deal.count, 0), deal.value, deal.weighted
FROM pipeline_stages stage
LEFT JOIN (
  SELECT stage_id, currency, count(*) AS count, sum(value_minor)::text AS value, sum((value_minor * probability + 50) / 100)::text AS weighted
  FROM deals WHERE organization_id = ? AND status = 'OPEN' GROUP BY stage_id, currency
) deal ON deal.stage_id = stage.id
WHERE stage.organization_id = ? AND stage.kind = 'OPEN'
ORDER BY stage.pipeline_id, stage.position, deal.currency <> 'INR', deal.currency";

/// The deals won in a stretch of time, by the months of a zone.
const WON_DEALS: &str = "\
SELECT date_trunc('month', closed_at AT TIME ZONE ?)::date AS month, currency, count(*), sum(value_minor)::text
FROM deals WHERE organization_id = ? AND status = 'WON' AND closed_at >= ? AND closed_at < ?
GROUP BY month, currency ORDER BY month, currency <> 'INR', currency";

/// The open tasks, and how many of them are due when.
const OPEN_TASKS: &str = "\
SELECT count(*), count(*) FILTER (WHERE due_key < ?), count(*) FILTER (WHERE due_key >= ? AND due_key < ?),
  count(*) FILTER (WHERE due_key >= ? AND due_key < ?)
FROM tasks WHERE organization_id = ? AND status IN ('OPEN', 'IN_PROGRESS')";

/// How many contacts stand in each stage; a stage without contacts is left out.
///
/// # Errors
/// As the database fails.
pub async fn contacts_by_stage(reader: &Reader) -> Result<Vec<(ContactStage, i64)>> {
    let query = contacts::table.filter(contacts::organization_id.eq(reader.organization())).group_by(contacts::stage);
    reader.db.load(query.select((contacts::stage, count_star()))).await
}

/// The open deals by stage and currency.
///
/// # Errors
/// As the database fails.
pub async fn open_deals(reader: &Reader) -> Result<Vec<OpenDeals>> {
    let organization = Bind::Uuid(reader.organization());
    type Columns = (StageColumns, Nullable<Text>, BigInt, Nullable<Text>, Nullable<Text>);
    reader.db.load(Sql::<Columns>::new(OPEN_DEALS, vec![organization.clone(), organization])).await
}

/// The deals won in a stretch of time, by month of the organization's zone and currency.
///
/// # Errors
/// As the database fails.
pub async fn won_deals(reader: &Reader, (from, until): Instants) -> Result<Vec<WonDeals>> {
    let zone = Bind::Text(reader.scope.time_zone.name().to_owned());
    let binds = vec![zone, Bind::Uuid(reader.organization()), Bind::Instant(from), Bind::Instant(until)];
    reader.db.load(Sql::<(Date, Text, BigInt, Text)>::new(WON_DEALS, binds)).await
}

/// The open tasks as of `now`, and those of a day and of a week.
///
/// # Errors
/// As the database fails.
pub async fn open_tasks(reader: &Reader, now: DateTime<Utc>, today: Instants, week: Instants) -> Result<OpenTasks> {
    let instants = [now, today.0, today.1, week.0, week.1].into_iter().map(Bind::Instant);
    let binds = instants.chain([Bind::Uuid(reader.organization())]).collect();
    Ok(reader.db.first(Sql::<(BigInt, BigInt, BigInt, BigInt)>::new(OPEN_TASKS, binds)).await?.unwrap_or_default())
}
