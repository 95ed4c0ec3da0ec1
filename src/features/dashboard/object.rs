//! What the schema shows of the dashboard.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, NaiveDate, Utc};

use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::base::money::{Currency, Money};
use crate::base::page::argument;
use crate::base::scalars::Date;
use crate::features::activities::object::Activity;
use crate::features::contacts::model::ContactStage;
use crate::features::dashboard::loaders::{ContactsByStage, OpenDealsByStage, OpenTasksAsOf, RecentActivities, WonDealsIn};
use crate::features::dashboard::model::{OpenDeals, WonDeals};
use crate::features::dashboard::period::Span;
use crate::features::pipelines::object::PipelineStage;

/// What the organization's business comes to.
#[derive(Debug, Clone, Copy)]
pub struct Dashboard {
    /// The days that it looks at.
    pub span: Span,
    /// The present instant.
    pub now: DateTime<Utc>,
}

/// The contacts of one stage.
#[derive(Debug, Clone, SimpleObject)]
pub struct ContactStageFigures {
    /// The stage.
    pub stage: ContactStage,
    /// How many contacts there are in it.
    pub count: i64,
}

/// The open deals of one stage.
#[derive(Clone, SimpleObject)]
pub struct PipelineStageFigures {
    /// The stage.
    pub stage: PipelineStage,
    /// How many open deals stand in it.
    pub count: i64,
    /// What they are worth: one sum for each currency, rupees first; empty when there are none.
    pub value: Vec<Money>,
    /// What they are worth by their chances: one sum for each currency, rupees first; empty when there are none. Each deal's weighted value is
    /// rounded before they are added up.
    pub weighted_value: Vec<Money>,
}

/// The deals won in one month.
#[derive(Debug, Clone, SimpleObject)]
pub struct WonMonthFigures {
    /// The first day of the month.
    pub month: Date,
    /// How many deals were won.
    pub count: i64,
    /// What they are worth: one sum for each currency, rupees first; empty when there are none.
    pub value: Vec<Money>,
}

/// The tasks that are neither done nor cancelled.
#[derive(Debug, Clone, SimpleObject)]
pub struct TaskFigures {
    /// All of them.
    pub open: i64,
    /// Those whose due instant has passed.
    pub overdue: i64,
    /// Those due today, overdue or not.
    pub due_today: i64,
    /// Those due in this week, Monday to Sunday, overdue or not.
    pub due_this_week: i64,
}

/// What the organization's business comes to. Days, weeks and months begin in the organization's time zone.
#[Object(guard = "Can(Permission::DashboardRead)")]
impl Dashboard {
    /// The first day of the period.
    async fn from(&self) -> Date {
        Date(self.span.first)
    }

    /// The last day of the period, which may lie ahead.
    async fn to(&self) -> Date {
        Date(self.span.last)
    }

    /// The contacts as they stand now: an entry for every stage.
    async fn contacts_by_stage(&self, ctx: &Context<'_>) -> Result<Vec<ContactStageFigures>> {
        let counts = Operation::of(ctx)?.reads()?.load::<ContactsByStage>(()).await?.unwrap_or_default();
        let of = |stage: &ContactStage| ContactStageFigures { stage: *stage, count: counts.get(stage).copied().unwrap_or_default() };
        Ok(ContactStage::ALL.iter().map(of).collect())
    }

    /// The open deals as they stand now: an entry for every open stage, pipeline by pipeline in the order of their stages.
    async fn pipeline_by_stage(&self, ctx: &Context<'_>) -> Result<Vec<PipelineStageFigures>> {
        by_stage(&Operation::of(ctx)?.reads()?.load::<OpenDealsByStage>(()).await?.unwrap_or_default())
    }

    /// The deals won in the period: an entry for every month that has a day in it, of which only the days in the period count.
    async fn won_by_month(&self, ctx: &Context<'_>) -> Result<Vec<WonMonthFigures>> {
        let reads = Operation::of(ctx)?.reads()?;
        let won = reads.load::<WonDealsIn>(self.span.instants(reads.reader.scope.time_zone)).await?.unwrap_or_default();
        by_month(&self.span.month_starts(), &won)
    }

    /// The tasks that are neither done nor cancelled, as they stand now.
    async fn tasks(&self, ctx: &Context<'_>) -> Result<TaskFigures> {
        let reads = Operation::of(ctx)?.reads()?;
        let zone = reads.reader.scope.time_zone;
        let today = self.now.with_timezone(&zone).date_naive();
        let (day, week) = (Span { first: today, last: today }.instants(zone), Span::week_of(today).instants(zone));
        let figures = reads.load::<OpenTasksAsOf>((self.now, day, week)).await?;
        let (open, overdue, due_today, due_this_week) = figures.unwrap_or_default();
        Ok(TaskFigures { open, overdue, due_today, due_this_week })
    }

    /// What took place last, the latest first; null without the permission to see the timeline.
    #[graphql(guard = "Can(Permission::ActivitiesRead)")]
    async fn recent_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many: 0 to 100.", default = 10)] first: i32,
    ) -> Result<Option<Vec<Activity>>> {
        let reads = Operation::of(ctx)?.reads()?;
        if !(0..=100).contains(&first) {
            return Err(argument("first", "`first` is 0 to 100."));
        }
        let rows = reads.load::<RecentActivities>(first).await?.unwrap_or_default();
        Ok(Some(rows.into_iter().map(Activity::from).collect::<Vec<_>>()))
    }
}

/// The rows of a stage, which stand one after another, as one entry.
fn by_stage(rows: &[OpenDeals]) -> Result<Vec<PipelineStageFigures>> {
    let mut stages: Vec<PipelineStageFigures> = Vec::new();
    for (stage, currency, count, value, weighted) in rows {
        if stages.last().is_none_or(|last| last.stage.0.id != stage.id) {
            stages.push(PipelineStageFigures { stage: stage.clone().into(), count: 0, value: Vec::new(), weighted_value: Vec::new() });
        }
        let Some(figures) = stages.last_mut() else { continue };
        figures.count += count;
        if let (Some(currency), Some(value), Some(weighted)) = (currency, value, weighted) {
            let currency = Currency::from_code(currency)?;
            figures.value.push(Money::from_sum(value, currency)?);
            figures.weighted_value.push(Money::from_sum(weighted, currency)?);
        }
    }
    Ok(stages)
}

/// An entry for each of these months.
fn by_month(months: &[NaiveDate], rows: &[WonDeals]) -> Result<Vec<WonMonthFigures>> {
    let mut figures: Vec<_> = months.iter().map(|month| WonMonthFigures { month: Date(*month), count: 0, value: Vec::new() }).collect();
    for (month, currency, count, value) in rows {
        let Some(entry) = figures.iter_mut().find(|entry| entry.month.0 == *month) else { continue };
        entry.count += count;
        entry.value.push(Money::from_sum(value, Currency::from_code(currency)?)?);
    }
    Ok(figures)
}
