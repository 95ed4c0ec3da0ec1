//! What the schema shows of an API key: never the key itself, and nothing that it could be found out from.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission, keys};
use crate::base::Result;
use crate::base::scalars::DateTime;
use crate::features::accounts::object::User;
use crate::features::api_keys::model::{self, ApiKeyId};
use crate::features::api_keys::queries::ApiKeyOrderField;
use crate::object;

object! {
    /// A key by which a program asks without anybody signing in.
    ApiKey of model::ApiKey, ordered by ApiKeyOrderField, seen with ApiKeysRead;
    /// A page of API keys.
    ApiKeyConnection;
    plain id, name, beginning, scopes, allowed_ips, expires_at, last_used_at, revoked_at, created_at, updated_at, version
}

/// A key by which a program asks without anybody signing in. It acts for the member who made it: it may do what is in its scopes and what her role
/// allows. The key itself is shown once, by `apiKeyCreate`.
#[Object(guard = "Can(Permission::ApiKeysRead)")]
impl ApiKey {
    /// The identifier.
    pub async fn id(&self) -> ApiKeyId {
        ApiKeyId::new(self.0.id)
    }

    /// What it is for.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// What the key begins with, by which a key that turned up somewhere is recognized. It gives no access.
    async fn beginning(&self) -> String {
        keys::beginning(self.0.id)
    }

    /// The codes of what it may do, such as `contacts.read`.
    async fn scopes(&self) -> Result<Vec<&str>> {
        Ok(self.0.scopes.get()?.iter().flatten().map(String::as_str).collect())
    }

    /// The addresses and ranges from which it may be used; from anywhere when there are none.
    async fn allowed_ips(&self) -> Result<Vec<&str>> {
        Ok(self.0.allowed_ips.get()?.iter().flatten().map(String::as_str).collect())
    }

    /// The member who made it, and for whom it acts. Null when it fails; the errors say why.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load(ctx, self.0.created_by.value()?).await
    }

    /// When it ends by itself; null when it lasts until it is revoked.
    async fn expires_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.expires_at.value()?.map(DateTime))
    }

    /// When it was last used, to the minute; null when it never was.
    async fn last_used_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.last_used_at.value()?.map(DateTime))
    }

    /// When it was revoked, or its maker was removed; null while it was not.
    async fn revoked_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.revoked_at.value()?.map(DateTime))
    }

    /// When it was made.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When it was last changed; being used is no change.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
