//! Every statement of the dashboard. Each names its organization; row level security stands behind it.

use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamptz, Uuid};

use crate::access::Reader;
use crate::base::Result;
use crate::base::page::rows_to_read;
use crate::features::contacts::model::ContactStage;
use crate::features::dashboard::model::{ActivityLine, ActivityNames, Instants, OpenDeals, OpenTasks, RecentActivity, WonDealsOfSpan};
use crate::platform::postgres::statement::{Bind, Limited, Sql};
use crate::schema::{activities, contacts, deals, memberships, users};

/// The open stages of all pipelines in their order, with their open deals.
const OPEN_DEALS: &str = "\
SELECT stage.id, stage.name, stage.pipeline_id, pipeline.name, deal.currency, coalesce(deal.count, 0), deal.value, deal.weighted
FROM pipeline_stages stage
JOIN pipelines pipeline ON pipeline.organization_id = stage.organization_id AND pipeline.id = stage.pipeline_id
LEFT JOIN (
  SELECT stage_id, currency, count(*) AS count, sum(value_minor)::text AS value, sum((value_minor * probability + 50) / 100)::text AS weighted
  FROM deals WHERE organization_id = ? AND status = 'OPEN' GROUP BY stage_id, currency
) deal ON deal.stage_id = stage.id
WHERE stage.organization_id = ? AND stage.kind = 'OPEN'
ORDER BY stage.pipeline_id, stage.position, deal.currency <> 'INR', deal.currency";

/// The deals won in each of several stretches of time, by the months of a zone.
const WON_DEALS: &str = "\
SELECT span.first, span.until, won.month, won.currency, won.count, won.value
FROM unnest(?, ?) AS span (first, until)
CROSS JOIN LATERAL (
  SELECT date_trunc('month', closed_at AT TIME ZONE ?)::date AS month, currency, count(*) AS count, sum(value_minor)::text AS value
  FROM deals WHERE organization_id = ? AND status = 'WON' AND closed_at >= span.first AND closed_at < span.until
  GROUP BY month, currency
) won
ORDER BY won.month, won.currency <> 'INR', won.currency";

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
    type Columns = (Uuid, Text, Uuid, Text, Nullable<Text>, BigInt, Nullable<Text>, Nullable<Text>);
    reader.db.load(Sql::<Columns>::new(OPEN_DEALS, vec![organization.clone(), organization])).await
}

/// The deals won in each of these stretches of time, by month of the organization's zone and currency.
///
/// # Errors
/// As the database fails.
pub async fn won_deals(reader: &Reader, spans: &[Instants]) -> Result<Vec<WonDealsOfSpan>> {
    let (first, until) = spans.iter().copied().unzip();
    let zone = Bind::Text(reader.scope.time_zone.name().to_owned());
    let binds = vec![Bind::Instants(first), Bind::Instants(until), zone, Bind::Uuid(reader.organization())];
    reader.db.load(Sql::<(Timestamptz, Timestamptz, Date, Text, BigInt, Text)>::new(WON_DEALS, binds)).await
}

/// The open tasks as they stand now, and those of a day and of a week.
///
/// # Errors
/// As the database fails.
pub async fn open_tasks(reader: &Reader, today: Instants, week: Instants) -> Result<OpenTasks> {
    let instants = [reader.now, today.0, today.1, week.0, week.1].into_iter().map(Bind::Instant);
    let binds = instants.chain([Bind::Uuid(reader.organization())]).collect();
    Ok(reader.db.first(Sql::<(BigInt, BigInt, BigInt, BigInt)>::new(OPEN_TASKS, binds)).await?.unwrap_or_default())
}

/// The newest activities, the latest first: as many as asked for, or more. The names of what they refer to stand in other tables, which are only
/// looked at where the operation selects a name.
///
/// # Errors
/// As the database fails.
pub async fn recent_activities(reader: &Reader, count: i32) -> Result<Vec<RecentActivity>> {
    let limit = rows_to_read(count.into());
    let order = (activities::occurred_at.desc(), activities::id.desc());
    let line = (
        activities::id,
        activities::kind,
        activities::subject,
        activities::occurred_at,
        activities::duration_minutes,
        activities::contact_id,
        activities::deal_id,
        activities::author_id,
    );
    if !reader.selects("DashboardActivity", &["contact_name", "deal_title", "author_name"]) {
        let query = activities::table.filter(activities::organization_id.eq(reader.organization())).order(order).select(line);
        let lines: Vec<ActivityLine> = reader.db.load(Limited { query, limit }).await?;
        return Ok(lines.into_iter().map(|line| RecentActivity { line, names: ActivityNames::default() }).collect());
    }
    let contact = contacts::organization_id.eq(activities::organization_id).and(contacts::id.nullable().eq(activities::contact_id));
    let deal = deals::organization_id.eq(activities::organization_id).and(deals::id.nullable().eq(activities::deal_id));
    let author = memberships::organization_id.eq(activities::organization_id).and(memberships::user_id.nullable().eq(activities::author_id));
    let named = activities::table.left_join(contacts::table.on(contact)).left_join(deals::table.on(deal)).left_join(memberships::table.on(author));
    let query = named
        .left_join(users::table.on(users::id.nullable().eq(memberships::user_id.nullable())))
        .filter(activities::organization_id.eq(reader.organization()))
        .order(order)
        .select((line, (contacts::name.nullable(), deals::title.nullable(), users::name.nullable())));
    reader.db.load(Limited { query, limit }).await
}
