//! However an operation is sent, alone or among others, by HTTP or WebSocket, its answer is the same text: what writes it around is another each time.

use async_graphql::Value;
use reqwest::Method;
use serde_json::json;

use super::mixed::Mixed;
use super::oracle::Oracle;
use super::specification::all_ways;
use crate::harness::crowd::fill_and_tell;
use crate::harness::schema::Schema;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

/// The answers in a text, each without what is left of the budget. What would be read as something else is none.
fn answers(text: &str, inside: impl FnOnce(Value) -> Vec<Value>) -> Vec<String> {
    let whole: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&whole).unwrap(), text, "it is read as something else");
    let without = |mut answer: Value| match &mut answer {
        Value::Object(parts) => {
            assert!(parts.shift_remove("extensions").is_some(), "{text}");
            serde_json::to_string(&answer).unwrap()
        }
        other => panic!("{other}"),
    };
    inside(whole).into_iter().map(without).collect()
}

fn all(list: Value) -> Vec<Value> {
    match list {
        Value::List(items) => items,
        other => panic!("{other}"),
    }
}

fn payload(message: Value) -> Vec<Value> {
    match message {
        Value::Object(mut parts) => vec![parts.swap_remove("payload").unwrap()],
        other => panic!("{other}"),
    }
}

/// The answers to an operation that is sent in each way.
async fn sent(client: &Client, socket: &mut Socket, operation: &str, variables: &serde_json::Value) -> Vec<(&'static str, Vec<String>)> {
    let request = json!({"query": operation, "variables": variables});
    let accept = "application/graphql-response+json";
    let posted = async |body: &serde_json::Value| {
        let request = client.request(Method::POST, &client.url).header("accept", accept).json(body);
        request.send().await.unwrap().text().await.unwrap()
    };
    let url = reqwest::Url::parse_with_params(&client.url, [("query", operation), ("variables", &variables.to_string())]).unwrap();
    let got = client.request(Method::GET, url.as_str()).header("accept", accept).send().await.unwrap().text().await.unwrap();
    socket.tell(json!({"type": "subscribe", "id": "1", "payload": request})).await;
    let heard = socket.hear_text().await;
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}), "{heard}");
    let one = |answer| vec![answer];
    vec![
        ("POST", answers(&posted(&request).await, one)),
        ("GET", answers(&got, one)),
        ("a batch", answers(&posted(&json!([request, request])).await, all)),
        ("an event stream", answers(&client.told(operation, variables).await, one)),
        ("WebSocket", answers(&heard, payload)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn however_an_operation_is_sent_its_answer_is_the_same_text() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = fill_and_tell(&app, &owner, 3).await;
    let mut socket = Socket::admitted(&app, &owner).await;
    let (schema, variables) = (Schema::served(), json!({"first": 3, "since": since, "yes": true}));
    let mut compared = 0;
    // The cursor of now, which the root has as well, is another each time.
    for (of, way) in all_ways(&schema).iter().filter(|(of, way)| way.from == "Query" && !["ChangePage", "Query", "RateLimit"].contains(&of.as_str()))
    {
        for merged in [false, true] {
            let mixed = Mixed::of(&schema, of, merged);
            let operation = format!("{} {}", Mixed::declared(&way.operation(&mixed.selection)), mixed.fragments);
            let all = sent(&owner, &mut socket, &operation, &variables).await;
            let expected = &all[0].1[0];
            assert_eq!(Oracle::new(&schema, &operation, &variables).wrong_in(expected), Vec::<String>::new(), "{operation}\n{expected}");
            for (how, answers) in &all {
                assert_eq!(answers.len(), if *how == "a batch" { 2 } else { 1 }, "{operation} by {how}");
                assert!(answers.iter().all(|answer| answer == expected), "{operation} by {how}\n{answers:#?}\ninstead of\n{expected}");
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}
