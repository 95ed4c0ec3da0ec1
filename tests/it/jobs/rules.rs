//! What holds of jobs beside their being done: what is not known, what was taken over, what follows from giving up, and what is due by the clock.

use std::sync::Arc;
use std::time::Duration;

use payaid::access::jobs::{Enqueue, Performing, Registry};
use payaid::features::jobs::model::JobId;
use payaid::platform::jobs::{Perform, Queue, Ticket};
use serde_json::{Value, json};
use tokio_postgres::Client as Database;

use super::kinds::{self, Effects, Fails, Notes, Slow};
use super::{Worker, enqueue, scope_of, state, worker_url};
use crate::harness::TestApp;
use crate::harness::clock::HeldClock;
use crate::harness::waiting::until;
use crate::subscriptions::{next, opened};

/// Does what a worker does with a ticket.
async fn perform(app: &TestApp, registry: Registry, ticket: Ticket) {
    Performing::new(app.app.services.clone(), Arc::new(registry)).job(Queue::Email, ticket).await.unwrap();
}

async fn number(db: &Database, of: &str) -> i64 {
    db.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
}

/// While servers are replaced, a job of the new version meets a worker of the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_this_version_does_not_know_waits_for_one_that_does() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let job = enqueue(&app, &scope, Notes { word: "new".to_owned() }, Enqueue::default()).await;
    let ticket = Ticket { organization: scope.organization, job, fresh: false };
    for _ in 0..4 {
        perform(&app, Registry::default(), ticket).await;
        let reason = "Waits for a version of the server that knows it.".to_owned();
        assert_eq!(state(&app, job).await, ("QUEUED".to_owned(), 0, Some(reason)));
    }
    let db = app.superuser().await;
    let due = format!("SELECT 1 FROM jobs WHERE id = '{job}' AND run_at - updated_at = interval '60 s'");
    assert_eq!(db.query(&due, &[]).await.unwrap().len(), 1);
    perform(&app, kinds::registry(), ticket).await;
    assert_eq!((state(&app, job).await.0.as_str(), Effects::of(scope.organization).all().len()), ("DONE", 1));

    let old = enqueue(&app, &scope, Notes { word: "old".to_owned() }, Enqueue::default()).await;
    db.execute(&format!("UPDATE jobs SET created_at = created_at - interval '25 hours' WHERE id = '{old}'"), &[]).await.unwrap();
    perform(&app, Registry::default(), Ticket { job: old, ..ticket }).await;
    let (state, _, reason) = state(&app, old).await;
    assert!(state == "DEAD" && reason.as_deref().unwrap().contains("`test_notes`"), "{state} {reason:?}");
}

/// A worker that was silent for a while finds that another one has begun its job anew, and leaves that alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_says_nothing_of_the_one_after_it() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let db = app.superuser().await;
    for attempts in [1, 3] {
        let job = enqueue(&app, &scope, Slow, Enqueue { attempts: Some(attempts), ..Enqueue::default() }).await;
        let performing = Performing::new(app.app.services.clone(), Arc::new(kinds::registry())).within(Duration::from_millis(400));
        let ticket = Ticket { organization: scope.organization, job, fresh: false };
        let silent = tokio::spawn(async move { performing.job(Queue::Report, ticket).await });
        let further = format!("SELECT 1 FROM jobs WHERE id = '{job}' AND progress_done = 3");
        until("it has begun", async || !db.query(&further, &[]).await.unwrap().is_empty()).await;
        db.execute(&format!("UPDATE jobs SET attempts = attempts + 1, max_attempts = 9 WHERE id = '{job}'"), &[]).await.unwrap();
        silent.await.unwrap().unwrap();
        assert_eq!(state(&app, job).await, ("RUNNING".to_owned(), 2, None));
    }
}

/// The answer to a COMMIT may be lost on its way, and then the same is written once more.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_counted_once_however_often_its_beginning_is_written() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|_| (), Arc::clone(&clock) as _).await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let db = app.superuser().await;
    for (seconds, expected) in [(0, "DONE"), (1, "DEAD")] {
        let job = enqueue(&app, &scope, Notes { word: "x".to_owned() }, Enqueue { attempts: Some(1), ..Enqueue::default() }).await;
        let begun = "UPDATE jobs SET state = 'RUNNING', attempts = 1, started_at = '2026-11-21T10:00:00Z'";
        db.execute(&format!("{begun} WHERE id = '{job}'"), &[]).await.unwrap();
        clock.advance(chrono::Duration::seconds(seconds));
        perform(&app, kinds::registry(), Ticket { organization: scope.organization, job, fresh: true }).await;
        let (state, attempts, _) = state(&app, job).await;
        assert_eq!((state.as_str(), attempts), (expected, 1));
    }
}

/// A worker that dies between saying that a job is tried again and letting go of its ticket leaves that behind, beside the one of the later time.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_another_one_has_replaced_does_nothing() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let fails = Fails { times: 1, after_ms: Some(3_600_000), never: false, panics: false };
    let job = enqueue(&app, &scope, fails, Enqueue::default()).await;
    let db = app.superuser().await;
    let tickets = "SELECT payload::jsonb ? 'fresh' FROM graphile_worker._private_jobs WHERE payload->>'job' = $1 ORDER BY id";
    let fresh = async || {
        let rows = db.query(tickets, &[&job.to_string()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<bool>>()
    };
    assert_eq!(fresh().await, [true]);
    let ticket = |fresh| Ticket { organization: scope.organization, job, fresh };
    perform(&app, kinds::registry(), ticket(true)).await;
    assert_eq!((fresh().await, state(&app, job).await.1), (vec![true, false], 1));
    perform(&app, kinds::registry(), ticket(true)).await;
    let (now, attempts, _) = state(&app, job).await;
    assert_eq!((now.as_str(), attempts), ("QUEUED", 1), "its time has not come");
    // Nor does it count as the end of an attempt that is under way, also of the last.
    for under_way in [2, 3] {
        db.execute(&format!("UPDATE jobs SET state = 'RUNNING', attempts = {under_way}, max_attempts = 3 WHERE id = '{job}'"), &[]).await.unwrap();
        perform(&app, kinds::registry(), ticket(true)).await;
        let (now, attempts, _) = state(&app, job).await;
        assert_eq!((now.as_str(), attempts), ("RUNNING", under_way));
    }
    db.execute(&format!("UPDATE jobs SET state = 'QUEUED', attempts = 1 WHERE id = '{job}'"), &[]).await.unwrap();
    perform(&app, kinds::registry(), ticket(false)).await;
    assert_eq!(state(&app, job).await.0, "DONE");
}

/// Whoever enqueued it may have a row of its own that must not wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_giving_up_is_written_however_it_came_to_it() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let effects = Effects::of(scope.organization);
    let fails = |never| Fails { times: 9, after_ms: Some(1), never, panics: false };
    let never = enqueue(&app, &scope, fails(true), Enqueue::default()).await;
    let once = enqueue(&app, &scope, fails(false), Enqueue { attempts: Some(1), ..Enqueue::default() }).await;
    let twice = enqueue(&app, &scope, fails(false), Enqueue { attempts: Some(2), ..Enqueue::default() }).await;
    let ended = enqueue(&app, &scope, fails(false), Enqueue { attempts: Some(2), ..Enqueue::default() }).await;
    let db = app.superuser().await;
    // As a process leaves it that was ended at the last attempt.
    db.execute(&format!("UPDATE jobs SET state = 'RUNNING', attempts = 2 WHERE id = '{ended}'"), &[]).await.unwrap();
    for job in [never, once, twice, ended] {
        perform(&app, kinds::registry(), Ticket { organization: scope.organization, job, fresh: false }).await;
    }
    let words = effects.all();
    let given_up: Vec<_> = words.iter().filter(|(word, _)| word.starts_with("given up")).map(|(_, job)| *job).collect();
    assert_eq!(given_up, [never, once, ended], "{words:?}");
    assert_eq!(words[2].0, "given up: The process that ran it ended, at each of its attempts.");
    assert_eq!(number(&db, &format!("jobs WHERE state = 'DEAD' AND kind = 'test_fails' AND id <> '{twice}'")).await, 3);
}

/// A backlog is worked off as fast as it goes, and not so many each time that somebody looks.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_is_done_without_waiting_between() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    for _ in 0..200 {
        enqueue(&app, &scope, Notes { word: "x".to_owned() }, Enqueue::default()).await;
    }
    let db = app.superuser().await;
    let worker = Worker::start(&app).await;
    let began = std::time::Instant::now();
    until("all are done", async || number(&db, "jobs WHERE state = 'DONE'").await == 200).await;
    // Eight for each look, twice a second, would take 12 s; eight at a time that take 20 ms need half a second.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_job_is_told_how_far_it_has_come_and_how_it_ended() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Rao", "owner@rao.example").await;
    let scope = scope_of(&app, &owner).await;
    let slow = enqueue(&app, &scope, Slow, Enqueue { attempts: Some(1), ..Enqueue::default() }).await;
    enqueue(&app, &scope, Notes { word: "another".to_owned() }, Enqueue::default()).await;
    let id = JobId::new(slow).to_string();
    let one = format!("subscription {{ jobChanged(id: \"{id}\") {{ kind jobId position job {{ id state progress {{ done total }} lastError }} }} }}");
    let mut socket = opened(&app, &owner, &one).await;
    let mut foreign = opened(&app, &other, "subscription { jobChanged { jobId } }").await;
    let mut dead = opened(&app, &owner, "subscription { jobChanged(filter: {state: {eq: DEAD}}) { jobId } }").await;
    let performing = Performing::new(app.app.services.clone(), Arc::new(kinds::registry())).within(Duration::from_millis(1_500));
    let worker = Worker::of(&worker_url(&app).await, Arc::new(performing));
    let mut told: Vec<(Value, String)> = Vec::new();
    while told.last().is_none_or(|(told, _)| told["job"]["state"] != "DEAD") {
        told.push(next(&mut socket).await);
    }
    assert!(told.iter().all(|(told, _)| told["jobId"] == json!(id) && told["job"]["id"] == json!(id)), "{told:?}");
    let halfway = json!({"id": id, "state": "RUNNING", "progress": {"done": 3, "total": 10}, "lastError": null});
    assert!(told.iter().any(|(told, _)| told["job"] == halfway), "{told:?}");
    let (last, position) = told.last().unwrap();
    assert_eq!((&last["job"]["lastError"], &last["position"]), (&json!("It took longer than 1.5 s."), &json!(position)));
    assert_eq!(next(&mut dead).await.0, json!({"jobId": id}));
    worker.stop().await;

    // Whoever comes back is told how it has become, once.
    let (first, _) = &told[0];
    let since = format!("subscription {{ jobChanged(id: \"{id}\", since: {}) {{ job {{ state }} }} }}", first["position"]);
    let mut again = opened(&app, &owner, &since).await;
    assert_eq!(next(&mut again).await.0, json!({"job": {"state": "DEAD"}}));
    // Others were told of their own alone.
    let scope = scope_of(&app, &other).await;
    let own = enqueue(&app, &scope, Notes { word: "own".to_owned() }, Enqueue::default()).await;
    assert_eq!(next(&mut foreign).await.0, json!({"jobId": JobId::new(own).to_string()}));
    // A copy of everything has no jobs in it: those that are over go without a word.
    assert_eq!(owner.query("{ changes { cursor } }").await["changes"]["cursor"].as_str().map(|cursor| cursor.is_empty()), Some(false));
}

/// Work that is due by the clock is enqueued by one worker of all, and caught up with after a pause.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_by_the_clock_is_done_and_caught_up_with() {
    let app = TestApp::start().await;
    let url = worker_url(&app).await;
    let ticked = kinds::ticks(&app.database);
    let times: &'static [(&'static str, &'static str)] = &[(kinds::TICK, "* * * * *")];
    let start = || {
        let performing = Performing::new(app.app.services.clone(), Arc::new(kinds::registry_of(&app.database)));
        Worker::with(&url, Arc::new(performing), times)
    };
    let db = app.superuser().await;
    let known = "graphile_worker._private_known_crontabs";
    let (first, second) = (start(), start());
    until("it is known when it is due", async || number(&db, known).await == 1).await;
    first.stop().await;
    second.stop().await;
    let before = ticked();
    let paused =
        format!("UPDATE {known} SET known_since = now() - interval '1 day', last_execution = date_trunc('minute', now()) - interval '2 minutes'");
    db.execute(&paused, &[]).await.unwrap();
    let (first, second) = (start(), start());
    until("it is caught up with", async || ticked() >= before + 2).await;
    first.stop().await;
    second.stop().await;
    // The minute may have turned meanwhile, and brought one more; two workers do not bring two of each.
    assert!(ticked() <= before + 3, "{before} {}", ticked());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_nobody_takes_any_more_are_deleted() {
    let app = TestApp::start().await;
    let db = app.superuser().await;
    db.batch_execute(
        "SELECT enqueue_errand('spent', '{}', 'a', 3); SELECT enqueue_errand('recent', '{}', 'b', 3); SELECT enqueue_errand('open', '{}', 'c', 3);
         UPDATE graphile_worker._private_jobs SET attempts = max_attempts WHERE key <> 'open c';
         UPDATE graphile_worker._private_jobs SET updated_at = now() - interval '91 days' WHERE key <> 'recent b'",
    )
    .await
    .unwrap();
    app.app.performing().periodic("finished_jobs").await.unwrap();
    let left = db.query("SELECT key FROM graphile_worker._private_jobs ORDER BY key", &[]).await.unwrap();
    assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["open c", "recent b"]);
}
