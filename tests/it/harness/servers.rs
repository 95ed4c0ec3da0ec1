//! The servers that all tests share: a PostgreSQL primary with a streaming replica, and Redis, on private sockets.
//!
//! They are started by the first test that asks and end with the process (their guards see to that). A test gets a copy of a migrated template
//! database, which takes some tens of milliseconds. It has 15 MB, and as much on the replica, so it goes when the test is done with it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::cluster::redis;
use payaid::platform::postgres::migrate;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, OnceCell};

const TEMPLATE: &str = "payaid_template";

pub struct Servers {
    pub primary: Server,
    pub replica: Server,
    pub redis: redis::Server,
    /// One at a time: a template can be copied by one session only.
    copying: Mutex<()>,
    /// Takes the names of databases that nobody needs any more.
    done: UnboundedSender<String>,
}

/// A database by its name, which is dropped with the last copy of this when it was made for a test.
#[derive(Clone)]
pub struct Database(Arc<Owned>);

struct Owned {
    name: String,
    done: Option<UnboundedSender<String>>,
}

impl Database {
    /// One that is not dropped.
    pub fn kept(name: &str) -> Self {
        Self(Arc::new(Owned { name: name.to_owned(), done: None }))
    }
}

impl Deref for Database {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(done) = &self.done {
            let _ = done.send(std::mem::take(&mut self.name));
        }
    }
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
            let (done, names) = unbounded_channel();
            tokio::spawn(drop_each(primary.url("postgres", SUPERUSER), names));
            Servers { primary, replica, redis, copying: Mutex::new(()), done }
        })
    })
    .await
    .unwrap()
}

impl Servers {
    /// A fresh, migrated database, to be held for as long as it is needed.
    pub async fn database(&self) -> Database {
        self.copy(TEMPLATE).await
    }

    /// A copy of a database to which nobody is connected; to be held as well.
    pub async fn copy(&self, template: &str) -> Database {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = self.copying.lock().await;
        execute(&self.primary.url("postgres", SUPERUSER), &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        Database(Arc::new(Owned { name, done: Some(self.done.clone()) }))
    }
}

/// Drops databases. By force: a server is told to stop at the end of its test, but not waited for.
#[allow(clippy::print_stderr, reason = "one that is left takes room, which no test would find out")]
async fn drop_each(url: String, mut names: UnboundedReceiver<String>) {
    while let Some(name) = names.recv().await {
        let dropped = async { try_connect(&url).await?.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await };
        if let Err(error) = dropped.await {
            eprintln!("The database {name} is left: {error:?}");
        }
    }
}

/// Connects as tests may and the server may not.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    try_connect(url).await.unwrap()
}

async fn try_connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs statements on a connection of their own.
pub async fn execute(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.unwrap();
}
