//! How far a long load has come: a bar where somebody is watching, lines where a log is written.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::output;

/// Where progress is shown.
#[derive(Debug)]
pub struct Progress(Shown);

#[derive(Debug)]
enum Shown {
    Nowhere,
    Bar(ProgressBar),
    Lines(Lines),
}

/// A line for each tenth of the way.
#[derive(Debug)]
struct Lines {
    begin: Instant,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Shows nothing.
    #[must_use]
    pub const fn silent() -> Self {
        Self(Shown::Nowhere)
    }

    /// Shows a bar on standard error when that is a terminal, else writes lines there.
    #[must_use]
    pub fn on_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(Shown::Lines(Lines { begin: Instant::now(), done: AtomicU64::new(0), total: AtomicU64::new(0) }));
        }
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} left") {
            bar.set_style(style);
        }
        Self(Shown::Bar(bar))
    }

    /// Says what begins and how many rows it will write.
    pub(super) fn begin(&self, what: &'static str, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        match &self.0 {
            Shown::Nowhere => {}
            Shown::Bar(bar) => {
                bar.set_message(what);
                bar.set_length(rows);
            }
            Shown::Lines(lines) => {
                lines.total.store(rows, Ordering::Relaxed);
                output::note(format!("{what}: {rows} rows"));
            }
        }
    }

    /// Says that so many more rows are written.
    pub(super) fn advance(&self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        match &self.0 {
            Shown::Nowhere => {}
            Shown::Bar(bar) => bar.inc(rows),
            Shown::Lines(lines) => lines.advance(rows),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn advance(&self, rows: u64) {
        let before = AtomicU64::fetch_add(&self.done, rows, Ordering::Relaxed);
        let total = AtomicU64::load(&self.total, Ordering::Relaxed).max(1);
        let tenths = |done: u64| done.saturating_mul(10) / total;
        if tenths(before + rows) > tenths(before) {
            output::note(format!("{} of {total} rows after {} s", before + rows, self.begin.elapsed().as_secs()));
        }
    }
}
