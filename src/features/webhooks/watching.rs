//! The answer of a subscription that is kept with an endpoint, for one event.

use std::sync::Arc;

use async_graphql::{Response, Variables};

use crate::access::events::Watching;
use crate::access::{Permissions, Scope, Services};
use crate::base::{Error, Result};
use crate::features::webhooks::queries::sending::{self, Due};
use crate::platform::postgres::{Access, Transaction};

/// Refuses what is not a subscription, and one for what these permissions do not let see.
///
/// # Errors
/// `VALIDATION_ERROR`, `DOCUMENT_TOO_COMPLEX`, `INSUFFICIENT_PERMISSIONS`.
pub fn check(services: &Services, text: &str, permissions: Permissions) -> Result<()> {
    watching(services)?.check(text, permissions)
}

/// What a document answers for an event, as the scope may see it, at or after the event; `None` when the document lets the event pass.
///
/// # Errors
/// As the document fails.
pub async fn answer(services: &Services, scope: Scope, text: &str, due: &Due) -> Result<Option<Response>> {
    let watching = watching(services)?;
    watching.check(text, scope.permissions)?;
    let db = Transaction::new(services.databases.primary().clone(), Access::Snapshot, &scope.settings());
    let event = sending::event(&db, scope.organization, due.event_id).await?;
    drop(db);
    let Some(event) = event else { return Ok(None) };
    watching.answer(scope, text, Variables::default(), &event).await
}

fn watching(services: &Services) -> Result<Arc<dyn Watching>> {
    services.events.watching().ok_or_else(|| Error::internal("nobody answers subscriptions"))
}
