//! The mutations of activities.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::activities::actions::{
    self, ActivityBulkDeleteInput, ActivityBulkUpdateInput, ActivityCreateInput, ActivityDeleteInput, ActivityUpdateInput,
};
use crate::features::activities::model::ActivityId;
use crate::features::activities::object::Activity;
use crate::features::rows;
use crate::payloads;

payloads! {
    "activity", "activities": Activity, ActivityId;
    ActivityCreatePayload { activity }, ActivityUpdatePayload { activity }, ActivityBulkUpdatePayload { activities }, ActivityDeletePayload
}

/// The mutations of activities.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "ActivityMutations")]
impl Mutations {
    /// Creates an activity. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesWrite)")]
    async fn activity_create(&self, ctx: &Context<'_>, #[graphql(desc = "The activity.")] input: ActivityCreateInput) -> Result<Option<Written<ActivityCreatePayload>>> {
        ActivityCreatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await)
    }

    /// Changes an activity. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesWrite)")]
    async fn activity_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: ActivityUpdateInput) -> Result<Option<Written<ActivityUpdatePayload>>> {
        ActivityUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await)
    }

    /// Changes up to 100 activities alike: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesWrite)")]
    async fn activity_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which activities, and what changes.")] input: ActivityBulkUpdateInput,
    ) -> Result<Option<Written<ActivityBulkUpdatePayload>>> {
        ActivityBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await)
    }

    /// Deletes an activity. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesWrite)")]
    async fn activity_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which activity.")] input: ActivityDeleteInput) -> Result<Option<Written<ActivityDeletePayload>>> {
        ActivityDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Deletes up to 100 activities: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesWrite)")]
    async fn activity_bulk_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which activities.")] input: ActivityBulkDeleteInput,
    ) -> Result<Option<Written<ActivityDeletePayload>>> {
        ActivityDeletePayload::of(Operation::of(ctx)?.write(|act| async move { rows::delete_all(&act, &input.ids).await }).await)
    }
}
