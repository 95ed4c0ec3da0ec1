//! Reads from a real streaming replica: used while it is well, left when it is not.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::platform::cluster::postgres::Options;
use payaid::platform::postgres::Databases;
use payaid::platform::postgres::pool::Pool;
use serde_json::json;

use crate::harness::servers::shared;
use crate::harness::{Client, TestApp};

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about");
}

fn reads_replica(databases: &Databases) -> bool {
    databases.replicas().iter().any(|replica| replica.pool().is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_read_from_the_replica_and_mutations_from_the_primary() {
    let servers = shared().await;
    let first = TestApp::start().await;
    let owner = first.sign_up("Sharma", "owner@sharma.example").await;
    servers.replica.catch_up(&servers.primary).await.unwrap();
    let read_url = servers.replica.url(&first.database, "payaid_server");
    let app = TestApp::beside(&first, |config| config.database.read_urls = vec![read_url]).await;
    until("the replica", || reads_replica(&app.app.services.databases)).await;
    let owner = Client::new(app.url("/graphql"), owner.token.clone());
    let replayed = servers.replica.url("postgres", "postgres");
    let replica = crate::harness::servers::connect(&replayed).await;
    replica.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    let payload = owner.done("contactCreate", json!({"name": "Asha"}), "contact { name deals { totalCount } }").await;
    let on_replica = owner.query("{ contacts { totalCount } }").await;
    replica.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    assert_eq!(payload["contact"]["deals"]["totalCount"], 0, "a payload is read from the primary");
    assert_eq!(on_replica["contacts"]["totalCount"], 0, "a query read the primary although the replica is well");
    servers.replica.catch_up(&servers.primary).await.unwrap();
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_left_and_taken_back() {
    let servers = shared().await;
    let mut replica = servers.primary.replica(Options::temporary()).await.unwrap();
    let first = TestApp::start().await;
    let owner = first.sign_up("Sharma", "owner@sharma.example").await;
    replica.catch_up(&servers.primary).await.unwrap();
    let read_url = replica.url(&first.database, "payaid_server");
    let app = TestApp::beside(&first, |config| config.database.read_urls = vec![read_url]).await;
    until("the replica", || reads_replica(&app.app.services.databases)).await;
    replica.kill().await.unwrap();
    until("reads on the primary", || !reads_replica(&app.app.services.databases)).await;
    let owner = Client::new(app.url("/graphql"), owner.token.clone());
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
    replica.restart().await.unwrap();
    until("the replica again", || reads_replica(&app.app.services.databases)).await;
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
    replica.stop().await;
}

/// A primary given by mistake as the replica is not read from.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_none_is_not_used() {
    let app = TestApp::with(|config| config.database.read_urls = vec![config.database.url.clone()], Arc::new(SystemClock)).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(!reads_replica(&app.app.services.databases));
    let _: &Pool = app.app.services.databases.reader();
}
