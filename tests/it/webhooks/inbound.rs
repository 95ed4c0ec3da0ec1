//! What others send: checked byte for byte, kept once, worked on once, in whatever order it comes.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use payaid::access::inbound::Told;
use payaid::platform::config::{ServerConfig, WebhookConfig};
use payaid::platform::jobs::{Perform, Work};
use payaid::platform::outgoing::signature::{self, Secret};
use rand::seq::SliceRandom;
use serde_json::json;

use crate::harness::TestApp;
use crate::harness::app::config;
use crate::harness::servers::{Database, shared};
use crate::harness::waiting::until;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn start() -> TestApp {
    TestApp::with(|config| config.webhooks.webhook_in_secret = vec![SECRET.to_owned().into()], std::sync::Arc::new(payaid::base::clock::SystemClock))
        .await
}

async fn send(app: &TestApp, provider: &str, id: &str, age: TimeDelta, body: &str, secret: &str) -> u16 {
    let secret = Secret::parse(secret).unwrap();
    let mut request = app.anonymous().request(reqwest::Method::POST, &app.url(&format!("/webhooks/{provider}"))).body(body.to_owned());
    for (name, value) in signature::headers(&[secret], id, payaid::base::Clock::now(&payaid::base::clock::SystemClock) - age, body.as_bytes()) {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

fn plan(organization: &str, plan: &str, second: usize) -> String {
    let at = chrono::DateTime::from_timestamp(1_790_000_000 + i64::try_from(second).unwrap(), 0).unwrap();
    json!({"type": "organization.plan", "timestamp": at, "data": {"organizationId": organization, "plan": plan}}).to_string()
}

/// Works until everything that was kept is worked on.
pub async fn work(app: &TestApp) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let queue = Work::new(&shared().await.primary.url(&app.database, "payaid_worker")).unwrap();
    let performing = app.app.performing();
    let stop_asked = async move { drop(stopped.await) }.boxed().shared();
    let working = tokio::spawn(async move { queue.run(performing, &[], stop_asked, Duration::from_secs(5)).await });
    let db = app.superuser().await;
    until("everything is worked on", async || {
        db.query_one("SELECT count(*) FROM inbound_events WHERE processed_at IS NULL", &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    drop(stop);
    working.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_is_not_taken() {
    let app = start().await;
    let body = json!({"type": "x"}).to_string();
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (provider, age, body, secret, status) in [
        ("standard", 0, body.as_str(), SECRET, 200),
        ("standard", 0, body.as_str(), SECRET, 200),
        ("standard", 299, body.as_str(), SECRET, 200),
        ("standard", 302, body.as_str(), SECRET, 400),
        ("standard", 0, body.as_str(), other, 401),
        ("standard", 0, "no json", SECRET, 400),
        ("nobody", 0, body.as_str(), SECRET, 404),
    ] {
        assert_eq!(send(&app, provider, "event", TimeDelta::seconds(age), body, secret).await, status, "{provider} {age} {body}");
    }
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(send(&app, "standard", "long", TimeDelta::zero(), &long, SECRET).await, 413);
    let kept: i64 = app.superuser().await.query_one("SELECT count(*) FROM inbound_events", &[]).await.unwrap().get(0);
    assert_eq!(kept, 1);
    let without = TestApp::start().await;
    assert_eq!(send(&without, "standard", "event", TimeDelta::zero(), &body, SECRET).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_with_duplicates_in_any_order_come_out_once() {
    let app = start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let organization = owner.query("{ organization { id plan } }").await["organization"]["id"].as_str().unwrap().to_owned();
    // 9,000 events and 1,000 of them twice; a hundred of them change the plan.
    let mut events: Vec<Told> = (0..9_000_usize)
        .map(|number| {
            let plans = ["BASIC", "PRO", "FREE"];
            let body = if number % 90 == 0 {
                plan(&organization, plans[number / 90 % 3], number)
            } else {
                json!({"type": "other", "timestamp": payaid::base::Clock::now(&payaid::base::clock::SystemClock), "data": {}}).to_string()
            };
            Told { id: format!("event-{number}"), body: body.into_bytes() }
        })
        .collect();
    events.push(Told { id: "last".to_owned(), body: plan(&organization, "ENTERPRISE", 10_000).into_bytes() });
    let twice: Vec<Told> = events.iter().take(1_000).cloned().collect();
    events.extend(twice);
    events.shuffle(&mut rand::rng());
    let parts: Vec<Vec<Told>> = events.chunks(200).map(<[Told]>::to_vec).collect();
    // Several at once, as several servers would.
    for some in parts.chunks(4) {
        let kept = some.iter().map(|part| app.app.inbox.keep(&app.app.services, "standard", part.clone()));
        for kept in futures_util::future::join_all(kept).await {
            kept.unwrap();
        }
    }
    // And over the wire, once more.
    assert_eq!(send(&app, "standard", "last", TimeDelta::zero(), &plan(&organization, "ENTERPRISE", 10_000), SECRET).await, 200);
    let db = app.superuser().await;
    let count = async |sql: &str| db.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("SELECT count(*) FROM inbound_events").await, 9_001);
    work(&app).await;
    assert_eq!(count("SELECT count(*) FROM inbound_events WHERE attempts <> 1 OR error IS NOT NULL").await, 0);
    assert_eq!(count("SELECT count(*) FROM graphile_worker._private_jobs").await, 0);
    // What was said last holds, however it came.
    assert_eq!(owner.query("{ organization { plan } }").await["organization"]["plan"], "ENTERPRISE");
    let log = count("SELECT count(*) FROM audit_entries WHERE action = 'organization.plan'").await;
    assert!((1..=101).contains(&log), "{log}");
}

/// An event whose errand was given up, or is gone: its sender has been told that it has arrived, and sends it no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_left_is_taken_up_again() {
    let app = start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let organization = owner.query("{ organization { id } }").await["organization"]["id"].as_str().unwrap().to_owned();
    assert_eq!(send(&app, "standard", "left", TimeDelta::zero(), &plan(&organization, "PRO", 1), SECRET).await, 200);
    let db = app.superuser().await;
    db.batch_execute("DELETE FROM graphile_worker._private_jobs").await.unwrap();
    let plan_now = async || owner.query("{ organization { plan } }").await["organization"]["plan"].clone();
    let periodic = async || app.app.performing().periodic("inbound_left").await.unwrap();
    periodic().await;
    assert_eq!(plan_now().await, "FREE", "its errand may still come");
    db.batch_execute("UPDATE inbound_events SET received_at = received_at - interval '61 minutes'").await.unwrap();
    periodic().await;
    assert_eq!(plan_now().await, "PRO");
    let left = "SELECT count(*) FROM inbound_events WHERE processed_at IS NULL OR attempts <> 1";
    assert_eq!(db.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_the_sender_is_asked_to_send_again() {
    let away = TestApp::serve(
        ServerConfig {
            webhooks: WebhookConfig { webhook_in_secret: vec![SECRET.to_owned().into()], ..WebhookConfig::default() },
            ..config("postgres://payaid_server@127.0.0.1:1/payaid")
        },
        std::sync::Arc::new(payaid::base::clock::SystemClock),
        Database::kept(""),
    )
    .await;
    assert_eq!(send(&away, "standard", "event", TimeDelta::zero(), "{}", SECRET).await, 503);
    let app = start().await;
    app.superuser().await.batch_execute("ALTER TABLE inbound_events RENAME TO away").await.unwrap();
    assert_eq!(send(&app, "standard", "event", TimeDelta::zero(), "{}", SECRET).await, 500);
    app.superuser().await.batch_execute("ALTER TABLE away RENAME TO inbound_events").await.unwrap();
    assert_eq!(send(&app, "standard", "event", TimeDelta::zero(), "{}", SECRET).await, 200);
}
