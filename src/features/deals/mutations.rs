//! The mutations of deals.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::deals::actions::{
    self, DealBulkDeleteInput, DealBulkUpdateInput, DealCreateInput, DealDeleteInput, DealStageSetInput, DealUpdateInput,
};
use crate::features::deals::model::DealId;
use crate::features::deals::object::Deal;
use crate::features::rows;
use crate::{payload, payloads};

payloads! {
    "deal", "deals": Deal, DealId;
    DealCreatePayload { deal }, DealUpdatePayload { deal }, DealBulkUpdatePayload { deals }, DealDeletePayload
}

payload!(
    /// What came of `dealStageSet`.
    DealStageSetPayload {
        /// The deal as it is now; null when there are user errors.
        deal: Deal
    }
);

/// The mutations of deals.
#[derive(Default)]
pub struct Mutations;

/// The mutations of deals.
#[Object(name = "DealMutations")]
impl Mutations {
    /// Creates a deal in an open stage. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_create(&self, ctx: &Context<'_>, #[graphql(desc = "The deal.")] input: DealCreateInput) -> Result<Option<Written<DealCreatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await;
        DealCreatePayload::of(outcome)
    }

    /// Changes a deal. Its stage is changed by `dealStageSet`. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: DealUpdateInput) -> Result<Option<Written<DealUpdatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await;
        DealUpdatePayload::of(outcome)
    }

    /// Moves a deal to another stage of its pipeline: to the won or lost stage closes it, back to an open one reopens it. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_stage_set(&self, ctx: &Context<'_>, #[graphql(desc = "The move.")] input: DealStageSetInput) -> Result<Option<Written<DealStageSetPayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::set_stage(&act, input).await }).await;
        DealStageSetPayload::of(outcome)
    }

    /// Deletes a deal with its history and its timeline. Its tasks stay. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which deal.")] input: DealDeleteInput) -> Result<Option<Written<DealDeletePayload>>> {
        DealDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Changes or moves up to 100 deals alike: all of them, or none when one is not there or cannot be moved. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deals, and what changes.")] input: DealBulkUpdateInput,
    ) -> Result<Option<Written<DealBulkUpdatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await;
        DealBulkUpdatePayload::of(outcome)
    }

    /// Deletes up to 100 deals: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_bulk_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which deals.")] input: DealBulkDeleteInput) -> Result<Option<Written<DealDeletePayload>>> {
        DealDeletePayload::of(Operation::of(ctx)?.write(|act| async move { rows::delete_all(&act, &input.ids).await }).await)
    }
}
