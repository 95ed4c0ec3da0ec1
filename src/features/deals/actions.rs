//! What is done with deals: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::access::Act;
use crate::base::money::{Currency, MoneyInput};
use crate::base::patch::{nullable, optional, plain};
use crate::base::scalars::Date;
use crate::base::{Checks, Error, Result, text};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::{Deal, DealChanges, DealId, DealStatus, NewDeal, NewStageChange};
use crate::features::deals::{queries, rules};
use crate::features::pipelines::model::{PipelineId, PipelineStage, StageId, StageKind};
use crate::features::pipelines::queries as pipelines;
use crate::features::rows;
use crate::inputs;

/// A deal to create.
#[derive(Debug, Clone, InputObject)]
pub struct DealCreateInput {
    /// What it is about, 1 to 200 characters.
    pub title: String,
    /// The pipeline it goes through; when left out, that of the stage, or else the default one.
    pub pipeline_id: Option<PipelineId>,
    /// The open stage it begins in; when left out, the first one of the pipeline.
    pub stage_id: Option<StageId>,
    /// With whom.
    pub contact_id: Option<ContactId>,
    /// With which company.
    pub company_id: Option<CompanyId>,
    /// The member who looks after it.
    pub owner_id: Option<UserId>,
    /// What it is worth; nothing, in rupees, when left out.
    pub value: Option<MoneyInput>,
    /// How likely it is won, 0 to 100 percent; that of the stage when left out.
    pub probability: Option<i32>,
    /// The day by which it should be closed.
    pub expected_close: Option<Date>,
    /// Free text, up to 10,000 characters.
    pub notes: Option<String>,
}

/// Changes to one or several deals: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct DealChangesInput {
    /// What it is about, 1 to 200 characters.
    pub title: Option<String>,
    /// With whom.
    pub contact_id: MaybeUndefined<ContactId>,
    /// With which company.
    pub company_id: MaybeUndefined<CompanyId>,
    /// The member who looks after it.
    pub owner_id: MaybeUndefined<UserId>,
    /// What it is worth.
    pub value: Option<MoneyInput>,
    /// How likely it is won, 0 to 100 percent; only of an open deal.
    pub probability: Option<i32>,
    /// The day by which it should be closed.
    pub expected_close: MaybeUndefined<Date>,
    /// Free text, up to 10,000 characters.
    pub notes: MaybeUndefined<String>,
}

inputs! {
    "deal", "deals": DealId, DealChangesInput;
    DealUpdateInput, DealDeleteInput, DealBulkDeleteInput
}

/// A move of one deal.
#[derive(Debug, Clone, InputObject)]
pub struct DealStageSetInput {
    /// The deal.
    pub id: DealId,
    /// The version that the move is based on, as it was read.
    pub version: i32,
    /// The stage to move to, of the deal's own pipeline. The deal may stand in it already: then only the reason changes.
    pub stage_id: StageId,
    /// Why it was won or lost, up to 1,000 characters: needed for the lost stage, refused for an open one.
    pub reason: Option<String>,
}

/// Changes to several deals, or a move of all of them, or both.
#[derive(Debug, Clone, InputObject)]
pub struct DealBulkUpdateInput {
    /// 1 to 100 deals.
    pub ids: Vec<DealId>,
    /// What changes, for all of them alike.
    #[graphql(default)]
    pub changes: DealChangesInput,
    /// The stage to move to; all deals must be of its pipeline.
    pub stage_id: Option<StageId>,
    /// Why they were won or lost, up to 1,000 characters: needed for the lost stage, refused for an open one.
    pub reason: Option<String>,
}

/// Creates a deal in an open stage.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND` for a pipeline, stage, contact, company or owner that is not there.
pub async fn create(act: &Act, input: DealCreateInput) -> Result<Deal> {
    let mut checks = Checks::new();
    let title = checks.take("title", text::line(&input.title, 200));
    let value_minor = optional(&mut checks, "value", input.value.as_ref(), MoneyInput::minor);
    let probability = optional(&mut checks, "probability", input.probability.as_ref(), percent);
    let notes = optional(&mut checks, "notes", input.notes.as_deref(), |notes| text::block(notes, 10_000));
    checks.finish()?;
    let stage = first_stage(act, input.pipeline_id, input.stage_id).await?;
    let now = act.now();
    let new = NewDeal {
        organization_id: act.organization(),
        id: act.fresh_id(),
        title: title.unwrap_or_default(),
        pipeline_id: stage.pipeline_id,
        stage_id: stage.id,
        status: DealStatus::Open,
        contact_id: input.contact_id.map(ContactId::uuid),
        company_id: input.company_id.map(CompanyId::uuid),
        owner_id: input.owner_id.map(UserId::uuid),
        value_minor: value_minor.unwrap_or_default(),
        currency: input.value.map_or(Currency::Inr, |value| value.currency),
        probability: probability.map_or_else(|| stage.probability.value(), Ok)?,
        expected_close: input.expected_close.map(|day| day.0),
        notes,
        created_at: now,
        updated_at: now,
    };
    let deal: Deal = rows::create(act, new).await?;
    write_down(act, &[(deal.id, None)], stage.id, now).await?;
    Ok(deal)
}

/// Changes a deal.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: DealUpdateInput) -> Result<Deal> {
    let changes = checked(&input.changes)?;
    if changes == DealChanges::default() {
        return Err(Error::invalid("changes", "Send at least one change."));
    }
    let before = rows::lock_one(act, input.id, input.version).await?;
    only(change_in_place(act, &[before], changes).await?)
}

/// Moves a deal to another stage of its pipeline.
///
/// # Errors
/// `NOT_FOUND` for a deal or stage that is not there, `VALIDATION_ERROR` for a stage of another pipeline and for a reason that is missing or out
/// of place, `CONFLICT` when somebody else changed the deal first.
pub async fn set_stage(act: &Act, input: DealStageSetInput) -> Result<Deal> {
    let before = rows::lock_one(act, input.id, input.version).await?;
    let entry = entry(act, input.stage_id, input.reason.as_deref()).await?;
    only(change_and_move(act, vec![before], DealChanges::default(), &entry).await?)
}

/// Changes or moves up to 100 deals alike: all of them, or none when one is not there or cannot be moved.
///
/// # Errors
/// As [`update`] and [`set_stage`].
pub async fn bulk_update(act: &Act, input: DealBulkUpdateInput) -> Result<Vec<Deal>> {
    let changes = checked(&input.changes)?;
    let before = rows::lock_all(act, &input.ids).await?;
    let Some(stage) = input.stage_id else {
        let mut checks = Checks::new();
        checks.require(changes != DealChanges::default(), "changes", "Send at least one change, or a stage to move to.");
        checks.require(input.reason.is_none(), "reason", "A reason belongs to a move into the won or lost stage.");
        checks.finish()?;
        return change_in_place(act, &before, changes).await;
    };
    let entry = entry(act, stage, input.reason.as_deref()).await?;
    change_and_move(act, before, changes, &entry).await
}

/// The open stage that a new deal begins in.
async fn first_stage(act: &Act, pipeline: Option<PipelineId>, stage: Option<StageId>) -> Result<PipelineStage> {
    let Some(id) = stage else {
        let stages = pipelines::stages(act, pipeline.map(PipelineId::uuid)).await?;
        let open = stages.into_iter().find(|stage| stage.kind.value().is_ok_and(|kind| kind == StageKind::Open));
        return open.ok_or_else(|| match pipeline {
            Some(_) => Error::field_not_found("pipelineId", "pipeline"),
            None => Error::invalid("pipelineId", "This organization has no default pipeline: name one."),
        });
    };
    let stage = pipelines::stage(act, id.uuid()).await?.ok_or_else(|| Error::field_not_found("stageId", "stage"))?;
    if pipeline.is_some_and(|pipeline| pipeline.uuid() != stage.pipeline_id) {
        return Err(Error::invalid("stageId", "This stage belongs to another pipeline."));
    }
    if stage.kind.value()? != StageKind::Open {
        return Err(Error::invalid("stageId", "A new deal begins in an open stage; move it afterwards."));
    }
    Ok(stage)
}

/// A stage that deals are moved to, and the reason that goes with it.
struct Entry {
    stage: PipelineStage,
    kind: StageKind,
    reason: Option<String>,
}

async fn entry(act: &Act, stage: StageId, reason: Option<&str>) -> Result<Entry> {
    let stage = pipelines::stage(act, stage.uuid()).await?.ok_or_else(|| Error::field_not_found("stageId", "stage"))?;
    let kind = stage.kind.value()?;
    let mut checks = Checks::new();
    let reason = reason.map(|reason| text::block(reason, 1000)).transpose().and_then(|reason| rules::reason(kind, reason));
    let reason = checks.take("reason", reason).flatten();
    checks.finish()?;
    Ok(Entry { stage, kind, reason })
}

/// Changes deals and moves those that do not stand in the stage already.
async fn change_and_move(act: &Act, before: Vec<Deal>, changes: DealChanges, entry: &Entry) -> Result<Vec<Deal>> {
    let mut checks = Checks::new();
    if let Some(deal) = before.iter().find(|deal| deal.pipeline_id.value().is_ok_and(|pipeline| pipeline != entry.stage.pipeline_id)) {
        checks.note("stageId", format!("This stage belongs to another pipeline than {}.", DealId::new(deal.id)));
    }
    checks.require(changes.probability.is_none() || entry.kind == StageKind::Open, "changes.probability", FIXED_PROBABILITY);
    checks.finish()?;
    let order: Vec<Uuid> = before.iter().map(|deal| deal.id).collect();
    let mut staying = Vec::new();
    let mut moving = Vec::new();
    for deal in before {
        if deal.stage_id.value()? == entry.stage.id { staying.push(deal) } else { moving.push(deal) }
    }
    let moves: Vec<_> = moving.iter().map(|deal| Ok((deal.id, Some(deal.stage_id.value()?)))).collect::<Result<_>>()?;
    let now = act.now();
    let entered = rules::enter(entry.kind, entry.stage.probability.value()?, entry.reason.clone(), now);
    let moved = DealChanges {
        stage_id: Some(entry.stage.id),
        status: entered.status,
        closed_at: entered.closed_at,
        closed_reason: entered.closed_reason,
        probability: changes.probability.or(entered.probability),
        ..changes.clone()
    };
    let stayed = DealChanges { closed_reason: entry.reason.clone().map(Some), ..changes };
    let mut after = rows::apply(act, "stageSet", &moving, |_| Ok(moved.clone())).await?;
    write_down(act, &moves, entry.stage.id, now).await?;
    if stayed == DealChanges::default() {
        after.extend(staying);
    } else {
        after.extend(rows::apply(act, "update", &staying, |_| Ok(stayed.clone())).await?);
    }
    after.sort_by_key(|deal| order.iter().position(|id| *id == deal.id));
    Ok(after)
}

/// Changes deals where they stand.
async fn change_in_place(act: &Act, before: &[Deal], changes: DealChanges) -> Result<Vec<Deal>> {
    if changes.probability.is_some() {
        for deal in before {
            if deal.status.value()? != DealStatus::Open {
                return Err(Error::invalid("changes.probability", FIXED_PROBABILITY));
            }
        }
    }
    rows::apply(act, "update", before, |_| Ok(changes.clone())).await
}

/// Writes down that deals went from a stage (or from nowhere) to another.
async fn write_down(act: &Act, moves: &[(Uuid, Option<Uuid>)], to_stage_id: Uuid, at: DateTime<Utc>) -> Result<()> {
    let new = |&(deal_id, from_stage_id): &(Uuid, Option<Uuid>)| NewStageChange {
        organization_id: act.organization(),
        id: act.fresh_id(),
        deal_id,
        from_stage_id,
        to_stage_id,
        actor_id: Some(act.scope.user),
        at,
    };
    if !moves.is_empty() {
        queries::insert_moves(act, moves.iter().map(new).collect()).await?;
    }
    Ok(())
}

const FIXED_PROBABILITY: &str = "The probability of a deal that is won or lost is fixed.";

fn percent(percent: &i32) -> Result<i32, String> {
    if (0..=100).contains(percent) { Ok(*percent) } else { Err("A probability is 0 to 100 percent.".to_owned()) }
}

fn only(rows: Vec<Deal>) -> Result<Deal> {
    rows.into_iter().next().ok_or_else(|| Error::internal("an updated deal was not returned"))
}

fn checked(input: &DealChangesInput) -> Result<DealChanges> {
    let mut checks = Checks::new();
    let changes = DealChanges {
        title: optional(&mut checks, "changes.title", input.title.as_deref(), |title| text::line(title, 200)),
        contact_id: plain(&input.contact_id).map(|id| id.map(ContactId::uuid)),
        company_id: plain(&input.company_id).map(|id| id.map(CompanyId::uuid)),
        owner_id: plain(&input.owner_id).map(|id| id.map(UserId::uuid)),
        value_minor: optional(&mut checks, "changes.value", input.value.as_ref(), MoneyInput::minor),
        currency: input.value.map(|value| value.currency),
        probability: optional(&mut checks, "changes.probability", input.probability.as_ref(), percent),
        expected_close: plain(&input.expected_close).map(|day| day.map(|day| day.0)),
        notes: nullable(&mut checks, "changes.notes", &input.notes, |notes| text::block(notes, 10_000)),
        ..DealChanges::default()
    };
    checks.finish()?;
    Ok(changes)
}
