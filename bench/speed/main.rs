//! How fast the server is, beside a handler written by hand: the same statements, in the same transactions, under the same row level security, with
//! the same answer to the byte of every value.
//!
//! What must hold: answers are compared before anything is timed; both serve the same data from the same PostgreSQL, in turns of 2 s; what is printed is the
//! median of the rounds, of which there are seven unless asked otherwise, because the limits are within a few percent of what is measured, and a
//! single round is further off. `make bench` builds and runs it.

#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a program for the terminal, which counts and divides, and may end where it cannot go on"
)]

mod alike;
mod content;
mod documents;
mod figures;
mod layout;
mod load;
mod plain;
mod process;
mod profile;
mod table;
mod tools;
mod training;
mod works;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::content::Samples;
use crate::layout::LayOut;
use crate::load::Done;
use crate::process::{Data, Kind, Programs, Servers, Used, sample};
use crate::profile::Profile;
use crate::table::{Measured, Report};
use crate::works::{WORKS, Work};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Given by `cargo bench`, and of no meaning here.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, prints the table and writes it to a file.
    Run(Run),
    /// Writes down for the compiler what is done how often, when the programs were built to count it.
    Profile(Profile),
    /// Lays out the server, and the handler written by hand, for the paths through them that are taken often.
    LayOut(LayOut),
    /// The handler written by hand.
    #[command(hide = true)]
    Plain { url: String },
}

#[derive(clap::Args)]
struct Run {
    /// How many rounds; the median counts.
    #[arg(long, default_value = "7")]
    rounds: NonZeroUsize,
    /// How long a round of one kind of work lasts on each side, in seconds; both are asked in turns of at most two.
    #[arg(long, default_value = "8")]
    seconds: NonZeroU64,
    /// Connections at once.
    #[arg(long, default_value = "16")]
    connections: NonZeroUsize,
    /// What the server logs, in the syntax of RUST_LOG. The handler by hand logs nothing, so `info`, with which the server writes a line for each
    /// request, is to be asked for.
    #[arg(long, default_value = "warn")]
    log: String,
    /// Only these kinds of work, comma separated. What a run finds is printed; it is written to the file when all was measured, in at least 3 rounds of
    /// 8 s with 16 connections.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where the data is kept between runs.
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// The folder of the programs that are measured, as `lay-out` makes it.
    #[arg(long)]
    programs: PathBuf,
    /// Where the table is written.
    #[arg(long, default_value = "bench/results.md")]
    results: PathBuf,
}

fn main() -> Result<()> {
    payaid::access::tokens::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Plain { url } => runtime.block_on(serve(&url)),
        Command::Run(run) => runtime.block_on(measure(run)),
        Command::Profile(options) => runtime.block_on(profile::profile(options)),
        Command::LayOut(options) => runtime.block_on(layout::lay_out(options)),
    }
}

/// Serves the handler written by hand on the address in `LISTEN`, until it is asked to stop.
async fn serve(url: &str) -> Result<()> {
    let router = plain::router(url).await?;
    let listener = tokio::net::TcpListener::bind(std::env::var("LISTEN").context("LISTEN")?).await?;
    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        _ = end.recv() => Ok(()),
    }
}

impl Run {
    /// Whether it measures everything, and for as long as the table says.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.rounds.get() >= 3 && self.seconds.get() >= 8 && self.connections.get() == 16
    }

    fn works(&self) -> Result<Vec<&'static Work>> {
        if let Some(unknown) = self.only.iter().find(|name| !WORKS.iter().any(|work| work.name == **name)) {
            bail!("there is no work `{unknown}`; there are {}", WORKS.iter().map(|work| work.name).collect::<Vec<_>>().join(", "));
        }
        Ok(WORKS.iter().filter(|work| self.only.is_empty() || self.only.iter().any(|name| name == work.name)).collect())
    }
}

/// How long a side is asked before it is the other's turn, at most. A machine that others share is slower for some seconds and faster for others: with
/// turns of 8 s a round was off by a tenth, with turns of 2 s all rounds together by two in a hundred.
const TURN: Duration = Duration::from_secs(2);

/// A round of both sides, the product first.
async fn in_turn(run: &Run, servers: &Servers, work: &Work, samples: &Samples, round: usize) -> Result<[(Done, Used); 2]> {
    let length = Duration::from_secs(run.seconds.get());
    let turns = usize::try_from(length.as_millis().div_ceil(TURN.as_millis()))?.next_multiple_of(2);
    let mut found: [(Done, Used); 2] = Default::default();
    for turn in 0..turns {
        // Whoever comes first in one turn comes last in the next: so what gets slower or faster all the time counts for both alike.
        let mut sides = servers.sides();
        if (round + turn) % 2 == 1 {
            sides.reverse();
        }
        for side in sides {
            let requests = work.requests(side.kind, samples);
            let before = sample(side, servers)?;
            let done = load::run(side, requests, run.connections.get(), length / u32::try_from(turns)?).await?;
            let (all, used) = &mut found[usize::from(side.kind == Kind::Plain)];
            all.add(done);
            used.add(&before.until(&sample(side, servers)?));
        }
    }
    Ok(found)
}

async fn measure(run: Run) -> Result<()> {
    let works = run.works()?;
    let servers = Servers::start(Programs::within(&run.programs), Data::Bench(run.data.clone()), &run.log).await?;
    let idle = servers.product.memory()?;
    let samples = Samples::take(&servers, ["owner@bench-01.example", "owner@bench-02.example"], 40).await?;
    for work in &works {
        content::compare(&servers, work, &samples).await.with_context(|| format!("the answers to `{}` are not the same", work.name))?;
    }
    println!("Both answer alike. {} rounds of {} s on each side, {} connections.", run.rounds, run.seconds, run.connections);
    let mut report = Report::new(&run, idle);
    for work in &works {
        // What is first asked for is planned, cached and read from disk, which is not what is measured.
        for side in servers.sides() {
            load::run(side, work.requests(side.kind, &samples), run.connections.get(), Duration::from_secs(2)).await?;
        }
        let mut measured: Measured = Measured::default();
        for round in 0..run.rounds.get() {
            measured.add(in_turn(&run, &servers, work, &samples, round).await?);
        }
        println!("{}", report.add(work, &measured));
    }
    let request =
        WORKS.first().and_then(|work| work.requests(servers.product.kind, &samples).into_iter().next()).context("there is nothing to ask")?;
    let many_idle = load::idle(&servers.product, &request, 2_000).await?;
    servers.stop().await;
    let (missed, text) = (report.missed(many_idle), report.finish(many_idle));
    println!("\n{text}");
    if run.is_whole() {
        std::fs::write(&run.results, text).with_context(|| format!("{} cannot be written", run.results.display()))?;
    } else {
        println!(
            "{} is left as it is: it is written by a run of everything, with at least 3 rounds of 8 s and 16 connections.",
            run.results.display()
        );
    }
    ensure!(missed.is_empty(), "not all is as it is to be: {}", missed.join("; "));
    Ok(())
}
