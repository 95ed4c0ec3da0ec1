//! Kinds of jobs for the tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use payaid::access::Act;
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

/// What is due each minute.
pub const TICK: &str = "test_tick";

/// The kinds of this file, and what is due each minute in a database.
pub fn registry_of(database: &str) -> Registry {
    let (mut registry, database) = (registry(), database.to_owned());
    registry.every(TICK, "* * * * *", move |_| {
        *ticks_of().lock().unwrap().entry(database.clone()).or_default() += 1;
        std::future::ready(Ok(()))
    });
    registry
}

fn ticks_of() -> &'static Mutex<HashMap<String, usize>> {
    static TICKS: OnceLock<Mutex<HashMap<String, usize>>> = OnceLock::new();
    TICKS.get_or_init(Mutex::default)
}

/// How often what is due each minute was done in a database.
pub fn ticks(database: &str) -> impl Fn() -> usize {
    let database = database.to_owned();
    move || ticks_of().lock().unwrap().get(&database).copied().unwrap_or_default()
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

    async fn given_up(self, act: Act, job: Uuid, reason: String) -> Result<(), Error> {
        Effects::of(act.organization()).inner.done.lock().unwrap().push((format!("given up: {reason}"), job));
        Ok(())
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
