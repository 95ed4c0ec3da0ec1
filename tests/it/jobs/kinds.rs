//! Kinds of jobs for the tests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use payaid::access::jobs::{Failed, Job, Queue, Registry, Run};
use payaid::base::{Code, Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The kinds of this file.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add::<Notes>();
    registry.add::<Fails>();
    registry.add::<Slow>();
    registry
}

/// What the jobs of an organization have done in this process.
#[derive(Clone, Default)]
pub struct Effects {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    done: Mutex<Vec<(String, Uuid)>>,
    running: AtomicUsize,
    overlapped: AtomicBool,
}

impl Effects {
    pub fn of(organization: Uuid) -> Self {
        static KNOWN: OnceLock<Mutex<Vec<(Uuid, Effects)>>> = OnceLock::new();
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap();
        if let Some((_, effects)) = known.iter().find(|(id, _)| *id == organization) {
            return effects.clone();
        }
        known.push((organization, Self::default()));
        known.last().unwrap().1.clone()
    }

    pub fn all(&self) -> Vec<(String, Uuid)> {
        self.inner.done.lock().unwrap().clone()
    }

    pub fn overlapped(&self) -> bool {
        self.inner.overlapped.load(Ordering::SeqCst)
    }
}

/// Notes a word.
#[derive(Serialize, Deserialize)]
pub struct Notes {
    pub word: String,
}

impl Job for Notes {
    const NAME: &'static str = "test_notes";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, run: Run) -> Result<(), Failed> {
        let effects = Effects::of(run.scope.organization);
        if effects.inner.running.fetch_add(1, Ordering::SeqCst) > 0 {
            effects.inner.overlapped.store(true, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        effects.inner.done.lock().unwrap().push((self.word, run.id));
        effects.inner.running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Fails so many times.
#[derive(Serialize, Deserialize)]
pub struct Fails {
    pub times: i32,
    /// After how long it asks to be tried again; as its queue says when there is none.
    pub after_ms: Option<u64>,
    pub never: bool,
    pub panics: bool,
}

impl Job for Fails {
    const NAME: &'static str = "test_fails";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, run: Run) -> Result<(), Failed> {
        if run.attempt > self.times {
            return Ok(());
        }
        assert!(!self.panics, "on purpose");
        let error = Error::new(Code::ExternalServiceError, "It failed on purpose.");
        Err(match self.after_ms {
            _ if self.never => Failed::Never(error),
            Some(ms) => Failed::After(Duration::from_millis(ms), error),
            None => Failed::Again(error),
        })
    }
}

/// Says how far it has come, and never ends.
#[derive(Serialize, Deserialize)]
pub struct Slow;

impl Job for Slow {
    const NAME: &'static str = "test_slow";
    const QUEUE: Queue = Queue::Report;

    async fn run(self, run: Run) -> Result<(), Failed> {
        run.progress(3, 10).await?;
        std::future::pending().await
    }
}
