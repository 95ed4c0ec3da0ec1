//! A private Redis server: a socket that only its account can reach, no port, nothing kept on disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::POLL;
use super::account::Account;
use super::binaries::in_path;
use super::folder::Private;
use super::process::{Process, Signals, telling};

// It keeps nothing, so there is nothing to put in order; SIGTERM would take it 0.1 s.
const SIGNALS: Signals = Signals { orderly: Signal::SIGKILL, at_once: Signal::SIGKILL };
const LIMIT: Duration = Duration::from_secs(10);

/// A running server, empty at first. Dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    // Before its folder: fields are dropped in this order.
    process: Process,
    folder: Private,
    program: PathBuf,
    account: Account,
}

impl Server {
    /// Starts a server.
    pub async fn start() -> Result<Self> {
        let program = in_path(&["redis-server", "valkey-server"])
            .context("Redis is not installed: install it (Debian and Ubuntu: apt-get install redis-server), or set REDIS_URL to a server")?;
        let account = Account::choose()?;
        let folder = Private::create(&account)?;
        let process = launch(&program, &account, &folder).await?;
        Ok(Self { process, folder, program, account })
    }

    /// Its address, as the `redis` crate reads it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.folder).display())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        !self.process.ended()
    }

    /// Stops it, and removes its files.
    pub async fn stop(mut self) {
        self.process.end(LIMIT).await;
    }

    /// For tests: kills it with SIGKILL. [`Server::restart`] brings it back, empty.
    pub async fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(LIMIT).await;
    }

    /// Starts it again on the same socket, after stopping it when it runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.end(LIMIT).await;
        self.process = launch(&self.program, &self.account, &self.folder).await?;
        Ok(())
    }
}

fn socket(folder: &Private) -> PathBuf {
    folder.path().join("redis.sock")
}

/// Starts the process, and waits until it answers.
async fn launch(program: &Path, account: &Account, folder: &Private) -> Result<Process> {
    let log_path = folder.path().join("redis.log");
    let log = File::create(&log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
    let mut command = account.command(program);
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.arg("--dir").arg(folder.path()).arg("--unixsocket").arg(socket(folder));
    command.stdout(log.try_clone().context("the log cannot be opened twice")?).stderr(log);
    let mut process = Process::spawn(command, SIGNALS, folder.path())?;
    let begin = Instant::now();
    while !answers(folder).await {
        if process.ended() || begin.elapsed() > LIMIT {
            bail!("Redis did not start: {}", telling(&fs::read_to_string(&log_path).unwrap_or_default()));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(process)
}

async fn answers(folder: &Private) -> bool {
    let ping = async {
        let mut stream = UnixStream::connect(socket(folder)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ping.await.is_ok_and(|answer| &answer == b"+PONG\r\n")
}
