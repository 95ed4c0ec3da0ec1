//! `payaid seed`: data to look at (`--demo`) and to measure with (`--bench`).
//!
//! What must hold:
//! - Seeds obey the rules that everybody obeys: they name the organization in each transaction and write under row level security, as the server's
//!   role, whatever login they came by.
//! - An organization is loaded in one transaction, so that it is there whole or not at all. One that is there is left alone.
//! - The same instant gives the same data, to the last identifier.

mod bench;
mod database;
mod demo;
mod dice;
mod password;
mod progress;
mod rows;

use std::fmt;
use std::path::Path;

use anyhow::Context;
use clap::{ArgGroup, Args};

pub use bench::bench;
pub use database::analyze;
pub use demo::demo;
pub use progress::Progress;

use crate::base::Clock;
use crate::base::clock::SystemClock;
use crate::commands::{dev, output};

/// The password of every seeded user.
pub const DEMO_PASSWORD: &str = "payaid-demo";

/// The organizations of the demo data, with the address their owner signs in with.
pub const DEMO_OWNERS: [(&str, &str); 2] = [("Sharma Textiles", "owner@sharma.example"), ("Nilgiri Organics", "owner@nilgiri.example")];

/// Loads demo or benchmark data.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("data").required(true))]
pub struct SeedArgs {
    /// Two businesses with a year behind them: 2,000 contacts, 3,000 deals, 5,000 tasks.
    #[arg(long, group = "data")]
    pub demo: bool,
    /// 20 organizations, 200,000 contacts, 400,000 deals, 200,000 tasks, 100,000 activities; the first organization has half of them.
    #[arg(long, group = "data")]
    pub bench: bool,
    /// The database; when left out, the private one that `payaid dev` runs from this folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// A login that may renew the planner's statistics afterwards; when left out, autovacuum does it within minutes.
    #[arg(long, env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,
}

/// Loads data and says what was done.
///
/// # Errors
/// When no database is named, or as [`demo`] and [`bench()`] say.
pub async fn run(args: SeedArgs) -> anyhow::Result<()> {
    let url = args.database_url.or_else(|| dev::running_url(Path::new(".payaid")));
    let url = url.context("no database is named: set DATABASE_URL to postgres://payaid_server@host/payaid, or run `payaid dev` in this folder")?;
    let now = SystemClock.now();
    let summary = if args.bench { bench(&url, now, &Progress::on_stderr()).await? } else { demo(&url, now, &output::note).await? };
    output::line(&summary);
    if !summary.loaded.is_empty() && !analyze(args.database_direct_url.as_deref().unwrap_or(&url)).await? {
        output::note("The planner's statistics are renewed by autovacuum soon; DATABASE_DIRECT_URL would let it be done at once.");
    }
    Ok(())
}

/// What a seed did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The organizations that were loaded, by name.
    pub loaded: Vec<String>,
    /// The organizations that were there already and were left alone, by name.
    pub found: Vec<String>,
    /// Companies written.
    pub companies: usize,
    /// Contacts written.
    pub contacts: usize,
    /// Deals written.
    pub deals: usize,
    /// Tasks written.
    pub tasks: usize,
    /// Activities written.
    pub activities: usize,
}

impl Summary {
    fn already_there(name: &str) -> Self {
        Self { found: vec![name.to_owned()], ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.loaded.extend(other.loaded);
        self.found.extend(other.found);
        self.companies += other.companies;
        self.contacts += other.contacts;
        self.deals += other.deals;
        self.tasks += other.tasks;
        self.activities += other.activities;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.found.is_empty() {
            write!(f, "Already there, and left as it was: {}.", list(&self.found))?;
        }
        if !self.loaded.is_empty() {
            let space = if self.found.is_empty() { "" } else { " " };
            let Self { companies, contacts, deals, tasks, activities, .. } = self;
            write!(
                f,
                "{space}Loaded {}: {contacts} contacts, {companies} companies, {deals} deals, {tasks} tasks and {activities} activities.",
                list(&self.loaded)
            )?;
        }
        Ok(())
    }
}

/// The names, or how many they are.
fn list(names: &[String]) -> String {
    if names.len() > 2 { format!("{} organizations", names.len()) } else { names.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_was_done() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let loaded = Summary { loaded: names(&["A", "B"]), contacts: 3, ..Summary::default() };
        assert_eq!(loaded.to_string(), "Loaded A and B: 3 contacts, 0 companies, 0 deals, 0 tasks and 0 activities.");
        let found = Summary { found: names(&["A", "B", "C"]), ..Summary::default() };
        assert_eq!(found.to_string(), "Already there, and left as it was: 3 organizations.");
    }
}
