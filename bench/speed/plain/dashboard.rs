//! The dashboard: five statements, sent together.

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{Datelike, Months, NaiveDate};
use chrono_tz::Asia::Kolkata;
use futures_util::try_join;
use payaid::base::Clock;
use payaid::base::clock::SystemClock;
use payaid::features::activities::model::Activity;
use payaid::features::dashboard::period::{DashboardPeriod, Span};
use payaid::features::pipelines::model::PipelineStage;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::answers::OF_DASHBOARD;
use super::values::{Amount, At, Day, Key};
use super::{Plain, Shared, answer, written};

/// In the order in which they are numbered.
pub const STATEMENTS: [&str; 5] = [
    "SELECT stage, count(*) FROM contacts WHERE organization_id = $1 GROUP BY stage",
    "SELECT stage.id, stage.name, deal.currency, coalesce(deal.count, 0), deal.value, deal.weighted FROM pipeline_stages stage \
     JOIN pipelines pipeline ON pipeline.organization_id = stage.organization_id AND pipeline.id = stage.pipeline_id \
     LEFT JOIN (SELECT stage_id, currency, count(*) AS count, sum(value_minor)::text AS value, \
     sum((value_minor * probability + 50) / 100)::text AS weighted FROM deals WHERE organization_id = $1 AND status = 'OPEN' \
     GROUP BY stage_id, currency) deal ON deal.stage_id = stage.id WHERE stage.organization_id = $1 AND stage.kind = 'OPEN' \
     ORDER BY stage.pipeline_id, stage.position, deal.currency <> 'INR', deal.currency",
    "SELECT won.month, won.currency, won.count, won.value FROM unnest($1::timestamptz[], $2::timestamptz[]) AS span (first, until) \
     CROSS JOIN LATERAL (SELECT date_trunc('month', closed_at AT TIME ZONE $3)::date AS month, currency, count(*) AS count, \
     sum(value_minor)::text AS value FROM deals WHERE organization_id = $4 AND status = 'WON' AND closed_at >= span.first AND closed_at < span.until \
     GROUP BY month, currency) won ORDER BY won.month, won.currency <> 'INR', won.currency",
    "SELECT count(*), count(*) FILTER (WHERE due_key < $1), count(*) FILTER (WHERE due_key >= $2 AND due_key < $3), \
     count(*) FILTER (WHERE due_key >= $4 AND due_key < $5) FROM tasks WHERE organization_id = $6 AND status IN ('OPEN', 'IN_PROGRESS')",
    "SELECT id, subject FROM activities WHERE organization_id = $1 ORDER BY occurred_at DESC, id DESC LIMIT 11",
];

const STAGES: [&str; 4] = ["LEAD", "PROSPECT", "CUSTOMER", "FORMER"];

#[derive(Serialize)]
struct Data<'a> {
    dashboard: Dashboard<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dashboard<'a> {
    from: String,
    to: String,
    contacts_by_stage: Vec<Stage>,
    pipeline_by_stage: Vec<Open<'a>>,
    won_by_month: Vec<Month>,
    tasks: Tasks,
    recent_activity: Vec<Recent<'a>>,
}

#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    stage_id: String,
    stage_name: &'a str,
    count: i64,
    value: Vec<Amount>,
    weighted_value: Vec<Amount>,
}

#[derive(Serialize)]
struct Month {
    month: String,
    count: i64,
    value: Vec<Amount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tasks {
    open: i64,
    overdue: i64,
    due_today: i64,
    due_this_week: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recent<'a> {
    activity_id: String,
    subject: &'a str,
}

pub async fn dashboard(State(plain): Shared, headers: HeaderMap) -> Response {
    answer(read(&plain, &headers).await)
}

async fn read(plain: &Plain, headers: &HeaderMap) -> Result<Vec<u8>> {
    let who = plain.who(headers)?;
    let now = SystemClock.now();
    let today = now.with_timezone(&Kolkata).date_naive();
    let span = DashboardPeriod::ThisFinancialYear.span(today);
    let instants = |span: Span| {
        let (first, until) = span.instants(Kolkata);
        (At(first), At(until))
    };
    let (first, until) = instants(span);
    let (day, week) = (instants(Span { first: today, last: today }), instants(Span::week_of(today)));
    let (tenant, now, zone) = (Key(who.organization), At(now), "Asia/Kolkata");
    let (firsts, untils) = (vec![first], vec![until]);
    let db = plain.read(who).await?;
    let (won_values, task_values): ([&(dyn ToSql + Sync); 4], [&(dyn ToSql + Sync); 6]) =
        ([&firsts, &untils, &zone, &tenant], [&now, &day.0, &day.1, &week.0, &week.1, &tenant]);
    let own: [&(dyn ToSql + Sync); 1] = [&tenant];
    let (stages, open, won, tasks, recent) = try_join!(
        db.first(OF_DASHBOARD, &own),
        db.rows(OF_DASHBOARD + 1, &own),
        db.rows(OF_DASHBOARD + 2, &won_values),
        db.rows(OF_DASHBOARD + 3, &task_values),
        db.rows(OF_DASHBOARD + 4, &own),
    )?;
    let count = |stage: &str| stages.iter().find(|row| row.get::<_, &str>(0) == stage).map_or(0, |row| row.get(1));
    let tasks = tasks.first().context("no tasks")?;
    written(Data {
        dashboard: Dashboard {
            from: span.first.to_string(),
            to: span.last.to_string(),
            contacts_by_stage: STAGES.map(|stage| Stage { stage, count: count(stage) }).into(),
            pipeline_by_stage: pipeline(&open)?,
            won_by_month: months(span, &won)?,
            tasks: Tasks { open: tasks.get(0), overdue: tasks.get(1), due_today: tasks.get(2), due_this_week: tasks.get(3) },
            recent_activity: recent
                .iter()
                .take(10)
                .map(|row| Recent { activity_id: row.get::<_, Key>(0).of::<Activity>(), subject: row.get(1) })
                .collect(),
        },
    })
}

/// A row is a stage and a currency; rows of one stage follow one another.
fn pipeline(rows: &[Row]) -> Result<Vec<Open<'_>>> {
    let mut found: Vec<Open<'_>> = Vec::new();
    for row in rows {
        let stage_id = row.get::<_, Key>(0).of::<PipelineStage>();
        if found.last().is_none_or(|last| last.stage_id != stage_id) {
            found.push(Open { stage_id, stage_name: row.get(1), count: 0, value: Vec::new(), weighted_value: Vec::new() });
        }
        let (Some(last), Some(currency)) = (found.last_mut(), row.get::<_, Option<&str>>(2)) else { continue };
        last.count += row.get::<_, i64>(3);
        last.value.push(Amount::of_sum(row.get(4), currency)?);
        last.weighted_value.push(Amount::of_sum(row.get(5), currency)?);
    }
    Ok(found)
}

fn months(span: Span, rows: &[Row]) -> Result<Vec<Month>> {
    let first = NaiveDate::from_ymd_opt(span.first.year(), span.first.month(), 1).context("no month")?;
    let mut found = Vec::new();
    let mut month = first;
    while month <= span.last {
        let own = rows.iter().filter(|row| row.get::<_, Day>(0).0 == month);
        let value = own.clone().map(|row| Amount::of_sum(row.get(3), row.get(1))).collect::<Result<_>>()?;
        found.push(Month { month: month.to_string(), count: own.map(|row| row.get::<_, i64>(2)).sum(), value });
        month = month.checked_add_months(Months::new(1)).context("no month")?;
    }
    Ok(found)
}
