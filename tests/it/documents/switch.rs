//! A server that runs imported documents alone.

use std::sync::Arc;

use payaid::access::documents::TextHash;
use payaid::base::clock::SystemClock;
use payaid::platform::config::{AllowedDocuments, ServerConfig};
use serde_json::{Value, json};

use super::imported::load;
use super::{COUNT, ROLE, assert_refused, by_hash, get, post, with_text};
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

fn trusted(config: &mut ServerConfig) {
    config.http.documents = AllowedDocuments::Trusted;
}

/// A server that runs what was imported: `ROLE` as `role`.
async fn started() -> (TestApp, Client) {
    let open = TestApp::start().await;
    let owner = open.sign_up("Sharma", "owner@sharma.example").await;
    load(&open, &json!({"role": ROLE}), false).await.unwrap();
    let strict = TestApp::beside(&open, trusted).await;
    let client = Client::new(strict.url("/graphql"), owner.token);
    (strict, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_imported_documents_are_run_whichever_way_they_are_named() {
    let (app, owner) = started().await;
    let ways = [
        json!({"documentId": "role"}),
        json!({"documentId": format!("sha256:{}", TextHash::of(ROLE))}),
        by_hash(ROLE),
        json!({"query": ROLE}),
        with_text(ROLE),
    ];
    let mut socket = Socket::admitted(&app, &owner).await;
    for body in ways {
        assert_eq!(post(&owner, &body).await.data()["viewer"]["role"], "OWNER", "{body}");
        assert_eq!(get(&owner, &body).await.data()["viewer"]["role"], "OWNER", "{body}");
        socket.tell(json!({"type": "subscribe", "id": "1", "payload": body})).await;
        assert_eq!(socket.hear().await["payload"]["data"]["viewer"]["role"], "OWNER", "{body}");
        assert_eq!(socket.hear().await["type"], "complete");
        assert_refused(&post(&app.anonymous(), &body).await, 401, "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_is_refused_with_what_to_do() {
    let (app, owner) = started().await;
    let mut socket = Socket::admitted(&app, &owner).await;
    // Not byte for byte the same, another one, one that anybody may ask, the schema, and one that cannot even be read.
    for text in ["{ viewer { role }}", COUNT, "{ __typename }", "{ __schema { queryType { name } } }", "{", &format!("{ROLE}{}", " ".repeat(300_000))]
    {
        for body in [json!({"query": text}), with_text(text), by_hash(text)] {
            for answer in [post(&owner, &body).await, post(&app.anonymous(), &body).await] {
                assert_refused(&answer, 403, "FORBIDDEN");
                assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("`payaid documents import`"), "{answer:?}");
            }
            if text.len() < 1_000 {
                assert_refused(&get(&owner, &body).await, 403, "FORBIDDEN");
            }
            socket.tell(json!({"type": "subscribe", "id": "1", "payload": body})).await;
            let error: Value = socket.hear().await;
            assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("FORBIDDEN")), "{error:#}");
        }
    }
    assert_refused(&post(&owner, &json!({"documentId": "other"})).await, 404, "PERSISTED_QUERY_NOT_FOUND");
    let batch = post(&owner, &json!([{"query": COUNT}, {"documentId": "role"}])).await;
    assert_eq!((batch.status, &batch.body[0]["errors"][0]["extensions"]["code"]), (200, &json!("FORBIDDEN")), "{batch:?}");
    assert_eq!(batch.body[1]["data"]["viewer"]["role"], "OWNER");
    // The explorer is served, and what is written there is refused like any other text.
    let page = reqwest::get(app.url("/graphiql/config.json")).await.unwrap();
    assert_eq!(page.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_an_open_server_remembers_is_nothing_to_a_strict_one() {
    let redis = payaid::platform::cluster::redis::Server::start().await.unwrap();
    let with_redis = |config: &mut ServerConfig| config.redis.url = Some(redis.url());
    let open = TestApp::with(with_redis, Arc::new(SystemClock)).await;
    let owner = open.sign_up("Sharma", "owner@sharma.example").await;
    post(&owner, &with_text(COUNT)).await.data();
    let strict = TestApp::beside(&open, |config| {
        with_redis(config);
        trusted(config);
    })
    .await;
    let client = Client::new(strict.url("/graphql"), owner.token);
    assert_refused(&post(&client, &by_hash(COUNT)).await, 403, "FORBIDDEN");
}

/// Without the database nothing is known to be imported: the server says so, and runs nothing.
#[tokio::test]
async fn a_strict_server_without_its_database_runs_nothing() {
    let open = TestApp::start().await;
    let mut config = crate::harness::app::config("postgres://payaid_server@127.0.0.1:1/nothing");
    trusted(&mut config);
    let strict = TestApp::serve(config, Arc::new(SystemClock), open.database.clone()).await;
    for body in [json!({"query": "{ __typename }"}), by_hash("{ __typename }"), json!({"documentId": "role"})] {
        assert_refused(&post(&strict.anonymous(), &body).await, 503, "DATABASE_UNAVAILABLE");
    }
}
