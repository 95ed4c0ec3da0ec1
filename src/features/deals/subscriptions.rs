//! What is told of deals as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::deals::model::DealId;
use crate::features::deals::object::Deal;
use crate::features::deals::queries::DealFilter;
use crate::features::told;
use crate::told;

told!("a deal", "deal": Deal; DealChange { deal_id: DealId, deal });

/// What is told of deals.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "DealSubscriptions")]
impl Subscriptions {
    /// Each change of a deal that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn deal_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only deals that are like this after the change; what was deleted is told of all.")] filter: Option<DealFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<DealChange>>> {
        DealChange::of(ctx, told::of_list::<Deal>(ctx, filter, since).await?)
    }
}
