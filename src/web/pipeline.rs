//! The way of every operation, by whatever transport it comes: who asks, what is asked for, may it run, run it, say what came of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::Value;
use axum::http::StatusCode;
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use crate::App;
use crate::access::budget::{self, Asking, Budget, Charge, NotAdmitted};
use crate::access::consistency::Asked;
use crate::access::cost::too_dear;
use crate::access::document::Document;
use crate::access::documents::{Found, Wanted as WantedDocument};
use crate::access::guard::admit;
use crate::access::{ClientInfo, Permission, Scope};
use crate::base::{Code, Error};
use crate::platform::config::Introspection;
use crate::web::consistency::{self, Admitted, Ran};
use crate::web::cost::{CostBody, Wanted};
use crate::web::errors::Body;
use crate::web::extensions::Extensions;
use crate::web::measured;
use crate::web::request::GraphqlRequest;
use crate::web::subscription::{self, Opened, Opening};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The id of the request, which stands in answers, logs and the audit log.
    pub request_id: Arc<str>,
    /// The access token or API key that was sent; `None` for an anonymous caller.
    pub token: Option<SecretString>,
    /// The caller's address, where it is known.
    pub ip: Option<IpAddr>,
    /// How fresh what is read has to be, as far as the transport says so.
    pub asked: Asked,
    /// Whether the caller asks which node was read.
    pub routing: bool,
    /// What the caller wants to know of the price.
    pub cost: Wanted,
}

/// Which operations a transport may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Queries alone, since a GET may be repeated and prefetched at will.
    Queries,
    /// Queries and mutations.
    All,
    /// Subscriptions as well.
    Subscriptions,
}

/// What came of a request that may be a subscription.
pub enum Answered {
    /// It is over.
    Reply(Reply),
    /// It stays open.
    Opened(Box<Opened>),
}

/// What came of a request.
#[derive(Debug)]
pub struct Reply {
    /// How it stands with the request in terms of HTTP.
    pub status: StatusCode,
    /// What is sent.
    pub body: Body,
    /// The budget that the request counted against; `None` when it was not looked at.
    pub budget: Option<Box<Budget>>,
}

impl Reply {
    /// The answer to a request that is not executed.
    #[must_use]
    pub fn refusal(error: &Error, request_id: &Arc<str>) -> Self {
        Self::refusal_as(status_of(error.code), error, request_id)
    }

    /// As [`Reply::refusal`], where the status does not follow from the code.
    #[must_use]
    pub fn refusal_as(status: StatusCode, error: &Error, request_id: &Arc<str>) -> Self {
        Self { status, body: Body::refusal(error, request_id), budget: None }
    }

    /// The code of the first error; `None` when all went well.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.body.errors.first().map(super::errors::ErrorBody::code)
    }

    fn executed(body: Body, budget: Option<Budget>) -> Self {
        let code = body.errors.first().map(super::errors::ErrorBody::code);
        let status = match (&body.data, code) {
            (None, Some(code)) => status_of(code),
            // Nothing could be read at all: load balancers and clients should see that by the status.
            (Some(data), Some(Code::DatabaseUnavailable)) if is_empty(data) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        Self { status, body, budget: budget.map(Box::new) }
    }

    /// For the metrics: one of a few words.
    fn outcome(&self) -> &'static str {
        match (&self.body.data, self.code()) {
            (_, None) => "OK",
            (Some(data), Some(_)) if *data != Value::Null => "PARTIAL",
            (_, Some(code)) => code.as_str(),
        }
    }
}

/// Whether an answer has nothing but nulls.
#[must_use]
pub fn is_empty(data: &Value) -> bool {
    match data {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(|value| *value == Value::Null),
        Value::Binary(json) => serde_json::from_slice::<Option<HashMap<&str, Option<IgnoredAny>>>>(json)
            .is_ok_and(|fields| fields.is_none_or(|fields| fields.values().all(Option::is_none))),
        _ => false,
    }
}

/// The status of a request that failed as a whole.
#[must_use]
pub const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated | Code::InvalidToken => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::InsufficientPermissions => StatusCode::FORBIDDEN,
        Code::NotFound | Code::PersistedQueryNotFound => StatusCode::NOT_FOUND,
        Code::ValidationError | Code::InvalidId | Code::IdempotencyMismatch | Code::DocumentTooComplex => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Conflict | Code::InProgress => StatusCode::CONFLICT,
        Code::RateLimited | Code::CostExceeded => StatusCode::TOO_MANY_REQUESTS,
        Code::DatabaseUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::ExternalServiceError => StatusCode::BAD_GATEWAY,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Runs an operation and says what came of it, whatever happens inside.
pub async fn run(app: &App, caller: &Caller, request: GraphqlRequest, carries: Carries) -> Reply {
    match run_any(app, caller, request, carries).await {
        Answered::Reply(reply) => reply,
        Answered::Opened(_) => Reply::refusal(&Error::internal("a subscription was opened that nothing carries"), &caller.request_id),
    }
}

/// As [`run`], for what can also carry subscriptions.
pub async fn open(app: &App, caller: &Caller, request: GraphqlRequest) -> Answered {
    run_any(app, caller, request, Carries::Subscriptions).await
}

async fn run_any(app: &App, caller: &Caller, request: GraphqlRequest, carries: Carries) -> Answered {
    let begun = Instant::now();
    let mut kind = "unknown";
    // In a box, so that what is around it stays small: each layer moves what it holds.
    let work = AssertUnwindSafe(answer(app, caller, request, carries, &mut kind).boxed()).catch_unwind();
    let reply = match tokio::time::timeout(app.config.http.operation_timeout, work).await {
        Ok(Ok(Ok(Answered::Opened(opened)))) => {
            measured::operation(kind, "OK", begun.elapsed());
            return Answered::Opened(opened);
        }
        Ok(Ok(Ok(Answered::Reply(reply)))) => reply,
        Ok(Ok(Err(Refusal { status, error, budget }))) => {
            Reply { budget: budget.map(Box::new), ..Reply::refusal_as(status, &error, &caller.request_id) }
        }
        Ok(Err(panic)) => Reply::refusal(&Error::internal(format!("a resolver panicked: {}", panic_message(&*panic))), &caller.request_id),
        Err(_) => Reply::refusal(&too_slow(kind), &caller.request_id),
    };
    measured::operation(kind, reply.outcome(), begun.elapsed());
    Answered::Reply(reply)
}

/// Why a request is not executed.
struct Refusal {
    status: StatusCode,
    error: Error,
    /// The budget that had too little.
    budget: Option<Budget>,
}

impl Refusal {
    const fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error, budget: None }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::new(status_of(error.code), error)
    }
}

impl From<Box<NotAdmitted>> for Refusal {
    fn from(refused: Box<NotAdmitted>) -> Self {
        Self { budget: Some(refused.budget), ..refused.error.into() }
    }
}

async fn answer(app: &App, caller: &Caller, mut request: GraphqlRequest, carries: Carries, kind: &mut &'static str) -> Result<Answered, Refusal> {
    let scope = match &caller.token {
        Some(token) => Some(app.services.authenticate(token.expose_secret(), caller.ip, Arc::clone(&caller.request_id)).await?),
        None => None,
    };
    let asking = Asking { scope: scope.as_ref(), ip: caller.ip, request_id: &caller.request_id };
    let (found, document, looked) = look(app, asking, request.document).await?;
    let selection = document.selection(request.operation_name.as_deref())?;
    *kind = selection.kind().as_str();
    if selection.is_subscription() && carries != Carries::Subscriptions {
        let message = "A subscription stays open: send it over a WebSocket at this address, by the protocol `graphql-transport-ws`, or by a \
            POST with `Accept: text/event-stream`.";
        return Err(Error::new(Code::ValidationError, message).into());
    }
    if selection.is_mutation() && carries == Carries::Queries {
        let error = Error::new(Code::ValidationError, "A mutation is not run by GET: send it by POST.");
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error));
    }
    let client = ClientInfo { ip: caller.ip, request_id: Arc::clone(&caller.request_id) };
    let reads_schema = may_read_schema(app, scope.as_ref());
    admit(scope.as_ref(), &selection, reads_schema)?;
    selection.check_variables(&request.variables)?;
    selection.fill_in(&mut request.variables);
    // The cheapest costs a point.
    let (price, most) = (selection.price().points(&request.variables).max(1), app.config.documents.document_max_cost);
    let explained = |variables| (caller.cost != Wanted::Sum).then(|| selection.price().explain(variables));
    if caller.cost == Wanted::Only {
        // Looking at a document costs what the cheapest operation does.
        let charge = budget::admit_beyond(looked, &app.services.limits, asking, None, 1).boxed().await?;
        let budget = charge.budget();
        let cost = budget.as_ref().map(|budget| CostBody::new(price, None, budget, explained(&request.variables)));
        let extensions = Some(Box::new(Extensions { cost, ..Extensions::default() }));
        return Ok(Answered::Reply(Reply::executed(Body { data: None, errors: Vec::new(), extensions }, budget)));
    }
    if price > most {
        return Err(too_dear(price, most).into());
    }
    let charge = Arc::new(budget::admit_beyond(looked, &app.services.limits, asking, Some(&selection), price).await?);
    app.documents.keep(&found).await;
    if let (true, Some(scope)) = (selection.is_subscription(), &scope) {
        let opening = Opening { caller: caller.clone(), scope: scope.clone(), selection, variables: request.variables, price, reads_schema };
        return Ok(subscription::open(app, opening, &charge).boxed().await?.map_or_else(Answered::Reply, Answered::Opened));
    }
    let fields = explained(&request.variables);
    let asked = caller.asked.clone().or(request.asked);
    let admitted = Admitted { scope, selection, client, variables: request.variables, asked, routing: caller.routing, charge: Arc::clone(&charge) };
    let ran = consistency::run(app, admitted).await;
    // What was not run came to nothing.
    let budget = charge.settle(ran.as_ref().map_or(0, |ran| ran.spent));
    let Ran { response, consistency, spent } = ran?;
    let cost = budget.as_ref().map(|budget| CostBody::new(price, Some(spent.max(1)), budget, fields));
    let body = Body::of(response, &caller.request_id, app.config.documents.max_errors, reads_schema);
    let extensions = Some(Box::new(Extensions { cost, consistency, position: None }));
    Ok(Answered::Reply(Reply::executed(Body { extensions, ..body }, budget)))
}

/// The document that a request means, as it was checked before. When it has to be looked for elsewhere or checked first, that costs a point, which
/// becomes part of the operation's price: so nobody has the server look for what there is not, or at nonsense, without end.
async fn look(app: &App, asking: Asking<'_>, wanted: WantedDocument) -> Result<(Found, Arc<Document>, Option<Charge>), Refusal> {
    let (by_hash, limits) = (matches!(wanted, WantedDocument::Hash(_)), &app.services.limits);
    let mut looked = None;
    if !app.documents.remembers(&wanted) {
        looked = Some(budget::admit(limits, asking, None, 1).boxed().await?);
    }
    let found = app.documents.find(wanted).await.map_err(|error| not_found(error, by_hash))?;
    if let Some(known) = app.known(&found) {
        return Ok((found, known, looked));
    }
    if looked.is_none() {
        looked = Some(budget::admit(limits, asking, None, 1).boxed().await?);
    }
    let document = app.prepared(&found).map_err(unprepared)?;
    Ok((found, document, looked))
}

/// Whether a caller may ask for the schema itself: partners find their way by it, and others with the permission.
fn may_read_schema(app: &App, scope: Option<&Scope>) -> bool {
    match (app.config.documents.introspection, scope) {
        (Introspection::Everybody, _) => true,
        (Introspection::Permitted, Some(scope)) => scope.is_key() || scope.require(Permission::SchemaRead).is_ok(),
        (Introspection::Permitted, None) => false,
    }
}

/// Clients of automatic persisted queries read why their hash was refused, and send the text, only where the status is 200.
fn not_found(error: Error, by_hash: bool) -> Refusal {
    match error.code {
        Code::PersistedQueryNotFound if by_hash => Refusal::new(StatusCode::OK, error),
        _ => error.into(),
    }
}

/// A text that is no document is a bad request; a document that is not valid could not be processed.
fn unprepared(error: Error) -> Refusal {
    match error.code {
        Code::ValidationError => Refusal::new(StatusCode::BAD_REQUEST, error),
        _ => error.into(),
    }
}

fn too_slow(kind: &str) -> Error {
    let message = if kind == "mutation" {
        "The operation took longer than it may, and was given up. A change that had begun may still be made: read the object before you repeat it."
    } else {
        "The operation took longer than it may, and was given up. Ask for less at once."
    };
    Error::new(Code::Timeout, message).because("an operation ran into the time limit")
}

/// The words of a panic, for the log.
#[must_use]
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&'static str>().copied()).unwrap_or("without words")
}
