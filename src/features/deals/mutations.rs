//! The mutations of deals.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::access::payload::{UserError, divide};
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::deals::actions::{self, DealBulkUpdateInput, DealCreateInput, DealStageSetInput, DealUpdateInput};
use crate::features::deals::model::DealId;
use crate::features::deals::object::Deal;
use crate::payload;

payload!(
    /// What came of `dealCreate`.
    DealCreatePayload {
        /// The deal that was created; null when there are user errors.
        deal: Deal
    }
);
payload!(
    /// What came of `dealUpdate`.
    DealUpdatePayload {
        /// The deal as it is now; null when there are user errors.
        deal: Deal
    }
);
payload!(
    /// What came of `dealStageSet`.
    DealStageSetPayload {
        /// The deal as it is now; null when there are user errors.
        deal: Deal
    }
);

/// A deal to delete.
#[derive(Debug, Clone, InputObject)]
pub struct DealDeleteInput {
    /// The deal.
    pub id: DealId,
}

/// Several deals to delete.
#[derive(Debug, Clone, InputObject)]
pub struct DealBulkDeleteInput {
    /// 1 to 100 deals.
    pub ids: Vec<DealId>,
}

/// What came of `dealBulkUpdate`.
#[derive(Clone, SimpleObject)]
pub struct DealBulkUpdatePayload {
    /// The deals as they are now; empty when there are user errors.
    pub deals: Vec<Deal>,
    /// What to put right; empty when all went well.
    pub user_errors: Vec<UserError>,
}

/// What came of `dealDelete` and `dealBulkDelete`.
#[derive(Clone, SimpleObject)]
pub struct DealDeletePayload {
    /// The identifiers of what was deleted; empty when there are user errors.
    pub deleted_ids: Vec<DealId>,
    /// What to put right; empty when all went well.
    pub user_errors: Vec<UserError>,
}

/// The mutations of deals.
#[derive(Default)]
pub struct Mutations;

/// The mutations of deals.
#[Object(name = "DealMutations")]
impl Mutations {
    /// Creates a deal in an open stage.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_create(&self, ctx: &Context<'_>, #[graphql(desc = "The deal.")] input: DealCreateInput) -> Result<DealCreatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await;
        DealCreatePayload::of(outcome)
    }

    /// Changes a deal. Its stage is changed by `dealStageSet`.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: DealUpdateInput) -> Result<DealUpdatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await;
        DealUpdatePayload::of(outcome)
    }

    /// Moves a deal to another stage of its pipeline: to the won or lost stage closes it, back to an open one reopens it.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_stage_set(&self, ctx: &Context<'_>, #[graphql(desc = "The move.")] input: DealStageSetInput) -> Result<DealStageSetPayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::set_stage(&act, input).await }).await;
        DealStageSetPayload::of(outcome)
    }

    /// Deletes a deal with its history and its timeline. Its tasks stay.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which deal.")] input: DealDeleteInput) -> Result<DealDeletePayload> {
        delete(ctx, vec![input.id]).await
    }

    /// Changes or moves up to 100 deals alike: all of them, or none when one is not there or cannot be moved.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deals, and what changes.")] input: DealBulkUpdateInput,
    ) -> Result<DealBulkUpdatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await;
        let (rows, user_errors) = divide(outcome)?;
        Ok(DealBulkUpdatePayload { deals: rows.unwrap_or_default().into_iter().map(Deal::from).collect(), user_errors })
    }

    /// Deletes up to 100 deals: all of them, or none when one is not there.
    #[graphql(guard = "Can(Permission::DealsWrite)")]
    async fn deal_bulk_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which deals.")] input: DealBulkDeleteInput) -> Result<DealDeletePayload> {
        delete(ctx, input.ids).await
    }
}

async fn delete(ctx: &Context<'_>, ids: Vec<DealId>) -> Result<DealDeletePayload> {
    let operation = Operation::of(ctx)?;
    let outcome = operation.write(|act| async move { actions::delete(&act, &ids).await }).await;
    let (deleted, user_errors) = divide(outcome)?;
    Ok(DealDeletePayload { deleted_ids: deleted.unwrap_or_default(), user_errors })
}
