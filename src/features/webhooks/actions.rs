//! What is done with endpoints: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};
use chrono::TimeDelta;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::access::audit::{self, Changed};
use crate::access::jobs::{Enqueue, Run};
use crate::access::sealing::Place;
use crate::access::tokens::random_bytes;
use crate::access::{Act, Services};
use crate::base::patch::{nullable, optional};
use crate::base::{Checks, Error, Noun, Result, text};
use crate::features::messages::actions::own;
use crate::features::rows::{self, Stored};
use crate::features::webhooks::jobs::WebhookForget;
use crate::features::webhooks::model::{
    NewWebhookEndpoint, WebhookEndpoint, WebhookEndpointChanges, WebhookEndpointId, WebhookEndpointState,
};
use crate::features::webhooks::{queries, rules, watching};
use crate::platform::outgoing::signature::Secret;

/// The longest that two secrets sign side by side, in hours.
const LONGEST_OVERLAP: i32 = 7 * 24;
/// What is said of an endpoint that somebody has disabled.
const BY_HAND: &str = "Somebody has disabled it.";

/// An endpoint to create.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookEndpointCreateInput {
    /// Where events are sent to: an `https://` address on the public internet.
    pub url: String,
    /// What it is for, up to 500 characters.
    pub description: Option<String>,
    /// Which events it is told of, up to 50: `contact.update`, `contact.*` for all of a kind, `*` for all.
    pub events: Vec<String>,
    /// A subscription whose answer is sent, such as `subscription { changed { kind node { ... on Contact { name } } } }`; when left out, the kind of event
    /// and the object's identifier are sent.
    pub document: Option<String>,
}

/// Changes to an endpoint: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct WebhookEndpointChangesInput {
    /// Where events are sent to.
    pub url: Option<String>,
    /// What it is for, up to 500 characters.
    pub description: MaybeUndefined<String>,
    /// Which events it is told of, which replace those it was told of.
    pub events: Option<Vec<String>>,
    /// A subscription whose answer is sent.
    pub document: MaybeUndefined<String>,
    /// Whether it is told of events. What happens while it is not can be caught up with by `webhookReplay`.
    pub state: Option<WebhookEndpointState>,
}

/// A change of one endpoint.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookEndpointUpdateInput {
    /// The endpoint.
    pub id: WebhookEndpointId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: WebhookEndpointChangesInput,
}

/// Which endpoint to delete.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookEndpointDeleteInput {
    /// The endpoint.
    pub id: WebhookEndpointId,
}

/// Which endpoint gets another secret.
#[derive(Debug, Clone, InputObject)]
pub struct WebhookSecretRotateInput {
    /// The endpoint.
    pub id: WebhookEndpointId,
    /// For how many hours the present secret signs as well, 0 to 168.
    #[graphql(default = 24)]
    pub overlap_hours: i32,
}

/// Creates an endpoint, and says its secret, which cannot be read again.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `EXTERNAL_SERVICE_ERROR` when the server has no key to keep secrets with.
pub async fn create(act: &Act, services: &Services, input: WebhookEndpointCreateInput) -> Result<(WebhookEndpoint, String)> {
    let mut checks = Checks::new();
    // Before the first statement, so that no connection is held meanwhile.
    let url = checks.take("url", address(services, &input.url).await);
    let description = optional(&mut checks, "description", input.description.as_deref(), |text| text::block(text, 500));
    let events = checks.take("events", rules::events(&input.events));
    let document = optional(&mut checks, "document", input.document.as_deref(), |text| document(act, services, text));
    checks.finish()?;
    let most = services.outgoing.endpoints;
    if queries::count(act).await? >= most {
        return Err(Error::invalid("url", format!("An organization has at most {most} endpoints: delete one first.")));
    }
    let (now, id) = (act.now(), act.fresh_id());
    let (secret, sealed) = fresh_secret(act, services, id)?;
    let new = NewWebhookEndpoint {
        organization_id: act.organization(),
        id,
        url: url.unwrap_or_default(),
        description,
        events: events.unwrap_or_default(),
        document,
        secret: sealed,
        acts_for: act.scope.user,
        granted: granted(act),
        api_key_id: act.scope.means.key(),
        state: WebhookEndpointState::Enabled,
        created_at: now,
        updated_at: now,
    };
    Ok((rows::create(act, new).await?, secret))
}

/// Changes an endpoint. Whoever changes where to or what is sent answers for it from then on: nothing is sent that she may not see.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `NOT_FOUND`, `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, services: &Services, input: WebhookEndpointUpdateInput) -> Result<WebhookEndpoint> {
    let mut checks = Checks::new();
    let sent = &input.changes;
    let url = match &sent.url {
        Some(url) => checks.take("changes.url", address(services, url).await),
        None => None,
    };
    let mut changes = WebhookEndpointChanges {
        url,
        description: nullable(&mut checks, "changes.description", &sent.description, |text| text::block(text, 500)),
        events: optional(&mut checks, "changes.events", sent.events.as_deref(), rules::events),
        document: nullable(&mut checks, "changes.document", &sent.document, |text| document(act, services, text)),
        ..WebhookEndpointChanges::default()
    };
    let is_other = changes.url.is_some() || changes.events.is_some() || changes.document.is_some();
    checks.require(is_other || changes.description.is_some() || sent.state.is_some(), "changes", "Send at least one change.");
    checks.finish()?;
    // Who enables what was disabled because its member may not see it any more answers for it as well.
    if is_other || sent.state == Some(WebhookEndpointState::Enabled) {
        changes.acts_for = Some(act.scope.user);
        changes.granted = Some(granted(act));
        changes.api_key_id = Some(act.scope.means.key());
    }
    let state = sent.state;
    let change = |row: &WebhookEndpoint| {
        let mut changes = changes.clone();
        match state {
            Some(WebhookEndpointState::Enabled) => {
                changes.state = state;
                changes.disabled_reason = Some(None);
                changes.failing_since = Some(None);
            }
            Some(WebhookEndpointState::Disabled) if row.state.value()? == WebhookEndpointState::Enabled => {
                changes.state = state;
                changes.disabled_reason = Some(Some(BY_HAND.to_owned()));
            }
            _ => {}
        }
        Ok(changes)
    };
    // What was kept with the endpoint runs under the rights of whoever answers for it now.
    let kept = if is_other && sent.document.is_undefined() { rows::lock_one(act, input.id, input.version).await?.document.text()?.map(str::to_owned) } else { None };
    if let Some(kept) = kept {
        document(act, services, &kept).map_err(|message| Error::invalid("changes", format!("The document that is kept here cannot be yours: {message}")))?;
    }
    rows::update(act, input.id, input.version, change).await
}

/// Deletes an endpoint, and soon all that is known of what was sent there.
///
/// # Errors
/// `NOT_FOUND` when it is not there.
pub async fn delete(act: &Act, id: WebhookEndpointId) -> Result<Vec<WebhookEndpointId>> {
    let deleted = rows::delete(act, id).await?;
    act.enqueue(&WebhookForget { endpoint: id.uuid() }, Enqueue::default()).await?;
    Ok(deleted)
}

/// Gives an endpoint another secret, and says it. The present one signs as well for a time.
///
/// # Errors
/// `NOT_FOUND`, `VALIDATION_ERROR`, `EXTERNAL_SERVICE_ERROR` when the server has no key to keep secrets with.
pub async fn rotate(act: &Act, services: &Services, input: WebhookSecretRotateInput) -> Result<(WebhookEndpoint, String)> {
    if !(0..=LONGEST_OVERLAP).contains(&input.overlap_hours) {
        return Err(Error::invalid("overlapHours", format!("Two secrets sign side by side for 0 to {LONGEST_OVERLAP} hours.")));
    }
    let before = WebhookEndpoint::lock(act, &[input.id.uuid()]).await?;
    let sealed_before = queries::secret(act, input.id.uuid()).await?.ok_or_else(|| Error::field_not_found("id", "endpoint"))?;
    let plain = services.sealing.open(place(act.organization(), "secret", input.id.uuid()), &sealed_before)?;
    let previous = services.sealing.seal(place(act.organization(), "previous_secret", input.id.uuid()), plain.expose_secret())?;
    let (secret, sealed) = fresh_secret(act, services, input.id.uuid())?;
    let until = act.now() + TimeDelta::hours(i64::from(input.overlap_hours));
    let changes = WebhookEndpointChanges {
        secret: Some(sealed),
        previous_secret: Some(Some(previous)),
        previous_until: Some(Some(until)),
        ..WebhookEndpointChanges::default()
    };
    let after = rows::apply(act, "rotate", &before, |_| Ok(changes.clone())).await?;
    let after = after.into_iter().next().ok_or_else(|| Error::internal("an updated endpoint was not returned"))?;
    Ok((after, secret))
}

/// Stops telling an endpoint of events, because the server found a reason to.
///
/// # Errors
/// As the database fails.
pub async fn disable(act: &Act, run: &Run, endpoint: Uuid, reason: &str) -> Result<()> {
    let before = WebhookEndpoint::lock(act, &[endpoint]).await?.into_iter().next();
    let Some(before) = before else { return Ok(()) };
    if before.state.value()? == WebhookEndpointState::Disabled {
        return Ok(());
    }
    let changes = WebhookEndpointChanges {
        state: Some(WebhookEndpointState::Disabled),
        disabled_reason: Some(Some(reason.to_owned())),
        ..WebhookEndpointChanges::default()
    };
    let after = WebhookEndpoint::update(act, &[endpoint], changes).await?.into_iter().next();
    audit::record(act, "webhook.disable", &[Changed { id: endpoint, before: Some(&before), after: after.as_ref() }]).await?;
    tell_owner(act, run, &before, reason).await
}

/// Tells whoever answers for an endpoint that it was disabled.
///
/// # Errors
/// As the database fails.
async fn tell_owner(act: &Act, run: &Run, endpoint: &WebhookEndpoint, reason: &str) -> Result<()> {
    tracing::warn!(endpoint = %endpoint.id, job = %run.id, reason, "a webhook was disabled");
    let url = reqwest::Url::parse(endpoint.url.text()?).ok();
    let stopped = own::Stopped {
        about: (WebhookEndpoint::PREFIX, endpoint.id),
        owner: endpoint.acts_for.value()?,
        host: url.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default().to_owned(),
        since: endpoint.failing_since.value()?.unwrap_or_else(|| act.now()),
        reason: reason.to_owned(),
    };
    own::webhook_disabled(act, &run.services, stopped).await
}

/// Where a secret of an endpoint belongs.
#[must_use]
pub const fn place(organization: Uuid, column: &'static str, row: Uuid) -> Place {
    Place { organization, table: "webhook_endpoints", column, row }
}

fn fresh_secret(act: &Act, services: &Services, endpoint: Uuid) -> Result<(String, Vec<u8>)> {
    let bytes = random_bytes().map_err(Error::internal)?;
    let sealed = services.sealing.seal(place(act.organization(), "secret", endpoint), &bytes)?;
    let secret = Secret::of(bytes.to_vec()).ok_or_else(|| Error::internal("a secret has the wrong length"))?;
    Ok((secret.text().expose_secret().to_owned(), sealed))
}

async fn address(services: &Services, text: &str) -> Result<String, String> {
    let url = services.outgoing.parse(text)?;
    services.outgoing.check(&url).await?;
    Ok(url.to_string())
}

fn document(act: &Act, services: &Services, text: &str) -> Result<String, String> {
    watching::check(services, text, act.scope.permissions).map_err(|error| error.message)?;
    Ok(text.to_owned())
}

/// What may be sent on behalf of who acts: by her role at this moment, and by the scopes of the API key that she uses.
fn granted(act: &Act) -> Vec<String> {
    act.scope.permissions.codes().into_iter().map(str::to_owned).collect()
}
