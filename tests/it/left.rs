//! Snapshots that are over and were not ended yet: the next to begin on the connection ends them, or within some milliseconds nobody.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use serde_json::json;

use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

/// A list, and what one read of a row cannot be: it has a snapshot to itself.
const LIST: &str = "{ contacts { totalCount nodes { name } } }";

async fn with_one_connection() -> TestApp {
    TestApp::with(|config| config.database.pool_size = 1, Arc::new(SystemClock)).await
}

async fn contacts(owner: &Client, count: usize) {
    for number in 0..count {
        owner.done("contactCreate", json!({"name": format!("Contact {number}")}), "contact { id }").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_next_ends_it_and_else_it_is_ended_soon() {
    let app = with_one_connection().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let recorder = Recorder::start(&app).await;
    let is_taken_over = || recorder.sent().iter().any(|sql| sql.starts_with("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL"));
    until("one that is left is taken over", async || {
        owner.query(LIST).await;
        is_taken_over()
    })
    .await;
    // A write does so as well.
    until("a write takes one over", async || {
        owner.query(LIST).await;
        contacts(&owner, 1).await;
        recorder.sent().iter().any(|sql| sql.starts_with("ROLLBACK; BEGIN; SET LOCAL"))
    })
    .await;
    let recorder = Recorder::start(&app).await;
    owner.query(LIST).await;
    until("nothing is left", async || app.app.services.databases.primary().in_use() == 0).await;
    assert!(recorder.sent().iter().any(|sql| sql == "ROLLBACK"), "{:?}", recorder.sent());
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'payaid_server' AND state LIKE 'idle in transaction%'";
    assert_eq!(app.superuser().await.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// Also where what came back later, and had nothing to end, is given before it.
#[tokio::test(flavor = "multi_thread")]
async fn none_is_forgotten_behind_those_at_rest() {
    let app = TestApp::with(|config| config.database.pool_size = 3, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for _ in 0..30 {
        futures_util::join!(owner.query(LIST), contacts(&owner, 1));
        until("nothing is left", async || app.app.services.databases.primary().in_use() == 0).await;
    }
}

/// Each begins anew, whoever was there before, and whether or not that one waited for its answer.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_take_turns_on_one_connection() {
    let app = with_one_connection().await;
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    contacts(&a, 3).await;
    contacts(&b, 5).await;
    let impatient = {
        let a = a.clone();
        tokio::spawn(async move {
            for number in 0..120 {
                let _ = tokio::time::timeout(Duration::from_micros(300 * (number % 20)), a.send(LIST, json!({}))).await;
            }
        })
    };
    let patient = [(a, 3), (b, 5)].map(|(owner, count)| {
        tokio::spawn(async move {
            for _ in 0..60 {
                let list = owner.query(LIST).await["contacts"].take();
                assert_eq!((&list["totalCount"], list["nodes"].as_array().map(Vec::len)), (&json!(count), Some(count)), "{list}");
            }
        })
    });
    for task in patient.into_iter().chain([impatient]) {
        task.await.unwrap();
    }
}
