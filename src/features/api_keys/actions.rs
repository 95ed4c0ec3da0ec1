//! What is done with API keys: check, write, audit, in the caller's transaction.

use async_graphql::InputObject;

use crate::access::audit::{self, Changed};
use crate::access::{Act, Permission, keys};
use crate::base::patch::optional;
use crate::base::scalars::DateTime;
use crate::base::{Checks, Code, Error, Result, text};
use crate::features::accounts::queries::hold_role;
use crate::features::api_keys::model::{ApiKey, ApiKeyChanges, ApiKeyId, NewApiKey};
use crate::features::api_keys::rules;
use crate::features::rows::{self, Stored};

/// What the messages call it.
const NOUN: &str = "API key";

/// An API key to make.
#[derive(Debug, Clone, InputObject)]
pub struct ApiKeyCreateInput {
    /// What it is for, 1 to 100 characters.
    pub name: String,
    /// The codes of what it may do, such as `contacts.read`: of those in `viewer { permissions }`, without `api_keys.write`, `members.write` and
    /// `organization.write`. They cannot be changed later.
    pub scopes: Vec<String>,
    /// When it ends by itself; when left out, it lasts until it is revoked. It cannot be changed later.
    pub expires_at: Option<DateTime>,
    /// The addresses and ranges from which it may be used, such as `203.0.113.0/24`, up to 50; from anywhere when left out or empty.
    #[graphql(default)]
    pub allowed_ips: Vec<String>,
}

/// Changes to an API key: what is left out stays.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ApiKeyChangesInput {
    /// What it is for, 1 to 100 characters.
    pub name: Option<String>,
    /// The addresses and ranges from which it may be used, which replace those it has; an empty list allows all.
    pub allowed_ips: Option<Vec<String>>,
}

/// A change of one API key.
#[derive(Debug, Clone, InputObject)]
pub struct ApiKeyUpdateInput {
    /// The API key.
    pub id: ApiKeyId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: ApiKeyChangesInput,
}

/// Which API key to revoke.
#[derive(Debug, Clone, InputObject)]
pub struct ApiKeyRevokeInput {
    /// The API key.
    pub id: ApiKeyId,
}

/// Makes an API key that acts for the signed-in member, and says the key itself: it cannot be read again.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `FORBIDDEN` when the member was removed meanwhile.
pub async fn create(act: &Act, input: ApiKeyCreateInput) -> Result<(ApiKey, String)> {
    act.scope.session()?;
    // Held until the end, so that her removal finds what she made here.
    let role = hold_role(act, act.scope.user).await?;
    let role = role.ok_or_else(|| Error::new(Code::Forbidden, "You are not a member of this organization any more."))?;
    act.scope.with_role(role).require(Permission::ApiKeysWrite)?;
    let (now, expires_at) = (act.now(), input.expires_at.map(|DateTime(at)| at));
    let mut checks = Checks::new();
    let name = checks.take("name", text::line(&input.name, 100));
    let scopes = checks.take("scopes", rules::scopes(&input.scopes, role));
    checks.require(expires_at.is_none_or(|at| at > now), "expiresAt", "This lies in the past: the key would never be valid.");
    let allowed_ips = checks.take("allowedIps", rules::networks(&input.allowed_ips));
    checks.finish()?;
    let key = keys::ApiKey::fresh(act.fresh_id())?;
    let new = NewApiKey {
        organization_id: act.organization(),
        id: key.id(),
        name: name.unwrap_or_default(),
        secret_hash: key.hash(),
        scopes: scopes.unwrap_or_default(),
        allowed_ips: allowed_ips.unwrap_or_default(),
        created_by: act.scope.user,
        expires_at,
        created_at: now,
        updated_at: now,
    };
    Ok((rows::create(act, new).await?, key.text()))
}

/// Changes an API key.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND`, `CONFLICT` when somebody else changed it first or it was revoked.
pub async fn update(act: &Act, input: ApiKeyUpdateInput) -> Result<ApiKey> {
    let mut checks = Checks::new();
    let changes = ApiKeyChanges {
        name: optional(&mut checks, "changes.name", input.changes.name.as_deref(), |name| text::line(name, 100)),
        allowed_ips: optional(&mut checks, "changes.allowedIps", input.changes.allowed_ips.as_deref(), rules::networks),
        revoked_at: None,
    };
    let nothing_sent = input.changes.name.is_none() && input.changes.allowed_ips.is_none();
    checks.require(!nothing_sent, "changes", "Send at least one change.");
    checks.finish()?;
    let before = lock(act, input.id).await?;
    let version = before.version.value()?;
    if version != input.version {
        return Err(Error::version_conflict(NOUN, input.version, version));
    }
    if before.revoked_at.value()?.is_some() {
        return Err(Error::on_field(Code::Conflict, "id", "This API key was revoked; nothing of it can be changed any more."));
    }
    changed(act, "update", before, changes).await
}

/// Ends an API key for good. One that was revoked before stays as it is.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn revoke(act: &Act, id: ApiKeyId) -> Result<ApiKey> {
    let before = lock(act, id).await?;
    if before.revoked_at.value()?.is_some() {
        return Ok(before);
    }
    let changes = ApiKeyChanges { revoked_at: Some(Some(act.now())), ..ApiKeyChanges::default() };
    changed(act, "revoke", before, changes).await
}

async fn lock(act: &Act, id: ApiKeyId) -> Result<ApiKey> {
    ApiKey::lock(act, &[id.uuid()]).await?.into_iter().next().ok_or_else(|| Error::field_not_found("id", NOUN))
}

async fn changed(act: &Act, verb: &str, before: ApiKey, changes: ApiKeyChanges) -> Result<ApiKey> {
    let after = ApiKey::update(act, &[before.id], changes).await?.into_iter().next();
    let after = after.ok_or_else(|| Error::internal("an updated API key was not returned"))?;
    audit::record(act, &format!("apikey.{verb}"), &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await?;
    Ok(after)
}
