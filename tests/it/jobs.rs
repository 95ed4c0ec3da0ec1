//! Jobs: enqueued with what causes them, tried as often as their queue says, given up with a reason, and done once however their workers die.

mod dying;
mod kinds;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use payaid::access::jobs::{Enqueue, Job, Performing, Priority};
use payaid::access::writing::write_as;
use payaid::access::{Act, Scope};
use payaid::base::{Code, Error};
use payaid::platform::jobs::{Perform, Work};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::harness::servers::shared;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use kinds::{Effects, Fails, Notes, Slow};

/// A worker of this process; it ends when it is dropped.
struct Worker {
    _stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    async fn start(app: &TestApp) -> Self {
        let performing = Performing::new(app.app.services.clone(), Arc::new(kinds::registry()));
        Self::of(&worker_url(app).await, Arc::new(performing))
    }

    fn of(url: &str, performing: Arc<Performing>) -> Self {
        Self::with(url, performing, &[])
    }

    /// One that has something to do from time to time as well.
    fn with(url: &str, performing: Arc<Performing>, times: &'static [(&'static str, &'static str)]) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let work = Work::new(url).unwrap();
        let stop_asked = async move { drop(stopped.await) }.boxed().shared();
        let done = tokio::spawn(async move { work.run(performing, times, stop_asked, Duration::from_secs(5)).await });
        Self { _stop: stop, done }
    }

    async fn stop(self) {
        drop(self._stop);
        self.done.await.unwrap().unwrap();
    }
}

async fn worker_url(app: &TestApp) -> String {
    shared().await.primary.url(&app.database, "payaid_worker")
}

/// The scope of whoever is signed in.
async fn scope_of(app: &TestApp, client: &Client) -> Scope {
    app.app.services.authenticate(client.token.as_deref().unwrap(), None, "test".into()).await.unwrap()
}

async fn enqueue<J: Job>(app: &TestApp, scope: &Scope, job: J, how: Enqueue) -> Uuid {
    write_as(&app.app.services, scope.clone(), move |act: Act| async move { act.enqueue(&job, how).await }).await.unwrap()
}

async fn state(app: &TestApp, job: Uuid) -> (String, i32, Option<String>) {
    let row = app.superuser().await.query_one(&format!("SELECT state, attempts, last_error FROM jobs WHERE id = '{job}'"), &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

async fn until_state(app: &TestApp, job: Uuid, wanted: &str) -> (i32, Option<String>) {
    let db = app.superuser().await;
    until(wanted, async || db.query_one(&format!("SELECT state FROM jobs WHERE id = '{job}'"), &[]).await.unwrap().get::<_, String>(0) == wanted)
        .await;
    let (_, attempts, reason) = state(app, job).await;
    (attempts, reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_there_when_what_caused_it_is_and_not_else() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let undone: Result<(), Error> = write_as(&app.app.services, scope.clone(), |act: Act| async move {
        act.enqueue(&Notes { word: "never".to_owned() }, Enqueue::default()).await?;
        Err(Error::new(Code::Conflict, "undone"))
    })
    .await;
    assert_eq!(undone.unwrap_err().code, Code::Conflict);
    let done = enqueue(&app, &scope, Notes { word: "done".to_owned() }, Enqueue::default()).await;
    let db = app.superuser().await;
    let count = async |table: &str| db.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!((count("jobs").await, count("graphile_worker._private_jobs").await), (1, 1));
    let effects = Effects::of(scope.organization);
    let worker = Worker::start(&app).await;
    assert_eq!(until_state(&app, done, "DONE").await, (1, None));
    assert_eq!(effects.all(), [("done".to_owned(), done)]);
    until("the queue's entry goes", async || count("graphile_worker._private_jobs").await == 0).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_tried_again_and_then_given_up_with_the_reason() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let scope = scope_of(&app, &owner).await;
    let worker = Worker::start(&app).await;
    // Twice, and then it goes well.
    let flaky = enqueue(&app, &scope, Fails { times: 2, after_ms: Some(20), never: false, panics: false }, Enqueue::default()).await;
    assert_eq!(until_state(&app, flaky, "DONE").await, (3, Some("It failed on purpose.".to_owned())));
    // As often as its queue says, by a panic as well.
    let hopeless = enqueue(
        &app,
        &scope,
        Fails { times: 9, after_ms: Some(20), never: false, panics: true },
        Enqueue { attempts: Some(1), ..Enqueue::default() },
    )
    .await;
    let (attempts, reason) = until_state(&app, hopeless, "DEAD").await;
    assert!(attempts == 1 && reason.as_deref().unwrap().starts_with("The server made a mistake"), "{attempts} {reason:?}");
    let never = enqueue(&app, &scope, Fails { times: 9, after_ms: None, never: true, panics: false }, Enqueue::default()).await;
    assert_eq!(until_state(&app, never, "DEAD").await.0, 1);
    // By its queue's schedule: the second attempt of an e-mail comes 2 s after the first one.
    let later = enqueue(&app, &scope, Fails { times: 9, after_ms: None, never: false, panics: false }, Enqueue::default()).await;
    let db = app.superuser().await;
    let waits =
        format!("SELECT extract(epoch FROM run_at - updated_at)::float8 FROM jobs WHERE id = '{later}' AND state = 'QUEUED' AND attempts = 1");
    until("the first attempt fails", async || !db.query(&waits, &[]).await.unwrap().is_empty()).await;
    let rows = db.query(&waits, &[]).await.unwrap();
    assert!(rows.first().is_none_or(|row| (row.get::<_, f64>(0) - 2.0).abs() < 0.01), "{rows:?}");
    worker.stop().await;

    let dead =
        "{ jobs(filter: {state: {eq: DEAD}}) { totalCount nodes { id version kind queue state attempts lastError finishedAt actor { email } } } }";
    let found = owner.query(dead).await;
    assert_eq!(found["jobs"]["totalCount"], 2, "{found}");
    let node = found["jobs"]["nodes"].as_array().unwrap().iter().find(|node| node["lastError"] == "It failed on purpose.").unwrap();
    assert_eq!(
        (&node["kind"], &node["queue"], &node["attempts"], &node["actor"]["email"]),
        (&json!("test_fails"), &json!("EMAIL"), &json!(1), &json!("owner@sharma.example"))
    );
    retry(&app, &owner, node, never).await;
}

/// A job that was given up is done again, once, by an admin; one that was not, is not.
async fn retry(app: &TestApp, owner: &Client, node: &Value, job: Uuid) {
    let input = json!({"id": node["id"], "version": node["version"]});
    let viewer = app.member(owner, "SALES", "sales@sharma.example").await;
    let refused = viewer.send("mutation($i: JobRetryInput!) { jobRetry(input: $i) { job { id } } }", json!({"i": input})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "INSUFFICIENT_PERMISSIONS", "{refused}");
    let again = owner.done("jobRetry", input.clone(), "job { state attempts finishedAt }").await;
    assert_eq!(again["job"], json!({"state": "QUEUED", "attempts": 0, "finishedAt": null}));
    let twice = owner.mutate("jobRetry", input, "userErrors { code }").await;
    assert_eq!(twice["userErrors"][0]["code"], "CONFLICT", "{twice}");
    let worker = Worker::start(app).await;
    assert_eq!(until_state(app, job, "DEAD").await.0, 1);
    worker.stop().await;
    let log = owner.query("{ auditLog(filter: {action: \"job.retry\"}) { nodes { before after } } }").await;
    assert_eq!(log["auditLog"]["nodes"].as_array().unwrap().len(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended_and_progress_is_shown() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let scope = scope_of(&app, &owner).await;
    let performing = Performing::new(app.app.services.clone(), Arc::new(kinds::registry())).within(Duration::from_millis(1_500));
    let worker = Worker::of(&worker_url(&app).await, Arc::new(performing));
    let slow = enqueue(&app, &scope, Slow, Enqueue { attempts: Some(1), ..Enqueue::default() }).await;
    let id = payaid::features::jobs::model::JobId::new(slow).to_string();
    until("progress", async || {
        let found = owner.data("query($id: ID!) { job(id: $id) { progress { done total } } }", json!({"id": id})).await;
        found["job"]["progress"] == json!({"done": 3, "total": 10})
    })
    .await;
    assert_eq!(until_state(&app, slow, "DEAD").await, (1, Some("It took longer than 1.5 s.".to_owned())));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_high_go_first_and_those_of_one_word_one_after_another() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let mut jobs = Vec::new();
    for (word, priority) in [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)] {
        let how = Enqueue { priority: Some(priority), one_after_another: Some("one".to_owned()), ..Enqueue::default() };
        jobs.push(enqueue(&app, &scope, Notes { word: word.to_owned() }, how).await);
    }
    let how = Enqueue { at: Some(chrono::DateTime::<chrono::Utc>::MAX_UTC - chrono::TimeDelta::days(100_000 * 365)), ..Enqueue::default() };
    let later = enqueue(&app, &scope, Notes { word: "later".to_owned() }, how).await;
    let effects = Effects::of(scope.organization);
    let worker = Worker::start(&app).await;
    for job in jobs {
        until_state(&app, job, "DONE").await;
    }
    assert_eq!(effects.all().iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>(), ["high", "normal", "low"]);
    assert!(!effects.overlapped(), "two jobs of one word were run at once");
    assert_eq!(state(&app, later).await.0, "QUEUED");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connections_are_cut_goes_on_by_itself() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let worker = Worker::start(&app).await;
    let first = enqueue(&app, &scope, Notes { word: "first".to_owned() }, Enqueue::default()).await;
    until_state(&app, first, "DONE").await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'payaid%'";
    let gone: i64 = app.superuser().await.query_one(cut, &[]).await.unwrap().get(0);
    assert!(gone >= 2, "{gone}");
    let second = write_again(&app, &scope).await;
    until_state(&app, second, "DONE").await;
    worker.stop().await;
}

/// Enqueues as soon as the server has connections again.
async fn write_again(app: &TestApp, scope: &Scope) -> Uuid {
    loop {
        let word = Notes { word: "second".to_owned() };
        let written = write_as(&app.app.services, scope.clone(), move |act: Act| async move { act.enqueue(&word, Enqueue::default()).await }).await;
        if let Ok(id) = written {
            return id;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enqueues_or_sees_jobs_of_others() {
    let app = TestApp::start().await;
    let (sharma, nilgiri) = (app.sign_up("Sharma", "owner@sharma.example").await, app.sign_up("Nilgiri", "owner@nilgiri.example").await);
    let scope = scope_of(&app, &sharma).await;
    enqueue(&app, &scope, Notes { word: "own".to_owned() }, Enqueue::default()).await;
    assert_eq!(nilgiri.query("{ jobs { totalCount } }").await["jobs"]["totalCount"], 0);
    assert_eq!(sharma.query("{ jobs { totalCount } }").await["jobs"]["totalCount"], 1);
    let db = app.superuser().await;
    let (own, other, job) = (Uuid::from_u128(7), scope.organization, Uuid::from_u128(8));
    for (call, refusal) in [
        (format!("wake_worker('{other}', '{job}', 'EMAIL', 'NORMAL', now(), NULL)"), "another organization"),
        (format!("wake_workers('{other}', ARRAY['{job}']::uuid[], 'EMAIL', ARRAY['NORMAL'], ARRAY[NULL], NULL)"), "another organization"),
        (
            format!("enqueue_jobs('{other}', ARRAY['{job}']::uuid[], 'x', 'EMAIL', ARRAY['{{}}'::jsonb], ARRAY['NORMAL'], ARRAY[NULL], NULL, 3)"),
            "row-level security",
        ),
    ] {
        let text =
            format!("BEGIN; SET LOCAL ROLE payaid_server; SET LOCAL app.organization_id = '{own}'; SET LOCAL app.now = '2026-11-21'; SELECT {call}");
        let error = db.batch_execute(&text).await.unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains(refusal), "{call}: {error:?}");
        db.batch_execute("ROLLBACK").await.unwrap();
    }
    db.batch_execute("SET ROLE payaid_server").await.unwrap();
    for statement in ["SELECT * FROM graphile_worker._private_jobs", "SELECT graphile_worker.add_job('email')", "DELETE FROM jobs"] {
        assert_eq!(db.batch_execute(statement).await.unwrap_err().code().unwrap().code(), "42501", "{statement}");
    }
    db.batch_execute("SET ROLE payaid_worker").await.unwrap();
    for statement in ["SELECT * FROM jobs", "SELECT * FROM contacts", "SELECT * FROM users"] {
        assert_eq!(db.batch_execute(statement).await.unwrap_err().code().unwrap().code(), "42501", "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_over_long_ago_is_deleted() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(enqueue(&app, &scope, Notes { word: "x".to_owned() }, Enqueue::default()).await);
    }
    let db = app.superuser().await;
    for (job, state, days) in [(ids[0], "DONE", 8), (ids[1], "DONE", 6), (ids[2], "DEAD", 8), (ids[3], "DEAD", 91)] {
        let text = format!("UPDATE jobs SET state = '{state}', finished_at = now() - interval '{days} days' WHERE id = '{job}'");
        db.execute(&text, &[]).await.unwrap();
    }
    app.app.performing().periodic("finished_jobs").await.unwrap();
    let left = db.query("SELECT id::text FROM jobs ORDER BY id", &[]).await.unwrap();
    let mut kept = vec![ids[1].to_string(), ids[2].to_string()];
    kept.sort();
    assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), kept);
}
