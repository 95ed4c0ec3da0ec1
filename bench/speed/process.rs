//! The servers that are measured, each a process of its own, and what they use.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use payaid::base::Clock;
use payaid::base::clock::SystemClock;
use payaid::commands::seed;
use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::postgres::migrate;

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server that this is about.
    Product,
    /// The handler written by hand.
    Plain,
}

/// The programs of both servers.
#[derive(Debug, Clone)]
pub struct Programs {
    pub product: PathBuf,
    pub plain: PathBuf,
}

impl Programs {
    /// Those that Cargo built.
    pub fn built() -> Result<Self> {
        Ok(Self { product: env!("CARGO_BIN_EXE_payaid").into(), plain: std::env::current_exe()? })
    }

    /// Those of a folder.
    pub fn within(folder: &Path) -> Self {
        Self { product: folder.join("payaid"), plain: folder.join("speed") }
    }

    /// Each with the one that belongs to it.
    pub fn pairs<'a>(&'a self, others: &'a Self) -> [(&'a Path, &'a Path); 2] {
        [(&self.product, &others.product), (&self.plain, &others.plain)]
    }

    /// Whether these files are there and newer.
    pub fn are_older_than(&self, files: &[&PathBuf]) -> bool {
        let written = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let built = [&self.product, &self.plain].map(written);
        files.iter().map(|path| written(path)).all(|file| file.is_some() && built.iter().all(|built| built.is_some() && *built < file))
    }
}

/// What the servers have to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Much of a few nouns, kept in a folder between runs.
    Bench(PathBuf),
    /// A little of all nouns, fresh each time.
    Demo,
}

/// One of the two servers.
pub struct Side {
    pub kind: Kind,
    pub port: u16,
    process: Child,
}

/// Everything that runs.
pub struct Servers {
    pub product: Side,
    pub plain: Side,
    database: Server,
}

impl Servers {
    /// Starts PostgreSQL with data, and both servers on it.
    pub async fn start(programs: Programs, data: Data, log: &str) -> Result<Self> {
        let settings =
            [("shared_buffers", "512MB"), ("max_wal_size", "4GB"), ("jit", "off")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = match &data {
            Data::Bench(folder) => {
                std::fs::create_dir_all(folder)?;
                Options::kept(folder.join("postgres"))
            }
            Data::Demo => Options::temporary(),
        };
        let database = Server::start(Options { settings: settings.into(), ..options }).await?;
        let (admin, _) = tokio_postgres::connect(&database.url("postgres", SUPERUSER), tokio_postgres::NoTls)
            .await
            .map(|(client, connection)| (client, tokio::spawn(connection)))?;
        if admin.query_opt("SELECT 1 FROM pg_database WHERE datname = 'payaid'", &[]).await?.is_none() {
            admin.batch_execute("CREATE DATABASE payaid").await?;
        }
        let owner = database.url("payaid", SUPERUSER);
        migrate::run(&owner).await?;
        let summary = match data {
            Data::Bench(_) => seed::bench(&owner, SystemClock.now(), &seed::Progress::on_stderr()).await?,
            Data::Demo => seed::demo(&owner, SystemClock.now(), &|_| ()).await?,
        };
        println!("{summary}");
        let settle = tokio_postgres::connect(&owner, tokio_postgres::NoTls).await?;
        tokio::spawn(settle.1);
        // What earlier runs created would make each search longer than the last.
        settle.0.batch_execute("DELETE FROM contacts WHERE email LIKE '%@created.example'").await?;
        settle.0.batch_execute("VACUUM ANALYZE").await?;
        let url = database.url("payaid", "payaid_server");
        let product = Side::start(Kind::Product, Command::new(programs.product).args(["--log", log, "serve"]), &url).await?;
        let plain = Side::start(Kind::Plain, Command::new(programs.plain).arg("plain").arg(&url), &url).await?;
        Ok(Self { product, plain, database })
    }

    pub fn sides(&self) -> Vec<&Side> {
        vec![&self.product, &self.plain]
    }

    pub async fn stop(self) {
        drop((self.product, self.plain));
        self.database.stop().await;
    }

    /// As [`Servers::stop`], but the servers end by themselves, and write what is written at the end.
    pub async fn end(mut self) -> Result<()> {
        for side in [&mut self.product, &mut self.plain] {
            kill(Pid::from_raw(i32::try_from(side.process.id())?), Signal::SIGTERM)?;
            let ended = side.process.wait()?;
            ensure!(ended.success(), "{:?} ended with {ended}", side.kind);
        }
        self.stop().await;
        Ok(())
    }
}

impl Side {
    async fn start(kind: Kind, command: &mut Command, url: &str) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let key = payaid::access::tokens::generate_key()?;
        let log = PathBuf::from("target").join(format!("bench-{kind:?}.log").to_lowercase());
        let process = command
            .env("DATABASE_URL", url)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            // Counted as always, and more than one caller can use up.
            .envs(["FREE", "BASIC", "PRO", "ENTERPRISE", "ANONYMOUS"].map(|budget| (format!("BUDGET_{budget}"), "4000000000/60s")))
            .env("JWT_PRIVATE_KEY", key)
            .env("LOG_FORMAT", "json")
            .stdout(std::fs::File::create(&log)?)
            .stderr(Stdio::inherit())
            .spawn()?;
        let side = Self { kind, port, process };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
                return Ok(side);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{kind:?} does not listen; see {}", log.display())
    }

    /// Its memory that is its own or shared with files, in MB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was used up to an instant, in milliseconds of processor time.
#[derive(Default, Clone, Copy)]
pub struct Used {
    pub server: f64,
    pub database: f64,
    pub memory: f64,
}

impl Used {
    pub fn until(&self, later: &Self) -> Self {
        Self { server: later.server - self.server, database: later.database - self.database, memory: later.memory }
    }

    /// As if both had been one, of which the memory is what there was at the end.
    pub fn add(&mut self, more: &Self) {
        *self = Self { server: self.server + more.server, database: self.database + more.database, memory: more.memory };
    }
}

/// What a side and the database have used.
pub fn sample(side: &Side, servers: &Servers) -> Result<Used> {
    let postmaster = servers.database.pid();
    let mut database = 0.0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Ok(Stat { parent, used }) = stat(pid)
            && (pid == postmaster || parent == postmaster)
        {
            database += used;
        }
    }
    Ok(Used { server: stat(side.process.id())?.used, database, memory: side.memory()? })
}

struct Stat {
    parent: u32,
    used: f64,
}

/// A tick of `/proc` is ten milliseconds on Linux (`getconf CLK_TCK`).
const TICK: f64 = 10.0;

fn stat(pid: u32) -> Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("no name")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).context("a short line");
    let parent = fields.get(1).and_then(|field| field.parse().ok()).context("no parent")?;
    Ok(Stat { parent, used: (number(11)? + number(12)?) * TICK })
}
