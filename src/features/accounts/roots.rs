//! The query fields of accounts.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Operation, Permission, SignedIn};
use crate::base::page::PageArgs;
use crate::base::{Error, Result};
use crate::features::accounts::object::{InvitationConnection, MemberConnection, Organization, Viewer};
use crate::features::accounts::queries::invitations::{InvitationFilter, InvitationOrder};
use crate::features::accounts::queries::{MemberFilter, MemberOrder};
use crate::features::lists;

/// The query fields of accounts.
#[derive(Default)]
pub struct Roots;

#[Object(name = "AccountRoots")]
impl Roots {
    /// Who is signed in, and where.
    #[graphql(guard = "SignedIn")]
    async fn viewer(&self) -> Written<Viewer> {
        Written(Viewer)
    }

    /// The organization that the caller is signed in to. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersRead)")]
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Written<Organization>>> {
        let own = Operation::of(ctx)?.scope()?.organization;
        Organization::load(ctx, own).await?.ok_or_else(|| Error::internal("the organization cannot be read")).map(Some)
    }

    /// The organization's members, in the order in which they joined unless ordered otherwise. Removed ones are listed only when asked for. Null when it fails; the errors say why.
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
    ) -> Result<Option<MemberConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }

    /// The organization's invitations, open ones and those of the past, newest first unless ordered otherwise. `invitationRevoke` ends an open one. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersWrite)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<InvitationFilter>,
        #[graphql(desc = "The ordering; the newest come first when left out.")] order_by: Option<InvitationOrder>,
    ) -> Result<Option<InvitationConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
