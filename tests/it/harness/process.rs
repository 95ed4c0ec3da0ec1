//! The program itself, as a process: started with no more of the environment than a test gives it, and never left behind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::harness::waiting::LIMIT;

/// A running `payaid`; killed when it is dropped.
pub struct Payaid {
    child: Child,
    said: Arc<Mutex<String>>,
    complained: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

/// How a `payaid` ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Payaid {
    /// Starts it in a folder with these arguments and variables.
    pub fn start(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_payaid"));
        command.env_clear().current_dir(folder).args(arguments).kill_on_drop(true);
        for name in ["PATH", "LD_LIBRARY_PATH", "PAYAID_POSTGRES_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (said, complained) = (Arc::default(), Arc::default());
        let readers = [gather(child.stdout.take().unwrap(), &said), gather(child.stderr.take().unwrap(), &complained)];
        Self { child, said, complained, readers }
    }

    /// Runs it to its end.
    pub async fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        Self::start(folder, arguments, environment).end().await
    }

    /// What it has written to standard output so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said something; the line.
    pub async fn says(&mut self, part: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.said().lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            let over = self.child.try_wait().unwrap().is_some() && self.readers.iter().all(JoinHandle::is_finished);
            let in_vain = over || begun.elapsed() > LIMIT;
            assert!(!in_vain || self.said().contains(part), "it does not say `{part}`: {} {}", self.said(), self.complained.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How much of memory it has, in bytes.
    pub fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id().expect("it runs"))).unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it runs");
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ended {
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end: {}", self.said())).unwrap();
        for reader in &mut self.readers {
            reader.await.unwrap();
        }
        let stderr = self.complained.lock().unwrap().clone();
        Ended { status, stdout: self.said(), stderr }
    }

    /// Asks it to stop, which it must do well.
    pub async fn stop(self, signal: Signal) -> Ended {
        self.signal(signal);
        let ended = self.end().await;
        assert!(ended.status.success(), "{ended:?}");
        ended
    }
}

impl Ended {
    /// The one sentence of a run that failed.
    pub fn refusal(&self) -> &str {
        assert!(!self.status.success() && self.status.code().is_some(), "{self:?}");
        let sentence = self.stderr.trim_end().strip_prefix("payaid: ").unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        assert!(!sentence.contains("panicked"), "{sentence}");
        sentence
    }
}

fn gather(pipe: impl AsyncRead + Unpin + Send + 'static, into: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let (mut lines, into) = (BufReader::new(pipe).lines(), Arc::clone(into));
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    })
}

/// A folder that every account can enter, for the private server may run as another; removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn create() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = PathBuf::from(format!("/tmp/payaid-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The processes, beside those that have ended but still have their entry, whose command line names one of these.
pub fn processes_naming(names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in Path::new("/proc").read_dir().unwrap().flatten() {
        let read = |name: &str| String::from_utf8_lossy(&std::fs::read(entry.path().join(name)).unwrap_or_default()).replace('\0', " ");
        let line = read("cmdline");
        if names.iter().any(|name| line.contains(name)) && !read("stat").contains(") Z ") {
            found.push(line);
        }
    }
    found
}
