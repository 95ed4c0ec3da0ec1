//! How calls end that do not end well, and who is not called at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use payaid::base::clock::SystemClock;
use payaid::platform::jobs::{Perform, Queue, Ticket, Work};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::receiver::Receiver;
use super::{NOW, clock_now, contact, deliveries, due_in, endpoint, only, patient, work};
use crate::harness::TestApp;
use crate::harness::clock::HeldClock;
use crate::harness::cluster::{ms, say};
use crate::harness::servers::shared;
use crate::harness::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_left_alone_as_long_as_it_asks_for() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(patient, Arc::clone(&clock) as _).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[(429, Some(("retry-after", "3600")))]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    assert_eq!(due_in(&app, clock_now(&clock)).await, 3_600);
    work(&app).await;
    assert_eq!(only(&owner).await["state"], "DELIVERED");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed_and_no_answer_waited_for_too_long() {
    let app = TestApp::with(|config| config.webhooks.webhook_timeout = Duration::from_millis(300), Arc::new(HeldClock::at(NOW))).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let elsewhere = Receiver::start(&[]).await;
    let to: &'static str = elsewhere.url.clone().leak();
    let redirecting = Receiver::start(&[(302, Some(("location", to)))]).await;
    endpoint(&owner, json!({"url": redirecting.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    assert_eq!(only(&owner).await["error"], "The receiver answered 302.");
    assert_eq!((elsewhere.calls().len(), redirecting.calls().len()), (0, 1));

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    endpoint(&owner, json!({"url": url, "events": ["company.*"]})).await;
    owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await;
    let begun = Instant::now();
    work(&app).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    let all = deliveries(&owner).await;
    let errors: Vec<&Value> = all.iter().map(|delivery| &delivery["error"]).collect();
    assert!(errors.contains(&&json!("There was no answer within 0.3 seconds.")), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_when_they_are_typed_and_when_they_are_called() {
    let strict = |config: &mut payaid::platform::config::ServerConfig| config.webhooks.webhook_allow_private = Vec::new();
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    let beside = TestApp::beside(&app, strict).await;
    let there = crate::harness::Client::new(beside.url("/graphql"), owner.token.clone());
    for url in [receiver.url.as_str(), "http://localhost/", "http://169.254.169.254/latest", "http://[::1]/", "ftp://example.in", "http://10.0.0.1/"]
    {
        let payload = there.mutate("webhookEndpointCreate", json!({"url": url, "events": ["contact.*"]}), "secret").await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", "url"]), "{url}: {payload}");
    }
    contact(&owner, "Asha").await;
    work(&beside).await;
    let delivery = only(&owner).await;
    assert!(delivery["error"].as_str().unwrap().contains("not called"), "{delivery}");
    assert_eq!((delivery["state"].as_str(), receiver.calls().len()), (Some("PENDING"), 0));
}

/// Does what is due, until it is aborted.
async fn worker(app: &TestApp) -> JoinHandle<()> {
    let queue = Work::new(&shared().await.primary.url(&app.database, "payaid_worker")).unwrap();
    let performing = app.app.performing();
    tokio::spawn(async move { queue.run(performing, &[], std::future::pending().boxed().shared(), Duration::ZERO).await.unwrap() })
}

/// One address of fifty takes every call and answers none of them.
#[tokio::test(flavor = "multi_thread")]
async fn one_dead_endpoint_of_fifty_delays_no_other() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::start(&[]).await;
    endpoint(&owner, json!({"url": format!("http://{}/", silent.local_addr().unwrap()), "events": ["contact.create"]})).await;
    for number in 1..50 {
        endpoint(&owner, json!({"url": format!("{}/{number}", receiver.url), "events": ["contact.create"]})).await;
    }
    let working = worker(&app).await;
    for name in ["Asha", "Ravi"] {
        let (begun, before) = (Instant::now(), receiver.calls().len());
        contact(&owner, name).await;
        until("all others are told", async || receiver.calls().len() == before + 49).await;
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    }
    working.abort();
}

/// As many addresses as there are places at once take calls and answer none of them; another organization is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_dead_endpoints_of_one_organization_share_one_place() {
    let app = TestApp::with(|config| config.webhooks.webhook_timeout = Duration::from_secs(1), Arc::new(SystemClock)).await;
    let (first, second) = (app.sign_up("Sharma", "owner@sharma.example").await, app.sign_up("Rao", "owner@rao.example").await);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::start(&[]).await;
    for number in 0..Queue::Webhook.rules().at_once {
        let url = format!("http://{}/{number}", silent.local_addr().unwrap());
        endpoint(&first, json!({"url": url, "events": ["contact.create"]})).await;
    }
    endpoint(&second, json!({"url": receiver.url, "events": ["contact.create"]})).await;
    let working = worker(&app).await;
    contact(&first, "Asha").await;
    let db = app.superuser().await;
    let count = async |sql: &str| db.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    const RUNNING: &str = "SELECT count(*) FROM jobs WHERE queue = 'WEBHOOK' AND state = 'RUNNING'";
    const WELL: &str = "SELECT count(*) FROM webhook_endpoints WHERE failing_since IS NULL";
    until("nothing has arrived at any of them", async || count(WELL).await == 1 && count(RUNNING).await == 0).await;
    contact(&first, "Ravi").await;
    until("one is called", async || count(RUNNING).await > 0).await;
    contact(&second, "Chitra").await;
    until("the other organization is told", async || {
        assert!(count(RUNNING).await <= 2, "more than one of the dead, and the other one");
        receiver.calls().len() == 1
    })
    .await;
    working.abort();
}

/// Where something arrives again, what waits for it is in nobody's line any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_well_again_goes_its_own_way() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[(500, None)]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    contact(&owner, "Ravi").await;
    let db = app.superuser().await;
    let waiting = async || {
        let rows = "SELECT organization_id::text, id::text, serial = 'webhook failing', priority FROM jobs WHERE queue = 'WEBHOOK' AND state = 'QUEUED' ORDER BY created_at";
        db.query(rows, &[]).await.unwrap()
    };
    let rows = waiting().await;
    let lines: Vec<(bool, &str)> = rows.iter().map(|row| (row.get(2), row.get(3))).collect();
    assert_eq!(lines, [(true, "NORMAL"), (true, "LOW")], "who was tried before goes first");
    let id = |column| rows[0].get::<_, &str>(column).parse().unwrap();
    app.app.performing().job(Queue::Webhook, Ticket { organization: id(0), job: id(1), fresh: false }).await.unwrap();
    let rows = waiting().await;
    let lines: Vec<(bool, &str)> = rows.iter().map(|row| (row.get(2), row.get(3))).collect();
    assert_eq!(lines, [(false, "NORMAL")]);
    let id = |column| rows[0].get::<_, &str>(column).parse().unwrap();
    app.app.performing().job(Queue::Webhook, Ticket { organization: id(0), job: id(1), fresh: true }).await.unwrap();
    assert_eq!(receiver.calls().len(), 2, "the ticket that is left in the line means nothing");
    work(&app).await;
    assert_eq!(receiver.calls().len(), 3);
}

/// One action may change much: each change is told, and what that takes grows with their number and not faster. A machine that is busy with other tests
/// has more time for it than a server gives.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_changes_at_once_are_all_told() {
    let longer = |config: &mut payaid::platform::config::ServerConfig| {
        config.database.statement_timeout = Duration::from_secs(30);
        config.http.operation_timeout = Duration::from_secs(35);
    };
    let app = TestApp::with(longer, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for path in ["one", "two"] {
        endpoint(&owner, json!({"url": format!("http://127.0.0.1:9/{path}"), "events": ["contact.*"]})).await;
    }
    let company = owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await["company"]["id"].clone();
    let db = app.superuser().await;
    let many = "INSERT INTO contacts (organization_id, id, name, company_id, stage, status, source, tags, created_at, updated_at)
        SELECT organization_id, gen_random_uuid(), 'Contact ' || g, id, 'LEAD', 'ACTIVE', 'WEBSITE', '{}', now(), now() FROM companies, generate_series(1, 10000) g";
    db.batch_execute(many).await.unwrap();
    let begun = Instant::now();
    owner.done("companyDelete", json!({"id": company}), "deletedIds").await;
    say("deleting a company with 10,000 contacts, with two endpoints", ms(begun.elapsed()));
    let count = async |sql: &str| db.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("SELECT count(*) FROM audit_entries WHERE action = 'contact.update'").await, 10_000);
    assert_eq!(count("SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING'").await, 20_000);
    assert_eq!(count("SELECT count(*) FROM jobs WHERE queue = 'WEBHOOK' AND state = 'QUEUED'").await, 20_000);
}
