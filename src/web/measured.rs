//! Counts and durations by their labels. The metrics of each combination of labels are looked up once and kept: looking them up takes a string for each
//! label, for each request anew.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram};

type By<K> = HashMap<K, (Counter, Histogram)>;
/// By method and status.
type Requests = By<(&'static str, u16)>;
/// By kind and outcome.
type Operations = By<(&'static str, &'static str)>;

static REQUESTS: LazyLock<RwLock<HashMap<String, Requests>>> = LazyLock::new(RwLock::default);
static OPERATIONS: LazyLock<RwLock<Operations>> = LazyLock::new(RwLock::default);

/// Counts a request; `path` is a pattern of the router, of which there are only so many.
pub fn request(path: &str, method: &'static str, status: u16, took: Duration) {
    let key = (method, status);
    if let Some(known) = REQUESTS.read().unwrap_or_else(PoisonError::into_inner).get(path).and_then(|known| known.get(&key)) {
        return note(known, took);
    }
    let labels = [("path", path.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
    let metrics = (metrics::counter!("http_requests_total", &labels), metrics::histogram!("http_request_duration_seconds", &labels));
    note(&metrics, took);
    REQUESTS.write().unwrap_or_else(PoisonError::into_inner).entry(path.to_owned()).or_default().insert(key, metrics);
}

/// Counts an operation.
pub fn operation(kind: &'static str, outcome: &'static str, took: Duration) {
    let key = (kind, outcome);
    if let Some(known) = OPERATIONS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return note(known, took);
    }
    let labels = [("kind", kind), ("outcome", outcome)];
    let metrics = (metrics::counter!("graphql_operations_total", &labels), metrics::histogram!("graphql_operation_duration_seconds", &labels));
    note(&metrics, took);
    OPERATIONS.write().unwrap_or_else(PoisonError::into_inner).insert(key, metrics);
}

fn note((counter, histogram): &(Counter, Histogram), took: Duration) {
    counter.increment(1);
    histogram.record(took);
}
