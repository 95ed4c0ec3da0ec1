//! `/graphql` over WebSocket: the protocol `graphql-transport-ws` (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! The protocol is kept here rather than by async-graphql's own socket, which has no limits and closes with other codes than the protocol names.
//! Every operation goes the way of those that come by HTTP, with its own request id and with the token or API key checked anew, so that a session or key that
//! was ended elsewhere is noticed. A socket ends with its access token; one of an API key stays open until an operation finds that the key has ended.

mod message;
mod session;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;

use crate::App;
use crate::base::{Code, Error};
use crate::web::graphql::write;
use crate::web::media::Media;
use crate::web::pipeline::Reply;

/// How much is read and written at once. Each socket keeps so much, also when it is idle.
const BUFFER: usize = 4 * 1024;
/// The name of the protocol.
const PROTOCOL: &str = "graphql-transport-ws";

/// Turns a request into a socket, unless a page of a foreign origin asks or the protocol is another one.
pub fn accept(app: Arc<App>, upgrade: WebSocketUpgrade, uri: &Uri, headers: &HeaderMap, request_id: &Arc<str>, ip: Option<IpAddr>) -> Response {
    if !is_allowed_origin(uri, headers, &app.config.http.cors_origins) {
        let error = Error::new(Code::Forbidden, "Pages of this origin may not open a socket here.");
        return write(Reply::refusal(&error, request_id), Media::GraphqlResponse);
    }
    let Ok(permit) = Arc::clone(&app.sockets).try_acquire_owned() else {
        let error = Error::new(Code::RateLimited, "As many sockets are open as this server may have; try again in a while.");
        let error = Error { retry_after: Some(std::time::Duration::from_secs(1)), ..error };
        return write(Reply::refusal(&error, request_id), Media::GraphqlResponse);
    };
    let limit = app.config.http.body_limit;
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(limit).max_frame_size(limit).read_buffer_size(BUFFER).write_buffer_size(BUFFER);
    if upgrade.selected_protocol().is_none() {
        return unknown_protocol(request_id);
    }
    upgrade.on_upgrade(move |socket| async move {
        session::run(app, socket, ip).await;
        drop(permit);
    })
}

/// Refuses a client of another protocol.
pub fn unknown_protocol(request_id: &Arc<str>) -> Response {
    let error = Error::new(Code::ValidationError, "Sockets speak `graphql-transport-ws`: name it in `Sec-WebSocket-Protocol`.");
    write(Reply::refusal_as(StatusCode::BAD_REQUEST, &error, request_id), Media::GraphqlResponse)
}

/// Browsers let any page open a socket anywhere and say which page it is. Other clients say nothing.
fn is_allowed_origin(uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(|authority| authority.as_str()));
    let own = origin.split_once("://").map(|(_, host)| host);
    allowed.iter().any(|allowed| allowed == origin) || own.is_some_and(|own| host.is_some_and(|host| host.eq_ignore_ascii_case(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_host_and_of_allowed_origins_may_connect() {
        let allowed = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "api.example.in:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_allowed_origin(&Uri::from_static("/graphql"), &headers, &["https://app.example.in".to_owned()])
        };
        assert!(allowed(None));
        assert!(allowed(Some("http://api.example.in:8080")));
        assert!(allowed(Some("https://app.example.in")));
        for foreign in ["https://evil.example", "http://api.example.in", "https://app.example.in.evil.example", "null", "http://app.example.in"] {
            assert!(!allowed(Some(foreign)), "{foreign}");
        }
    }
}
