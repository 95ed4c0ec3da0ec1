//! How fast the queue of jobs is: how long after its commit a job begins while nothing else is to be done, and how many jobs a second one worker does.
//!
//! On a private PostgreSQL that syncs its log to the disk, as in production. The jobs themselves do nothing. `make bench-queue` writes bench/queue.md.

#![allow(clippy::print_stdout, clippy::as_conversions, missing_docs, reason = "a program for the terminal, which measures and divides")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::FutureExt;
use payaid::access::jobs::{Enqueue, Failed, Job, Performing, Queue, Registry, Run};
use payaid::access::writing::write_as;
use payaid::access::{Act, Means, Plan, Role, Scope, Services};
use payaid::base::SharedClock;
use payaid::base::clock::SystemClock;
use payaid::commands::seed;
use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::config::ServerConfig;
use payaid::platform::jobs::Work;
use payaid::platform::postgres::migrate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many jobs are waited for one at a time, and how many are done in each round.
const ALONE: usize = 200;
const MANY: usize = 4_000;
const ROUNDS: usize = 3;
const RESULTS: &str = "bench/queue.md";

/// When each job began.
fn begun() -> &'static Mutex<Vec<Instant>> {
    static BEGUN: OnceLock<Mutex<Vec<Instant>>> = OnceLock::new();
    BEGUN.get_or_init(Mutex::default)
}

fn count() -> usize {
    begun().lock().map(|begun| begun.len()).unwrap_or_default()
}

/// Does nothing but say that it has begun.
#[derive(Serialize, Deserialize)]
struct Nothing;

impl Job for Nothing {
    const NAME: &'static str = "bench_nothing";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, _: Run) -> Result<(), Failed> {
        if let Ok(mut begun) = begun().lock() {
            begun.push(Instant::now());
        }
        Ok(())
    }
}

struct Bench {
    services: Services,
    scope: Scope,
}

impl Bench {
    async fn enqueue(&self, jobs: usize) -> Result<()> {
        let enqueue = move |act: Act| async move {
            for _ in 0..jobs {
                act.enqueue(&Nothing, Enqueue::default()).await?;
            }
            Ok(())
        };
        write_as(&self.services, self.scope.clone(), enqueue).await.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// How long after its commit each of some jobs began, one at a time.
    async fn alone(&self) -> Result<Vec<Duration>> {
        let mut waited = Vec::new();
        for _ in 0..ALONE {
            let before = count();
            self.enqueue(1).await?;
            let committed = Instant::now();
            wait_for(before + 1).await;
            let began = begun().lock().ok().and_then(|begun| begun.last().copied()).context("it has begun")?;
            waited.push(began.saturating_duration_since(committed));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        waited.sort();
        Ok(waited)
    }

    /// How many jobs a second are done, from the first that is enqueued to the last that has begun, by a worker that waits for them.
    async fn many(&self) -> Result<f64> {
        let (before, started) = (count(), Instant::now());
        for _ in 0..MANY / 100 {
            self.enqueue(100).await?;
        }
        wait_for(before + MANY).await;
        Ok(MANY as f64 / started.elapsed().as_secs_f64())
    }
}

async fn wait_for(jobs: usize) {
    while count() < jobs {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

fn main() -> Result<()> {
    payaid::access::tokens::install_crypto();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<()> {
    let database = Server::start(Options { settings: [("fsync".to_owned(), "on".to_owned())].into(), ..Options::temporary() }).await?;
    let (admin, connection) = tokio_postgres::connect(&database.url("postgres", SUPERUSER), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    admin.batch_execute("CREATE DATABASE payaid").await?;
    let owner = database.url("payaid", SUPERUSER);
    migrate::run(&owner).await?;
    let clock: SharedClock = Arc::new(SystemClock);
    seed::demo(&owner, clock.now(), &|_| ()).await?;
    let (data, connection) = tokio_postgres::connect(&owner, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let row = data.query_one("SELECT organization_id::text, user_id::text FROM memberships LIMIT 1", &[]).await?;
    let (organization, user) = (Uuid::parse_str(row.get(0))?, Uuid::parse_str(row.get(1))?);
    let config = ServerConfig::at(database.url("payaid", "payaid_server"), payaid::access::tokens::generate_key()?);
    let services = Services::new(&config, Arc::clone(&clock))?;
    let scope = Scope {
        organization,
        user,
        means: Means::Job(user),
        role: Role::Owner,
        permissions: Role::Owner.permissions(),
        plan: Plan::Free,
        time_zone: chrono_tz::Asia::Kolkata,
        request_id: "bench".into(),
        clock,
    };
    let bench = Bench { services: services.clone(), scope };
    let mut registry = Registry::default();
    registry.add::<Nothing>();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop_asked = async move { drop(stopped.await) }.boxed().shared();
    let work = Work::new(&database.url("payaid", "payaid_worker"))?;
    let worker =
        tokio::spawn(async move { work.run(Arc::new(Performing::new(services, Arc::new(registry))), &[], stop_asked, Duration::from_secs(5)).await });
    bench.enqueue(1).await?;
    wait_for(1).await;
    let report = rounds(&bench).await?;
    println!("{report}");
    std::fs::write(RESULTS, report)?;
    drop(stop);
    worker.await??;
    database.stop().await;
    Ok(())
}

async fn rounds(bench: &Bench) -> Result<String> {
    let mut text = String::from(
        "# How fast the queue of jobs is\n\nWritten by `make bench-queue`: one worker of one process, a private PostgreSQL with its log synced to the disk, all on one \
         machine.\nThe jobs do nothing; each is counted before it is run and marked when it is done.\n\n\
         | round | commit to start, idle: half / 99 % (ms) | jobs a second, 8 at once |\n|---|---|---|\n",
    );
    for round in 1..=ROUNDS {
        let waited = bench.alone().await?;
        let at = |part: usize| waited.get(waited.len() * part / 100).map_or(0.0, |waited| waited.as_secs_f64() * 1_000.0);
        let (half, most, many) = (at(50), at(99), bench.many().await?);
        writeln!(text, "| {round} | {half:.1} / {most:.1} | {many:.0} |")?;
    }
    Ok(text)
}
