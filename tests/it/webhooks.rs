//! Webhooks: what is sent, to whom, when again and when not any more; and what others send.

mod ending;
pub mod inbound;
mod outgoing;
mod receiver;
mod rights;
mod verification;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use payaid::platform::jobs::{Perform, Queue, Ticket};
use payaid::platform::outgoing::signature::Secret;
use serde_json::{Value, json};

use crate::harness::clock::HeldClock;
use crate::harness::{Client, TestApp};
use receiver::{Receiver, is_signed};

const NOW: &str = "2026-11-21T10:00:00.000000Z";

/// Whoever is signed in stays so while a test moves its clock.
fn patient(config: &mut payaid::platform::config::ServerConfig) {
    config.auth.access_token_ttl = std::time::Duration::from_secs(20 * 86_400);
}

/// Makes an endpoint; its id and its secret.
async fn endpoint(owner: &Client, input: Value) -> (String, String) {
    let payload = owner.done("webhookEndpointCreate", input, "secret webhookEndpoint { id state events document }").await;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{payload}")).to_owned();
    (text(&payload["webhookEndpoint"]["id"]), text(&payload["secret"]))
}

async fn contact(owner: &Client, name: &str) -> String {
    let payload = owner.done("contactCreate", json!({"name": name}), "contact { id }").await;
    payload["contact"]["id"].as_str().unwrap().to_owned()
}

/// Does every job of webhooks that waits, whenever it is due; how many there were.
async fn work(app: &TestApp) -> usize {
    let rows = app
        .superuser()
        .await
        .query("SELECT organization_id::text, id::text FROM jobs WHERE queue = 'WEBHOOK' AND state = 'QUEUED' ORDER BY created_at, id", &[])
        .await;
    let performing = app.app.performing();
    let rows = rows.unwrap();
    for row in &rows {
        let id = |column| row.get::<_, &str>(column).parse().unwrap();
        performing.job(Queue::Webhook, Ticket { organization: id(0), job: id(1), fresh: false }).await.unwrap();
    }
    rows.len()
}

/// In how many seconds the only job that waits is due.
async fn due_in(app: &TestApp, now: DateTime<Utc>) -> i64 {
    let row = app.superuser().await.query_one("SELECT run_at FROM jobs WHERE queue = 'WEBHOOK' AND state = 'QUEUED'", &[]).await.unwrap();
    (row.get::<_, DateTime<Utc>>(0) - now).num_seconds()
}

async fn deliveries(owner: &Client) -> Vec<Value> {
    let query = "{ webhookDeliveries { nodes { id event eventId objectId state attemptCount nextAt error requestBody responseStatus endpoint { id state failingSince disabledReason }
        attempts { at responseStatus responseBody responseHeaders requestHeaders error } } } }";
    owner.query(query).await["webhookDeliveries"]["nodes"].as_array().unwrap().clone()
}

async fn only(owner: &Client) -> Value {
    let all = deliveries(owner).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_signed_once_and_logged() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    let (id, secret) = endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*"]})).await;
    let (_, _other) = endpoint(&owner, json!({"url": receiver.url, "events": ["deal.*"]})).await;
    assert_eq!(work(&app).await, 0, "an endpoint is not told of itself");
    let contact = contact(&owner, "Asha").await;
    assert_eq!(work(&app).await, 1);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert!(is_signed(call, &secret) && !is_signed(call, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!((&body["type"], &body["data"]), (&json!("contact.create"), &json!({"id": contact})));
    assert!(body["timestamp"].as_str().unwrap().parse::<DateTime<Utc>>().is_ok());
    assert_eq!(call.header("content-type"), "application/json");
    let delivery = only(&owner).await;
    assert_eq!(
        (&delivery["state"], &delivery["attemptCount"], &delivery["objectId"], &delivery["responseStatus"], &delivery["error"], &delivery["nextAt"]),
        (&json!("DELIVERED"), &json!(1), &json!(contact), &json!(200), &Value::Null, &Value::Null)
    );
    assert_eq!(delivery["eventId"], call.header("webhook-id"));
    assert_eq!(delivery["requestBody"], call.body);
    assert_eq!(delivery["attempts"][0]["requestHeaders"]["webhook-signature"], call.header("webhook-signature"));
    assert_eq!(delivery["attempts"][0]["responseBody"], "ok");
    assert_eq!(delivery["endpoint"]["id"], json!(id));
    // Nothing that shows the secret, and nothing in the database that has it.
    let plain = Secret::parse(&secret).unwrap();
    let kept: Vec<u8> = app
        .superuser()
        .await
        .query_one("SELECT secret FROM webhook_endpoints WHERE url LIKE '%' ORDER BY created_at LIMIT 1", &[])
        .await
        .unwrap()
        .get(0);
    assert!(!kept.windows(plain.bytes().len()).any(|part| part == plain.bytes()));
    let log = owner.query("{ auditLog(filter: {noun: \"webhook\"}) { nodes { before after } } }").await.to_string();
    assert!(!log.contains(&secret) && !log.contains("secret\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_sign_while_one_is_replaced() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(patient, Arc::clone(&clock) as _).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    let (id, old) = endpoint(&owner, json!({"url": receiver.url, "events": ["*"]})).await;
    let rotated = owner.done("webhookSecretRotate", json!({"id": id, "overlapHours": 1}), "secret webhookEndpoint { previousSecretUntil }").await;
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(rotated["webhookEndpoint"]["previousSecretUntil"], "2026-11-21T11:00:00.000000Z");
    assert_ne!(old, new);
    let signed = async |expected: (bool, bool)| {
        owner.done("webhookTest", json!({"endpointId": id}), "webhookDelivery { event state objectId }").await;
        assert_eq!(work(&app).await, 1);
        let call = receiver.calls().pop().unwrap();
        assert_eq!((is_signed(&call, &old), is_signed(&call, &new)), expected);
        call
    };
    let call = signed((true, true)).await;
    assert_eq!(serde_json::from_str::<Value>(&call.body).unwrap()["type"], "webhook.test");
    clock.advance(TimeDelta::minutes(61));
    signed((false, true)).await;
    let refused = owner.mutate("webhookSecretRotate", json!({"id": id, "overlapHours": 169}), "secret").await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["input", "overlapHours"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_by_the_schedule_and_given_up() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(patient, Arc::clone(&clock) as _).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[(500, None); 8]).await;
    let (id, _) = endpoint(&owner, json!({"url": receiver.url, "events": ["contact.create"]})).await;
    contact(&owner, "Asha").await;
    for seconds in [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] {
        assert_eq!(work(&app).await, 1);
        let due = due_in(&app, clock_now(&clock)).await;
        assert!((seconds..=seconds * 11 / 10).contains(&due), "{due} instead of {seconds}");
        let delivery = only(&owner).await;
        assert_eq!((&delivery["state"], &delivery["endpoint"]["failingSince"]), (&json!("PENDING"), &json!(NOW)), "{delivery}");
        clock.advance(TimeDelta::seconds(due));
    }
    assert_eq!(work(&app).await, 1);
    assert_eq!(work(&app).await, 0);
    let delivery = only(&owner).await;
    assert_eq!(
        (&delivery["state"], &delivery["attemptCount"], &delivery["error"]),
        (&json!("FAILED"), &json!(8), &json!("The receiver answered 500."))
    );
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 8);
    let calls = receiver.calls();
    assert!(calls.iter().all(|call| call.header("webhook-id") == calls[0].header("webhook-id") && call.body == calls[0].body));
    // What was given up can be sent again, and a success ends the failing.
    let again = owner.done("webhookReplay", json!({"deliveryId": delivery["id"]}), "count hasMore").await;
    assert_eq!((&again["count"], &again["hasMore"]), (&json!(1), &json!(false)));
    let twice = owner.mutate("webhookReplay", json!({"deliveryId": delivery["id"]}), "count").await;
    assert_eq!(twice["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(work(&app).await, 1);
    let delivery = only(&owner).await;
    assert_eq!(
        (&delivery["state"], &delivery["attemptCount"], &delivery["endpoint"]["failingSince"]),
        (&json!("DELIVERED"), &json!(9), &Value::Null)
    );
    assert_eq!(receiver.calls().last().unwrap().header("webhook-id"), calls[0].header("webhook-id"));
    // What happened while the endpoint was disabled is caught up with.
    let version =
        owner.data("query($id: ID!) { webhookEndpoint(id: $id) { version } }", json!({"id": id})).await["webhookEndpoint"]["version"].clone();
    let off = json!({"id": id, "version": version, "changes": {"state": "DISABLED"}});
    let off = owner.done("webhookEndpointUpdate", off, "webhookEndpoint { version disabledReason }").await;
    contact(&owner, "Missed").await;
    assert_eq!(work(&app).await, 0);
    assert_eq!(owner.mutate("webhookReplay", json!({"endpointId": id}), "count").await["userErrors"][0]["code"], "CONFLICT");
    let on = json!({"id": id, "version": off["webhookEndpoint"]["version"], "changes": {"state": "ENABLED"}});
    owner.done("webhookEndpointUpdate", on, "webhookEndpoint { disabledReason }").await;
    assert_eq!(owner.done("webhookReplay", json!({"endpointId": id, "since": NOW}), "count").await["count"], 1);
    assert_eq!(work(&app).await, 1);
    assert_eq!(owner.done("webhookReplay", json!({"endpointId": id, "since": NOW}), "count").await["count"], 0);
    assert!(receiver.calls().last().unwrap().body.contains("contact.create"));
}

fn clock_now(clock: &HeldClock) -> DateTime<Utc> {
    payaid::base::Clock::now(clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_for_five_days_or_wants_nothing_more_is_disabled() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(patient, Arc::clone(&clock) as _).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let failing = Receiver::start(&[(500, None); 8]).await;
    let (id, _) = endpoint(&owner, json!({"url": failing.url, "events": ["contact.create"]})).await;
    contact(&owner, "Asha").await;
    work(&app).await;
    clock.advance(TimeDelta::days(5) - TimeDelta::seconds(1));
    contact(&owner, "Ravi").await;
    work(&app).await;
    let state = async || {
        owner.data("query($id: ID!) { webhookEndpoint(id: $id) { state disabledReason } }", json!({"id": id})).await["webhookEndpoint"].clone()
    };
    assert_eq!(state().await["state"], "ENABLED");
    clock.advance(TimeDelta::seconds(1));
    work(&app).await;
    assert_eq!(state().await, json!({"state": "DISABLED", "disabledReason": "Nothing has arrived there for five days."}));
    let log = owner.query("{ auditLog(filter: {action: \"webhook.disable\"}) { nodes { actor { email } } } }").await;
    assert_eq!(log["auditLog"]["nodes"], json!([{"actor": null}]), "the server itself has disabled it");
    work(&app).await;
    assert!(deliveries(&owner).await.iter().all(|delivery| delivery["state"] == "FAILED"));

    let gone = Receiver::start(&[(410, None)]).await;
    let (id, _) = endpoint(&owner, json!({"url": gone.url, "events": ["deal.*", "company.create"]})).await;
    owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await;
    work(&app).await;
    let found = owner.data("query($id: ID!) { webhookEndpoint(id: $id) { state disabledReason } }", json!({"id": id})).await;
    assert_eq!(found["webhookEndpoint"]["state"], "DISABLED", "{found}");
    owner.done("companyCreate", json!({"name": "Other"}), "company { id }").await;
    assert_eq!((work(&app).await, gone.calls().len()), (0, 1));
}
