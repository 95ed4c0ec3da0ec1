//! However an operation is sent, alone or among others, by HTTP or WebSocket, its answer is the same text, and so is what a subscription tells: what writes
//! it around is another each time.

use std::collections::BTreeSet;

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

/// The answers in a text, each without what is left of the budget and the numbers of requests. What would be read as something else is none.
fn answers(text: &str, inside: impl FnOnce(Value) -> Vec<Value>) -> Vec<String> {
    let whole: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&whole).unwrap(), text, "it is read as something else");
    let without = |mut answer: Value| match &mut answer {
        Value::Object(parts) => {
            assert!(parts.shift_remove("extensions").is_some(), "{text}");
            if let Some(Value::List(errors)) = parts.get_mut("errors") {
                errors.iter_mut().for_each(|error| assert!(without_request(error), "{text}"));
            }
            serde_json::to_string(&answer).unwrap()
        }
        other => panic!("{other}"),
    };
    inside(whole).into_iter().map(without).collect()
}

/// Takes the number of the request out of an error, if it has one.
fn without_request(error: &mut Value) -> bool {
    let Value::Object(parts) = error else { return false };
    let Some(Value::Object(extensions)) = parts.get_mut("extensions") else { return false };
    extensions.shift_remove("requestId").is_some()
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

/// The ways in which an operation is sent; mutations do not come by GET.
pub const WAYS: [&str; 5] = ["POST", "a batch", "an event stream", "WebSocket", "GET"];

/// The answers to an operation that is sent in one of the ways: two in a batch, unless it `changes` something.
pub async fn sent(how: &str, client: &Client, socket: &mut Socket, operation: &str, variables: &serde_json::Value, changes: bool) -> Vec<String> {
    let request = json!({"query": operation, "variables": variables});
    let accept = "application/graphql-response+json";
    let posted = async |body: &serde_json::Value| {
        let request = client.request(Method::POST, &client.url).header("accept", accept).json(body);
        request.send().await.unwrap().text().await.unwrap()
    };
    let one = |answer| vec![answer];
    match how {
        "POST" => answers(&posted(&request).await, one),
        "GET" => {
            let url = reqwest::Url::parse_with_params(&client.url, [("query", operation), ("variables", &variables.to_string())]).unwrap();
            let got = client.request(Method::GET, url.as_str()).header("accept", accept).send().await.unwrap();
            answers(&got.text().await.unwrap(), one)
        }
        "a batch" if changes => answers(&posted(&json!([request])).await, all),
        "a batch" => answers(&posted(&json!([request, request])).await, all),
        "an event stream" => answers(&client.told(operation, variables).await, one),
        "WebSocket" => {
            socket.tell(json!({"type": "subscribe", "id": "1", "payload": request})).await;
            let heard = socket.hear_text().await;
            assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}), "{heard}");
            answers(&heard, payload)
        }
        other => panic!("{other}"),
    }
}

/// What is wrong with the answers to an operation by one of the ways.
fn differing(how: &str, answers: &[String], expected: &str) -> Option<String> {
    let count = if how == "a batch" { 2 } else { 1 };
    let well = answers.len() == count && answers.iter().all(|answer| answer == expected);
    (!well).then(|| format!("by {how}\n{answers:#?}\ninstead of {count} of\n{expected}"))
}

/// A server, one of its owners and her socket, what it serves, and the variables of operations that go everywhere.
async fn filled() -> (TestApp, Client, Socket, Schema, serde_json::Value) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = fill_and_tell(&app, &owner, 3).await;
    let socket = Socket::admitted(&app, &owner).await;
    (app, owner, socket, Schema::served(), json!({"first": 3, "since": since, "yes": true}))
}

/// Types whose answers are another each time: what is left of the budget, and the cursor of now, which the root has as well and which moves with whatever
/// others do meanwhile.
const CHANGING: [&str; 3] = ["ChangePage", "Query", "RateLimit"];

#[tokio::test(flavor = "multi_thread")]
async fn however_an_operation_is_sent_its_answer_is_the_same_text() {
    let (_app, owner, mut socket, schema, variables) = filled().await;
    let (mut compared, mut changing, ways) = (0, BTreeSet::new(), all_ways(&schema));
    for (of, way) in ways.iter().filter(|(_, way)| way.from == "Query") {
        for merged in [false, true] {
            let operation = Mixed::of(&schema, of, merged).operation(way);
            let expected = sent("POST", &owner, &mut socket, &operation, &variables, false).await.remove(0);
            assert_eq!(Oracle::new(&schema, &operation, &variables).wrong_in(&expected), Vec::<String>::new(), "{operation}\n{expected}");
            for how in WAYS {
                let answers = sent(how, &owner, &mut socket, &operation, &variables, false).await;
                if let Some(wrong) = differing(how, &answers, &expected) {
                    let count = if how == "a batch" { 2 } else { 1 };
                    assert!(CHANGING.contains(&of.as_str()) && answers.len() == count, "{operation} {wrong}");
                    let oracle = Oracle::new(&schema, &operation, &variables);
                    assert!(answers.iter().all(|answer| oracle.wrong_in(answer).is_empty()), "{operation} {wrong}");
                    changing.insert(of.as_str());
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
    assert!(changing.contains("RateLimit"), "what is not the same each time is not noticed");
}

/// Also when a part of it fails, with what is said of that.
#[tokio::test(flavor = "multi_thread")]
async fn however_an_operation_is_sent_what_fails_in_it_is_the_same_text() {
    let (app, owner, mut socket, _, variables) = filled().await;
    // The table takes any three letters for a currency, and the schema knows some of them.
    app.superuser().await.batch_execute("UPDATE deals SET currency = 'XXX'").await.unwrap();
    for selected in ["value { amount }", "value { amount } ...V", "...V value { amount } company { deals(first: 1) { nodes { value { amount } } } }"]
    {
        let spread = if selected.contains("...V") { "fragment V on Deal { value { currency } }" } else { "" };
        let operation = format!(
            "query($first: Int!) {{ contacts(first: $first) {{ nodes {{ name deals(first: 2) {{ nodes {{ title {selected} }} }} }} }} viewer {{ role }} }} {spread}"
        );
        let expected = sent("POST", &owner, &mut socket, &operation, &variables, false).await.remove(0);
        let answer: serde_json::Value = serde_json::from_str(&expected).unwrap();
        let contacts = answer["data"]["contacts"]["nodes"].as_array().unwrap();
        assert!(contacts.len() == 3 && contacts.iter().all(|contact| contact["name"].is_string() && contact["deals"].is_null()), "{answer}");
        assert!(answer["errors"].as_array().unwrap().len() >= 3 && answer["data"]["viewer"]["role"] == "OWNER", "{answer}");
        for how in WAYS {
            let answers = sent(how, &owner, &mut socket, &operation, &variables, false).await;
            assert_eq!(differing(how, &answers, &expected), None, "{operation}");
        }
    }
    let (id, changed) = ("failing", "subscription($since: String) { dealChanged(since: $since) { deal { title value { amount } } } }");
    let streamed = answers(&owner.told(changed, &variables).await, |event| vec![event]);
    assert!(streamed[0].contains(r#""errors":["#), "{streamed:?}");
    let heard = told(&mut socket, id, &json!({"query": changed, "variables": variables})).await;
    assert_eq!(answers(&heard, payload), streamed);
}

/// The first event of a subscription by WebSocket; what was on its way of those before is passed over.
async fn told(socket: &mut Socket, id: &str, request: &serde_json::Value) -> String {
    socket.tell(json!({"type": "subscribe", "id": id, "payload": request})).await;
    loop {
        let heard = socket.hear_text().await;
        let message: serde_json::Value = serde_json::from_str(&heard).unwrap();
        if message["id"] == id {
            socket.tell(json!({"type": "complete", "id": id})).await;
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_an_event_is_told_it_is_the_same_text() {
    let (_app, owner, mut socket, schema, variables) = filled().await;
    let mut compared = 0;
    for (of, way) in all_ways(&schema).iter().filter(|(_, way)| way.from == "Subscription") {
        for merged in [false, true] {
            let operation = Mixed::of(&schema, of, merged).operation(way);
            let streamed = answers(&owner.told(&operation, &variables).await, |event| vec![event]);
            assert_eq!(Oracle::new(&schema, &operation, &variables).wrong_in(&streamed[0]), Vec::<String>::new(), "{operation}\n{streamed:?}");
            compared += 1;
            let heard = told(&mut socket, &compared.to_string(), &json!({"query": operation, "variables": variables})).await;
            assert_eq!(answers(&heard, payload), streamed, "{operation}");
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn an_answer_that_is_another_text_is_noticed() {
    let text = |answers: &[&str]| answers.iter().map(|answer| (*answer).to_owned()).collect::<Vec<_>>();
    let expected = r#"{"data":{"a":1,"b":null}}"#;
    assert_eq!(differing("POST", &text(&[expected]), expected), None);
    assert_eq!(differing("a batch", &text(&[expected, expected]), expected), None);
    assert!(differing("a batch", &text(&[expected]), expected).is_some());
    for other in [r#"{"data":{"b":null,"a":1}}"#, r#"{"data":{"a":1}}"#, r#"{"data":{"a":1.0,"b":null}}"#, r#"{"data":{"a":1,"b":null} }"#] {
        assert!(differing("WebSocket", &text(&[other]), expected).is_some(), "{other}");
    }
}
