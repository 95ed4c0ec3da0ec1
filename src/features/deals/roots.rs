//! The query fields of deals.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::deals::model::DealId;
use crate::features::deals::object::{Deal, DealConnection};
use crate::features::deals::queries::{DealFilter, DealOrder};
use crate::features::lists;

/// The query fields of deals.
#[derive(Default)]
pub struct Roots;

/// The query fields of deals.
#[Object(name = "DealRoots")]
impl Roots {
    /// One deal; null when there is no such deal in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    async fn deal(&self, ctx: &Context<'_>, #[graphql(desc = "The deal's identifier.")] id: DealId) -> Result<Option<Written<Deal>>> {
        Deal::load(ctx, id.uuid()).await
    }

    /// The organization's deals, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DealsRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<DealFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<DealOrder>,
    ) -> Result<Option<DealConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
