//! A primary with replicas that belong to one test, to be held up, killed and promoted.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::config::ServerConfig;
use payaid::platform::postgres::migrate;
use tokio_postgres::Client as Connection;

use crate::harness::app::config;
use crate::harness::servers::{Database, connect, execute};
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

const DATABASE: &str = "payaid";

pub struct Cluster {
    pub primary: Server,
    pub replicas: Vec<Server>,
}

impl Cluster {
    /// A primary with a migrated database and so many replicas.
    pub async fn start(replicas: usize) -> Self {
        payaid::access::tokens::install_crypto();
        let primary = Server::start(Options::temporary()).await.unwrap();
        execute(&primary.url("postgres", SUPERUSER), &format!("CREATE DATABASE {DATABASE}")).await;
        migrate::run(&primary.url(DATABASE, SUPERUSER)).await.unwrap();
        let mut started = Vec::new();
        for _ in 0..replicas {
            started.push(primary.replica(Options::temporary()).await.unwrap());
        }
        Self { primary, replicas: started }
    }

    /// A server that writes to the primary and reads from the replicas, as soon as all of them are fit.
    pub async fn app(&self, adjust: impl FnOnce(&mut ServerConfig)) -> TestApp {
        let app = self.app_that_starts(adjust).await;
        all_fit(&app).await;
        app
    }

    /// The same, which may not have found its replicas yet.
    pub async fn app_that_starts(&self, adjust: impl FnOnce(&mut ServerConfig)) -> TestApp {
        let mut config = config(&self.primary.url(DATABASE, "payaid_server"));
        config.database.pool_size = 8;
        config.database.read_urls = self.replicas.iter().map(|replica| replica.url(DATABASE, "payaid_server")).collect();
        adjust(&mut config);
        TestApp::serve(config, Arc::new(SystemClock), Database::kept(DATABASE)).await
    }

    /// The address of all nodes together, to write to whichever is the primary.
    pub fn url_of_all(&self) -> String {
        let host = |server: &Server| {
            let url = server.url(DATABASE, "x");
            url.trim_start_matches("postgres://x@").trim_end_matches(&format!("/{DATABASE}")).to_owned()
        };
        let hosts: Vec<String> = std::iter::once(&self.primary).chain(&self.replicas).map(host).collect();
        format!("postgres://payaid_server@{}/{DATABASE}?target_session_attrs=read-write", hosts.join(","))
    }

    /// A connection past row level security to one of the servers.
    pub async fn superuser(server: &Server) -> Connection {
        connect(&server.url(DATABASE, SUPERUSER)).await
    }
}

/// Waits until the server reads from all its replicas.
pub async fn all_fit(app: &TestApp) {
    until("all replicas are fit", async || app.app.services.databases.replicas().iter().all(|replica| replica.is_fit())).await;
}

/// Holds a replica up, or lets it go on.
pub async fn hold(replica: &Connection, held: bool) {
    let function = if held { "pg_wal_replay_pause" } else { "pg_wal_replay_resume" };
    replica.batch_execute(&format!("SELECT {function}()")).await.unwrap();
}

/// How much a test does: a little, or, by `PAYAID_TORTURE`, as much as is promised.
pub fn scaled<T>(little: T, much: T) -> T {
    if std::env::var_os("PAYAID_TORTURE").is_some() { much } else { little }
}

/// Says a figure, which `make torture` shows.
#[allow(clippy::print_stdout, reason = "the figures are what it is for")]
pub fn say(what: &str, figure: impl std::fmt::Display) {
    println!("  {what}: {figure}");
}

/// Somebody signed in again: another session of the same person.
pub async fn again(app: &TestApp, email: &str) -> Client {
    app.sign_in(email, crate::harness::app::PASSWORD).await
}

/// As long as this, in whole milliseconds.
pub fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
