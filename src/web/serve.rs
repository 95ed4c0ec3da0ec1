//! The life of connections: accepting them, and letting them end in peace when the server is asked to stop.
//!
//! On the way to the end, readiness fails first, while requests are still served for the configured grace. Then nothing more is accepted, sockets are
//! told to go, connections end after the request they are at, and so do writes that nobody waits for any more; what has not ended after the
//! configured time is cut. Pools are closed last.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::{BoxError, Router, http};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use crate::App;
use crate::app::Phase;

/// How long a connection may be silent between requests, and how long a request's headers may take. Longer than the 60 seconds that load balancers
/// keep a connection by default, so that they are the ones who end it.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
/// How long a fresh connection may be silent.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(20);
/// How long a client may leave unread what has come to it, or unacknowledged what was sent: then it counts as gone, and leaves its place to others.
const UNREAD_WITHIN: Duration = Duration::from_secs(20);
/// How often an HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// The most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// How often old measurements are folded together.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Serves until `shutdown` comes, and then until what was begun has ended.
///
/// # Errors
/// When the listener has no address any more.
pub async fn serve(app: Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let upkeep = tokio::spawn(keep_up(app.metrics.clone()));
    let router = super::router(Arc::clone(&app));
    let mut connections = JoinSet::new();
    let leave = async {
        shutdown.await;
        tracing::info!("asked to stop: readiness fails from now on");
        app.enter(Phase::Leaving);
        tokio::time::sleep(app.config.http.shutdown_grace).await;
    };
    let mut leave = pin!(leave);
    loop {
        tokio::select! {
            () = &mut leave => break,
            (permit, accepted) = next(&app, &listener) => match accepted {
                Ok((stream, peer)) => {
                    let served = connection(Arc::clone(&app), router.clone(), stream, peer);
                    connections.spawn(async move {
                        served.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, most likely: others have to end before the next one can begin.
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    app.enter(Phase::Draining);
    let ended = async {
        app.drained().await;
        app.services.databases.settled().await;
    };
    if tokio::time::timeout(app.config.http.drain_timeout, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "what had not ended in time is cut");
    }
    connections.shutdown().await;
    upkeep.abort();
    app.services.events.flush().await;
    app.services.databases.close();
    tracing::info!("stopped");
    Ok(())
}

/// Answers what machines ask of a process that serves nobody else, until `shutdown` comes.
///
/// # Errors
/// When the listener fails.
pub async fn serve_health(app: Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let upkeep = AbortOnDropHandle::new(tokio::spawn(keep_up(app.metrics.clone())));
    axum::serve(listener, super::health_router(app)).with_graceful_shutdown(shutdown).await?;
    drop(upkeep);
    Ok(())
}

/// The next connection, once there is room for one more.
async fn next(app: &App, listener: &TcpListener) -> (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, SocketAddr)>) {
    let permit = Arc::clone(&app.connections).acquire_owned().await.ok();
    (permit, listener.accept().await)
}

/// Serves one connection to its end, or to the end of what is under way when the server drains.
async fn connection(app: Arc<App>, router: Router, stream: TcpStream, peer: SocketAddr) {
    let mut draining = pin!(app.draining());
    let builder = tokio::select! {
        protocol = tokio::time::timeout(FIRST_BYTES_WITHIN, speaks_http2(&stream)) => match protocol {
            Ok(Ok(http2)) => builder(http2),
            Ok(Err(_)) | Err(_) => return,
        },
        _ = &mut draining => return,
    };
    // Small answers must not wait for the peer's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    end_when_unread(&stream);
    let service = TowerToHyperService::new(router.map_request(move |request| with_peer(request, peer)));
    let mut served = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        // Kept to the end, since the server waits for it.
        _held = &mut draining => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection failed: {error}");
    }
}

/// Has the kernel end a connection whose client reads nothing any more. Else only the wait for the next request ends one, which begins when an answer was
/// handed on to its end; so it is where this is not Linux.
fn end_when_unread(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Ok(within) = u32::try_from(UNREAD_WITHIN.as_millis()) {
        let _ = nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::TcpUserTimeout, &within);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, UNREAD_WITHIN);
}

/// Whether the client begins as HTTP/2 does. Looked at here, since below it there is no limit on how long the first bytes may take.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; 4];
    loop {
        let seen = stream.peek(&mut first).await?;
        let begun = first.get(..seen).unwrap_or_default();
        if seen == 0 || seen == first.len() || !b"PRI ".starts_with(begun) {
            return Ok(begun == b"PRI ");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn builder(http2: bool) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_EVERY).max_concurrent_streams(MAX_STREAMS);
    builder
}

fn with_peer<B>(request: http::Request<B>, peer: SocketAddr) -> Request
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

/// Measurements that nobody fetches would pile up otherwise.
async fn keep_up(metrics: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP_EVERY);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}
