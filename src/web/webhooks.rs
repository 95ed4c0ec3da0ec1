//! `/webhooks/{provider}`: where others tell of events.
//!
//! The bytes are checked as they came; events are in the database before the answer says that they have arrived. When they cannot be kept, the answer
//! says that it should be tried again, and so does a sender that gets none. What stands behind the `?` of an address may be a secret, and is not logged.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::App;
use crate::access::inbound::{Received, Refused, Told};
use crate::base::Code;
use crate::base::duration::whole_seconds;

/// The longest body.
const MOST: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// When a sender should try again, where nothing else is known.
const AGAIN: Duration = Duration::from_secs(5);

/// Takes what a provider sends.
pub async fn receive(
    State(app): State<Arc<App>>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match tokio::time::timeout(BODY_WITHIN, Limited::new(body, MOST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return answer(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
        Ok(Err(_)) => return answer(StatusCode::BAD_REQUEST, "The body broke off."),
        Err(_) => return answer(StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive."),
    };
    let told = match take(&app, &provider, query.as_deref().unwrap_or_default(), &headers, &body) {
        Ok(told) => told,
        Err(Refused::NotConfigured) => return answer(StatusCode::NOT_FOUND, "Nothing is received here."),
        Err(Refused::Signature) => return answer(StatusCode::UNAUTHORIZED, "The signature is not right."),
        Err(Refused::OutOfTime) => return answer(StatusCode::BAD_REQUEST, "This was sent too long ago, or a clock is wrong."),
        Err(Refused::Malformed) => return answer(StatusCode::BAD_REQUEST, "This cannot be read."),
    };
    let count = told.len();
    match app.inbox.keep(&app.services, &provider, told).await {
        Ok(new) => {
            tracing::info!(provider, count, new, "events were received");
            answer(StatusCode::OK, "Received.")
        }
        Err(error) => {
            tracing::warn!(provider, count, reason = error.internal.as_deref().unwrap_or_default(), "events could not be kept: {error}");
            let status = if error.code == Code::InternalError { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::SERVICE_UNAVAILABLE };
            let seconds = whole_seconds(error.retry_after.unwrap_or(AGAIN));
            ([(header::RETRY_AFTER, seconds.to_string())], answer(status, "This cannot be kept now: send it again.")).into_response()
        }
    }
}

fn take(app: &App, provider: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Told>, Refused> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (config, references) = (&app.config, &*app.services.references);
    app.inbox.take(provider, &Received { config, references, query, header: &header, body, now: app.services.clock.now() })
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
