//! Logs as text or JSON on standard output, and metrics for Prometheus.

mod json_line;

use std::io::IsTerminal;
use std::sync::Arc;

use clap::ValueEnum;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::base::clock::SystemClock;
use json_line::{JsonLine, JsonMembers};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging; `filter` is in the syntax of `RUST_LOG`.
///
/// # Errors
/// When the filter cannot be understood or logging was started before.
pub fn start_logging(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let started = match format {
        LogFormat::Text => fmt().with_env_filter(filter).with_target(false).with_ansi(std::io::stdout().is_terminal()).try_init(),
        LogFormat::Json => {
            let line = JsonLine { clock: Arc::new(SystemClock) };
            fmt().with_env_filter(filter).fmt_fields(JsonMembers).event_format(line).try_init()
        }
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

/// Upper bounds of the histograms of durations, in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Installs the process's metrics recorder; the handle renders what `/metrics` answers. A second call gets the same recorder.
///
/// # Errors
/// When another recorder was installed.
pub fn metrics_handle() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    static INSTALLING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?;
    let handle = builder.install_recorder()?;
    Ok(HANDLE.get_or_init(|| handle).clone())
}
