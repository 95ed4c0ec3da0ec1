//! What answers say of consistency, and the running of a query that may have to move to another node.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Response, Variables};
use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;

use crate::App;
use crate::access::budget::Charge;
use crate::access::consistency::Asked;
use crate::access::document::Selection;
use crate::access::{ClientInfo, Operation, Permission, Scope};
use crate::base::{Code, Error, Result};
use crate::platform::postgres::Route;
use crate::platform::postgres::routing::Routed;

/// The header of the token that a mutation gives and a read takes.
pub const X_CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("x-consistency-token");
/// The header of how fresh a read has to be.
pub const X_CONSISTENCY: HeaderName = HeaderName::from_static("x-consistency");
/// The header by which a client asks what happened inside.
pub const X_DEBUG: HeaderName = HeaderName::from_static("x-debug");

/// `extensions.consistency`.
#[derive(Debug, Default, Serialize)]
pub struct ConsistencyBody {
    /// To be sent with reads that must see this write.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Which node was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Arc<str>>,
    /// How far it was behind, in milliseconds; absent when that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<f64>,
    /// How long the read waited for it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited: Option<f64>,
}

impl ConsistencyBody {
    /// The token that a mutation gives.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

/// What a client asks for by its headers.
///
/// # Errors
/// `VALIDATION_ERROR` for a level that there is not, or what is no text.
pub fn asked(headers: &HeaderMap) -> Result<Asked> {
    Asked::read(text(headers, &X_CONSISTENCY)?, text(headers, &X_CONSISTENCY_TOKEN)?)
}

/// Whether a client asks which node was read.
#[must_use]
pub fn asks_for_routing(headers: &HeaderMap) -> bool {
    headers.get_all(X_DEBUG).iter().filter_map(|value| value.to_str().ok()).any(|value| value.split(',').any(|word| word.trim() == "routing"))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let wrong = |_| Error::new(Code::ValidationError, format!("The header {name} is no text."));
    headers.get(name).map(|value| value.to_str().map_err(wrong)).transpose()
}

/// An operation that is to be run, all checks passed.
pub struct Admitted {
    /// On whose behalf.
    pub scope: Option<Scope>,
    /// What is selected.
    pub selection: Arc<Selection>,
    /// Who calls.
    pub client: ClientInfo,
    /// The variables, whole.
    pub variables: Variables,
    /// How fresh it has to be.
    pub asked: Asked,
    /// Whether the caller asks which node was read.
    pub routing: bool,
    /// What it has taken from the caller's budgets.
    pub charge: Arc<Charge>,
}

/// What came of an operation.
pub struct Ran {
    /// The answer.
    pub response: Response,
    /// What there is to say of consistency.
    pub consistency: Option<ConsistencyBody>,
    /// The points that it came to.
    pub spent: u64,
}

/// Runs an operation; a query whose node fails is run anew, once on another replica and then on the primary.
///
/// # Errors
/// `VALIDATION_ERROR` for a token that is none.
pub async fn run(app: &App, admitted: Admitted) -> Result<Ran> {
    let Admitted { scope, selection, client, variables, asked, routing, charge } = admitted;
    let (services, may_look) = (&app.services, routing && scope.as_ref().is_some_and(|scope| scope.require(Permission::DiagnosticsRead).is_ok()));
    let databases = &services.databases;
    if selection.is_mutation() || databases.replicas().is_empty() {
        services.consistency.check(&asked)?;
        let is_mutation = selection.is_mutation();
        let last = |scope: Option<&Scope>| scope.filter(|_| is_mutation).and_then(|scope| services.consistency.last(scope.application()));
        let before = last(scope.as_ref());
        let operation = Operation::routed(services.clone(), scope, selection, client, Some(charge), None);
        let response = app.api.run(&operation, variables).await;
        // Whoever has signed in by it is known only now.
        let written = last(operation.scope().ok().as_ref()).filter(|written| before != Some(*written));
        let token = written.and_then(|written| services.consistency.sign(written));
        return Ok(Ran { response, consistency: body(token, may_look.then(Routed::primary)), spent: operation.spent() });
    }
    let before = scope.as_ref().and_then(|scope| services.consistency.last(scope.application()));
    let freshness = services.consistency.freshness(&asked, scope.as_ref(), databases).await?;
    let mut route = Route::new(databases.clone(), freshness);
    loop {
        let (charge, node) = (Some(Arc::clone(&charge)), Some(Arc::clone(&route)));
        let operation = Operation::routed(services.clone(), scope.clone(), Arc::clone(&selection), client.clone(), charge, node);
        let response = tokio::select! {
            response = app.api.run(&operation, variables.clone()) => Some(response),
            () = route.hangs() => {
                route.fail(false);
                None
            }
        };
        let response = match (route.elsewhere(), response) {
            (None, Some(response)) => response,
            (next, _) => {
                route = next.ok_or_else(|| Error::internal("a query was given up without another way"))?;
                continue;
            }
        };
        let routed = route.routed();
        let fresh = routed.as_ref().and_then(|routed| routed.fresh);
        if let (Some(place), Some(scope)) = (fresh, &scope) {
            services.consistency.renew(scope.application(), before, place).await;
        }
        let token = fresh.and_then(|place| services.consistency.sign(place));
        return Ok(Ran { response, consistency: body(token, routed.filter(|_| may_look)), spent: operation.spent() });
    }
}

fn body(token: Option<String>, routed: Option<Routed>) -> Option<ConsistencyBody> {
    if token.is_none() && routed.is_none() {
        return None;
    }
    let in_milliseconds = |duration: Duration| (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0;
    let (node, lag, waited) = match routed {
        Some(routed) => (Some(routed.node), routed.lag.map(in_milliseconds), Some(in_milliseconds(routed.waited))),
        None => (None, None, None),
    };
    Some(ConsistencyBody { token, node, lag, waited })
}
