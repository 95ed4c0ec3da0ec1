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
use crate::access::ClientInfo;
use crate::access::consistency::Asked;
use crate::access::operation::admit;
use crate::base::{Code, Error};
use crate::web::consistency::{self, Admitted};
use crate::web::errors::Body;
use crate::web::measured;
use crate::web::request::GraphqlRequest;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The id of the request, which stands in answers, logs and the audit log.
    pub request_id: Arc<str>,
    /// The access token that was sent; `None` for an anonymous caller.
    pub token: Option<SecretString>,
    /// The caller's address, where it is known.
    pub ip: Option<IpAddr>,
    /// How fresh what is read has to be, as far as the transport says so.
    pub asked: Asked,
    /// Whether the caller asks which node was read.
    pub routing: bool,
}

/// Which operations a transport may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Queries alone, since a GET may be repeated and prefetched at will.
    Queries,
    /// Everything.
    All,
}

/// What came of a request.
#[derive(Debug)]
pub struct Reply {
    /// How it stands with the request in terms of HTTP.
    pub status: StatusCode,
    /// What is sent.
    pub body: Body,
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
        Self { status, body: Body::refusal(error, request_id) }
    }

    /// The code of the first error; `None` when all went well.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.body.errors.first().map(super::errors::ErrorBody::code)
    }

    fn executed(body: Body) -> Self {
        let code = body.errors.first().map(super::errors::ErrorBody::code);
        let status = match (&body.data, code) {
            (None, Some(code)) => status_of(code),
            // Nothing could be read at all: load balancers and clients should see that by the status.
            (Some(data), Some(Code::DatabaseUnavailable)) if is_empty(data) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        Self { status, body }
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
fn is_empty(data: &Value) -> bool {
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
    let begun = Instant::now();
    let mut kind = "unknown";
    // In a box, so that what is around it stays small: each layer moves what it holds.
    let work = AssertUnwindSafe(answer(app, caller, request, carries, &mut kind).boxed()).catch_unwind();
    let reply = match tokio::time::timeout(app.config.http.operation_timeout, work).await {
        Ok(Ok(Ok(reply))) => reply,
        Ok(Ok(Err(Refusal { status, error }))) => Reply::refusal_as(status, &error, &caller.request_id),
        Ok(Err(panic)) => Reply::refusal(&Error::internal(format!("a resolver panicked: {}", panic_message(&*panic))), &caller.request_id),
        Err(_) => Reply::refusal(&too_slow(kind), &caller.request_id),
    };
    measured::operation(kind, reply.outcome(), begun.elapsed());
    reply
}

/// Why a request is not executed.
struct Refusal {
    status: StatusCode,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { status: status_of(error.code), error }
    }
}

async fn answer(app: &App, caller: &Caller, mut request: GraphqlRequest, carries: Carries, kind: &mut &'static str) -> Result<Reply, Refusal> {
    let scope = match &caller.token {
        Some(token) => Some(app.services.authenticate(token.expose_secret(), Arc::clone(&caller.request_id)).await?),
        None => None,
    };
    let document = app.document(&request.query).map_err(unprepared)?;
    let selection = document.selection(request.operation_name.as_deref())?;
    *kind = if selection.is_mutation() { "mutation" } else { "query" };
    if selection.is_mutation() && carries == Carries::Queries {
        let error = Error::new(Code::ValidationError, "A mutation is not run by GET: send it by POST.");
        return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, error });
    }
    let client = ClientInfo { ip: caller.ip, request_id: Arc::clone(&caller.request_id) };
    admit(scope.is_some(), &selection)?;
    selection.check_variables(&request.variables)?;
    selection.check_size(&request.variables)?;
    selection.fill_in(&mut request.variables);
    let asked = caller.asked.clone().or(request.asked);
    let admitted = Admitted { scope, selection, client, variables: request.variables, asked, routing: caller.routing };
    let (response, extensions) = consistency::run(app, admitted).await?;
    Ok(Reply::executed(Body { extensions, ..Body::of(response, &caller.request_id) }))
}

/// A text that is no document is a bad request; a document that is not valid could not be processed.
fn unprepared(error: Error) -> Refusal {
    match error.code {
        Code::ValidationError => Refusal { status: StatusCode::BAD_REQUEST, error },
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
