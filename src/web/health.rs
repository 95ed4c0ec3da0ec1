//! What machines ask: does the process live, is it ready for requests, what has it measured.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::App;
use crate::app::Phase;
use crate::base::Code;
use crate::platform::postgres::health::Replica;
use crate::platform::postgres::statement::Sql;
use crate::platform::postgres::{Access, Pool, Settings, Transaction, migrate};

/// How long a check may take.
const CHECK_WITHIN: Duration = Duration::from_secs(1);

/// The process lives.
pub async fn live() -> &'static str {
    "alive\n"
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Checks,
}

#[derive(Serialize)]
struct Checks {
    /// `ok`, or `draining` on the way to the end.
    serving: &'static str,
    /// `ok`; `busy` when it works but all connections are in use; `unreachable`.
    database: &'static str,
    /// `ok`; `unfit` when none of the replicas can be read from; `off` without any.
    replicas: &'static str,
    /// `ok`; `pending` when the schema is older than this server; `unknown`.
    migrations: &'static str,
    /// `ok`, `unreachable` or `off`. The server works without it.
    redis: &'static str,
}

/// Whether requests should be sent here.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let serving = if app.phase() == Phase::Serving { "ok" } else { "draining" };
    let redis = async {
        match &app.services.redis {
            None => "off",
            Some(redis) => redis.ping().await.map_or("unreachable", |()| "ok"),
        }
    };
    let ((database, migrations), redis) = tokio::join!(database(app.services.databases.primary()), redis);
    let databases = &app.services.databases;
    let replicas = match databases.replicas() {
        [] => "off",
        replicas if replicas.iter().any(Replica::is_fit) => "ok",
        _ => "unfit",
    };
    // Without the primary, reads go on on the replicas: taken out, the server would take them along.
    let ready = serving == "ok" && (database != "unreachable" || replicas == "ok") && migrations != "pending";
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Readiness { ready, checks: Checks { serving, database, replicas, migrations, redis } };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn database(primary: &Pool) -> (&'static str, &'static str) {
    let (open, free, _) = primary.status();
    let busy = open > 0 && free == 0;
    let transaction = Transaction::new(primary.clone(), Access::Snapshot, &Settings::default());
    let applied = Sql::<diesel::sql_types::Text>::new("SELECT version::text FROM __diesel_schema_migrations", Vec::new());
    match tokio::time::timeout(CHECK_WITHIN, transaction.load::<_, String, _>(applied)).await {
        Ok(Ok(applied)) => ("ok", if all_applied(applied) { "ok" } else { "pending" }),
        // A server whose connections are all at work must not be taken out for it, or its load would fall on the others.
        Ok(Err(error)) if busy && error.code == Code::DatabaseUnavailable => ("busy", "unknown"),
        Ok(Err(error)) => {
            tracing::warn!("not ready: {}", error.internal.unwrap_or(error.message));
            ("unreachable", "unknown")
        }
        Err(_) => ("unreachable", "unknown"),
    }
}

fn all_applied(applied: Vec<String>) -> bool {
    let applied: HashSet<String> = applied.into_iter().collect();
    migrate::known().is_ok_and(|known| known.iter().all(|name| applied.contains(&migrate::version(name))))
}

/// What was measured, for Prometheus.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let databases = &app.services.databases;
    record("primary", databases.primary());
    for replica in databases.replicas() {
        let node = replica.name.to_string();
        metrics::gauge!("database_replica_well", "node" => node.clone()).set(if replica.is_fit() { 1.0 } else { 0.0 });
        if let Some(lag) = replica.lag().and_then(|lag| lag.to_std().ok()) {
            metrics::gauge!("database_replica_lag_seconds", "node" => node.clone()).set(lag.as_secs_f64());
        }
        record(&node, &replica.pool);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}

fn record(node: &str, pool: &Pool) {
    let (open, free, waiting) = pool.status();
    for (state, count) in [("open", open), ("free", free), ("waiting", waiting)] {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("database_connections", "node" => node.to_owned(), "state" => state).set(count);
    }
    metrics::counter!("database_shared_reads_total", "node" => node.to_owned()).absolute(pool.lane().answered());
}
