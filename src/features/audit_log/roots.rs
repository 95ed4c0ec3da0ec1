//! The query fields of the audit log.

use async_graphql::{Context, MergedObject, Object};

use crate::access::{Can, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::audit_log::object::AuditEntryConnection;
use crate::features::audit_log::queries::{AuditEntryFilter, AuditEntryOrder};
use crate::features::lists;

/// The query fields of the audit log.
#[derive(Default)]
pub struct Roots;

/// There are none: the log writes itself.
#[derive(MergedObject, Default)]
#[graphql(name = "AuditMutations")]
pub struct Mutations();

#[Object(name = "AuditRoots")]
impl Roots {
    /// Who did what in the organization, the latest first unless ordered otherwise. For owners and admins. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::AuditRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<AuditEntryFilter>,
        #[graphql(desc = "The ordering; the latest first when left out.")] order_by: Option<AuditEntryOrder>,
    ) -> Result<Option<AuditEntryConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
