//! What is done with activities: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};

use crate::access::Act;
use crate::base::patch::{nullable, optional, plain};
use crate::base::scalars::DateTime;
use crate::base::{Checks, Error, Result, text};
use crate::features::activities::model::{Activity, ActivityChanges, ActivityId, ActivityKind, NewActivity};
use crate::features::activities::rules::{ABOUT_NOTHING, duration, occurred};
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::DealId;
use crate::features::rows;
use crate::inputs;

/// An activity to create. The signed-in user becomes its author.
#[derive(Debug, Clone, InputObject)]
pub struct ActivityCreateInput {
    /// What passed.
    pub kind: ActivityKind,
    /// What it was about, 1 to 200 characters.
    pub subject: String,
    /// What it was about at length, up to 10,000 characters.
    pub body: Option<String>,
    /// When it took place, not more than a day in the future; now when left out.
    pub occurred_at: Option<DateTime>,
    /// How long it took, 0 to 1440 minutes.
    pub duration_minutes: Option<i32>,
    /// The contact it was with; this or the deal must be given.
    pub contact_id: Option<ContactId>,
    /// The deal it was about; this or the contact must be given.
    pub deal_id: Option<DealId>,
}

/// Changes to one or several activities: what is left out stays, and `null` empties what may be empty. The author stays.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ActivityChangesInput {
    /// What passed.
    pub kind: Option<ActivityKind>,
    /// What it was about, 1 to 200 characters.
    pub subject: Option<String>,
    /// What it was about at length, up to 10,000 characters.
    pub body: MaybeUndefined<String>,
    /// When it took place, not more than a day in the future.
    pub occurred_at: Option<DateTime>,
    /// How long it took, 0 to 1440 minutes.
    pub duration_minutes: MaybeUndefined<i32>,
    /// The contact it was with; it or the deal must remain.
    pub contact_id: MaybeUndefined<ContactId>,
    /// The deal it was about; it or the contact must remain.
    pub deal_id: MaybeUndefined<DealId>,
}

inputs! {
    "activity", "activities": ActivityId, ActivityChangesInput;
    ActivityUpdateInput, ActivityBulkUpdateInput, ActivityDeleteInput, ActivityBulkDeleteInput
}

/// Creates an activity.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND` for a contact or deal that is not there.
pub async fn create(act: &Act, input: ActivityCreateInput) -> Result<Activity> {
    let now = act.now();
    let mut checks = Checks::new();
    let subject = checks.take("subject", text::line(&input.subject, 200));
    let body = optional(&mut checks, "body", input.body.as_deref(), |body| text::block(body, 10_000));
    let occurred_at = optional(&mut checks, "occurredAt", input.occurred_at.as_ref(), |at| occurred(at.0, now));
    let duration_minutes = optional(&mut checks, "durationMinutes", input.duration_minutes.as_ref(), |minutes| duration(*minutes));
    checks.require(input.contact_id.is_some() || input.deal_id.is_some(), "contactId", ABOUT_NOTHING);
    checks.finish()?;
    let new = NewActivity {
        organization_id: act.organization(),
        id: act.fresh_id(),
        kind: input.kind,
        subject: subject.unwrap_or_default(),
        body,
        occurred_at: occurred_at.unwrap_or(now),
        duration_minutes,
        contact_id: input.contact_id.map(ContactId::uuid),
        deal_id: input.deal_id.map(DealId::uuid),
        author_id: Some(act.scope.user),
        created_at: now,
        updated_at: now,
    };
    rows::create(act, new).await
}

/// Changes an activity.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: ActivityUpdateInput) -> Result<Activity> {
    let changes = checked(act, &input.changes)?;
    rows::update(act, input.id, input.version, |activity| about_something(activity, &changes)).await
}

/// Changes up to 100 activities alike: all of them, or none when one is not there.
///
/// # Errors
/// As [`create`].
pub async fn bulk_update(act: &Act, input: ActivityBulkUpdateInput) -> Result<Vec<Activity>> {
    let changes = checked(act, &input.changes)?;
    rows::update_all(act, &input.ids, |activity| about_something(activity, &changes)).await
}

fn checked(act: &Act, input: &ActivityChangesInput) -> Result<ActivityChanges> {
    let mut checks = Checks::new();
    let changes = ActivityChanges {
        kind: input.kind,
        subject: optional(&mut checks, "changes.subject", input.subject.as_deref(), |subject| text::line(subject, 200)),
        body: nullable(&mut checks, "changes.body", &input.body, |body| text::block(body, 10_000)),
        occurred_at: optional(&mut checks, "changes.occurredAt", input.occurred_at.as_ref(), |at| occurred(at.0, act.now())),
        duration_minutes: nullable(&mut checks, "changes.durationMinutes", &input.duration_minutes, |minutes| duration(*minutes)),
        contact_id: plain(&input.contact_id).map(|id| id.map(ContactId::uuid)),
        deal_id: plain(&input.deal_id).map(|id| id.map(DealId::uuid)),
    };
    checks.require(changes != ActivityChanges::default(), "changes", "Send at least one change.");
    checks.finish()?;
    Ok(changes)
}

/// The changes, unless they would leave the activity without both contact and deal.
fn about_something(activity: &Activity, changes: &ActivityChanges) -> Result<ActivityChanges> {
    let contact = changes.contact_id.map_or_else(|| activity.contact_id.value(), Ok)?;
    let deal = changes.deal_id.map_or_else(|| activity.deal_id.value(), Ok)?;
    if contact.or(deal).is_none() {
        let field = if changes.contact_id.is_some() { "changes.contactId" } else { "changes.dealId" };
        return Err(Error::invalid(field, ABOUT_NOTHING));
    }
    Ok(changes.clone())
}
