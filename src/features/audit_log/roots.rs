//! The query fields of the audit log.

use async_graphql::{Context, InputObject, MergedObject, Object};

use crate::access::connection::Connection;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::base::page::{Direction, Order, PageArgs, Window};
use crate::features::audit_log::object::AuditEntryConnection;
use crate::features::audit_log::queries::{self, AuditList, AuditLogFilter, AuditOrderField};

/// How to order the audit log.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct AuditOrder {
    /// What to order by.
    pub field: AuditOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Desc")]
    pub direction: Direction,
}

/// The query fields of the audit log.
#[derive(Default)]
pub struct Roots;

/// There are none: the log writes itself.
#[derive(MergedObject, Default)]
#[graphql(name = "AuditMutations")]
pub struct Mutations();

#[Object(name = "AuditRoots")]
impl Roots {
    /// Who did what in the organization, the latest first unless ordered otherwise. For owners and admins.
    #[graphql(guard = "Can(Permission::AuditRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<AuditLogFilter>,
        #[graphql(desc = "The ordering; the latest first when left out.")] order_by: Option<AuditOrder>,
    ) -> Result<AuditEntryConnection> {
        let order = order_by.map_or(Order { field: AuditOrderField::At, direction: Direction::Desc }, |order| Order {
            field: order.field,
            direction: order.direction,
        });
        let window = Window::new(&PageArgs { first, after, last, before }, order)?;
        let list = AuditList::new(filter.unwrap_or_default(), window)?;
        let reads = Operation::of(ctx)?.reads()?;
        let counted = async {
            if ctx.look_ahead().field("totalCount").exists() { queries::count(&reads.reader, &list).await.map(Some) } else { Ok(None) }
        };
        let (rows, total) = futures_util::try_join!(queries::page(&reads.reader, &list), counted)?;
        Ok(Connection::new(&list.window, list.window.page(rows), total))
    }
}
