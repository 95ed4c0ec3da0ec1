//! `payaid serve`: the server as it runs in production, configured by its environment.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::App;
use crate::base::clock::SystemClock;
use crate::platform::config::ServerConfig;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::{Access, Settings, Transaction};
use crate::web;

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the address is taken, the configuration cannot be understood, or the database would not hold tenants apart.
pub async fn run(config: ServerConfig) -> anyhow::Result<()> {
    let listener = listen(config.http.listen).await?;
    let app = App::build(config, Arc::new(SystemClock))?;
    refuse_powerful_login(&app).await?;
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

/// Row level security does not bind superusers: a server that could see every tenant's rows does not start.
///
/// # Errors
/// When the role of the server's connections is a superuser or exempt from row level security. A database that cannot be reached is no error: the
/// server starts, is not ready, and takes up its work when the database is there.
pub async fn refuse_powerful_login(app: &App) -> anyhow::Result<()> {
    let pool = app.services.databases.primary().clone();
    let db = Transaction::new(pool, Access::Snapshot, &Settings::default());
    let question = Sql::<diesel::sql_types::Bool>::new("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user", Vec::new());
    match db.load::<_, bool, _>(question).await {
        Ok(answers) if answers.contains(&true) => {
            bail!(
                "the role payaid_server is a superuser or bypasses row level security: take that from it by ALTER ROLE payaid_server NOSUPERUSER NOBYPASSRLS"
            )
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(reason = error.internal.as_deref().unwrap_or_default(), "the database cannot be reached yet; serving begins when it can");
            Ok(())
        }
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
