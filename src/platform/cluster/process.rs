//! A child process that does not outlive this one.
//!
//! Each child has a guard: a shell that waits at a pipe which only this process holds open. When this process is gone, even by SIGKILL, the pipe
//! closes, and the guard ends the child and removes its folder. The kernel's own means, PR_SET_PDEATHSIG, would fire when the *thread* that forked
//! ends, need unsafe code, leave the folder behind and exist on Linux only.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::POLL;

/// Arguments: signal, process group, folder. A process that has ended but still has its entry (state Z) counts as gone: the first process of a
/// container may never remove it.
const GUARD: &str = r#"trap '' HUP INT QUIT TERM
read -r _ && exit
runs() { kill -s 0 -- "-$1" && ! grep -q ') Z ' "/proc/$1/stat"; }
kill -s "$1" -- "-$2"
n=0
while runs "$2" && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
kill -s KILL -- "-$2"
rm -rf -- "$3""#;

/// How a kind of process is asked to end.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// To end in good order.
    pub orderly: Signal,
    /// To end now, without losing what it promised to keep.
    pub at_once: Signal,
}

/// A running child in a process group of its own, so that Ctrl-C in the terminal reaches us and not the child behind our back.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    signals: Signals,
    guard: Option<Child>,
}

impl Process {
    /// Starts a command; when this process dies, `folder` is removed with the child.
    pub fn spawn(mut command: Command, signals: Signals, folder: &Path) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let group = Pid::from_raw(i32::try_from(child.id()).context("a process id out of range")?);
        let mut process = Self { child, group, signals, guard: None };
        process.guard = Some(guard(group, signals.orderly, folder)?);
        Ok(process)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        // An error means that there is no such child any more.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if !self.ended()
            && let Err(error) = killpg(self.group, signal)
        {
            tracing::warn!("process {} could not be sent {signal}: {error}", self.group);
        }
    }

    /// Waits for its end, at most for `limit`; whether it came.
    pub async fn wait(&mut self, limit: Duration) -> bool {
        let begin = Instant::now();
        while !self.ended() {
            if begin.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Ends it in good order, or at once when that takes longer than `limit`.
    pub async fn end(&mut self, limit: Duration) {
        self.signal(self.signals.orderly);
        if !self.wait(limit).await {
            tracing::warn!("process {} did not end within {} s of {} and is ended at once", self.group, limit.as_secs(), self.signals.orderly);
            self.abort();
        }
    }

    /// Ends it at once, with what force it takes; blocks for a moment.
    fn abort(&mut self) {
        self.signal(self.signals.at_once);
        let begin = Instant::now();
        while !self.ended() && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(POLL);
        }
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.abort();
        if let Some(mut guard) = self.guard.take() {
            // A line rather than the end of the pipe: nothing is left for it to do.
            if let Some(mut pipe) = guard.stdin.take() {
                let _ = pipe.write_all(b"\n");
            }
            let _ = guard.wait();
        }
    }
}

fn guard(group: Pid, signal: Signal, folder: &Path) -> Result<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "guard", signal.as_str().trim_start_matches("SIG"), &group.to_string()]).arg(folder);
    command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("/bin/sh cannot be started")
}

/// Runs a command to its end; its failure is the error. `folder` is what it leaves half done when this process dies meanwhile.
pub async fn run(mut command: Command, folder: &Path) -> Result<()> {
    let name = command.get_program().display().to_string();
    command.stderr(Stdio::piped());
    let mut process = Process::spawn(command, Signals { orderly: Signal::SIGKILL, at_once: Signal::SIGKILL }, folder)?;
    while !process.ended() {
        tokio::time::sleep(POLL).await;
    }
    if process.child.wait().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(mut pipe) = process.child.stderr.take() {
        let _ = pipe.read_to_string(&mut said);
    }
    bail!("{name} failed: {}", telling(&said))
}

/// The line of a log that says what went wrong: the last error, else the last line.
pub fn telling(log: &str) -> &str {
    let mut lines = log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next().unwrap_or("it said nothing");
    lines.find(|line| ["FATAL:", "PANIC:", "error:"].iter().any(|word| line.contains(word))).unwrap_or(last)
}
