//! The kinds of jobs, errands and periodic work that the features bring.

use std::collections::HashMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::access::jobs::{Errand, Failed, Job, Run};
use crate::access::services::Services;
use crate::access::writing::Act;
use crate::base::{Error, Result};
use crate::platform::jobs::Times;

type RunJob = Box<dyn Fn(Value, Run) -> BoxFuture<'static, Result<(), Failed>> + Send + Sync>;
type GivenUp = Box<dyn Fn(Value, Act, Uuid, String) -> BoxFuture<'static, Result<()>> + Send + Sync>;
type RunErrand = Box<dyn Fn(Value, Services) -> BoxFuture<'static, Result<()>> + Send + Sync>;
type RunPeriodic = Box<dyn Fn(Services) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The kinds of jobs, errands and periodic work.
#[derive(Default)]
pub struct Registry {
    jobs: HashMap<&'static str, (RunJob, GivenUp)>,
    errands: HashMap<&'static str, RunErrand>,
    periodic: HashMap<&'static str, RunPeriodic>,
    times: Vec<Times>,
}

impl Registry {
    /// Brings a kind of job.
    pub fn add<J: Job>(&mut self) {
        let run: RunJob = Box::new(|payload, run| match read::<J>(payload) {
            Ok(job) => job.run(run).boxed(),
            Err(error) => std::future::ready(Err(Failed::Never(error))).boxed(),
        });
        let given_up: GivenUp = Box::new(|payload, act, job, reason| match read::<J>(payload) {
            Ok(given_up) => given_up.given_up(act, job, reason).boxed(),
            // What cannot be read has done nothing.
            Err(_) => std::future::ready(Ok(())).boxed(),
        });
        self.jobs.insert(J::NAME, (run, given_up));
    }

    /// Brings a kind of errand.
    pub fn add_errand<E: Errand>(&mut self) {
        let run: RunErrand = Box::new(|payload, services| match read::<E>(payload) {
            Ok(errand) => errand.run(services).boxed(),
            Err(error) => std::future::ready(Err(error)).boxed(),
        });
        self.errands.insert(E::NAME, run);
    }

    /// Brings what is done from time to time: `when` in the words of a crontab, in UTC. It is done by one worker of all, and belongs to no tenant.
    pub fn every<F, Fut>(&mut self, name: &'static str, when: &'static str, run: F)
    where
        F: Fn(Services) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.times.push((name, when));
        self.periodic.insert(name, Box::new(move |services| run(services).boxed()));
    }

    /// When what is due from time to time.
    #[must_use]
    pub fn times(&self) -> &[Times] {
        &self.times
    }

    pub(super) fn job(&self, kind: &str) -> Option<&RunJob> {
        self.jobs.get(kind).map(|(run, _)| run)
    }

    pub(super) fn given_up(&self, kind: &str) -> Option<&GivenUp> {
        self.jobs.get(kind).map(|(_, given_up)| given_up)
    }

    pub(super) fn errand(&self, kind: &str) -> Option<&RunErrand> {
        self.errands.get(kind)
    }

    pub(super) fn periodic(&self, name: &str) -> Option<&RunPeriodic> {
        self.periodic.get(name)
    }
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T> {
    serde_json::from_value(payload).map_err(Error::internal)
}
