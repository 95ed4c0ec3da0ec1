//! Objects that have an identifier of their own, and can be found by it: through `node`, and from other objects.

use async_graphql::Context;
use uuid::Uuid;

use crate::access::permissions::Permission;
use crate::access::writer::Written;
use crate::base::{Noun, Result};

/// An object that `node` can find.
pub trait NodeObject: Sized + Send {
    /// The row, whose noun the identifier begins with.
    type Row: Noun;
    /// What a caller needs to see it.
    const READ: Permission;

    /// The object of an id in the caller's organization, read together with others of its kind.
    fn find(ctx: &Context<'_>, id: Uuid) -> impl Future<Output = Result<Option<Self>>> + Send;

    /// As [`NodeObject::find`], for a field to answer with.
    fn load(ctx: &Context<'_>, id: Uuid) -> impl Future<Output = Result<Option<Written<Self>>>> + Send {
        async move { Ok(Self::find(ctx, id).await?.map(Written)) }
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
