//! The mutations of API keys.

use async_graphql::{Context, Object, SimpleObject};

use crate::access::payload::{UserError, divide};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Act, Can, Operation, Permission, Services};
use crate::base::Result;
use crate::features::api_keys::actions::{self, ApiKeyCreateInput, ApiKeyRevokeInput, ApiKeyUpdateInput};
use crate::features::api_keys::model;
use crate::features::api_keys::object::ApiKey;
use crate::payload;

/// What came of `apiKeyCreate`.
#[derive(Clone, SimpleObject)]
pub struct ApiKeyCreatePayload {
    /// What is known of the key; null when there are user errors.
    pub api_key: Option<Written<ApiKey>>,
    /// The key itself, to be sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`. It is shown this once: nobody can read it again. Null when
    /// there are user errors.
    pub key: Option<String>,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

impl Writable for ApiKeyCreatePayload {}

payload!(
    /// What came of `apiKeyUpdate`.
    ApiKeyUpdatePayload {
        /// The API key as it is now; null when there are user errors.
        api_key: ApiKey
    }
);
payload!(
    /// What came of `apiKeyRevoke`.
    ApiKeyRevokePayload {
        /// The API key as it is now; null when there are user errors.
        api_key: ApiKey
    }
);

/// The mutations of API keys.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "ApiKeyMutations")]
impl Mutations {
    /// Makes an API key, which acts for the signed-in member, and shows it this once. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ApiKeysWrite)")]
    async fn api_key_create(&self, ctx: &Context<'_>, #[graphql(desc = "The API key.")] input: ApiKeyCreateInput) -> Result<Option<Written<ApiKeyCreatePayload>>> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await;
        let (created, user_errors) = divide(outcome)?;
        let (row, key) = created.unzip();
        Ok(Some(Written(ApiKeyCreatePayload { api_key: row.map(|row| Written(row.into())), key, user_errors })))
    }

    /// Changes what an API key is called and from where it may be used. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ApiKeysWrite)")]
    async fn api_key_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: ApiKeyUpdateInput) -> Result<Option<Written<ApiKeyUpdatePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let change = |act: Act| async move { Ok(forgetting(&act, services, actions::update(&act, input).await?)) };
        ApiKeyUpdatePayload::of(operation.write(change).await)
    }

    /// Ends an API key for good: it is refused from now on. Revoking it again changes nothing. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ApiKeysWrite)")]
    async fn api_key_revoke(&self, ctx: &Context<'_>, #[graphql(desc = "Which API key.")] input: ApiKeyRevokeInput) -> Result<Option<Written<ApiKeyRevokePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let change = move |act: Act| async move { Ok(forgetting(&act, services, actions::revoke(&act, input.id).await?)) };
        ApiKeyRevokePayload::of(operation.write(change).await)
    }
}

/// What this server remembers of the key's standing is forgotten with the commit, whoever waits for it.
fn forgetting(act: &Act, services: Services, row: model::ApiKey) -> model::ApiKey {
    let key = row.id;
    act.db.after_commit(move || services.forget_key(key));
    row
}
