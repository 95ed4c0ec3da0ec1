//! The table: medians of the rounds, and what they come to beside the handler written by hand.

use std::fmt::Write;

use crate::Run;
use crate::figures::{self, median, spread};
use crate::load::Done;
use crate::process::Used;
use crate::works::Work;

/// The rounds of one kind of work.
#[derive(Default)]
pub struct Measured {
    product: Vec<Round>,
    plain: Vec<Round>,
}

#[derive(Clone, Copy)]
struct Round {
    rate: f64,
    server: f64,
    database: f64,
    memory: f64,
    half: f64,
    most: f64,
}

impl Measured {
    /// Adds a round of both sides, the product first.
    pub fn add(&mut self, [product, plain]: [(Done, Used); 2]) {
        self.product.push(Round::of(&product.0, &product.1));
        self.plain.push(Round::of(&plain.0, &plain.1));
    }
}

impl Round {
    fn of(done: &Done, used: &Used) -> Self {
        let requests = done.requests.max(1) as f64;
        let at = |part: f64| {
            done.took
                .get(((done.took.len() as f64 * part) as usize).min(done.took.len().saturating_sub(1)))
                .map_or(0.0, |took| f64::from(*took) / 1000.0)
        };
        Self {
            rate: done.requests as f64 / done.seconds,
            server: used.server / requests,
            database: used.database / requests,
            memory: used.memory,
            half: at(0.5),
            most: at(0.99),
        }
    }
}

fn each(rounds: &[Round], of: fn(&Round) -> f64) -> Vec<f64> {
    rounds.iter().map(of).collect()
}

/// What the server is to stay under in MB before its first request.
const MOST_IDLE: f64 = 40.0;

/// What it is to stay under in MB with 2,000 idle connections.
const MOST_MANY_IDLE: f64 = 150.0;

/// What a run came to.
pub struct Report {
    rows: String,
    detail: String,
    how: String,
    idle: f64,
    /// What is not as it is to be so far.
    missed: Vec<String>,
}

impl Report {
    pub fn new(run: &Run, idle: f64) -> Self {
        let built = "Both programs have the same allocator, are built with a profile and laid out (`make release`): the server by other documents than\n\
            these, the handler by hand by these.";
        let how = format!(
            "Medians of {} rounds of {} s on each side, in turns of at most 2 s, {} connections; the ratio is the median of what the two sides of each round\n\
            come to.\n\
            The server logs at the level `{}`, the handler by hand nothing.\n{built}",
            run.rounds, run.seconds, run.connections, run.log
        );
        Self { rows: String::new(), detail: String::new(), how, idle, missed: Vec::new() }
    }

    /// Adds a row and gives it back.
    pub fn add(&mut self, work: &Work, measured: &Measured) -> String {
        let of = |field: fn(&Round) -> f64| (median(each(&measured.product, field)), median(each(&measured.plain, field)));
        let rates = [&measured.product, &measured.plain].map(|rounds| each(rounds, |round| round.rate));
        let ((rate, plain_rate), ratio) = (of(|round| round.rate), figures::ratio(&rates[0], &rates[1]));
        let ((server, plain_server), (database, plain_database)) = (of(|round| round.server), of(|round| round.database));
        self.missed.extend(figures::slow(work.title, ratio, work.at_least));
        let row = format!(
            "| {} | {rate:.0} | {plain_rate:.0} | **{:.2}** | {:.2} | {server:.3} + {database:.3} | {plain_server:.3} + {plain_database:.3} | {} |",
            work.title, ratio, work.at_least, work.document.statements,
        );
        let ((half, plain_half), (most, plain_most)) = (of(|round| round.half), of(|round| round.most));
        let ((memory, plain_memory), [spread, plain_spread]) = (of(|round| round.memory), rates.map(|rates| spread(&rates)));
        let _ = writeln!(self.rows, "{row}");
        let _ = writeln!(
            self.detail,
            "| {} | {half:.2} / {most:.2} | {plain_half:.2} / {plain_most:.2} | {memory:.0} | {plain_memory:.0} | {spread:.0} % | {plain_spread:.0} % |",
            work.title
        );
        row
    }

    /// What is not as it is to be, with the memory of the product with many idle connections in MB.
    pub fn missed(&self, many_idle: f64) -> Vec<String> {
        let memory = [("before its first request", self.idle, MOST_IDLE), ("with 2,000 idle connections", many_idle, MOST_MANY_IDLE)];
        let large = memory.into_iter().filter_map(|(when, memory, most)| figures::large(when, memory, most));
        self.missed.iter().cloned().chain(large).collect()
    }

    pub fn finish(self, many_idle: f64) -> String {
        format!(
            "# How fast it is\n\n\
            Written by `make bench`: the server beside a handler written by hand with axum and tokio-postgres, which runs the same statements in the same\n\
            transactions under the same row level security and gives the same answers. By hand each\n\
            transaction has a connection of a pool of 8 to itself; the server also lets those share one that read a row by its id and nothing else. Load,\n\
            servers and PostgreSQL share one machine: {}.\n\
            {}\n\n\
            | work | requests/s | by hand | ratio | at least | CPU ms a request: server + PostgreSQL | by hand | statements |\n\
            |---|---|---|---|---|---|---|---|\n{}\n\
            | work | ms: half / 99 % | by hand | memory MB | by hand | spread of the rounds | by hand |\n\
            |---|---|---|---|---|---|---|\n{}\n\
            Memory of the server before its first request: {:.0} MB; with 2,000 connections that wait between two requests, after all of the\n\
            above: {many_idle:.0} MB.\n",
            machine(),
            self.how,
            self.rows,
            self.detail,
            self.idle,
        )
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str, prefix: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(prefix)).map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
    };
    let memory = read("/proc/meminfo", "MemTotal").trim_end_matches(" kB").trim().parse::<f64>().unwrap_or_default() / 1024.0 / 1024.0;
    format!("{cores} cores ({}), {memory:.0} GiB", read("/proc/cpuinfo", "model name"))
}
