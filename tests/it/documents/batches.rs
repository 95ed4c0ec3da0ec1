//! Several operations in one request.

use std::sync::Arc;

use payaid::base::clock::SystemClock;
use serde_json::{Value, json};

use super::{COUNT, ROLE, assert_refused, by_hash, post, with_text};
use crate::harness::client::codes;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

async fn started() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    (app, owner)
}

fn create(name: &str) -> Value {
    json!({"query": "mutation($name: String!) { contactCreate(input: {name: $name}) { contact { name } userErrors { code } } }", "variables": {"name": name}})
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let (_app, owner) = started().await;
    let alias = |number: usize| json!({"query": format!("{{ a{number}: __typename }}")});
    let most: Vec<Value> = (0..10).map(alias).collect();
    let answer = post(&owner, &most.into()).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(answer.header("content-type").unwrap().starts_with("application/graphql-response+json"));
    let expected: Vec<Value> = (0..10).map(|number| json!({format!("a{number}"): "Query"})).collect();
    let data: Vec<Value> = answer.body.as_array().unwrap().iter().map(|answer| answer["data"].clone()).collect();
    assert_eq!(data, expected);
    let one_more: Vec<Value> = (0..11).map(alias).collect();
    let refused = post(&owner, &one_more.into()).await;
    assert_refused(&refused, 400, "VALIDATION_ERROR");
    assert!(refused.body["errors"][0]["message"].as_str().unwrap().contains("11 requests; at most 10"), "{refused:?}");
    assert_refused(&post(&owner, &json!([])).await, 400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_query_sees_the_mutation_before_it() {
    let (_app, owner) = started().await;
    let count = json!({"query": COUNT});
    let answer = post(&owner, &json!([count, create("Asha"), count, create("Bina"), create("Chitra"), count])).await;
    let counts: Vec<_> = [0, 2, 5].iter().map(|index| answer.body[index]["data"]["contacts"]["totalCount"].clone()).collect();
    assert_eq!(counts, [0, 1, 3], "{answer:?}");
    let names = owner.query("{ contacts(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { name } } }").await;
    assert_eq!(names["contacts"]["nodes"], json!([{"name": "Asha"}, {"name": "Bina"}, {"name": "Chitra"}]));
}

#[tokio::test]
async fn each_fails_by_itself() {
    let (_app, owner) = started().await;
    let batch = json!([{"query": ROLE}, {"query": "{ nonsense }"}, 7, {"variables": {}}, [], {"query": "{"}, by_hash(COUNT), with_text(COUNT), by_hash(COUNT), create("Asha")]);
    let answer = post(&owner, &batch).await;
    assert_eq!(answer.status, 200);
    let found: Vec<String> = answer.body.as_array().unwrap().iter().map(|entry| codes(entry).join(" ")).collect();
    let wrong = "VALIDATION_ERROR";
    assert_eq!(found, ["", wrong, wrong, wrong, wrong, wrong, "PERSISTED_QUERY_NOT_FOUND", "", "", ""], "{answer:?}");
    let ids: Vec<&Value> = answer.body.as_array().unwrap().iter().filter_map(|entry| entry.pointer("/errors/0/extensions/requestId")).collect();
    assert!(ids.len() == 6 && ids.iter().all(|id| id.as_str() == answer.header("x-request-id")), "{ids:?}");
    assert_eq!(owner.query(COUNT).await["contacts"]["totalCount"], 1);
}

#[tokio::test]
async fn a_status_that_all_share_is_the_batchs() {
    let (app, owner) = started().await;
    let (private, open, wrong) = (json!({"query": ROLE}), json!({"query": "{ __typename }"}), json!({"query": "{ nonsense }"}));
    let anonymous = app.anonymous();
    let all = post(&anonymous, &json!([private, private])).await;
    assert_eq!((all.status, all.header("www-authenticate"), all.body.as_array().unwrap().len()), (401, Some("Bearer"), 2));
    let some = post(&anonymous, &json!([private, open])).await;
    assert_eq!((some.status, some.header("www-authenticate")), (200, None));
    assert_eq!(post(&owner, &json!([wrong, wrong])).await.status, 422);
    assert_eq!(post(&anonymous, &json!([wrong, 7])).await.status, 200);
    assert_eq!(post(&owner, &json!([7, 7])).await.status, 400);
    let token = Client::new(anonymous.url.clone(), Some("nonsense".to_owned()));
    assert_eq!(post(&token, &json!([open])).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_can_be_switched_off_and_come_by_post_alone() {
    let app = TestApp::with(|config| config.http.batch_limit = 0, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let refused = post(&owner, &json!([{"query": ROLE}])).await;
    assert_refused(&refused, 400, "VALIDATION_ERROR");
    assert!(refused.body["errors"][0]["message"].as_str().unwrap().contains("one operation a request"), "{refused:?}");
    assert_refused(&post(&owner, &json!([])).await, 400, "VALIDATION_ERROR");
    let (app, owner) = started().await;
    let mut socket = Socket::admitted(&app, &owner).await;
    socket.tell(json!({"type": "subscribe", "id": "1", "payload": [{"query": ROLE}]})).await;
    assert_eq!(socket.closed().await.0, 4400);
}

/// The time limit is each operation's own: one that hangs does not take what comes after it along.
#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_own_time() {
    let app = TestApp::with(
        |config| {
            config.http.operation_timeout = std::time::Duration::from_secs(2);
            config.database.lock_timeout = std::time::Duration::from_secs(60);
            config.database.statement_timeout = std::time::Duration::from_secs(60);
        },
        Arc::new(SystemClock),
    )
    .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.superuser().await;
    other.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let answer = post(&owner, &json!([{"query": "{ tasks { totalCount } }"}, {"query": COUNT}, {"query": "{ deals { totalCount } }"}])).await;
    other.batch_execute("ROLLBACK").await.unwrap();
    let found: Vec<String> = answer.body.as_array().unwrap().iter().map(|entry| codes(entry).join(" ")).collect();
    assert_eq!(found, ["", "TIMEOUT", ""], "{answer:?}");
}
