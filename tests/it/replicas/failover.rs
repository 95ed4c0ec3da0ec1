//! A replica that is promoted, and the old primary that comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{COUNT, ROUTING};
use crate::harness::cluster::{Cluster, again, ms, say, scaled};
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use crate::subscriptions::{next, opened};
use crate::websocket::Socket;

const CREATE: &str = "mutation($name: String!) { contactCreate(input: {name: $name}) { contact { id } userErrors { message } } }";

async fn create(client: &Client, name: &str) -> Option<(String, String)> {
    let answer = client.ask(CREATE, json!({"name": name}), &[]).await;
    let id = answer.body["data"]["contactCreate"]["contact"]["id"].as_str()?.to_owned();
    Some((id, answer.token().unwrap().to_owned()))
}

async fn fit(app: &TestApp, number: usize) -> bool {
    app.app.services.databases.replicas()[number].is_fit()
}

/// What a read with an old token was answered: the object and how many there are, or that it was refused for now.
async fn read_on(client: Client, id: String, token: String, stop: Arc<AtomicBool>) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = client.ask("query($id: ID!) { contact(id: $id) { id } }", json!({"id": id}), &[("x-consistency-token", &token)]).await;
        if answer.body.get("errors").is_some() {
            assert_eq!(answer.status, 503, "{:?}", answer.body);
            refused += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        } else {
            assert_eq!(answer.data()["contact"]["id"].as_str(), Some(id.as_str()), "a stale read");
            answered += 1;
        }
    }
    (answered, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_promotion_no_old_token_is_answered_by_an_old_state_and_the_old_primary_is_left_alone() {
    for _ in 0..scaled(1, 5) {
        promotion().await;
    }
}

async fn promotion() {
    let mut cluster = Cluster::start(2).await;
    let all = cluster.url_of_all();
    let app = cluster.app(|config| config.database.url = all.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = again(&app, "owner@sharma.example").await;
    let mut socket = opened(&app, &owner, "subscription { contactChanged { contact { name } } }").await;
    let (first, token) = create(&owner, "before").await.unwrap();
    let (_, place) = next(&mut socket).await;
    for replica in &cluster.replicas {
        replica.catch_up(&cluster.primary).await.unwrap();
    }

    // A write that is acknowledged and on no replica yet is lost with the primary: what its token leads to is the state that is.
    // The second replica stops first: with more than the first has when it is promoted, it could never follow it.
    for (number, left) in [(1, 1), (0, 0)] {
        let replica = Cluster::superuser(&cluster.replicas[number]).await;
        // Stops what it receives, not only what it replays: a promotion would replay all that has arrived.
        for sql in ["ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'", "SELECT pg_reload_conf()"] {
            replica.batch_execute(sql).await.unwrap();
        }
        until("it is streamed to no more", async || {
            let primary = Cluster::superuser(&cluster.primary).await;
            primary.query_one("SELECT count(*) FROM pg_stat_replication", &[]).await.unwrap().get::<_, i64>(0) == left
        })
        .await;
        if left > 0 {
            cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
        }
    }
    let (lost, lost_token) = create(&owner, "lost").await.unwrap();
    assert_eq!(next(&mut socket).await.0["contact"]["name"], "lost");

    // Readers with the old token, from before the loss until after the promotion.
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8).map(|_| tokio::spawn(read_on(other.clone(), first.clone(), token.clone(), Arc::clone(&stop)))).collect();

    // The primary is lost, the first replica becomes the primary; the second follows nobody any more.
    cluster.primary.kill().await.unwrap();
    cluster.replicas[0].promote().await.unwrap();
    let promoted = Instant::now();
    let mut second = None;
    until("writes go to the new primary", async || {
        second = create(&owner, "after").await;
        second.is_some()
    })
    .await;
    say("first write after the promotion", ms(promoted.elapsed()));
    let (second, newer) = second.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let mut counts = (0, 0);
    for reader in readers {
        let (answered, refused) = reader.await.unwrap();
        counts = (counts.0 + answered, counts.1 + refused);
    }
    say("reads with the old token through the promotion: answered rightly, refused for now", format!("{} and {}", counts.0, counts.1));
    assert!(counts.0 > 50, "hardly anything was read: {counts:?}");
    assert_ne!(token, newer);
    // What was told may have been lost, and positions mean something else: who follows has to start anew, and so has who goes on from before.
    let again = format!("subscription {{ contactChanged(since: \"{place}\") {{ kind }} }}");
    let mut late = Socket::admitted(&app, &owner).await;
    late.subscribe("s", &again).await;
    for socket in [&mut socket, &mut late] {
        let error = socket.hear().await;
        let extensions = &error["payload"][0]["extensions"];
        assert_eq!((&error["type"], &extensions["code"]), (&json!("error"), &json!("VALIDATION_ERROR")), "{error:#}");
        assert_eq!((&extensions["details"]["startAnew"], &extensions["details"]["position"]), (&json!(true), &json!(null)), "{error:#}");
    }
    let read = async |client: &Client, id: &str, token: &str| {
        let query = "query($id: ID!) { contact(id: $id) { id } contacts { totalCount } }";
        client.ask(query, json!({"id": id}), &[("x-consistency-token", token), ROUTING]).await
    };
    // The old token: everything, from the primary, and a token of the new timeline instead.
    let answer = read(&other, &first, &token).await;
    assert_eq!((answer.data()["contact"]["id"].as_str(), answer.data()["contacts"]["totalCount"].as_i64()), (Some(first.as_str()), Some(2)));
    assert_eq!(answer.node(), Some("primary"));
    let fresh = answer.token().expect("a fresh token").to_owned();
    let answer = read(&other, &second, &fresh).await;
    assert_eq!(answer.data()["contact"]["id"].as_str(), Some(second.as_str()));
    assert_eq!(answer.token(), None, "the fresh token is of the present timeline");
    let answer = read(&other, &lost, &lost_token).await;
    assert_eq!((answer.data()["contact"].is_null(), answer.data()["contacts"]["totalCount"].as_i64()), (true, Some(2)));
    assert_eq!((answer.node(), answer.token().is_some()), (Some("primary"), true));
    // The replica that is left behind answers nobody: it does not show the second write, and never will.
    assert!(!fit(&app, 1).await && !fit(&app, 0).await);
    for _ in 0..20 {
        let answer = other.ask(COUNT, json!({}), &[ROUTING, ("x-consistency", "eventual")]).await;
        assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(2), Some("primary")));
    }

    // It is made to follow the new primary, and is read from again.
    let lost = Cluster::superuser(&cluster.replicas[1]).await;
    let follow = format!("ALTER SYSTEM SET primary_conninfo = 'host={} user=postgres'", cluster.replicas[0].socket_dir().display());
    for sql in [follow.as_str(), "ALTER SYSTEM SET primary_slot_name = ''", "SELECT pg_reload_conf()"] {
        lost.batch_execute(sql).await.unwrap();
    }
    until("the second replica follows the new primary", async || fit(&app, 1).await).await;
    cluster.replicas[1].catch_up(&cluster.replicas[0]).await.unwrap();
    until("reads on it", async || read(&other, &second, &newer).await.node() == Some("replica-2")).await;
    let answer = read(&other, &second, &newer).await;
    assert_eq!(answer.data()["contacts"]["totalCount"], 2);

    // The old primary comes back and takes writes, and its address stands first; nothing is written to it, not even by a server that knows nothing yet.
    cluster.primary.restart().await.unwrap();
    let old = Cluster::superuser(&cluster.primary).await;
    let beat = "SELECT at::text FROM heartbeats";
    let last_beat: String = old.query_one(beat, &[]).await.unwrap().get(0);
    let new = Cluster::superuser(&cluster.replicas[0]).await;
    let young = cluster.app_that_starts(|config| config.database.url = all.clone()).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'payaid_server' AND pid <> pg_backend_pid()";
    for (name, app) in [("known", &app), ("young", &young)] {
        new.batch_execute(cut).await.unwrap();
        let client = Client::new(app.url("/graphql"), owner.token.clone());
        until("writes again", async || create(&client, name).await.is_some()).await;
        let count = async |node: &tokio_postgres::Client| -> i64 {
            node.query_one("SELECT count(*) FROM contacts WHERE name = $1", &[&name]).await.unwrap().get(0)
        };
        assert_eq!((count(&old).await, count(&new).await), (0, 1), "{name}");
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(old.query_one(beat, &[]).await.unwrap().get::<_, String>(0), last_beat, "not even a heartbeat");
}
