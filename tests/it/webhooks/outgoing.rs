//! How calls end that do not end well, and who is not called at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use payaid::platform::jobs::Work;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{NOW, clock_now, contact, deliveries, due_in, endpoint, only, patient, work};
use crate::harness::TestApp;
use crate::harness::clock::HeldClock;
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
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let queue = Work::new(&shared().await.primary.url(&app.database, "payaid_worker")).unwrap();
    let performing = app.app.performing();
    let stop_asked = async move { drop(stopped.await) }.boxed().shared();
    let working = tokio::spawn(async move { queue.run(performing, &[], stop_asked, Duration::ZERO).await });
    for name in ["Asha", "Ravi"] {
        let (begun, before) = (Instant::now(), receiver.calls().len());
        contact(&owner, name).await;
        until("all others are told", async || receiver.calls().len() == before + 49).await;
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    }
    drop(stop);
    working.abort();
}
