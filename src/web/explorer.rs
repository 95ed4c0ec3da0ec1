//! The explorer: a page to write queries and to read the schema in, built into the binary from `explorer/dist`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::json;

use crate::App;

/// What the page may load: its own files, and nothing from any other place.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "explorer/dist"]
#[allow_missing = true]
struct Files;

/// The page.
pub async fn index(headers: HeaderMap) -> Response {
    match Files::get("index.html") {
        Some(file) => serve("index.html", file, &headers),
        None => with_policy((StatusCode::NOT_FOUND, "The explorer was not built into this server: run `npm run build` in explorer/.\n")),
    }
}

/// A file of the page.
pub async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match Files::get(&path) {
        Some(file) => serve(&path, file, &headers),
        None => with_policy((StatusCode::NOT_FOUND, "The explorer has no such file.\n")),
    }
}

/// What the page has to know of this server: accounts to try it with, where there are any.
pub async fn config(State(app): State<Arc<App>>) -> Response {
    let config = if app.demo_accounts.is_empty() { json!({}) } else { json!({ "demoAccounts": app.demo_accounts }) };
    with_policy(([(header::CACHE_CONTROL, "no-store")], Json(config)))
}

fn serve(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(file.metadata.sha256_hash().get(..16).unwrap_or_default()));
    // The build puts a hash into the names of what stands under assets/.
    let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == tag.as_bytes());
    let caching = [(header::CACHE_CONTROL, caching), (header::ETAG, tag.as_str())];
    if known {
        return with_policy((StatusCode::NOT_MODIFIED, caching));
    }
    let body = match file.data {
        Cow::Borrowed(bytes) => axum::body::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    with_policy((caching, [(header::CONTENT_TYPE, file.metadata.mimetype())], body))
}

fn with_policy(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
