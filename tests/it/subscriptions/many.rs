//! Many events, and many subscribers: who is too slow is told where to go on, and who has nothing to hear costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use payaid::base::id::AnyId;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{contact, opened};
use crate::harness::cluster::say;
use crate::harness::process::{Folder, Payaid};
use crate::harness::servers::shared;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
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

/// As many as a server is made for, each on a socket of her own. The server is a process of its own, so that what is measured is what it has.
#[tokio::test(flavor = "multi_thread")]
async fn subscribers_who_hear_nothing_cost_next_to_nothing() {
    const SOCKETS: usize = 5_000;
    const MOST: u64 = 200_000_000;
    raise_limit();
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let url = shared().await.primary.url(&app.database, "payaid_server");
    let key = app.app.config.auth.jwt_private_key.expose_secret();
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("JWT_PRIVATE_KEY", key),
        ("LISTEN", "127.0.0.1:0"),
        // Nobody answers pings while she waits for others.
        ("SOCKET_PING_INTERVAL", "1h"),
        ("BUDGET_FREE", "1000000/60s"),
        ("DATABASE_POOL_WAIT", "20s"),
        ("SUBSCRIPTIONS_EACH", "5000"),
    ];
    let folder = Folder::create();
    let mut server = Payaid::start(folder.path(), &["serve"], &environment);
    let address = server.says("listening address=").await.rsplit('=').next().unwrap().to_owned();
    let metrics = Client::new(format!("http://{address}/metrics"), None);
    let open = async || {
        let text = metrics.request(reqwest::Method::GET, &metrics.url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("subscriptions "));
        line.map_or(0, |count| count.parse::<f64>().unwrap() as usize)
    };
    let (address, owner) = (Arc::new(address), Arc::new(owner));
    let subscribed = async |count: usize| {
        let opening = (0..count).map(|_| {
            let (address, owner) = (Arc::clone(&address), Arc::clone(&owner));
            tokio::spawn(async move {
                let mut socket = Socket::admitted_to(&address, &owner).await;
                socket.subscribe("s", "subscription { contactChanged { kind contactId contact { name } } }").await;
                socket
            })
        });
        let sockets: Vec<Socket> = futures_util::stream::iter(opening).buffer_unordered(64).map(Result::unwrap).collect().await;
        sockets
    };
    // What comes with the first is no subscriber's.
    let mut sockets = subscribed(20).await;
    until("the first are open", async || open().await == sockets.len()).await;
    let before = server.resident();
    sockets.extend(subscribed(SOCKETS - sockets.len()).await);
    until("all are open", async || open().await == SOCKETS).await;
    let taken = server.resident().saturating_sub(before);
    say("memory of 5,000 sockets with a subscription each", format!("{} MB", taken / 1_000_000));
    assert!(taken < MOST, "{taken} bytes");
    let recorder = Recorder::start(&app).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(recorder.finish(), Vec::<String>::new(), "nothing is asked while nothing happens");
    // And they hear when there is something; who has left costs nothing more.
    sockets.truncate(200);
    until("the others have left", async || open().await == sockets.len()).await;
    contact(&owner, "Asha").await;
    for socket in &mut sockets {
        let told = socket.hear().await;
        assert_eq!(told["payload"]["data"]["contactChanged"]["contact"], json!({"name": "Asha"}), "{told:#}");
    }
}

/// Each socket is a file on both of its sides; who may open more than she does by default is let.
fn raise_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(most > 6_000, "5,000 sockets need as many files; `ulimit -Hn` says {most}");
}
