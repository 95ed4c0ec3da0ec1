//! Several operations in one POST: a JSON array of requests, answered by an array in the same order.
//!
//! They run one after another, so that no two mutations run beside each other, and a query sees what a mutation before it has written. Each is checked,
//! limited in time and answered as if it had come alone. The status is 200 once the batch was read, unless all its operations have the same other one;
//! of the headers, each is that of the last answer that has it, but for `Retry-After`, which is the longest.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tracing::Instrument;

use crate::App;
use crate::base::Result;
use crate::web::graphql::{malformed, told, write};
use crate::web::media::Media;
use crate::web::observe::note_operation;
use crate::web::pipeline::{self, Caller, Carries};
use crate::web::request::GraphqlRequest;

/// Runs the operations of a batch and answers all of them.
pub async fn answer(app: &App, caller: &Caller, requests: Vec<Result<GraphqlRequest>>, media: Media) -> Response {
    let mut together = Together::default();
    for request in requests {
        let reply = match request {
            Ok(request) => {
                let span = tracing::info_span!("operation", request_id = &*caller.request_id, operation = tracing::field::Empty);
                let run = async {
                    note_operation(request.operation_name.as_deref());
                    pipeline::run(app, caller, request, Carries::All).await
                };
                told(run.instrument(span).await, media)
            }
            Err(error) => malformed(&error, &caller.request_id),
        };
        together.add(write(reply, media)).await;
    }
    together.response()
}

/// Answers that are put together.
#[derive(Default)]
struct Together {
    body: Vec<u8>,
    statuses: Vec<StatusCode>,
    headers: HeaderMap,
}

impl Together {
    async fn add(&mut self, response: Response) {
        let (parts, body) = response.into_parts();
        // It is there already, so this neither waits nor fails.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        self.body.push(if self.statuses.is_empty() { b'[' } else { b',' });
        self.body.extend_from_slice(&body);
        self.statuses.push(parts.status);
        let seconds = |headers: &HeaderMap| headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let wait = seconds(&self.headers).max(seconds(&parts.headers));
        self.headers.extend(parts.headers);
        if let Some(wait) = wait {
            self.headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
    }

    fn response(mut self) -> Response {
        self.body.push(b']');
        let first = self.statuses.first().copied().unwrap_or(StatusCode::OK);
        let status = if self.statuses.iter().all(|status| *status == first) { first } else { StatusCode::OK };
        if status != StatusCode::UNAUTHORIZED {
            self.headers.remove(header::WWW_AUTHENTICATE);
        }
        if status != StatusCode::METHOD_NOT_ALLOWED {
            self.headers.remove(header::ALLOW);
        }
        (status, self.headers, Body::from(self.body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
        let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
        response.headers_mut().clear();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    }

    async fn all(responses: Vec<Response>) -> (u16, HeaderMap, String) {
        let mut together = Together::default();
        for response in responses {
            together.add(response).await;
        }
        let (parts, body) = together.response().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers_are_put_together() {
        let json = ("content-type", "application/json");
        let (status, headers, body) = all(vec![
            one(200, &[json, ("x-consistency-token", "a")], "{\"data\":1}"),
            one(429, &[json, ("retry-after", "9")], "{}"),
            one(200, &[json, ("x-consistency-token", "b")], "{\"data\":2}"),
            one(503, &[json, ("retry-after", "3")], "{}"),
            one(401, &[json, ("www-authenticate", "Bearer")], "{}"),
        ])
        .await;
        assert_eq!((status, body.as_str()), (200, "[{\"data\":1},{},{\"data\":2},{},{}]"));
        assert_eq!(headers["retry-after"], "9");
        assert_eq!(headers["x-consistency-token"], "b");
        assert_eq!((headers["content-type"].to_str().unwrap(), headers.get("www-authenticate")), ("application/json", None));
    }

    #[tokio::test]
    async fn a_status_that_all_have_is_the_batchs() {
        let (status, headers, body) =
            all(vec![one(401, &[("www-authenticate", "Bearer")], "{}"), one(401, &[("www-authenticate", "Bearer")], "{}")]).await;
        assert_eq!((status, body.as_str(), headers.get("www-authenticate").is_some()), (401, "[{},{}]", true));
        assert_eq!(all(vec![one(422, &[], "{}"), one(401, &[], "{}")]).await.0, 200);
        assert_eq!(all(vec![one(503, &[], "{}")]).await.0, 503);
    }
}
