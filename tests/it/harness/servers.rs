//! The servers that all tests share: a PostgreSQL primary with a streaming replica, and Redis, on private sockets.
//!
//! They are started by the first test that asks and end with the process (their guards see to that). A test gets a copy of a migrated template
//! database, which takes some tens of milliseconds.

use std::sync::atomic::{AtomicUsize, Ordering};

use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::cluster::redis;
use payaid::platform::postgres::migrate;
use tokio::sync::{Mutex, OnceCell};

const TEMPLATE: &str = "payaid_template";

pub struct Servers {
    pub primary: Server,
    pub replica: Server,
    pub redis: redis::Server,
    /// One at a time: a template can be copied by one session only.
    copying: Mutex<()>,
}

/// The shared servers.
pub async fn shared() -> &'static Servers {
    static SERVERS: OnceCell<Servers> = OnceCell::const_new();
    SERVERS.get_or_init(start).await
}

async fn start() -> Servers {
    payaid::access::tokens::install_crypto();
    // On a runtime of their own: the test that happens to come first ends its runtime with it.
    tokio::task::spawn_blocking(|| {
        let runtime = Box::leak(Box::new(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()));
        runtime.block_on(async {
            let mut options = Options::temporary();
            options.settings.push(("log_statement".to_owned(), "all".to_owned()));
            let primary = Server::start(options).await.unwrap();
            execute(&primary.url("postgres", SUPERUSER), &format!("CREATE DATABASE {TEMPLATE}")).await;
            migrate::run(&primary.url(TEMPLATE, SUPERUSER)).await.unwrap();
            let replica = primary.replica(Options::temporary()).await.unwrap();
            let redis = redis::Server::start().await.unwrap();
            Servers { primary, replica, redis, copying: Mutex::new(()) }
        })
    })
    .await
    .unwrap()
}

impl Servers {
    /// A fresh, migrated database; its name.
    pub async fn database(&self) -> String {
        self.copy(TEMPLATE).await
    }

    /// A copy of a database to which nobody is connected; its name.
    pub async fn copy(&self, template: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = self.copying.lock().await;
        execute(&self.primary.url("postgres", SUPERUSER), &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        name
    }
}

/// Connects as tests may and the server may not.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs statements on a connection of their own.
pub async fn execute(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.unwrap();
}
