//! `payaid serve`: the server as it runs in production, configured by its environment.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::App;
use crate::base::clock::SystemClock;
use crate::platform::config::ServerConfig;
use crate::web;

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the address is taken or the configuration cannot be understood. A database that cannot be reached, or would not hold tenants apart, is said
/// by `/readyz` and in the log: it may become well.
pub async fn run(config: ServerConfig) -> anyhow::Result<()> {
    let listener = listen(config.http.listen).await?;
    let app = App::build(config, Arc::new(SystemClock))?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    web::serve(app, listener, stop_asked()?).await
}

/// Listens, or says in one sentence why not.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn listen(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("port {} is in use: stop what uses it, or choose another port", address.port())
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// Resolves when the process gets SIGINT or SIGTERM.
///
/// # Errors
/// When signals cannot be listened to.
pub fn stop_asked() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
