//! A commit whose answer is lost: nobody knows whether it was made, and whoever looks must find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Notify;

use super::{COUNT, ROUTING, on_replica};
use crate::harness::Client;
use crate::harness::cluster::{Cluster, hold};

/// A way to the primary that is cut right after the commit of a transaction in which this word was sent.
async fn way(cluster: &Cluster, word: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (socket, cuts) = (cluster.primary.socket_dir().join(".s.PGSQL.5432"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&cuts);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = UnixStream::connect(&socket).await else { continue };
            let cuts = Arc::clone(&counted);
            tokio::spawn(async move {
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
                let (muted, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
                let (mute, answer) = (Arc::clone(&muted), Arc::clone(&answered));
                let back = tokio::spawn(async move {
                    let mut bytes = vec![0; 65_536];
                    while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
                        if mute.load(Ordering::Acquire) {
                            // The commit was made, and the client does not hear of it.
                            answer.notify_one();
                        } else if to_client.write_all(&bytes[..count]).await.is_err() {
                            break;
                        }
                    }
                    // Not closed before the client's side is.
                    answer.notified().await;
                });
                let (mut seen, mut bytes) = (false, vec![0; 65_536]);
                while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                    let sent = &bytes[..count];
                    let contains = |part: &[u8]| sent.windows(part.len()).any(|window| window == part);
                    seen |= contains(word.as_bytes());
                    let cut = seen && contains(b"COMMIT\0");
                    muted.store(cut, Ordering::Release);
                    if to_server.write_all(sent).await.is_err() {
                        break;
                    }
                    if cut {
                        answered.notified().await;
                        cuts.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                }
                back.abort();
            });
        }
    });
    (port, cuts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_commit_was_not_answered_is_seen_by_whoever_looks() {
    let cluster = Cluster::start(1).await;
    let (port, cuts) = way(&cluster, "Uncertain").await;
    let app = cluster
        .app(|config| {
            config.database.url = format!("postgres://payaid_server@127.0.0.1:{port}/payaid?sslmode=disable");
            config.database.max_lag = Duration::from_secs(50);
        })
        .await;
    let beside = cluster.app(|config| config.database.max_lag = Duration::from_secs(50)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    owner.query(COUNT).await;
    Client::new(beside.url("/graphql"), owner.token.clone()).query(COUNT).await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    let created = "mutation { contactCreate(input: {name: \"Uncertain\"}) { contact { id } } }";
    let answer = owner.ask(created, json!({}), &[]).await;
    assert_eq!((answer.status, cuts.load(Ordering::Relaxed)), (503, 1), "{:?}", answer.body);
    assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("while the change was being confirmed"), "{:?}", answer.body);
    // Elsewhere the session is not known to have written; the token says so.
    let token = answer.token().expect("a token, though nobody knows where the change stands").to_owned();
    let there = Client::new(beside.url("/graphql"), owner.token.clone()).ask(COUNT, json!({}), &[("x-consistency-token", &token), ROUTING]).await;
    assert_eq!((there.data()["contacts"]["totalCount"].as_i64(), there.node()), (Some(1), Some("primary")), "it was made");
    assert!(there.token().is_some_and(|fresh| fresh != token), "and from now on it is known where");
    let answer = owner.ask(COUNT, json!({}), &[ROUTING]).await;
    assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(1), Some("primary")), "it was made");
    // From now on it is known up to where to look.
    hold(&replica, false).await;
    on_replica(&owner).await;
    assert_eq!(owner.query(COUNT).await["contacts"]["totalCount"], 1);
}
