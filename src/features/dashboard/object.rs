//! What the schema shows of the dashboard.
//!
//! Stages and activities appear by their ids and names, not as objects of their own: whatever is selected, each list stays one statement.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use chrono::NaiveDate;

use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::base::directives::cost;
use crate::base::money::Money;
use crate::base::page::at_most;
use crate::base::scalars::{Date, DateTime};
use crate::features::accounts::model::UserId;
use crate::features::activities::model::{ActivityId, ActivityKind};
use crate::features::contacts::model::{ContactId, ContactStage};
use crate::features::dashboard::loaders::{ContactsByStage, OpenDealsByStage, OpenTasksNow, RecentActivities, WonDealsIn};
use crate::features::dashboard::model::{self, OpenDeals, WonDeals};
use crate::features::dashboard::period::Span;
use crate::features::deals::model::DealId;
use crate::features::pipelines::model::{PipelineId, StageId};
use crate::plain;

/// What the organization's business comes to.
#[derive(Debug, Clone, Copy)]
pub struct Dashboard {
    /// The days that it looks at.
    pub span: Span,
}

/// The contacts of one stage.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct ContactStageFigures {
    /// The stage.
    pub stage: ContactStage,
    /// How many contacts there are in it.
    pub count: i64,
}

/// The open deals of one stage.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct PipelineStageFigures {
    /// The identifier of the stage.
    pub stage_id: StageId,
    /// The name of the stage.
    pub stage_name: String,
    /// The identifier of the stage's pipeline.
    pub pipeline_id: PipelineId,
    /// The name of the stage's pipeline.
    pub pipeline_name: String,
    /// How many open deals stand in it.
    pub count: i64,
    /// What they are worth: one sum for each currency, rupees first; empty when there are none.
    pub value: WrittenList<Vec<Money>>,
    /// What they are worth by their chances: one sum for each currency, rupees first; empty when there are none. Each deal's weighted value is
    /// rounded before they are added up.
    pub weighted_value: WrittenList<Vec<Money>>,
}

/// The deals won in one month.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct WonMonthFigures {
    /// The first day of the month.
    pub month: Date,
    /// How many deals were won.
    pub count: i64,
    /// What they are worth: one sum for each currency, rupees first; empty when there are none.
    pub value: WrittenList<Vec<Money>>,
}

/// The tasks that are neither done nor cancelled.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
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

/// An activity in a line; `activity` finds all of it.
#[derive(Clone)]
pub struct DashboardActivity(Arc<model::RecentActivity>);

/// An activity in a line; `activity` finds all of it.
#[Object(guard = "Can(Permission::ActivitiesRead)")]
impl DashboardActivity {
    /// The identifier of the activity.
    async fn activity_id(&self) -> ActivityId {
        ActivityId::new(self.0.line.id)
    }

    /// What passed.
    async fn kind(&self) -> ActivityKind {
        self.0.line.kind
    }

    /// What it was about.
    async fn subject(&self) -> &str {
        &self.0.line.subject
    }

    /// When it took place.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.line.occurred_at)
    }

    /// How long it took, in minutes; null when that was not said.
    async fn duration_minutes(&self) -> Option<i32> {
        self.0.line.duration_minutes
    }

    /// The identifier of the contact it was with; null when it is about a deal alone.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    async fn contact_id(&self) -> Option<ContactId> {
        self.0.line.contact_id.map(ContactId::new)
    }

    /// The name of the contact it was with; null when it is about a deal alone.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    async fn contact_name(&self) -> Option<&str> {
        self.0.names.contact.as_deref()
    }

    /// The identifier of the deal it belongs to; null when it belongs to none.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn deal_id(&self) -> Option<DealId> {
        self.0.line.deal_id.map(DealId::new)
    }

    /// The title of the deal it belongs to; null when it belongs to none.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn deal_title(&self) -> Option<&str> {
        self.0.names.deal.as_deref()
    }

    /// The identifier of the member who wrote it down; null when no person did.
    #[graphql(guard = "Can(Permission::MembersRead)")]
    async fn author_id(&self) -> Option<UserId> {
        self.0.line.author_id.map(UserId::new)
    }

    /// The name of the member who wrote it down; null when no person did.
    #[graphql(guard = "Can(Permission::MembersRead)")]
    async fn author_name(&self) -> Option<&str> {
        self.0.names.author.as_deref()
    }
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

    /// The contacts as they stand now: an entry for every stage. Null when it fails; the errors say why.
    #[graphql(directive = cost::apply("10".into()))]
    async fn contacts_by_stage(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<ContactStageFigures>>>> {
        let counts = Operation::of(ctx)?.reads()?.load::<ContactsByStage>(()).await?.unwrap_or_default();
        let of = |stage: &ContactStage| ContactStageFigures { stage: *stage, count: counts.get(stage).copied().unwrap_or_default() };
        Ok(Some(WrittenList(ContactStage::ALL.iter().map(of).collect())))
    }

    /// The open deals as they stand now: an entry for every open stage, pipeline by pipeline in the order of their stages; null without the
    /// permission to see deals. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)", directive = cost::apply("10".into()))]
    async fn pipeline_by_stage(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<PipelineStageFigures>>>> {
        let open = Operation::of(ctx)?.reads()?.load::<OpenDealsByStage>(()).await?.unwrap_or_default();
        by_stage(&open).map(WrittenList).map(Some)
    }

    /// The deals won in the period: an entry for every month that has a day in it, of which only the days in the period count. Null when it fails;
    /// the errors say why.
    #[graphql(directive = cost::apply("10".into()))]
    async fn won_by_month(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<WonMonthFigures>>>> {
        let reads = Operation::of(ctx)?.reads()?;
        let won = reads.load::<WonDealsIn>(self.span.instants(reads.reader.scope.time_zone)).await?.unwrap_or_default();
        by_month(&self.span.month_starts(), &won).map(WrittenList).map(Some)
    }

    /// The tasks that are neither done nor cancelled, as they stand now. Null when it fails; the errors say why.
    #[graphql(directive = cost::apply("10".into()))]
    async fn tasks(&self, ctx: &Context<'_>) -> Result<Option<Written<TaskFigures>>> {
        let figures = Operation::of(ctx)?.reads()?.load::<OpenTasksNow>(()).await?;
        let (open, overdue, due_today, due_this_week) = figures.unwrap_or_default();
        Ok(Some(Written(TaskFigures { open, overdue, due_today, due_this_week })))
    }

    /// What took place last, the latest first; null without the permission to see the timeline. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesRead)")]
    async fn recent_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many: 0 to 100.", default = 10)] first: i32,
    ) -> Result<Option<WrittenList<Vec<DashboardActivity>>>> {
        let reads = Operation::of(ctx)?.reads()?;
        at_most(first)?;
        let rows = reads.load::<RecentActivities>(first).await?.unwrap_or_default();
        Ok(Some(WrittenList(rows.into_iter().map(DashboardActivity).collect())))
    }
}

/// The rows of a stage, which stand one after another, as one entry.
fn by_stage(rows: &[OpenDeals]) -> Result<Vec<PipelineStageFigures>> {
    let mut stages: Vec<PipelineStageFigures> = Vec::new();
    for row in rows {
        let id = StageId::new(row.stage_id);
        if stages.last().is_none_or(|last| last.stage_id != id) {
            stages.push(PipelineStageFigures {
                stage_id: id,
                stage_name: row.stage_name.clone(),
                pipeline_id: PipelineId::new(row.pipeline_id),
                pipeline_name: row.pipeline_name.clone(),
                count: 0,
                value: WrittenList(Vec::new()),
                weighted_value: WrittenList(Vec::new()),
            });
        }
        let Some(figures) = stages.last_mut() else { continue };
        figures.count += row.count;
        if let (Some(currency), Some(value), Some(weighted)) = (row.currency, &row.value, &row.weighted) {
            let currency = currency.known()?;
            figures.value.0.push(Money::from_sum(value, currency)?);
            figures.weighted_value.0.push(Money::from_sum(weighted, currency)?);
        }
    }
    Ok(stages)
}

/// An entry for each of these months.
fn by_month(months: &[NaiveDate], rows: &[WonDeals]) -> Result<Vec<WonMonthFigures>> {
    let mut figures: Vec<_> = months.iter().map(|month| WonMonthFigures { month: Date(*month), count: 0, value: WrittenList(Vec::new()) }).collect();
    for (month, currency, count, value) in rows {
        let Some(entry) = figures.iter_mut().find(|entry| entry.month.0 == *month) else { continue };
        entry.count += count;
        entry.value.0.push(Money::from_sum(value, currency.known()?)?);
    }
    Ok(figures)
}

impl Writable for Dashboard {}
impl Writable for ContactStageFigures {
    plain!(stage, count);
}
impl Writable for PipelineStageFigures {
    plain!(stage_id, stage_name, pipeline_id, pipeline_name, count, value, weighted_value);
}
impl Writable for WonMonthFigures {
    plain!(month, count, value);
}
impl Writable for TaskFigures {
    plain!(open, overdue, due_today, due_this_week);
}
impl Writable for DashboardActivity {
    plain!(activity_id, kind, subject, occurred_at, duration_minutes, contact_id, contact_name, deal_id, deal_title, author_id, author_name);
}
