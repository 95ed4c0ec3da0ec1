//! A private PostgreSQL server.
//!
//! It listens on a socket whose folder only its account can enter; who gets there is trusted as any role, so no password has to be made, kept and
//! passed on.
//! A port of 127.0.0.1, which every user of the machine can reach, is opened on request only and asks for a role's password.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::POLL;
use super::account::Account;
use super::binaries::Binaries;
use super::process::{self, Process, Signals};
use super::replica::Slot;
use super::site::{self, Site};

/// The role that may do everything; row level security does not hold for it, so it is for making roles and databases only.
pub const SUPERUSER: &str = "postgres";

const SIGNALS: Signals = Signals { orderly: Signal::SIGINT, at_once: Signal::SIGQUIT };

/// How long a start may take: recovery after a crash reads what was written since the last checkpoint.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long a shutdown in good order may take, which writes a checkpoint and waits for replicas.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What a server is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its data is kept between starts; `None`: nowhere, the data goes with the server.
    pub data_dir: Option<PathBuf>,
    /// Whether a commit survives the loss of power. Without, everything still survives a crash of PostgreSQL alone.
    pub durable: bool,
    /// How many clients may be connected. A replica needs at least as many as its primary.
    pub max_connections: u32,
    /// Whether it also listens on 127.0.0.1, on [`Server::port`], for roles that have a password.
    pub tcp: bool,
    /// Further settings, name and value; they win over the others.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// For development: data is kept in a folder.
    pub fn kept(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: Some(data_dir.into()), durable: true, max_connections: 100, tcp: false, settings: Vec::new() }
    }

    /// For tests: quick, and gone at the end.
    pub fn temporary() -> Self {
        Self { data_dir: None, durable: false, max_connections: 300, tcp: false, settings: Vec::new() }
    }

    fn settings(&self, site: &Site, port: u16) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = [
            ("unix_socket_directories", site.sockets().to_string_lossy().as_ref()),
            ("listen_addresses", if self.tcp { "127.0.0.1" } else { "" }),
            ("port", &port.to_string()),
            ("max_connections", &self.max_connections.to_string()),
            ("cluster_name", &site.tag()),
            ("shared_buffers", "128MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_line_prefix", "%m [%p] %q%u@%d "),
            ("log_checkpoints", "off"),
            ("wal_level", "replica"),
            ("max_wal_senders", "10"),
            ("max_replication_slots", "10"),
            // A replica that was killed leaves its slot behind, which may not fill the disk.
            ("max_slot_wal_keep_size", "1GB"),
            // A replica looks for its primary this often.
            ("wal_retrieve_retry_interval", "200ms"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if !self.durable {
            // Not synchronous_commit: without fsync it costs no time, and off it would delay replicas and lose commits in a simulated crash.
            settings.extend(["fsync", "full_page_writes", "autovacuum"].map(|name| (name.to_owned(), "off".to_owned())));
        }
        settings.extend(self.settings.iter().cloned());
        settings
    }
}

/// A running server. Dropping it ends it at once; [`Server::stop`] does so in good order.
#[derive(Debug)]
pub struct Server {
    // Before the site, which goes last: fields are dropped in this order.
    process: Process,
    site: Site,
    binaries: Binaries,
    options: Options,
    port: u16,
    pub(super) slot: Option<Slot>,
}

impl Server {
    /// Starts a server, making its data when there is none.
    pub async fn start(options: Options) -> Result<Self> {
        let site = Site::take(options.data_dir.as_deref(), None).await?;
        let version = site.version()?;
        let binaries = Binaries::find(version)?;
        if version.is_none() {
            make_data(&site, &binaries, options.durable).await?;
        }
        let server = Self::open(site, binaries, options).await?;
        server.drop_slots().await?;
        Ok(server)
    }

    /// Starts a server on data that is there.
    pub(super) async fn open(site: Site, binaries: Binaries, options: Options) -> Result<Self> {
        let port = if options.tcp { free_port()? } else { 5432 };
        let process = launch(&site, &binaries, &options, port).await?;
        Ok(Self { process, site, binaries, options, port, slot: None })
    }

    /// The address of a database for a role, as libpq and tokio-postgres read it.
    pub fn url(&self, database: &str, role: &str) -> String {
        let host = encode(&self.socket_dir().to_string_lossy());
        format!("postgres://{}@{host}:{}/{}", encode(role), self.port, encode(database))
    }

    /// The folder of its socket: what `psql -h` takes.
    pub fn socket_dir(&self) -> &Path {
        self.site.sockets()
    }

    /// The port of its socket, and of 127.0.0.1 where [`Options::tcp`] is set.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of its first process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The file it logs to.
    pub fn log(&self) -> PathBuf {
        self.site.log()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        !self.process.ended()
    }

    /// Stops it in good order: clients are disconnected, everything is written, its temporary files are removed.
    pub async fn stop(mut self) {
        self.process.end(STOP_LIMIT).await;
        if let Some(slot) = &self.slot {
            slot.release().await;
        }
    }

    /// For tests: kills its processes with SIGKILL, as a crash does. [`Server::restart`] brings it back.
    pub async fn kill(&mut self) -> Result<()> {
        self.site.crash();
        self.process.wait(STOP_LIMIT).await;
        self.site.clear().await
    }

    /// Starts it again on the same data and socket, after stopping it when it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.end(STOP_LIMIT).await;
        self.site.clear().await?;
        self.process = launch(&self.site, &self.binaries, &self.options, self.port).await?;
        Ok(())
    }

    pub(super) fn account(&self) -> &Account {
        &self.site.account
    }

    pub(super) fn binaries(&self) -> &Binaries {
        &self.binaries
    }
}

/// Removes the data of a server that is not running.
pub async fn erase(data_dir: &Path) -> Result<()> {
    site::erase(data_dir).await
}

async fn make_data(site: &Site, binaries: &Binaries, durable: bool) -> Result<()> {
    let folder = site.begin()?;
    let mut command = site.account.command(&binaries.path("initdb"));
    // C.UTF-8: the same order on every machine, and letters beyond ASCII are letters, which full text and trigrams need.
    command.args(["--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C.UTF-8", "--auth-local", "trust", "--auth-host", "scram-sha-256"]);
    if !durable {
        command.arg("--no-sync");
    }
    command.arg("--pgdata").arg(&folder);
    process::run(command, &folder).await.with_context(|| format!("no database can be made in {}", folder.display()))?;
    site.finish()
}

/// Starts the process, and waits until it accepts connections.
async fn launch(site: &Site, binaries: &Binaries, options: &Options, port: u16) -> Result<Process> {
    let (log, log_begin) = site.open_log()?;
    let mut command = site.account.command(&binaries.path("postgres"));
    command.arg("-D").arg(site.data());
    for (name, value) in options.settings(site, port) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdout(log.try_clone().context("the log cannot be opened twice")?).stderr(log);
    let mut process = Process::spawn(command, SIGNALS, site.sockets())?;
    let (begin, mut next_word) = (Instant::now(), Duration::from_secs(3));
    while !site.is_ready(process.id()) {
        if process.ended() {
            bail!("PostgreSQL did not start: {} (its log is {})", site.last_words(log_begin), site.log().display());
        }
        if begin.elapsed() > START_LIMIT {
            bail!("PostgreSQL was not ready after {} s: see its log, {}", START_LIMIT.as_secs(), site.log().display());
        }
        if begin.elapsed() > next_word {
            tracing::info!("waiting for PostgreSQL to be ready; it says: {}", site.last_words(log_begin));
            next_word += Duration::from_secs(10);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(process)
}

/// A port that nobody listens on, and never PostgreSQL's own: the system gives out other numbers, but may be configured not to.
fn free_port() -> Result<u16> {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("127.0.0.1 has no free port")?;
        let port = listener.local_addr().context("127.0.0.1 has no free port")?.port();
        if port != 5432 {
            return Ok(port);
        }
    }
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
