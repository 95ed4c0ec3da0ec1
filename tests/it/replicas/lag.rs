//! Sixteen sessions write and read at once while their replicas fall behind and catch up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::ROUTING;
use crate::harness::cluster::{Cluster, again, hold, say, scaled};
use crate::harness::{Client, TestApp};

const SESSIONS: usize = 16;
const CREATE: &str = "mutation($name: String!) { contactCreate(input: {name: $name}) { contact { id } userErrors { message } } }";
const READ: &str = "query($id: ID!) { contact(id: $id) { id } }";

/// What was seen of the pairs of a write and a read.
#[derive(Default)]
struct Seen {
    pairs: AtomicUsize,
    stale: AtomicUsize,
    on_replicas: AtomicUsize,
    /// Reads that were missing the write because it was asked for that: what a stale read looks like.
    eventual: AtomicUsize,
}

/// One session's pairs: half of them are read by the session itself, which sends nothing, and half by another one, which sends the token.
async fn write_and_read(writer: Client, reader: Client, pairs: usize, seen: Arc<Seen>) {
    for pair in 0..pairs {
        let written = writer.ask(CREATE, json!({"name": format!("Contact {pair}")}), &[]).await;
        let id = written.data()["contactCreate"]["contact"]["id"].clone();
        let token = written.token().expect("a token").to_owned();
        let read = if pair % 2 == 0 {
            writer.ask(READ, json!({"id": id}), &[ROUTING]).await
        } else {
            reader.ask(READ, json!({"id": id}), &[("x-consistency-token", &token), ROUTING]).await
        };
        if pair % 4 == 0 {
            let eventual = writer.ask(READ, json!({"id": id}), &[("x-consistency", "eventual")]).await;
            seen.eventual.fetch_add(usize::from(eventual.data()["contact"].is_null()), Ordering::Relaxed);
        }
        seen.pairs.fetch_add(1, Ordering::Relaxed);
        if read.data()["contact"]["id"] != id {
            seen.stale.fetch_add(1, Ordering::Relaxed);
        }
        if read.node().unwrap().starts_with("replica") {
            seen.on_replicas.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Holds up one replica, then both, then none, for times that differ, until it is told to stop.
async fn hold_up(cluster: &Cluster, stop: &AtomicBool) {
    let replicas = [Cluster::superuser(&cluster.replicas[0]).await, Cluster::superuser(&cluster.replicas[1]).await];
    let mut turn: u64 = 1;
    while !stop.load(Ordering::Relaxed) {
        // A short series of numbers that looks like chance, and is the same each time.
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let held = (turn >> 33) % 4;
        hold(&replicas[0], held & 1 != 0).await;
        hold(&replicas[1], held & 2 != 0).await;
        tokio::time::sleep(Duration::from_millis(5 + (turn >> 40) % 120)).await;
    }
    for replica in &replicas {
        hold(replica, false).await;
    }
}

async fn sessions(app: &TestApp) -> Vec<(Client, Client)> {
    app.sign_up("Sharma", "owner@sharma.example").await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push((again(app, "owner@sharma.example").await, again(app, "owner@sharma.example").await));
    }
    sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_ever_misses_what_it_wrote_while_replicas_lag() {
    let cluster = Cluster::start(2).await;
    let app = cluster.app(|_| ()).await;
    let sessions = sessions(&app).await;
    let (seen, stop, begun) = (Arc::new(Seen::default()), AtomicBool::new(false), Instant::now());
    let each = scaled(640, 10_000) / SESSIONS;
    let pairs = async {
        let all = sessions.iter().map(|(writer, reader)| tokio::spawn(write_and_read(writer.clone(), reader.clone(), each, Arc::clone(&seen))));
        for session in all.collect::<Vec<_>>() {
            session.await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(pairs, hold_up(&cluster, &stop));
    let [pairs, stale, on_replicas, eventual] =
        [&seen.pairs, &seen.stale, &seen.on_replicas, &seen.eventual].map(|count| count.load(Ordering::Relaxed));
    say("pairs of a write and a read from 16 sessions", format!("{pairs} in {:.1} s", begun.elapsed().as_secs_f64()));
    say("stale reads", stale);
    say("stale reads where the client asks for eventual consistency", format!("{eventual} of {}", pairs / 4));
    say("read on replicas", format!("{on_replicas} ({} %)", on_replicas * 100 / pairs));
    assert_eq!((pairs, stale), (each * SESSIONS, 0));
    assert!(eventual > 0, "the replicas never lagged, so this has shown nothing");
    assert!(on_replicas > pairs / 20 && on_replicas < pairs, "it was hardly ever, or always, a replica that answered: {on_replicas} of {pairs}");
    // A second after the last was let go on, reads are on the replicas again, though every session has just written.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut again = 0;
    for read in 0..200 {
        let answer = sessions[read % SESSIONS].0.ask("{ contacts(first: 1) { totalCount } }", json!({}), &[ROUTING]).await;
        answer.data();
        again += usize::from(answer.node().unwrap().starts_with("replica"));
    }
    say("of 200 reads, on replicas a second after the last was let go on", again);
    assert!(again >= 180, "{again} of 200");
}
