//! Data to look at and to measure with: `payaid seed --demo` and `payaid seed --bench`.
//!
//! What must hold:
//! - Seeds obey the rules that everybody obeys: they need only the server's own login, name the organization in each transaction, and write under
//!   row level security.
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

pub use bench::bench;
pub use database::analyze;
pub use demo::{demo, sign_ins};
pub use progress::Progress;

/// The password of every seeded user.
pub const PASSWORD: &str = "payaid-demo";

/// A user of the demo data, to sign in with [`PASSWORD`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The organization's name.
    pub organization: &'static str,
    /// The role there, such as `OWNER`.
    pub role: &'static str,
    /// The e-mail address.
    pub email: String,
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
    /// Whether the planner's statistics were renewed, which only the tables' owner may do; autovacuum does it later otherwise.
    pub analyzed: bool,
}

impl Summary {
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
    match names {
        [] | [_, _, _, ..] => format!("{} organizations", names.len()),
        some => some.join(" and "),
    }
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
