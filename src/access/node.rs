//! Objects that have an identifier of their own, and can be found by it: through `node`, and from other objects.

use async_graphql::Context;
use uuid::Uuid;

use crate::access::document::Kind;
use crate::access::operation::Operation;
use crate::access::permissions::Permission;
use crate::access::writer::{Writable, Written};
use crate::base::{Noun, Result};

/// An object that `node` can find.
pub trait NodeObject: Writable + Sized + Send {
    /// The row, whose noun the identifier begins with.
    type Row: Noun;
    /// What a caller needs to see it.
    const READ: Permission;

    /// The object of an id in the caller's organization, read together with others of its kind.
    fn find(ctx: &Context<'_>, id: Uuid) -> impl Future<Output = Result<Option<Self>>> + Send;

    /// As [`NodeObject::find`], for a field to answer with.
    fn load(ctx: &Context<'_>, id: Uuid) -> impl Future<Output = Result<Option<Written<Self>>>> + Send {
        async move {
            if is_all::<Self>(ctx)? {
                Operation::of(ctx)?.reads()?.reader.db.note_alone();
            }
            Ok(Self::find(ctx, id).await?.map(Written))
        }
    }

    /// The object that a column refers to, where it refers to one.
    fn load_if(ctx: &Context<'_>, id: Option<Uuid>) -> impl Future<Output = Result<Option<Written<Self>>>> + Send {
        async move {
            match id {
                Some(id) => Self::load(ctx, id).await,
                None => Ok(None),
            }
        }
    }
}

/// Whether the object that a field answers with is all that its operation reads: a query has no other field, and below this one nothing is selected
/// that does not stand in the object's own row.
fn is_all<T: Writable>(ctx: &Context<'_>) -> Result<bool> {
    let operation = Operation::of(ctx)?;
    let selection = operation.selection();
    let is_only = selection.kind() == Kind::Query && selection.root_count() == 1;
    let is_root = ctx.path_node.is_some_and(|node| node.parent.is_none());
    let plan = || operation.plan::<T>(&ctx.with_selection_set(&ctx.item.node.selection_set));
    Ok(is_only && is_root && plan().is_ok_and(|plan| plan.is_in_the_row()))
}
