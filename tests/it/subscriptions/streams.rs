//! Subscriptions as Server-Sent Events: a request that stays open.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{contact, opened};
use crate::harness::waiting::{LIMIT, until};
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

const EVENTS: &str = "text/event-stream";

/// A response that is read event by event.
struct Stream {
    response: reqwest::Response,
    read: String,
}

fn request(app: &TestApp, client: &Client, accept: &str, body: &Value) -> reqwest::RequestBuilder {
    client.request(Method::POST, &app.url("/graphql")).header("accept", accept).json(body)
}

async fn post(request: reqwest::RequestBuilder) -> reqwest::Response {
    tokio::time::timeout(LIMIT, request.send()).await.unwrap().unwrap()
}

impl Stream {
    async fn open(app: &TestApp, client: &Client, query: &str) -> Self {
        // Compressed, events would wait for each other.
        let request = request(app, client, EVENTS, &json!({"query": query})).header("accept-encoding", "gzip, br");
        let response = post(request).await;
        let headers = response.headers();
        assert_eq!((response.status().as_u16(), headers["content-type"].to_str().unwrap()), (200, "text/event-stream; charset=utf-8"));
        assert!(headers["cache-control"] == "no-store" && headers["x-accel-buffering"] == "no");
        assert!(!headers.contains_key("content-encoding"));
        Self { response, read: String::new() }
    }

    /// The next event and its data; `None` at the end.
    async fn event(&mut self) -> Option<(String, Value)> {
        tokio::time::timeout(LIMIT, self.read_event()).await.expect("an event comes, or the end")
    }

    async fn read_event(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
                let event = field("event:").map(|event| (event, field("data:").expect("events without data are left out by browsers")));
                self.read = rest.to_owned();
                // What keeps it alive has no event.
                if let Some((event, data)) = event {
                    return Some((event, if data.is_empty() { Value::Null } else { serde_json::from_str(&data).unwrap() }));
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.read += std::str::from_utf8(&chunk).unwrap();
        }
    }

    async fn next(&mut self) -> Value {
        let (event, data) = self.event().await.unwrap();
        assert_eq!(event, "next", "{data}");
        data
    }

    /// The code with which it ends.
    async fn refusal(&mut self) -> Value {
        let code = self.next().await["errors"][0]["extensions"]["code"].take();
        assert_eq!((self.event().await, self.event().await), (Some(("complete".to_owned(), Value::Null)), None));
        code
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_as_events_and_go_on_where_they_broke_off() {
    let keep_alive = |config: &mut payaid::platform::config::ServerConfig| config.http.socket_ping_interval = Duration::from_millis(20);
    let app = TestApp::with(keep_alive, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let subscribers = || app.app.services.events.subscribers();
    let mut stream = Stream::open(&app, &owner, "subscription { contactChanged { kind contact { name } } }").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    contact(&owner, "Asha").await;
    let told = stream.next().await;
    assert_eq!(told["data"], json!({"contactChanged": {"kind": "CREATED", "contact": {"name": "Asha"}}}));
    contact(&owner, "Binod").await;
    assert_eq!(stream.next().await["data"]["contactChanged"]["contact"]["name"], "Binod");
    assert_eq!(subscribers(), 1);
    drop(stream);
    until("who is gone is told no more", async || subscribers() == 0).await;

    let again = format!("subscription {{ contactChanged(since: {}) {{ contact {{ name }} }} }}", told["extensions"]["position"]);
    let mut stream = Stream::open(&app, &owner, &again).await;
    assert_eq!(stream.next().await["data"]["contactChanged"]["contact"]["name"], "Binod");
    owner.data("mutation { signOut { userErrors { code } } }", json!({})).await;
    let ended = stream.refusal();
    contact(&app.sign_in("owner@sharma.example", crate::harness::app::PASSWORD).await, "Chitra").await;
    assert_eq!(ended.await, "INVALID_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_at_once_is_a_stream_of_one_answer_and_what_is_refused_is_none() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut stream = Stream::open(&app, &owner, "{ viewer { organization { name } } }").await;
    assert_eq!(stream.next().await["data"]["viewer"]["organization"]["name"], "Sharma");
    assert_eq!((stream.event().await, stream.event().await), (Some(("complete".to_owned(), Value::Null)), None));

    // Who takes JSON as well gets it for what does not stay open.
    let both = "text/event-stream, application/json";
    let response = post(request(&app, &owner, both, &json!({"query": "{ __typename }"}))).await;
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let response = post(request(&app, &owner, both, &json!({"query": "subscription { contactChanged { kind } }"}))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");

    let subscription = json!({"query": "subscription { contactChanged { kind } }"});
    let narrow = json!({"query": "subscription { contactChanged { nonsense } }"});
    let (anonymous, batch) = (app.anonymous(), json!([subscription, subscription]));
    for (client, accept, body, status, code) in [
        (&anonymous, EVENTS, &subscription, 401, "UNAUTHENTICATED"),
        (&owner, EVENTS, &narrow, 422, "VALIDATION_ERROR"),
        (&owner, EVENTS, &batch, 400, "VALIDATION_ERROR"),
        (&owner, "text/event-stream;q=0", &subscription, 406, "VALIDATION_ERROR"),
        (&owner, "text/html", &subscription, 406, "VALIDATION_ERROR"),
        (&owner, "application/graphql-response+json", &subscription, 422, "VALIDATION_ERROR"),
    ] {
        let response = post(request(&app, client, accept, body)).await;
        let said = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        assert_eq!((said, &answer["errors"][0]["extensions"]["code"]), (status, &json!(code)), "{accept} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_until_it_is_revoked() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let made = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": ["contacts.read"]}), "key apiKey { id }").await;
    let key = Client::new(owner.url.clone(), Some(made["key"].as_str().unwrap().to_owned()));
    let mut stream = Stream::open(&app, &key, "subscription { changed { noun } }").await;
    owner.done("companyCreate", json!({"name": "Mills"}), "company { id }").await;
    contact(&owner, "Asha").await;
    assert_eq!(stream.next().await["data"]["changed"]["noun"], "contact");
    owner.done("apiKeyRevoke", json!({"id": made["apiKey"]["id"]}), "apiKey { id }").await;
    contact(&owner, "Binod").await;
    assert_eq!(stream.refusal().await, "INVALID_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_the_server_may_have_are_refused() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let sockets = &app.app.sockets;
    let _others = sockets.acquire_many((sockets.available_permits() - 1).try_into().unwrap()).await.unwrap();
    let subscription = "subscription { contactChanged { kind } }";
    let first = Stream::open(&app, &owner, subscription).await;
    let refused = post(request(&app, &owner, EVENTS, &json!({"query": subscription}))).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    // Who takes JSON as well has no need of a place for what is over at once.
    let both = format!("{EVENTS}, application/json");
    let over = post(request(&app, &owner, &both, &json!({"query": "{ __typename }"}))).await;
    assert_eq!((over.status().as_u16(), over.json::<Value>().await.unwrap()["data"]["__typename"].take()), (200, json!("Query")));
    assert_eq!(post(request(&app, &owner, &both, &json!({"query": subscription}))).await.status().as_u16(), 429);
    drop(first);
    until("there is room again", async || sockets.available_permits() == 1).await;
    Stream::open(&app, &owner, subscription).await;
}

/// However they come, so that nobody takes the places of all.
#[tokio::test(flavor = "multi_thread")]
async fn more_subscriptions_than_a_caller_may_have_are_refused() {
    let app = TestApp::with(|config| config.http.subscriptions_each = 2, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let subscription = "subscription { contactChanged { kind } }";
    let (_socket, stream) = (opened(&app, &owner, subscription).await, Stream::open(&app, &owner, subscription).await);
    let refused = post(request(&app, &owner, EVENTS, &json!({"query": subscription}))).await;
    assert_eq!(refused.status().as_u16(), 429);
    let error = refused.json::<Value>().await.unwrap()["errors"][0].take();
    assert!(error["extensions"]["code"] == "RATE_LIMITED" && error["message"].as_str().unwrap().contains("has 2 subscriptions open"), "{error}");
    assert_eq!(Socket::admitted(&app, &owner).await.refusal(subscription).await, "RATE_LIMITED");
    let other = app.sign_in("owner@sharma.example", crate::harness::app::PASSWORD).await;
    Stream::open(&app, &other, subscription).await;
    drop(stream);
    until("there is room again", async || app.app.services.events.subscribers() == 1).await;
    Stream::open(&app, &owner, subscription).await;
}

/// Who reads nothing any more holds no place for ever: neither that of a subscription nor that of a connection.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_is_let_go() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "Asha").await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut client = socket.connect(app.address).await.unwrap();
    let long = (0..20).map(|alias| format!("a{alias}: contact {{ notes }}")).collect::<Vec<_>>().join(" ");
    let body = json!({"query": format!("subscription {{ contactChanged {{ {long} }} }}")}).to_string();
    let token = owner.token.as_deref().unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: {EVENTS}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all((head + &body).as_bytes()).await.unwrap();
    until("the subscription is open", async || app.app.services.events.subscribers() == 1).await;
    let most = app.app.config.http.max_connections;
    let free = || (app.app.sockets.available_permits(), app.app.connections.available_permits());
    assert_eq!(free().0, most - 1);
    for version in 1..=40 {
        let changes = json!({"notes": "x".repeat(9_990) + &version.to_string()});
        owner.done("contactUpdate", json!({"id": id, "version": version, "changes": changes}), "contact { id }").await;
    }
    // With the connections of everybody else.
    drop(owner);
    // Sooner than a connection ends that waits for its next request. One place is that of whoever comes next.
    let left = until("it has left its places", async || free() == (most, most - 1));
    tokio::time::timeout(Duration::from_secs(60), left).await.expect("it leaves its places");
    assert_eq!(app.app.services.events.subscribers(), 0);
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_and_with_the_server() {
    let brief = |config: &mut payaid::platform::config::ServerConfig| config.auth.access_token_ttl = Duration::from_secs(4);
    let app = TestApp::with(brief, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let subscription = "subscription { contactChanged { kind } }";
    let mut stream = Stream::open(&app, &owner, subscription).await;
    let ended = stream.next().await["errors"][0]["extensions"].take();
    assert_eq!((&ended["code"], stream.event().await), (&json!("INVALID_TOKEN"), Some(("complete".to_owned(), Value::Null))));

    let mut app = TestApp::beside(&app, |config| config.auth.access_token_ttl = Duration::from_secs(900)).await;
    let owner = app.sign_in("owner@sharma.example", crate::harness::app::PASSWORD).await;
    contact(&owner, "Asha").await;
    let again = format!("subscription {{ contactChanged(since: {}) {{ kind }} }}", ended["details"]["position"]);
    let mut stream = Stream::open(&app, &owner, &again).await;
    assert_eq!(stream.next().await["data"]["contactChanged"]["kind"], "CREATED", "it goes on where it ended");
    app.stop();
    // Without `complete`, so that its client begins again elsewhere.
    assert_eq!(stream.event().await, None);
}
