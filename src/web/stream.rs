//! `/graphql` over Server-Sent Events: the distinct connections of
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>, for clients and networks where a WebSocket is too much.
//!
//! One operation is one response: each answer is a `next`, the end a `complete`. What is refused before it begins is an ordinary answer in JSON, with its
//! status. A response that ends without `complete` was broken off, and is to be begun again from its last position. It ends with its access token.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, interval_at, timeout};
use tracing::Instrument;

use crate::App;
use crate::base::{Code, Error, json};
use crate::web::credentials;
use crate::web::errors::Body;
use crate::web::graphql::write;
use crate::web::media::Media;
use crate::web::pipeline::{Caller, Reply};
use crate::web::subscription::{Opened, at};

/// How long a client may leave an answer unread before it counts as gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// The end. Browsers leave out events without data, so it has some, which is empty; axum's own events would have none.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");
/// What keeps a silent stream alive, and finds out whether anybody still reads it.
const ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// An operation that is over, as a stream of its one answer; one that was not executed, in JSON.
pub fn whole(reply: Reply) -> Response {
    if !reply.status.is_success() {
        return write(reply, Media::Json);
    }
    let events = [next(&reply.body).as_ref(), COMPLETE.as_ref()].concat();
    let mut response = write(reply, Media::Json);
    *response.body_mut() = body::Body::from(events);
    mark(response.headers_mut());
    response
}

/// The place of a stream among all that this server may have, before anything is done for it.
///
/// # Errors
/// The reply when there is none.
pub fn place(app: &App, request_id: &Arc<str>) -> Result<OwnedSemaphorePermit, Reply> {
    Arc::clone(&app.sockets).try_acquire_owned().map_err(|_| {
        let error = Error::new(Code::RateLimited, "As many subscriptions are open as this server may have; try again in a while.");
        Reply::refusal(&Error { retry_after: Some(Duration::from_secs(1)), ..error }, request_id)
    })
}

/// A subscription, answered until it ends.
pub fn open(app: Arc<App>, caller: &Caller, opened: Box<Opened>, place: OwnedSemaphorePermit) -> Response {
    let (send, receive) = mpsc::channel(1);
    let until = caller.token.as_ref().and_then(|token| credentials::ends_at(&app, token));
    let work = async move {
        tell_all(&app, opened, until, &send).await;
        drop(place);
    };
    // By a task of its own, so that what a client leaves unread is noticed.
    tokio::spawn(work.in_current_span());
    let events = stream::unfold(receive, |mut receive| async { Some((Ok::<_, Infallible>(receive.recv().await?), receive)) });
    let mut response = Response::new(body::Body::from_stream(events));
    mark(response.headers_mut());
    response
}

async fn tell_all(app: &App, mut opened: Box<Opened>, until: Option<Instant>, send: &mpsc::Sender<Bytes>) {
    let mut draining = pin!(app.draining());
    let mut until = pin!(at(until));
    // An interval of no length would not be one.
    let every = app.config.http.socket_ping_interval.max(Duration::from_millis(1));
    let mut alive = interval_at(Instant::now() + every, every);
    let last = loop {
        let answer = {
            // The same over what keeps it alive: what has begun to be answered would be lost.
            let mut answer = pin!(opened.next(app));
            loop {
                let still_heard = tokio::select! {
                    _ = &mut draining => return,
                    () = send.closed() => return,
                    () = &mut until => break None,
                    _ = alive.tick() => say(send, ALIVE).await,
                    answer = &mut answer => break Some(answer),
                };
                if !still_heard {
                    return;
                }
            }
        };
        match answer {
            Some(Ok(body)) => {
                if !say(send, next(&body)).await {
                    return;
                }
            }
            Some(Err(reply)) => break reply.body,
            None => break opened.expired(app).body,
        }
    };
    let _ = say(send, next(&last)).await && say(send, COMPLETE).await;
}

/// Whether the client has taken what was said before.
async fn say(send: &mpsc::Sender<Bytes>, event: Bytes) -> bool {
    timeout(SEND_WITHIN, send.send(event)).await.is_ok_and(|sent| sent.is_ok())
}

fn next(body: &Body) -> Bytes {
    [b"event: next\ndata: ", json::to_vec(body).unwrap_or_default().as_slice(), b"\n\n"].concat().into()
}

fn mark(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    // Nginx gathers answers otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}
