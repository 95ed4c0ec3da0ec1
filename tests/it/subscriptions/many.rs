//! Many events, and many subscribers: who is too slow is told where to go on, and who has nothing to hear costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::base::id::AnyId;
use serde_json::json;

use super::{contact, opened};
use crate::harness::TestApp;
use crate::harness::cluster::say;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::websocket::Socket;

/// More events at once than are kept for anybody: she is told how far she came, and gets the rest from there on, each event once.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_slow_is_told_and_goes_on() {
    const MANY: usize = 3_000;
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = AnyId::parse(&contact(&owner, "Asha").await).unwrap().uuid;
    let mut socket = opened(&app, &owner, "subscription { contactChanged { position contact { name } } }").await;
    let superuser = app.superuser().await;
    let many = format!(
        "INSERT INTO audit_entries (organization_id, id, at, action, noun, row_id, before, after, request_id)
         SELECT organization_id, gen_random_uuid(), now(), 'contact.update', 'contact', id, '{{}}', '{{}}', 'r'
         FROM contacts, generate_series(1, {MANY}) WHERE id = '{id}'"
    );
    superuser.batch_execute(&many).await.unwrap();
    let organization = superuser.query_one("SELECT organization_id::text FROM contacts", &[]).await.unwrap();
    app.app.services.events.publish(organization.get::<_, &str>(0).parse().unwrap());
    let (mut positions, mut told, mut ended) = (BTreeSet::new(), 0, 0);
    while positions.len() < MANY {
        let message = socket.hear().await;
        if message["type"] == "next" {
            told += 1;
            let position = &message["payload"]["data"]["contactChanged"]["position"];
            assert!(positions.insert(position.as_str().unwrap().to_owned()), "an event came twice");
            continue;
        }
        assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{message:#}");
        let position = message["payload"][0]["extensions"]["details"]["position"].as_str().unwrap();
        ended += 1;
        socket.subscribe("s", &format!("subscription {{ contactChanged(since: \"{position}\") {{ position contact {{ name }} }} }}")).await;
    }
    assert_eq!(told, MANY);
    assert!(ended > 0, "nobody was too slow");
}

/// How much of memory this process has, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// As many as a server is made for. The clients are in this process too, and what other tests take counts as well, so that the bound is a loose one when
/// all tests run at once.
#[tokio::test(flavor = "multi_thread")]
async fn subscribers_who_hear_nothing_cost_next_to_nothing() {
    const SOCKETS: usize = 100;
    const EACH: usize = 50;
    // Nobody answers pings while she waits for others.
    let app = TestApp::with(|config| config.http.socket_ping_interval = Duration::from_secs(3600), Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let before = resident();
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = Socket::admitted(&app, &owner).await;
        for number in 0..EACH {
            socket.subscribe(&format!("s{number}"), "subscription { contactChanged { kind contactId contact { name } } }").await;
        }
        sockets.push(socket);
    }
    until("all are open", async || app.app.services.events.subscribers() == SOCKETS * EACH).await;
    let taken = resident().saturating_sub(before);
    say("memory of 5,000 subscriptions", format!("{} MB", taken / 1_000_000));
    assert!(taken < 200_000_000, "{taken} bytes");
    let recorder = Recorder::start(&app).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(recorder.finish(), Vec::<String>::new(), "nothing is asked while nothing happens");
    // And they hear when there is something; who has left costs nothing more.
    sockets.truncate(4);
    until("the others have left", async || app.app.services.events.subscribers() == 4 * EACH).await;
    contact(&owner, "Asha").await;
    for socket in &mut sockets {
        for _ in 0..EACH {
            let told = socket.hear().await;
            assert_eq!(told["payload"]["data"]["contactChanged"]["contact"], json!({"name": "Asha"}), "{told:#}");
        }
    }
}
