//! `payaid worker`: does what was enqueued, and what is due from time to time. Any number of them work side by side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::FutureExt;

use crate::App;
use crate::base::clock::SystemClock;
use crate::commands::serve::{listen, stop_asked};
use crate::platform::config::ServerConfig;
use crate::platform::jobs::{Perform, Stop, Work};
use crate::web;

/// How long a job that has begun may take to finish when the process is asked to stop; one that does not is done again by another worker.
const GRACE: Duration = Duration::from_secs(25);

/// Does what was enqueued, and what is due from time to time.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The same as of the server.
    #[command(flatten)]
    pub config: ServerConfig,
    /// Where jobs are taken from.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Where `/livez`, `/readyz` and `/metrics` are answered; nowhere when left out.
    #[arg(long, env = "WORKER_LISTEN")]
    pub worker_listen: Option<SocketAddr>,
    /// Do what is due from time to time once, and end.
    #[arg(long)]
    pub once: bool,
}

/// Where jobs are taken from.
#[derive(Debug, Clone, Args)]
pub struct QueueArgs {
    /// The database by a login that is `payaid_worker` or a member of it, and not through a pooler that shares connections; DATABASE_URL when left out.
    #[arg(long, env = "WORKER_DATABASE_URL", hide_env_values = true)]
    pub worker_database_url: Option<String>,
}

/// Works until the process is asked to stop, and what was begun is done.
///
/// # Errors
/// When the configuration cannot be understood.
pub async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let url = args.queue.worker_database_url.unwrap_or_else(|| args.config.database.url.clone());
    let app = App::build(args.config, Arc::new(SystemClock))?;
    if args.once {
        let done = once(&app).await;
        app.services.events.flush().await;
        return done;
    }
    let stop = stop_asked()?.boxed().shared();
    let health = match args.worker_listen {
        Some(address) => {
            let listener = listen(address).await?;
            tracing::info!(address = %listener.local_addr()?, "answering /livez, /readyz and /metrics");
            web::serve_health(Arc::clone(&app), listener, stop.clone()).boxed()
        }
        None => std::future::ready(Ok(())).boxed(),
    };
    tracing::info!("working");
    tokio::try_join!(work(&app, &url, stop), health).map(drop)
}

/// Does what is due for a server until `stop` comes.
///
/// # Errors
/// When the address or a crontab cannot be understood.
pub async fn work(app: &App, url: &str, stop: Stop) -> anyhow::Result<()> {
    let work = Work::new(url).context("WORKER_DATABASE_URL")?;
    let worked = work.run(app.performing(), app.jobs.times(), stop, GRACE).await;
    app.services.events.flush().await;
    worked
}

/// Does everything that is due from time to time once.
async fn once(app: &App) -> anyhow::Result<()> {
    let performing = app.performing();
    for (name, _) in app.jobs.times() {
        performing.periodic(name).await.map_err(|reason| anyhow::anyhow!("{name}: {reason}"))?;
    }
    Ok(())
}
