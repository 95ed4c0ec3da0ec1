//! The query fields of accounts.

use async_graphql::{Context, InputObject, Object};

use crate::access::connection::Connection;
use crate::access::{Can, NodeObject, Operation, Permission, SignedIn};
use crate::base::page::{Direction, Order, PageArgs, Window};
use crate::base::{Error, Result};
use crate::features::accounts::object::{MemberConnection, Organization, Viewer};
use crate::features::accounts::queries::{self, MemberFilter, MemberList, MemberOrderField};

/// How to order members.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct MemberOrder {
    /// What to order by.
    pub field: MemberOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Asc")]
    pub direction: Direction,
}

/// The query fields of accounts.
#[derive(Default)]
pub struct Roots;

#[Object(name = "AccountRoots")]
impl Roots {
    /// Who is signed in, and where.
    #[graphql(guard = "SignedIn")]
    async fn viewer(&self) -> Viewer {
        Viewer
    }

    /// The organization that the caller is signed in to.
    #[graphql(guard = "Can(Permission::MembersRead)")]
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        let own = Operation::of(ctx)?.scope()?.organization;
        Organization::load(ctx, own).await?.ok_or_else(|| Error::internal("the organization cannot be read"))
    }

    /// The organization's members, in the order in which they joined unless ordered otherwise. Removed ones are listed only when asked for.
    #[graphql(guard = "Can(Permission::MembersRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<MemberFilter>,
        #[graphql(desc = "The ordering; who joined first comes first when left out.")] order_by: Option<MemberOrder>,
    ) -> Result<MemberConnection> {
        let order = order_by.map_or(Order { field: MemberOrderField::JoinedAt, direction: Direction::Asc }, |order| Order {
            field: order.field,
            direction: order.direction,
        });
        let window = Window::new(&PageArgs { first, after, last, before }, order)?;
        let list = MemberList { filter: filter.unwrap_or_default(), window };
        let reads = Operation::of(ctx)?.reads()?;
        let counted = async {
            if ctx.look_ahead().field("totalCount").exists() { queries::count_members(&reads.reader, &list).await.map(Some) } else { Ok(None) }
        };
        let (rows, total) = futures_util::try_join!(queries::members(&reads.reader, &list), counted)?;
        Ok(Connection::new(&list.window, list.window.page(rows), total))
    }
}
