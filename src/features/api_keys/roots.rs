//! The query fields of API keys.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::api_keys::model::ApiKeyId;
use crate::features::api_keys::object::{ApiKey, ApiKeyConnection};
use crate::features::api_keys::queries::{ApiKeyFilter, ApiKeyOrder};
use crate::features::lists;

/// The query fields of API keys.
#[derive(Default)]
pub struct Roots;

#[Object(name = "ApiKeyRoots")]
impl Roots {
    /// One API key; null when there is no such key in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ApiKeysRead)")]
    async fn api_key(&self, ctx: &Context<'_>, #[graphql(desc = "The API key's identifier.")] id: ApiKeyId) -> Result<Option<Written<ApiKey>>> {
        ApiKey::load(ctx, id.uuid()).await
    }

    /// The organization's API keys, those that have ended as well, newest first unless ordered otherwise. For owners and admins. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ApiKeysRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<ApiKeyFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<ApiKeyOrder>,
    ) -> Result<Option<ApiKeyConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
