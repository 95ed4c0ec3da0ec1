//! One attempt of a job: it is counted, run, and what came of it is written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use crate::access::jobs::{Failed, Registry, Run, scope};
use crate::access::scope::Scope;
use crate::access::services::Services;
use crate::access::writing::Act;
use crate::access::writing::write_as;
use crate::base::{Code, Error, Result};
use crate::platform::jobs::{Errand, Perform, Queue, Ticket};
use crate::platform::postgres::statement::{Bind, Sql};

/// How long what came of an attempt is kept trying to be written, while the database is away: the job is not to be run again.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// How long a job waits for a worker of a version that knows its kind, and how soon it is looked for one: servers are not all replaced at once.
const KNOWN_WITHIN: TimeDelta = TimeDelta::days(1);
const KNOWN_AGAIN: Duration = Duration::from_secs(60);
/// The longest reason that is kept, in letters.
const LONGEST_REASON: usize = 1_000;

/// Performs what is due.
pub struct Performing {
    services: Services,
    registry: Arc<Registry>,
    limit: Option<Duration>,
}

/// A job as it is when an attempt begins.
#[derive(Clone)]
struct Begun {
    kind: String,
    payload: Value,
    attempt: i32,
    attempts: i32,
    actor: Option<Uuid>,
    request_id: String,
    created_at: DateTime<Utc>,
}

/// What comes of an attempt.
#[derive(Clone)]
enum Outcome {
    Done,
    Later(Duration, String),
    /// This version of the server does not know the kind; another one may, so that it was no attempt.
    Unknown,
    Dead(String),
}

impl Performing {
    /// Performs the kinds of a registry.
    #[must_use]
    pub const fn new(services: Services, registry: Arc<Registry>) -> Self {
        Self { services, registry, limit: None }
    }

    /// Gives every attempt this time, instead of what its queue says.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    async fn perform(&self, queue: Queue, ticket: Ticket) -> Result<()> {
        // The change of the row itself is nobody's.
        let own = scope(ticket.organization, None, ticket.job, "", &self.services.clock);
        let registry = Arc::clone(&self.registry);
        let at = self.services.clock.now();
        let Some(begun) = self.settled(&own, move |act| begin(act, ticket, at, Arc::clone(&registry))).await? else { return Ok(()) };
        let began = Instant::now();
        let outcome = self.attempt(queue, ticket, begun.clone()).await;
        let word = match &outcome {
            Outcome::Done => "done",
            Outcome::Later(..) => "again",
            Outcome::Unknown => "unknown",
            Outcome::Dead(_) => "dead",
        };
        metrics::counter!("payaid_jobs_total", "kind" => begun.kind.clone(), "outcome" => word).increment(1);
        metrics::histogram!("payaid_job_seconds", "kind" => begun.kind.clone()).record(began.elapsed().as_secs_f64());
        let registry = Arc::clone(&self.registry);
        self.settled(&own, move |act| finish(act, ticket, (begun.clone(), outcome.clone()), Arc::clone(&registry))).await
    }

    /// Runs an attempt, in a task of its own: it may panic, and it may take too long.
    async fn attempt(&self, queue: Queue, ticket: Ticket, begun: Begun) -> Outcome {
        let (rules, attempt, attempts) = (queue.rules(), begun.attempt, begun.attempts);
        let limit = self.limit.unwrap_or(rules.limit);
        let Some(kind) = self.registry.job(&begun.kind) else {
            let expected = self.services.clock.now() - begun.created_at < KNOWN_WITHIN;
            tracing::warn!(kind = begun.kind, expected, "this version of the server does not know a job");
            let unknown = || Outcome::Dead(format!("No version of the server that ran in the last day knows the job `{}`.", begun.kind));
            return if expected { Outcome::Unknown } else { unknown() };
        };
        let span = tracing::info_span!("job", id = %ticket.job, kind = begun.kind, attempt, request_id = begun.request_id);
        let scope = scope(ticket.organization, begun.actor, ticket.job, &begun.request_id, &self.services.clock);
        let run = Run { id: ticket.job, services: self.services.clone(), scope, attempt, attempts };
        let task = AbortOnDropHandle::new(tokio::spawn(kind(begun.payload, run).instrument(span.clone())));
        let failed = match tokio::time::timeout(limit, task).await {
            Ok(Ok(Ok(()))) => return Outcome::Done,
            Ok(Ok(Err(failed))) => failed,
            Ok(Err(panicked)) => Failed::Again(Error::internal(format!("the job ended by itself: {panicked}"))),
            Err(_) => Failed::Again(Error::new(Code::Timeout, format!("It took longer than {} s.", limit.as_secs_f32()))),
        };
        let (error, delay) = match failed {
            Failed::Again(error) => (error, Some(rules.delay_after(attempt))),
            Failed::After(delay, error) => (error, Some(delay)),
            Failed::Never(error) => (error, None),
        };
        let detail = error.internal.as_deref().unwrap_or_default();
        span.in_scope(|| tracing::warn!(reason = %error, detail, "an attempt failed"));
        let reason: String = error.to_string().chars().take(LONGEST_REASON).collect();
        match delay {
            Some(delay) if attempt < attempts => Outcome::Later(delay, reason),
            _ => Outcome::Dead(reason),
        }
    }

    /// Writes to the job's row, again and again while the database is away for a moment.
    async fn settled<T, Fut>(&self, scope: &Scope, action: impl Fn(Act) -> Fut + Clone + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let began = Instant::now();
        let mut wait = Duration::from_millis(20);
        loop {
            let outcome = write_as(&self.services, scope.clone(), action.clone()).await;
            match outcome {
                Err(error) if error.may_pass() && began.elapsed() < WRITE_WITHIN => {
                    tokio::time::sleep(wait).await;
                    wait = wait.saturating_mul(2).min(Duration::from_secs(1));
                }
                outcome => return outcome,
            }
        }
    }
}

type BegunRow = (Text, Jsonb, Integer, Integer, Nullable<SqlUuid>, Text, Timestamptz);
type BegunTuple = (String, Value, i32, i32, Option<Uuid>, String, DateTime<Utc>);

/// Counts an attempt that begins `at` an instant, once however often this is repeated, and says what is to be done; `None` when nothing is: the job is
/// over, or waits for another ticket, or was given up because its last attempt ended the process.
async fn begin(act: Act, ticket: Ticket, at: DateTime<Utc>, registry: Arc<Registry>) -> Result<Option<Begun>> {
    let (now, of) = (Bind::Instant(act.now()), [Bind::Uuid(ticket.organization), Bind::Uuid(ticket.job)]);
    let take = "UPDATE jobs SET attempts = attempts + CASE WHEN state = 'RUNNING' AND started_at = ? THEN 0 ELSE 1 END, state = 'RUNNING', \
                started_at = ?, updated_at = ?, version = version + 1 WHERE organization_id = ? AND id = ? AND state IN ('QUEUED', 'RUNNING') \
                AND (attempts < max_attempts OR (state = 'RUNNING' AND started_at = ?)) AND NOT (requeued AND ? = 1) \
                RETURNING kind, payload, attempts, max_attempts, actor_id, request_id, created_at";
    let mut binds = vec![Bind::Instant(at), Bind::Instant(at), now.clone()];
    binds.extend(of.clone());
    binds.extend([Bind::Instant(at), Bind::Int(i32::from(ticket.fresh))]);
    let taken: Option<BegunTuple> = act.db.first(Sql::<BegunRow>::new(take, binds)).await?;
    if let Some((kind, payload, attempt, attempts, actor, request_id, created_at)) = taken {
        return Ok(Some(Begun { kind, payload, attempt, attempts, actor, request_id, created_at }));
    }
    let reason = "The process that ran it ended, at each of its attempts.";
    let give_up = "UPDATE jobs SET state = 'DEAD', finished_at = ?, updated_at = ?, version = version + 1, last_error = ? \
                   WHERE organization_id = ? AND id = ? AND state = 'RUNNING' AND attempts >= max_attempts AND NOT (requeued AND ? = 1) \
                   RETURNING kind, payload";
    let binds = [now.clone(), now, Bind::Text(reason.to_owned())].into_iter().chain(of).chain([Bind::Int(i32::from(ticket.fresh))]).collect();
    if let Some((kind, payload)) = act.db.first::<_, (String, Value), _>(Sql::<(Text, Jsonb)>::new(give_up, binds)).await? {
        tracing::error!(job = %ticket.job, kind, "a job was given up: the process that ran it ended, at each of its attempts");
        if let Some(given_up) = registry.given_up(&kind) {
            given_up(payload, act, ticket.job, reason.to_owned()).await?;
        }
    }
    Ok(None)
}

/// Writes what came of an attempt, if no other one has begun since. One that is tried again is due at its time in the same transaction.
async fn finish(act: Act, ticket: Ticket, (begun, outcome): (Begun, Outcome), registry: Arc<Registry>) -> Result<()> {
    match outcome {
        Outcome::Done => over(&act, ticket, &begun, "DONE", None).await.map(drop),
        Outcome::Dead(reason) => {
            let is_over = over(&act, ticket, &begun, "DEAD", Some(reason.clone())).await?;
            match registry.given_up(&begun.kind) {
                Some(given_up) if is_over => given_up(begun.payload, act, ticket.job, reason).await,
                _ => Ok(()),
            }
        }
        Outcome::Later(delay, reason) => again(&act, ticket, &begun, (0, delay), reason).await,
        Outcome::Unknown => again(&act, ticket, &begun, (1, KNOWN_AGAIN), "Waits for a version of the server that knows it.".to_owned()).await,
    }
}

/// Ends a job; whether it was still this attempt's.
async fn over(act: &Act, ticket: Ticket, begun: &Begun, state: &str, reason: Option<String>) -> Result<bool> {
    let text = "UPDATE jobs SET state = ?, last_error = coalesce(?, last_error), finished_at = ?, updated_at = ?, version = version + 1 \
                WHERE organization_id = ? AND id = ? AND state = 'RUNNING' AND attempts = ?";
    let binds = vec![
        Bind::Text(state.to_owned()),
        Bind::MaybeText(reason),
        Bind::Instant(act.now()),
        Bind::Instant(act.now()),
        Bind::Uuid(ticket.organization),
        Bind::Uuid(ticket.job),
        Bind::Int(begun.attempt),
    ];
    Ok(act.db.execute(Sql::<()>::new(text, binds)).await? > 0)
}

async fn again(act: &Act, ticket: Ticket, begun: &Begun, (uncounted, delay): (i32, Duration), reason: String) -> Result<()> {
    let text = "WITH again AS (UPDATE jobs SET state = 'QUEUED', requeued = true, attempts = attempts - ?, run_at = ?, last_error = ?, \
                updated_at = ?, version = version + 1 WHERE organization_id = ? AND id = ? AND state = 'RUNNING' AND attempts = ? RETURNING *) \
                SELECT wake_worker(organization_id, id, queue, priority, run_at, serial) FROM again";
    let binds = vec![
        Bind::Int(uncounted),
        Bind::Instant(later(act.now(), delay)),
        Bind::Text(reason),
        Bind::Instant(act.now()),
        Bind::Uuid(ticket.organization),
        Bind::Uuid(ticket.job),
        Bind::Int(begun.attempt),
    ];
    act.db.execute(Sql::<()>::new(text, binds)).await.map(drop)
}

fn later(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(delay).ok().and_then(|delay| now.checked_add_signed(delay)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn said(error: &Error) -> String {
    format!("{error} {}", error.internal.as_deref().unwrap_or_default())
}

impl Perform for Performing {
    fn job(&self, queue: Queue, ticket: Ticket) -> BoxFuture<'_, Result<(), String>> {
        async move { self.perform(queue, ticket).await.map_err(|error| said(&error)) }.boxed()
    }

    fn errand(&self, errand: Errand) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let run = self.registry.errand(&errand.kind).ok_or_else(|| format!("the errand `{}` is not known", errand.kind))?;
            run(errand.payload, self.services.clone()).await.map_err(|error| said(&error))
        }
        .boxed()
    }

    fn periodic(&self, name: &str) -> BoxFuture<'_, Result<(), String>> {
        let Some(run) = self.registry.periodic(name) else {
            // Of another version of the server, which has put it there.
            return std::future::ready(Ok(())).boxed();
        };
        let work = run(self.services.clone());
        async move { work.await.map_err(|error| said(&error)) }.boxed()
    }
}
