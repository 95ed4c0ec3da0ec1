//! Pools of connections: one to the primary, and one to each replica.

use std::time::Duration;

use anyhow::Context;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{self, Hook, HookError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::base::{Error, Result};
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::health::Replica;

/// The role that every connection of the server takes on, whatever login it came by: row level security binds it, and it owns nothing. A login
/// that is not a member of it cannot connect.
pub const SERVER_ROLE: &str = "payaid_server";

/// A pool of connections to one database node.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool::Pool<AsyncPgConnection>,
    queue_limit: usize,
    writes: TaskTracker,
}

/// A connection that returns to its pool when it is dropped.
pub type Pooled = deadpool::Object<AsyncPgConnection>;

impl Pool {
    /// A pool that connects when it is first used.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(url: &str, config: &DatabaseConfig) -> anyhow::Result<Self> {
        let prepared = connection_config(url, config)?;
        let mut manager_config = ManagerConfig::default();
        manager_config.recycling_method = RecyclingMethod::Fast;
        manager_config.custom_setup = Box::new(move |_| connect_bound(prepared.clone()).boxed());
        let manager = AsyncDieselConnectionManager::new_with_config(url, manager_config);
        let (lifetime, most) = (config.max_lifetime, config.max_prepared);
        let fit = Hook::sync_fn(move |connection: &mut AsyncPgConnection, metrics| {
            let prepared = connection.instrumentation().downcast_ref::<Prepared>().map_or(0, |prepared| prepared.0);
            match (metrics.age() < lifetime, prepared < most) {
                (true, true) => Ok(()),
                (false, _) => Err(HookError::message("past its lifetime")),
                (_, false) => Err(HookError::message("too many statements are prepared on it")),
            }
        });
        let inner = deadpool::Pool::builder(manager)
            .max_size(config.pool_size)
            .wait_timeout(Some(config.pool_wait))
            .create_timeout(Some(config.connect_timeout))
            .runtime(::deadpool::Runtime::Tokio1)
            .pre_recycle(fit)
            .build()?;
        Ok(Self { inner, queue_limit: config.pool_size.saturating_mul(64), writes: TaskTracker::new() })
    }

    /// A connection, within the configured wait.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when none is free in time, too many are waiting already, or the database cannot be reached.
    pub async fn get(&self) -> Result<Pooled> {
        if self.inner.status().waiting > self.queue_limit {
            return Err(Error::database_unavailable("too many operations wait for a connection"));
        }
        self.inner.get().await.map_err(Error::database_unavailable)
    }

    /// Runs a write in a task of its own, which the server waits for before it ends, whether or not anybody else does.
    pub fn spawn_write<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.writes.spawn(write)
    }

    /// How many connections are open, free and waited for.
    #[must_use]
    pub fn status(&self) -> (usize, usize, usize) {
        let status = self.inner.status();
        (status.size, status.available, status.waiting)
    }

    /// How many operations use a connection or wait for one.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let status = self.inner.status();
        status.size.saturating_sub(status.available) + status.waiting
    }

    /// Closes the pool: whoever asks from now on is refused.
    pub fn close(&self) {
        self.inner.close();
    }
}

/// The database nodes: a primary for every write, and replicas for reads while they are well.
#[derive(Clone)]
pub struct Databases {
    primary: Pool,
    replicas: Vec<Replica>,
}

impl Databases {
    /// Pools to the configured nodes; connects only when first used.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(config: &DatabaseConfig) -> anyhow::Result<Self> {
        let primary = Pool::new(&config.url, config).context("DATABASE_URL")?;
        let given = config.read_urls.iter().filter(|url| !url.is_empty());
        let replicas = given.map(|url| Replica::watch(url, config)).collect::<anyhow::Result<_>>().context("DATABASE_READ_URL")?;
        Ok(Self { primary, replicas })
    }

    /// Where writes go, and reads that must see them.
    #[must_use]
    pub const fn primary(&self) -> &Pool {
        &self.primary
    }

    /// Where reads go: the least busy of the replicas that are well, else the primary.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        self.replicas.iter().filter_map(Replica::pool).min_by_key(|pool| pool.in_use()).unwrap_or(&self.primary)
    }

    /// The replicas.
    #[must_use]
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Comes when no write is under way any more.
    pub async fn settled(&self) {
        self.primary.writes.close();
        self.primary.writes.wait().await;
    }

    /// Closes every pool.
    pub fn close(&self) {
        self.primary.close();
        self.replicas.iter().for_each(Replica::close);
    }
}

/// Reads an address as libpq does. TLS, where it is asked for, always checks certificate and name: what `verify-full` says.
///
/// # Errors
/// When the address cannot be understood.
pub fn parse(url: &str) -> anyhow::Result<tokio_postgres::Config> {
    if url.contains("sslrootcert=") {
        anyhow::bail!("`sslrootcert` is not understood: name the file in the variable SSL_CERT_FILE instead, and leave it out of the address");
    }
    let url = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    url.parse().context("this is not an address of a PostgreSQL database")
}

/// An address with the session settings that every connection of the server has.
fn connection_config(url: &str, config: &DatabaseConfig) -> anyhow::Result<tokio_postgres::Config> {
    let mut parsed = parse(url)?;
    let options = format!(
        "-c role={SERVER_ROLE} -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        config.statement_timeout.as_millis(),
        config.lock_timeout.as_millis(),
        config.idle_in_transaction_timeout.as_millis()
    );
    let options = parsed.get_options().map_or_else(|| options.clone(), |own| format!("{own} {options}"));
    parsed.options(options).connect_timeout(config.connect_timeout).keepalives_idle(Duration::from_secs(30));
    if parsed.get_application_name().is_none() {
        parsed.application_name("payaid");
    }
    Ok(parsed)
}

/// Counts the statements that were prepared on a connection and are kept there.
///
/// Callers decide how many there are: every set of selected columns and every shape of a filter has a text of its own. PostgreSQL keeps them until
/// the connection ends, so one that has too many is not used again.
#[derive(Default)]
struct Prepared(usize);

impl Instrumentation for Prepared {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
            self.0 += 1;
        }
    }
}

/// Connects as the server does: bound by row level security, or not at all.
async fn connect_bound(config: tokio_postgres::Config) -> ConnectionResult<AsyncPgConnection> {
    let mut connection = connect(config).await?;
    connection.set_instrumentation(Prepared::default());
    let question = diesel::select(diesel::dsl::sql::<diesel::sql_types::Bool>(POWERFUL));
    let powerful = diesel_async::RunQueryDsl::get_result::<bool>(question, &mut &connection).await;
    match powerful {
        Ok(false) => Ok(connection),
        Ok(true) => Err(ConnectionError::BadConnection(format!(
            "the role {SERVER_ROLE} is a superuser or bypasses row level security: take that from it by ALTER ROLE {SERVER_ROLE} NOSUPERUSER NOBYPASSRLS"
        ))),
        Err(error) => Err(ConnectionError::CouldntSetupConfiguration(error)),
    }
}

/// Whether row level security does not bind the connection's role.
const POWERFUL: &str = "(SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)";

/// Connects, with TLS where the address asks for it.
///
/// # Errors
/// When the database cannot be reached or refuses the login.
pub fn connect(config: tokio_postgres::Config) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
    async move {
        let failed = |error: tokio_postgres::Error| ConnectionError::BadConnection(describe(&error));
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable || is_local(&config) {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(failed)?;
            return AsyncPgConnection::try_from_client_and_connection(client, connection).await;
        }
        let (client, connection) = config.connect(tls()).await.map_err(failed)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
    .boxed()
}

/// An error with its cause: tokio-postgres keeps the telling part in the source.
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn is_local(config: &tokio_postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| matches!(host, tokio_postgres::config::Host::Unix(_)))
}

fn tls() -> MakeRustlsConnect {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    MakeRustlsConnect::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn addresses_of_managed_databases_are_understood() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let config = parse(&format!("postgres://payaid_server:secret@db.example.in/payaid?sslmode={mode}")).unwrap();
            assert_eq!(config.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
        }
        let error = parse("postgres://db.example.in/payaid?sslmode=verify-full&sslrootcert=ca.pem").unwrap_err().to_string();
        assert!(error.contains("SSL_CERT_FILE"), "{error}");
        assert!(parse("mysql://db").is_err());
    }
}
