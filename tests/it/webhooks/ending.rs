//! How deliveries end that could never be made, and whom the server tells that it has stopped.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use payaid::access::jobs::Performing;
use payaid::platform::config::WebhookConfig;
use payaid::platform::jobs::{Perform, Queue, Ticket};
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{NOW, contact, endpoint, only, patient, work};
use crate::harness::clock::HeldClock;
use crate::harness::waiting::until_blocked;
use crate::harness::{Client, TestApp};

/// A worker that was started without the key.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_is_logged_tried_again_and_given_up() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    let keyless = TestApp::beside(&app, |config| config.encryption.encryption_key = None).await;
    for attempt in 1..=8 {
        assert_eq!(work(&keyless).await, 1);
        let delivery = only(&owner).await;
        assert_eq!((&delivery["attemptCount"], delivery["nextAt"].is_null()), (&json!(attempt), attempt == 8), "{delivery}");
    }
    assert_eq!(work(&keyless).await, 0);
    let delivery = only(&owner).await;
    let errors: Vec<&Value> = delivery["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["error"]).collect();
    assert_eq!((delivery["state"].as_str(), errors.len()), (Some("FAILED"), 8), "{delivery}");
    assert!(errors.iter().all(|error| error.as_str().unwrap().starts_with("What is to be sent could not be made")), "{errors:?}");
    assert_eq!(delivery["endpoint"]["failingSince"], Value::Null, "the receiver is not to blame");
    // With the key it is sent.
    owner.done("webhookReplay", json!({"deliveryId": delivery["id"]}), "count").await;
    work(&app).await;
    assert_eq!((only(&owner).await["state"].as_str(), receiver.calls().len()), (Some("DELIVERED"), 1));
}

/// What the job ended by, nobody inside of it can write down.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_ends_when_its_job_is_given_up() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    endpoint(&owner, json!({"url": format!("http://{}/", silent.local_addr().unwrap()), "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    let db = app.superuser().await;
    db.batch_execute("UPDATE jobs SET max_attempts = 1 WHERE queue = 'WEBHOOK'").await.unwrap();
    let row = db.query_one("SELECT organization_id::text, id::text FROM jobs WHERE queue = 'WEBHOOK'", &[]).await.unwrap();
    let id = |column| row.get::<_, &str>(column).parse().unwrap();
    let hasty = Performing::new(app.app.services.clone(), Arc::clone(&app.app.jobs)).within(Duration::from_millis(300));
    hasty.job(Queue::Webhook, Ticket { organization: id(0), job: id(1), fresh: false }).await.unwrap();
    let delivery = only(&owner).await;
    assert_eq!((delivery["state"].as_str(), &delivery["nextAt"]), (Some("FAILED"), &Value::Null), "{delivery}");
    assert_eq!(delivery["error"], "It was given up: It took longer than 0.3 s.");
    assert_eq!(owner.done("webhookReplay", json!({"deliveryId": delivery["id"]}), "count").await["count"], 1);
}

/// The mails that tell of an endpoint: to whom, what, and why.
async fn mails(owner: &Client) -> Vec<Value> {
    let query = "{ messages { nodes { to template aboutId variables { value } } } }";
    let all = owner.query(query).await["messages"]["nodes"].as_array().unwrap().clone();
    all.into_iter().filter(|message| message["template"] == "webhook_disabled").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_for_an_endpoint_is_told_when_it_is_disabled() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(patient, Arc::clone(&clock) as _).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let failing = Receiver::start(&[(500, None), (500, None)]).await;
    let (dead, _) = endpoint(&admin, json!({"url": failing.url, "events": ["contact.create"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    assert_eq!(mails(&owner).await, Vec::<Value>::new());
    clock.advance(TimeDelta::days(5));
    work(&app).await;
    let told = mails(&owner).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["to"], &told[0]["aboutId"]), (&json!("admin@sharma.example"), &json!(dead)));
    assert!(told[0]["variables"].to_string().contains("Nothing has arrived there for five days."), "{told:?}");

    let gone = Receiver::start(&[(410, None)]).await;
    let (gone, _) = endpoint(&owner, json!({"url": gone.url, "events": ["company.create"]})).await;
    owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await;
    work(&app).await;
    let told: Vec<Value> = mails(&owner).await.into_iter().filter(|mail| mail["aboutId"] == json!(gone)).collect();
    assert_eq!((told.len(), &told[0]["to"]), (1, &json!("owner@sharma.example")), "{told:?}");
    assert!(told[0]["variables"].to_string().contains("410"), "{told:?}");
}

/// Whoever takes both locks takes the endpoint's first: two who take them in different orders would wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_locked_before_its_deliveries() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[(500, None)]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    let (mut holder, watching) = (app.superuser().await, app.superuser().await);
    let held = holder.transaction().await.unwrap();
    held.batch_execute("SELECT FROM webhook_endpoints FOR UPDATE").await.unwrap();
    let looked = async {
        until_blocked(&watching, 1).await;
        watching.batch_execute("SELECT FROM webhook_deliveries FOR UPDATE NOWAIT").await.unwrap();
        held.rollback().await.unwrap();
    };
    tokio::join!(work(&app), looked);
    assert_eq!((only(&owner).await["state"].as_str(), receiver.calls().len()), (Some("PENDING"), 1));
}

/// There may be more than one statement can delete in its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_endpoint_is_forgotten_a_little_at_a_time() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    let (id, _) = endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    let (kept, _) = endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    let db = app.superuser().await;
    let many = "INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event_id, action, state, next_at, created_at, updated_at)
        SELECT organization_id, gen_random_uuid(), id, gen_random_uuid(), 'webhook.test', 'PENDING', now(), now(), now()
        FROM (SELECT * FROM webhook_endpoints ORDER BY created_at, id LIMIT 1) AS endpoint, generate_series(1, 2500)";
    db.batch_execute(many).await.unwrap();
    contact(&owner, "Ravi").await;
    owner.done("webhookEndpointDelete", json!({"id": id}), "deletedIds").await;
    let count = async |table: &str| db.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("webhook_deliveries").await, 2_504);
    work(&app).await;
    assert_eq!(receiver.calls().len(), 3, "what was to be sent there is not sent any more");
    let row = db.query_one("SELECT organization_id::text, id::text FROM jobs WHERE kind = 'webhook_forget'", &[]).await.unwrap();
    let ticket = |column| row.get::<_, &str>(column).parse().unwrap();
    app.app.performing().job(Queue::Maintenance, Ticket { organization: ticket(0), job: ticket(1), fresh: false }).await.unwrap();
    assert_eq!((count("webhook_deliveries").await, count("webhook_attempts").await), (2, 2));
    assert!(super::deliveries(&owner).await.iter().all(|delivery| delivery["endpoint"]["id"] == json!(kept)));
}

/// Nobody said how long a receiver may take.
#[test]
fn a_receiver_has_fifteen_seconds() {
    #[derive(clap::Parser)]
    struct Said {
        #[command(flatten)]
        config: WebhookConfig,
    }
    let said = <Said as clap::Parser>::try_parse_from(["payaid"]).unwrap();
    for config in [said.config, WebhookConfig::default()] {
        assert_eq!(config.webhook_timeout, Duration::from_secs(15));
    }
    // And the job has time to write down that there was no answer.
    assert!(Queue::Webhook.rules().limit >= Duration::from_secs(30));
}

/// Every action that the server or the database records can be named by an endpoint.
#[test]
fn every_event_that_happens_can_be_named() {
    let nouns: Vec<String> = literals("const PREFIX: &'static str = \"");
    let mut actions: Vec<String> = Vec::new();
    for path in crate::architecture::sources("src/features") {
        let text = std::fs::read_to_string(path).unwrap();
        let quoted = text.split('"').skip(1).step_by(2).map(str::to_owned);
        actions.extend(quoted.filter(|quoted| {
            quoted.split_once('.').is_some_and(|(noun, _)| nouns.iter().any(|known| known == noun))
                && quoted.ends_with(|c: char| c.is_ascii_alphabetic())
        }));
    }
    for verbs in ["apply(act, \"", "changed(act, \"", "action::<R>(\""] {
        actions.extend(literals(verbs).into_iter().flat_map(|verb| nouns.iter().map(move |noun| format!("{noun}.{verb}"))));
    }
    for known in ["member.role_set", "message.put_off", "deal.stageSet", "contact.create", "session.sign_out"] {
        assert!(actions.iter().any(|action| action == known), "{known} is not found among {actions:?}");
    }
    for action in actions {
        assert_eq!(payaid::features::webhooks::rules::events(std::slice::from_ref(&action)), Ok(vec![action]));
    }
}

/// What follows these words in quotes, anywhere in the source.
fn literals(before: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in crate::architecture::sources("src/features") {
        let text = std::fs::read_to_string(path).unwrap();
        found.extend(text.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(literal, _)| literal.to_owned()));
    }
    found
}
