//! Connecting: by which addresses, with which settings, and whether what answers may be used at all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, NoTlsStream};
use tokio_postgres::{Client, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::pool::SERVER_ROLE;
use crate::platform::postgres::position::{Line, Lineage};

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

/// An address with the session settings that every connection of the server has: one configuration for each host that it names.
///
/// # Errors
/// When the address cannot be understood.
pub fn hosts(url: &str, config: &DatabaseConfig) -> anyhow::Result<Vec<tokio_postgres::Config>> {
    let mut parsed = parse(url)?;
    let options = format!(
        "-c role={SERVER_ROLE} -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        config.statement_timeout.as_millis(),
        config.lock_timeout.as_millis(),
        config.idle_in_transaction_timeout.as_millis()
    );
    let options = parsed.get_options().map_or_else(|| options.clone(), |own| format!("{own} {options}"));
    parsed.options(options).connect_timeout(config.connect_timeout).tcp_user_timeout(SILENT).keepalives_idle(Duration::from_secs(30));
    if parsed.get_application_name().is_none() {
        parsed.application_name("payaid");
    }
    Ok(each_host(&parsed))
}

/// The same configuration for one host after the other. The library itself stops at the first host that accepts writes, which an old primary that
/// was forgotten does as well.
fn each_host(parsed: &tokio_postgres::Config) -> Vec<tokio_postgres::Config> {
    let (hosts, ports, addresses) = (parsed.get_hosts(), parsed.get_ports(), parsed.get_hostaddrs());
    if hosts.len() < 2 {
        return vec![parsed.clone()];
    }
    let one = |(number, host): (usize, &Host)| {
        let mut one = tokio_postgres::Config::new();
        match host {
            Host::Tcp(name) => one.host(name),
            Host::Unix(folder) => one.host_path(folder),
        };
        if let Some(address) = addresses.get(number) {
            one.hostaddr(*address);
        }
        // One port may stand for all hosts.
        if let Some(port) = ports.get(number).or_else(|| ports.first()) {
            one.port(*port);
        }
        parsed.get_user().map(|user| one.user(user));
        parsed.get_password().map(|password| one.password(password));
        parsed.get_dbname().map(|name| one.dbname(name));
        parsed.get_options().map(|options| one.options(options));
        parsed.get_application_name().map(|name| one.application_name(name));
        parsed.get_connect_timeout().map(|within| one.connect_timeout(*within));
        parsed.get_tcp_user_timeout().map(|within| one.tcp_user_timeout(*within));
        one.ssl_mode(parsed.get_ssl_mode()).ssl_negotiation(parsed.get_ssl_negotiation()).channel_binding(parsed.get_channel_binding());
        one.target_session_attrs(parsed.get_target_session_attrs());
        one.keepalives(parsed.get_keepalives()).keepalives_idle(parsed.get_keepalives_idle());
        parsed.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
        parsed.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
        one
    };
    hosts.iter().enumerate().map(one).collect()
}

/// What a connection must be good for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To ask whatever node there is.
    Any,
    /// To write: to the primary of the cluster and timeline that are known.
    Primary(Arc<Lineage>),
    /// To read from a replica of the known cluster.
    Replica(Arc<Lineage>),
}

/// What is kept with a connection.
///
/// Callers decide how many statements are prepared: every set of selected columns and every shape of a filter has a text of its own. PostgreSQL keeps
/// them until the connection ends, so one that has too many is not used again.
#[derive(Debug, Default)]
pub struct Kept {
    /// How many statements were prepared on it.
    pub prepared: usize,
    /// What it writes to; `None` on a replica.
    pub line: Option<Line>,
}

impl Instrumentation for Kept {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if matches!(event, InstrumentationEvent::CacheQuery { .. }) {
            self.prepared += 1;
        }
    }
}

/// How long a host may leave what was sent to it unconfirmed before the connection counts as lost: one that has vanished says nothing.
const SILENT: Duration = Duration::from_secs(5);

/// How long the other hosts of an address may take when one of them has answered as the primary that is known; and when none is known yet.
const OTHERS_WITHIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Connects as the server does: bound by row level security, or not at all. Of several hosts all are asked at once, and the primary of the newest
/// timeline is taken: an old one that was forgotten takes writes as well.
///
/// # Errors
/// Why the last of the hosts cannot be used.
pub async fn connect_bound(hosts: Vec<tokio_postgres::Config>, purpose: Purpose) -> ConnectionResult<AsyncPgConnection> {
    let within = hosts.first().map_or(Duration::ZERO, limit);
    let (fresh, who) = choose(hosts, purpose).await?;
    let mut connection = tokio::time::timeout(within, fresh.into_diesel()).await.map_err(|_| no_answer())??;
    connection.set_instrumentation(Kept { prepared: 0, line: who.writes });
    Ok(connection)
}

/// As [`connect_bound`], without Diesel: the driver's own client, the task that works for it, and what the connection writes to.
///
/// # Errors
/// Why the last of the hosts cannot be used.
pub async fn connect_client(hosts: Vec<tokio_postgres::Config>, purpose: Purpose) -> ConnectionResult<(Client, AbortHandle, Option<Line>)> {
    let (fresh, who) = choose(hosts, purpose).await?;
    let (client, driver) = fresh.into_client();
    Ok((client, driver, who.writes))
}

/// The connection that is taken, and what its node says of itself.
async fn choose(hosts: Vec<tokio_postgres::Config>, purpose: Purpose) -> ConnectionResult<(Fresh, Who)> {
    let mut asked: FuturesUnordered<_> = hosts.into_iter().map(connect_one).collect();
    let mut newest: Option<(Fresh, Who)> = None;
    let mut refused = ConnectionError::BadConnection("the address names no host".to_owned());
    let is_known = matches!(&purpose, Purpose::Primary(lineage) if lineage.known().is_some());
    let others_within = if is_known { OTHERS_WITHIN.0 } else { OTHERS_WITHIN.1 };
    loop {
        let answered = match newest {
            None => asked.next().await,
            Some(_) => tokio::time::timeout(others_within, asked.next()).await.unwrap_or(None),
        };
        match answered {
            None => break,
            Some(Err(error)) => refused = error,
            Some(Ok((connection, who))) => match purpose.accepts(&who) {
                Err(reason) => refused = ConnectionError::BadConnection(reason),
                Ok(()) if newest.as_ref().is_some_and(|(_, known)| known.timeline() >= who.timeline()) => {}
                Ok(()) => newest = Some((connection, who)),
            },
        }
    }
    let (connection, who) = newest.ok_or(refused)?;
    if let (Purpose::Primary(lineage), Some(line)) = (&purpose, who.writes) {
        lineage.learn(line).map_err(ConnectionError::BadConnection)?;
    }
    Ok((connection, who))
}

/// What a node says of itself.
struct Who {
    system: u64,
    /// What it writes to; `None` on a replica.
    writes: Option<Line>,
}

impl Who {
    fn timeline(&self) -> u32 {
        self.writes.map_or(0, |line| line.timeline)
    }
}

impl Purpose {
    fn accepts(&self, who: &Who) -> Result<(), String> {
        match (self, who.writes) {
            (Self::Any, _) => Ok(()),
            (Self::Primary(_), None) => Err("this is a replica, which cannot be written to".to_owned()),
            (Self::Primary(lineage), Some(line)) => lineage.allows(line),
            (Self::Replica(_), Some(_)) => Err("this is no replica".to_owned()),
            (Self::Replica(lineage), None) if lineage.known().is_some_and(|known| known.system != who.system) => {
                Err("this is a copy of another database".to_owned())
            }
            (Self::Replica(_), None) => Ok(()),
        }
    }
}

/// Whether row level security does not bind the connection's role, whether the node is a replica, its cluster, and the timeline that it writes.
const WHO: &str = "SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user), pg_is_in_recovery(), \
    (SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery() THEN 0 ELSE \
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::bigint END";

async fn connect_one(host: tokio_postgres::Config) -> ConnectionResult<(Fresh, Who)> {
    // The library's own limit ends with the connection's first byte; a node that hangs takes it and says nothing.
    let within = limit(&host);
    let answer = tokio::time::timeout(within, async {
        let mut fresh = Fresh::connect(host).await?;
        let who = fresh.who().await?;
        Ok::<_, ConnectionError>((fresh, who))
    });
    let (fresh, (powerful, recovering, system, timeline)) = answer.await.map_err(|_| no_answer())??;
    if powerful {
        return Err(ConnectionError::BadConnection(format!(
            "the role {SERVER_ROLE} is a superuser or bypasses row level security: take that from it by ALTER ROLE {SERVER_ROLE} NOSUPERUSER NOBYPASSRLS"
        )));
    }
    Ok((fresh, Who { system: system.cast_unsigned(), writes: (!recovering).then(|| line_of(system, timeline)) }))
}

fn limit(host: &tokio_postgres::Config) -> Duration {
    host.get_connect_timeout().copied().unwrap_or(Duration::from_secs(5))
}

fn no_answer() -> ConnectionError {
    ConnectionError::BadConnection("the host does not answer in time".to_owned())
}

/// A line as PostgreSQL's numbers say it.
#[must_use]
pub fn line_of(system: i64, timeline: i64) -> Line {
    Line { system: system.cast_unsigned(), timeline: u32::try_from(timeline).unwrap_or_default() }
}

/// Connects, with TLS where the address asks for it.
///
/// # Errors
/// When the database cannot be reached or refuses the login.
pub fn connect(config: tokio_postgres::Config) -> BoxFuture<'static, ConnectionResult<AsyncPgConnection>> {
    async move { Fresh::connect(config).await?.into_diesel().await }.boxed()
}

type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A connection that nobody drives yet.
struct Fresh {
    client: Client,
    driver: Driver,
}

enum Driver {
    Plain(Box<Connection<Socket, NoTlsStream>>),
    Tls(Box<Connection<Socket, Tls>>),
}

impl Driver {
    /// Reads and writes for the client until the connection ends.
    async fn run(&mut self) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::Plain(connection) => connection.await,
            Self::Tls(connection) => connection.await,
        }
    }
}

impl Fresh {
    async fn connect(config: tokio_postgres::Config) -> ConnectionResult<Self> {
        if config.get_ssl_mode() == SslMode::Disable || is_local(&config) {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            return Ok(Self { client, driver: Driver::Plain(Box::new(connection)) });
        }
        let (client, connection) = config.connect(tls()).await.map_err(failed)?;
        Ok(Self { client, driver: Driver::Tls(Box::new(connection)) })
    }

    async fn who(&mut self) -> ConnectionResult<(bool, bool, i64, i64)> {
        let row = tokio::select! {
            row = self.client.query_one(WHO, &[]) => row.map_err(failed)?,
            ended = self.driver.run() => return Err(ended.err().map_or_else(|| ConnectionError::BadConnection("the host hung up".to_owned()), failed)),
        };
        let column = |error| ConnectionError::CouldntSetupConfiguration(diesel::result::Error::DeserializationError(Box::new(error)));
        let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        read().map_err(|error: tokio_postgres::Error| column(error))
    }

    async fn into_diesel(self) -> ConnectionResult<AsyncPgConnection> {
        match self.driver {
            Driver::Plain(connection) => AsyncPgConnection::try_from_client_and_connection(self.client, *connection).await,
            Driver::Tls(connection) => AsyncPgConnection::try_from_client_and_connection(self.client, *connection).await,
        }
    }

    /// Driven in a task of its own, until the client is dropped and has all its answers.
    fn into_client(mut self) -> (Client, AbortHandle) {
        let driver = tokio::spawn(async move {
            if let Err(error) = self.driver.run().await {
                tracing::debug!("a connection to the database has ended: {}", describe(&error));
            }
        });
        (self.client, driver.abort_handle())
    }
}

fn failed(error: tokio_postgres::Error) -> ConnectionError {
    ConnectionError::BadConnection(describe(&error))
}

/// An error with its cause: tokio-postgres keeps the telling part in the source.
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn is_local(config: &tokio_postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
}

fn tls() -> MakeRustlsConnect {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    MakeRustlsConnect::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_managed_databases_are_understood() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let config = parse(&format!("postgres://payaid_server:secret@db.example.in/payaid?sslmode={mode}")).unwrap();
            assert_eq!(config.get_ssl_mode(), SslMode::Require);
        }
        let error = parse("postgres://db.example.in/payaid?sslmode=verify-full&sslrootcert=ca.pem").unwrap_err().to_string();
        assert!(error.contains("SSL_CERT_FILE"), "{error}");
        assert!(parse("mysql://db").is_err());
    }

    #[test]
    fn each_host_of_an_address_is_tried_by_itself() {
        let url = "postgres://u:p@a.example:1,b.example:2/d?sslmode=require&target_session_attrs=read-write&options=-c%20x.y%3D1";
        let hosts = hosts(url, &DatabaseConfig::at(url)).unwrap();
        assert_eq!(hosts.len(), 2);
        for (host, (name, port)) in hosts.iter().zip([("a.example", 1), ("b.example", 2)]) {
            assert_eq!((host.get_hosts(), host.get_ports()), ([Host::Tcp(name.to_owned())].as_slice(), [port].as_slice()));
            assert_eq!((host.get_user(), host.get_password(), host.get_dbname()), (Some("u"), Some(b"p".as_slice()), Some("d")));
            assert_eq!(host.get_ssl_mode(), SslMode::Require);
            assert!(host.get_options().unwrap().starts_with("-c x.y=1 -c role=payaid_server"), "{:?}", host.get_options());
            assert_eq!(host.get_application_name(), Some("payaid"));
            assert_eq!(host.get_connect_timeout(), Some(&Duration::from_secs(5)));
        }
    }
}
