//! The page behind the link by which people unsubscribe, and the call that mail programs make to it by themselves (RFC 8058).
//!
//! What must hold: nobody has to sign in; a link that is only opened, as scanners of mail do, changes nothing; nothing of the page tells whether the
//! address is known.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::App;
use crate::features::messages::actions::reports;
use crate::platform::mail::unsubscribe;

/// The largest body of such a call, in bytes.
pub const LARGEST: usize = 4 * 1024;

/// What the page may load: nothing. It may send its own form.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Asks whether it is meant.
pub async fn page(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    match unsubscribe::read(&app.services.unsubscribe, &token) {
        None => unknown(),
        Some((_, address)) => {
            let form = "<form method=\"post\"><button name=\"List-Unsubscribe\" value=\"One-Click\">Unsubscribe</button></form>";
            let text = format!("No more offers will be sent to {}. Messages about your own orders and payments still will be.", escaped(&address));
            shown(StatusCode::OK, "Unsubscribe", &format!("<p>{text}</p>{form}"))
        }
    }
}

/// Unsubscribes. What stands in the body does not matter: mail programs send `List-Unsubscribe=One-Click`, and so does the page.
pub async fn act(State(app): State<Arc<App>>, Path(token): Path<String>, _: Bytes) -> Response {
    let Some((organization, address)) = unsubscribe::read(&app.services.unsubscribe, &token) else { return unknown() };
    match reports::unsubscribed(&app.services, organization, address).await {
        Ok(()) => shown(StatusCode::OK, "Unsubscribed", "<p>No more offers will be sent to this address.</p>"),
        Err(error) => {
            tracing::error!("somebody could not be unsubscribed: {}", error.internal.unwrap_or(error.message));
            shown(StatusCode::SERVICE_UNAVAILABLE, "Not now", "<p>This cannot be done at the moment. Please try again in a few minutes.</p>")
        }
    }
}

fn unknown() -> Response {
    shown(
        StatusCode::NOT_FOUND,
        "Unknown link",
        "<p>This link is not one of ours, or a part of it is missing. Please take it from the mail once more.</p>",
    )
}

fn shown(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>body{{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;\
         padding:0 1em}}button{{font:inherit;padding:.5em 1.5em}}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (status, headers, Html(page)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
