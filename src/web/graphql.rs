//! `/graphql` over HTTP, as the GraphQL-over-HTTP specification says (<https://graphql.github.io/graphql-over-http/>, September 2026).
//!
//! - POST takes a JSON object, GET takes the query of the address; a mutation by GET is 405. A GET that asks for an upgrade becomes a socket.
//! - Statuses say what happened: 400 for what cannot be read, 422 for a document that is not valid, 401, 403, 429, 503 and so on for a request that
//!   is refused as a whole. Once there is data, the status is 200 and single failures stand in `errors`. Clients that prefer `application/json`
//!   read errors from answers with status 200 alone, so that a document that cannot be read or is not valid is 200 for them, as the specification says.
//! - Answers are of the type that `Accept` prefers, `application/graphql-response+json` or `application/json`; the latter where none is named.
//! - An answer to a GET that names its document by a hash or an id may be kept by the client's own cache, which asks each time; no other may be kept.
//! - A POST that accepts `text/event-stream` may be a subscription; `stream` is about them.
//! - A POST may be an array of requests; `batch` is about them.
//! - A body is JSON and at most as long as configured, and is not read further once it is longer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql_axum::GraphQLProtocol;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Request, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::App;
use crate::base::{Code, Error};
use crate::web::batch;
use crate::web::client_ip::client_ip;
use crate::web::headers::of_answer;
use crate::web::media::{Accept, Media, is_json_body};
use crate::web::observe::{RequestId, note_operation};
use crate::web::pipeline::{self, Answered, Caller, Carries, Reply};
use crate::web::request::{self, GraphqlRequest};
use crate::web::{consistency, cost, credentials, socket, stream};

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(20);

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// An operation whose document stands in the address, or the beginning of a socket.
pub async fn get(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    peer: Peer,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    protocol: Result<GraphQLProtocol, StatusCode>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let ip = address(&app, peer, &headers);
    if headers.contains_key(header::UPGRADE) {
        return match upgrade {
            Ok(upgrade) if protocol.is_ok() => socket::accept(app, upgrade, &uri, &headers, &request_id, ip),
            Ok(_) => socket::unknown_protocol(&request_id),
            Err(rejection) => rejection.into_response(),
        };
    }
    let Some(media) = Media::accepted(&headers) else { return not_acceptable(&request_id) };
    let answered = async {
        let caller = caller(&headers, Arc::clone(&request_id), ip).map_err(|error| Reply::refusal(&error, &request_id))?;
        let request = GraphqlRequest::from_uri(&uri).map_err(|error| malformed(&error, &request_id))?;
        note_operation(request.operation_name.as_deref());
        let is_named = request.document.is_named();
        let reply = told(pipeline::run(&app, &caller, request, Carries::Queries).await, media);
        let may_be_kept = is_named && reply.code().is_none();
        let mut response = write(reply, media);
        if may_be_kept {
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            response.headers_mut().insert(
                header::VARY,
                HeaderValue::from_static("Accept, Authorization, X-API-Key, X-Consistency, X-Consistency-Token, X-Cost, X-Debug"),
            );
        }
        Ok(response)
    };
    answered.await.unwrap_or_else(|refusal| write(refusal, media))
}

/// An operation in the body, or several.
pub async fn post(State(app): State<Arc<App>>, Extension(RequestId(request_id)): Extension<RequestId>, request: Request) -> Response {
    // Taken apart instead of asked for one by one, which would copy the headers.
    let (Parts { headers, mut extensions, .. }, body) = request.into_parts();
    let peer = extensions.remove().map(Extension);
    let accept = Accept::of(&headers);
    let (accepted, streams) = (accept.media(), accept.events());
    // What is refused is told in JSON, whatever a client of events says.
    let Some(media) = accepted.or(streams.then_some(Media::Json)) else { return not_acceptable(&request_id) };
    let answered = async {
        let caller = caller(&headers, Arc::clone(&request_id), address(&app, peer, &headers)).map_err(|error| Reply::refusal(&error, &request_id))?;
        let body = read(&headers, body, app.config.http.body_limit, &request_id).await?;
        match request::Body::read(&body, app.config.http.batch_limit).map_err(|error| malformed(&error, &request_id))? {
            request::Body::One(request) => {
                note_operation(request.operation_name.as_deref());
                if !streams {
                    return Ok(write(told(pipeline::run(&app, &caller, request, Carries::All).await, media), media));
                }
                // Who takes JSON as well needs none, unless it is a subscription.
                let place = match stream::place(&app, &request_id) {
                    Err(refusal) if accepted.is_none() => return Err(refusal),
                    place => place,
                };
                Ok(match pipeline::open(&app, &caller, request).boxed().await {
                    Answered::Opened(opened) => place.map_or_else(|refusal| write(refusal, media), |place| stream::open(app, &caller, opened, place)),
                    Answered::Reply(reply) if accepted.is_none() => stream::whole(reply),
                    Answered::Reply(reply) => write(told(reply, media), media),
                })
            }
            request::Body::Batch(_) if accepted.is_none() => Err(malformed(&no_batch(), &request_id)),
            request::Body::Batch(requests) => Ok(batch::answer(&app, &caller, requests, media).await),
        }
    };
    answered.await.unwrap_or_else(|refusal| write(refusal, media))
}

/// Refuses what is neither GET nor POST.
pub async fn other_method(Extension(RequestId(request_id)): Extension<RequestId>) -> Response {
    let error = Error::new(Code::ValidationError, "The API is called by POST, or by GET for queries.");
    let mut response = write(Reply::refusal_as(StatusCode::METHOD_NOT_ALLOWED, &error, &request_id), Media::GraphqlResponse);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}

/// The reply to a request whose document was looked at, with the status that a client of this type expects.
pub fn told(reply: Reply, media: Media) -> Reply {
    match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if media == Media::Json => Reply { status: StatusCode::OK, ..reply },
        _ => reply,
    }
}

/// A reply as an HTTP response.
#[must_use]
pub fn write(reply: Reply, accepted: Media) -> Response {
    let status = reply.status;
    let retry_after = reply.body.errors.iter().filter_map(super::errors::ErrorBody::retry_after_seconds).max();
    let (code, budget) = (reply.code(), reply.budget);
    let token = reply
        .body
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.consistency.as_ref()?.token())
        .and_then(|token| HeaderValue::from_str(token).ok());
    let mut response = Response::new(Body::from(reply.body.into_json()));
    *response.status_mut() = status;
    *response.headers_mut() = of_answer(accepted);
    let headers = response.headers_mut();
    if let Some(token) = token {
        headers.insert(consistency::X_CONSISTENCY_TOKEN, token);
    }
    if let Some(budget) = &budget {
        cost::put_headers(headers, budget);
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = if code == Some(Code::InvalidToken) { "Bearer error=\"invalid_token\"" } else { "Bearer" };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    // What is more than there ever is may not be repeated.
    let retry_after = retry_after.or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1));
    if let (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(seconds)) = (status, retry_after) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn address(app: &App, peer: Peer, headers: &HeaderMap) -> Option<std::net::IpAddr> {
    client_ip(peer.map(|Extension(ConnectInfo(peer))| peer.ip()), headers, &app.config.http.trusted_proxies)
}

/// Who asks, by the headers.
fn caller(headers: &HeaderMap, request_id: Arc<str>, ip: Option<std::net::IpAddr>) -> Result<Caller, Error> {
    if headers.contains_key("idempotency-key") {
        return Err(Error::new(Code::ValidationError, "`Idempotency-Key` is not understood yet: nothing was done. Send the request without it."));
    }
    let token = credentials::of_headers(headers)?;
    Ok(Caller {
        request_id,
        token,
        ip,
        asked: consistency::asked(headers)?,
        routing: consistency::asks_for_routing(headers),
        cost: cost::wanted(headers)?,
    })
}

/// Reads the body, but no more of it than allowed.
async fn read(headers: &HeaderMap, body: Body, limit: usize, request_id: &Arc<str>) -> Result<Bytes, Reply> {
    let refuse = |status, message: &str| Err(Reply::refusal_as(status, &Error::new(Code::ValidationError, message), request_id));
    if !is_json_body(headers) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the request as uncompressed JSON, with `Content-Type: application/json`.");
    }
    let too_long = format!("The request's body may have at most {limit} bytes.");
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_long);
    }
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => refuse(StatusCode::PAYLOAD_TOO_LARGE, &too_long),
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, "The request's body broke off."),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "The request's body took too long to arrive."),
    }
}

fn no_batch() -> Error {
    Error::new(Code::ValidationError, "A stream of events carries one operation: send the others by requests of their own.")
}

/// The reply to a request that cannot be read.
pub fn malformed(error: &Error, request_id: &Arc<str>) -> Reply {
    match error.code {
        Code::ValidationError => Reply::refusal_as(StatusCode::BAD_REQUEST, error, request_id),
        _ => Reply::refusal(error, request_id),
    }
}

fn not_acceptable(request_id: &Arc<str>) -> Response {
    let message = "Answers are `application/graphql-response+json` or `application/json` in UTF-8, and those to a POST `text/event-stream` as well; `Accept` \
        names none of them.";
    write(Reply::refusal_as(StatusCode::NOT_ACCEPTABLE, &Error::new(Code::ValidationError, message), request_id), Media::GraphqlResponse)
}
