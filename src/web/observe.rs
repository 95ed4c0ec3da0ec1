//! What is noted of every request: its id, a span around it, a line when it is done, and counts. Never the document, its variables or a token.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use tracing::{Instrument, Span, field};

use crate::App;
use crate::base::{Clock, Error, id};
use crate::web::graphql::write;
use crate::web::headers::secure;
use crate::web::measured;
use crate::web::media::Media;
use crate::web::pipeline::{Reply, panic_message};

/// The header of the request's id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, as handlers find it among the extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// Gives the request an id, answers for a handler that panicked, adds the headers that every answer has, and notes how it ended. All in one, because
/// each step of its own would cost every request a copy of the router and a box.
pub async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let request_id = sent_id(request.headers()).unwrap_or_else(|| fresh_id(&*app.services.clock));
    let method = method_label(request.method());
    // The pattern that matched, and not the path itself, of which there are as many as a client likes.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    request.extensions_mut().insert(RequestId(Arc::clone(&request_id)));
    let span = tracing::info_span!("request", request_id = &*request_id, method, path, operation = field::Empty);
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|panic| {
        let error = Error::internal(format!("a handler panicked: {}", panic_message(&*panic)));
        write(Reply::refusal(&error, &request_id), Media::GraphqlResponse)
    });
    secure(response.headers_mut(), app.config.http.hsts);
    let status = response.status();
    let took = begun.elapsed();
    span.in_scope(|| tracing::info!(status = status.as_u16(), duration_ms = took.as_secs_f64() * 1000.0, "answered"));
    measured::request(path, method, status.as_u16(), took);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// A fresh id for a request.
pub fn fresh_id(clock: &dyn Clock) -> Arc<str> {
    id::fresh(clock).simple().to_string().into()
}

/// Notes in the request's span which operation it names.
pub fn note_operation(name: Option<&str>) {
    if let Some(name) = name {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
        Span::current().record("operation", name);
    }
}

/// The id that the client sent, if it is one that may be repeated in logs.
fn sent_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    (clean && (1..=64).contains(&text.len())).then(|| text.into())
}

/// Clients may make up methods; the metrics shall not grow with them.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_ids_are_taken_over() {
        let taken = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, text.parse().unwrap());
            sent_id(&headers).is_some()
        };
        assert!(taken("a-B_9"));
        assert!(taken(&"x".repeat(64)));
        for bad in ["", "a b", "a\"b", "a/b", &"x".repeat(65)] {
            assert!(!taken(bad), "{bad}");
        }
    }
}
