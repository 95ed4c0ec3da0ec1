//! The server's HTTP side: `/graphql` over HTTP, WebSocket and Server-Sent Events, the explorer, health and metrics, and the life of a connection.
//!
//! The GraphQL endpoint is written out here rather than taken from async-graphql's integration with axum, which answers 200 to everything, executes
//! mutations sent by GET or as `text/plain`, and reads bodies of any length. What this one does instead is in [`graphql`].

mod batch;
pub mod client_ip;
pub mod consistency;
pub mod cost;
pub mod credentials;
pub mod errors;
pub mod explorer;
pub mod extensions;
pub mod graphql;
pub mod headers;
pub mod health;
mod measured;
pub mod media;
pub mod observe;
pub mod pipeline;
pub mod request;
pub mod serve;
pub mod socket;
pub mod stream;
pub mod subscription;
#[cfg(test)]
mod tests;
mod unsubscribe;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower::util::option_layer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::App;
use crate::base::{Code, Error};
use crate::web::consistency::{X_CONSISTENCY, X_CONSISTENCY_TOKEN, X_DEBUG};
use crate::web::cost::{RATE_LIMIT, RATE_LIMIT_POLICY, X_COST};
use crate::web::credentials::X_API_KEY;
use crate::web::media::Media;
use crate::web::observe::{RequestId, X_REQUEST_ID};
use crate::web::pipeline::Reply;

pub use serve::{serve, serve_health};

/// What machines ask of any process: does it live, is it ready, what has it measured.
fn health_router(app: Arc<App>) -> Router {
    let router = Router::new().route("/livez", get(health::live)).route("/readyz", get(health::ready)).route("/metrics", get(health::metrics));
    router.with_state(app)
}

/// Everything that the server answers. The peer's address is taken from [`axum::extract::ConnectInfo`] where it is there.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post).fallback(graphql::other_method))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/unsubscribe/{token}", get(unsubscribe::page).post(unsubscribe::act).layer(DefaultBodyLimit::max(unsubscribe::LARGEST)))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .fallback(nothing_here);
    if app.config.http.explorer {
        router = router
            .route("/", get(|| async { Redirect::temporary("/graphiql") }))
            .route("/graphiql", get(explorer::index))
            .route("/graphiql/", get(explorer::index))
            .route("/graphiql/config.json", get(explorer::config))
            .route("/graphiql/{*path}", get(explorer::file));
    }
    // As one layer: the router puts each that it is given into a box of its own, for every request anew. From the outermost inwards.
    let around = (from_fn_with_state(Arc::clone(&app), observe::observe), option_layer(cors(&app.config.http.cors_origins)), CompressionLayer::new());
    router.layer(around).with_state(app)
}

/// Lets pages of the configured origins call the API; `None` when there are none. Tokens are sent by hand and never as cookies, so credentials are not allowed.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter(|origin| *origin != "*").filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let headers = [header::AUTHORIZATION, X_API_KEY, header::CONTENT_TYPE, X_REQUEST_ID, X_CONSISTENCY, X_CONSISTENCY_TOKEN, X_COST, X_DEBUG];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers)
        .expose_headers([X_REQUEST_ID, X_CONSISTENCY_TOKEN, header::RETRY_AFTER, RATE_LIMIT, RATE_LIMIT_POLICY])
        .max_age(Duration::from_secs(7200));
    Some(layer)
}

async fn nothing_here(Extension(RequestId(request_id)): Extension<RequestId>) -> Response {
    let error = Error::new(Code::NotFound, "There is nothing at this address; the API is at /graphql.");
    graphql::write(Reply::refusal_as(StatusCode::NOT_FOUND, &error, &request_id), Media::GraphqlResponse)
}
