//! The queue of jobs: graphile_worker says which job is due, to one worker at a time, and gives it to another one when that worker has died.
//!
//! What must hold: its tables hold nothing but who has which job and when the next is due. What a job is, how often it was tried and how it ended stands
//! in a table of its own under row level security, and is written by [`Perform`]. A ticket that was performed goes; one whose worker died comes again
//! within half a minute.

mod queue;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use graphile_worker::tokio_postgres::TokioPostgresDatabase;
use graphile_worker::{
    Crontab, Database, IntoTaskHandlerResult, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerRecoveryConfig, parse_crontab,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::platform::postgres::connect;
pub use queue::{Priority, Queue, Rules};

/// The role that owns the tables of the queue.
pub const ROLE: &str = "payaid_worker";
const SCHEMA: &str = "graphile_worker";

/// How often a worker says that it lives, and how long it may be silent before its jobs are given to others.
const HEARTBEAT: Duration = Duration::from_secs(3);
const SILENT: Duration = Duration::from_secs(15);
/// How often jobs are looked for whose time has come; those that are due at once are announced.
const LOOK: Duration = Duration::from_millis(500);
/// How long a worker waits before it begins again, when the database has left it.
const AGAIN: Duration = Duration::from_secs(1);
/// How many errands run at once in one process.
const ERRANDS_AT_ONCE: usize = 4;
/// How long a job that was taken may wait for a place in this process before it is given back to all.
const TAKEN_FOR: Duration = Duration::from_secs(5);
/// How many connections take jobs from the queue, for all queues together.
const CONNECTIONS: usize = 6;

/// Which job is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Whose it is.
    pub organization: Uuid,
    /// Which it is.
    pub job: Uuid,
    /// Whether it was written with the job. Such a one is still there when another one was written in its place, of which the job's row tells.
    #[serde(default)]
    pub fresh: bool,
}

/// Work that belongs to no tenant, with what it needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Errand {
    /// What is to be done.
    pub kind: String,
    /// What it needs.
    pub payload: serde_json::Value,
}

/// What is done with what is due. An error has the same come again later, after ever longer times.
pub trait Perform: Send + Sync + 'static {
    /// Does a job.
    fn job(&self, queue: Queue, ticket: Ticket) -> BoxFuture<'_, Result<(), String>>;
    /// Does what belongs to no tenant.
    fn errand(&self, errand: Errand) -> BoxFuture<'_, Result<(), String>>;
    /// Does what is due from time to time.
    fn periodic(&self, name: &str) -> BoxFuture<'_, Result<(), String>>;
}

#[derive(Clone)]
struct Performer(Arc<dyn Perform>);

impl std::fmt::Debug for Performer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Performer")
    }
}

fn performer(ctx: &WorkerContext) -> Result<Arc<dyn Perform>, String> {
    ctx.get_ext::<Performer>().map(|performer| Arc::clone(&performer.0)).ok_or_else(|| "nobody performs".to_owned())
}

/// A queue, and the task that the library knows it by.
macro_rules! tasks {
    ($($queue:ident $word:literal),+) => {
        $(
            #[derive(Serialize, Deserialize)]
            struct $queue(Ticket);

            impl TaskHandler for $queue {
                const IDENTIFIER: &'static str = $word;

                async fn run(self, ctx: WorkerContext) -> impl IntoTaskHandlerResult {
                    performer(&ctx)?.job(Queue::$queue, self.0).await
                }
            }
        )+

        fn with_task(queue: Queue, options: WorkerOptions) -> WorkerOptions {
            match queue {
                $(Queue::$queue => options.define_job::<$queue>()),+
            }
        }
    };
}

tasks! { Email "email", Sms "sms", Report "report", Agent "agent", Webhook "webhook", Maintenance "maintenance" }

impl TaskHandler for Errand {
    const IDENTIFIER: &'static str = "errand";

    async fn run(self, ctx: WorkerContext) -> impl IntoTaskHandlerResult {
        performer(&ctx)?.errand(self).await
    }
}

/// What the crontab enqueues.
#[derive(Debug, Serialize, Deserialize)]
struct Periodic {
    name: String,
}

impl TaskHandler for Periodic {
    const IDENTIFIER: &'static str = "periodic";

    async fn run(self, ctx: WorkerContext) -> impl IntoTaskHandlerResult {
        performer(&ctx)?.periodic(&self.name).await
    }
}

/// What is done from time to time: a name, and when in the words of a crontab, in UTC.
pub type Times = (&'static str, &'static str);

/// Reads when something is done from time to time. One that was missed by up to a day, because nobody worked, is caught up with.
fn crontabs(times: &[Times]) -> anyhow::Result<Vec<Crontab>> {
    let line = |(name, when): &Times| format!("{when} periodic ?id={name}&fill=1d&max=3 {{name:\"{name}\"}}");
    let text = times.iter().map(line).collect::<Vec<_>>().join("\n");
    parse_crontab(&text).map_err(|error| anyhow::anyhow!("the crontab: {error}"))
}

/// The queue in a database.
#[derive(Clone)]
pub struct Work {
    database: Database,
}

/// Resolves when a worker shall end.
pub type Stop = Shared<BoxFuture<'static, ()>>;

impl Work {
    /// The queue of a database, by a login that is `payaid_worker` or a member of it. Nothing is connected to yet. The connections must be direct ones:
    /// jobs are announced on them.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let mut config = connect::parse(url)?;
        let options = format!("-c role={ROLE} -c statement_timeout=30s");
        let options = config.get_options().map_or_else(|| options.clone(), |own| format!("{own} {options}"));
        config.options(options).connect_timeout(Duration::from_secs(5)).application_name("payaid worker");
        config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        let database = TokioPostgresDatabase::from_config(config, CONNECTIONS).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Self { database: Database::new(database) })
    }

    /// Brings the queue's own tables to the version that this binary works with.
    ///
    /// # Errors
    /// When the database cannot be reached, or its login may not be `payaid_worker`.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let options = WorkerOptions::default().database(self.database.clone()).schema(SCHEMA).listen_os_shutdown_signals(false);
        options.init().await.map(drop).map_err(|error| anyhow::anyhow!("the queue's tables: {error}"))
    }

    /// Does what is due in all queues, until `stop` comes and what was begun is done, or `grace` is over. A database that goes away is waited for.
    ///
    /// # Errors
    /// When a crontab cannot be read.
    pub async fn run(&self, perform: Arc<dyn Perform>, times: &[Times], stop: Stop, grace: Duration) -> anyhow::Result<()> {
        let times = crontabs(times)?;
        let performer = Performer(perform);
        let queues = Queue::ALL.iter().map(|queue| {
            let (performer, queue) = (performer.clone(), *queue);
            self.keep_working(queue.as_str(), stop.clone(), grace, move |options| {
                with_task(queue, at_once(options, queue.rules().at_once)).add_extension(performer.clone())
            })
            .boxed()
        });
        let performer = performer.clone();
        let others = self.keep_working("errands", stop.clone(), grace, move |options| {
            let options = at_once(options, ERRANDS_AT_ONCE).define_job::<Errand>().define_job::<Periodic>();
            options.with_crons(times.clone()).add_extension(performer.clone())
        });
        join_all(queues.chain([others.boxed()])).await;
        Ok(())
    }

    async fn keep_working(&self, name: &str, stop: Stop, grace: Duration, with: impl Fn(WorkerOptions) -> WorkerOptions) {
        let mut silent = false;
        while stop.clone().now_or_never().is_none() {
            let options = WorkerOptions::default()
                .database(self.database.clone())
                .schema(SCHEMA)
                .poll_interval(LOOK)
                .listen_os_shutdown_signals(false)
                .shutdown_signal(stop.clone())
                .shutdown_grace_period(grace)
                .worker_recovery(recovery());
            let outcome = match with(options).init().await {
                Ok(worker) => {
                    silent = false;
                    worker.run().await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            // Said once, and not each second until the database is back.
            if let (Err(reason), false) = (outcome, silent) {
                tracing::warn!(queue = name, reason, "the queue cannot be worked on; it is tried again");
                silent = true;
            }
            futures_util::future::select(stop.clone(), Box::pin(tokio::time::sleep(AGAIN))).await;
        }
    }
}

/// Does so many at once, which are taken from the database together: asked one by one, each place would ask each time that anything is enqueued, and
/// would then wait for the next word, however many are due.
fn at_once(options: WorkerOptions, places: usize) -> WorkerOptions {
    options.concurrency(places).local_queue(LocalQueueConfig::default().with_size(places).with_ttl(TAKEN_FOR))
}

fn recovery() -> WorkerRecoveryConfig {
    WorkerRecoveryConfig::default()
        .heartbeat_interval(HEARTBEAT)
        .sweep_interval(HEARTBEAT)
        .sweep_threshold(SILENT)
        .recovery_delay(Duration::ZERO)
        .enabled(true)
}

/// Brings the queue's tables in a database to the version that this binary works with, as a login that may be anybody's.
///
/// # Errors
/// As [`Work::migrate`].
pub async fn migrate(url: &str) -> anyhow::Result<()> {
    Work::new(url)?.migrate().await.context("the queue of jobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_word() {
        let words = [Email::IDENTIFIER, Sms::IDENTIFIER, Report::IDENTIFIER, Agent::IDENTIFIER, Webhook::IDENTIFIER, Maintenance::IDENTIFIER];
        assert_eq!(Queue::ALL.iter().map(|queue| queue.task()).collect::<Vec<_>>(), words);
    }

    #[test]
    fn crontabs_are_read() {
        assert_eq!(crontabs(&[("expired", "13 * * * *"), ("finished", "0 3 * * *")]).unwrap().len(), 2);
        assert!(crontabs(&[("expired", "often")]).is_err());
    }
}
