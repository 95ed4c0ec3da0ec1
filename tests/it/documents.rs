//! Documents that requests name by the SHA-256 of a text that was sent before, as Apollo's clients do.

mod batches;
pub mod imported;
mod switch;

use std::sync::Arc;

use payaid::access::documents::TextHash;
use payaid::base::clock::SystemClock;
use payaid::platform::cluster::redis::Server;
use payaid::platform::config::ServerConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::{Answer, codes};
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

const ROLE: &str = "{ viewer { role } }";
const COUNT: &str = "{ contacts { totalCount } }";

/// A body that names a text by its hash.
fn by_hash(text: &str) -> Value {
    json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": TextHash::of(text).to_string()}}})
}

/// The same, with the text.
fn with_text(text: &str) -> Value {
    let mut body = by_hash(text);
    body["query"] = text.into();
    body
}

async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) }
}

async fn post(client: &Client, body: &Value) -> Answer {
    let request = client.request(Method::POST, &client.url).header("accept", "application/graphql-response+json");
    read(request.json(body).send().await.unwrap()).await
}

/// A GET with the members of a body as the query of its address.
async fn get(client: &Client, body: &Value) -> Answer {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<(String, String)> = body.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let url = reqwest::Url::parse_with_params(&client.url, pairs).unwrap();
    read(client.request(Method::GET, url.as_str()).header("accept", "application/graphql-response+json").send().await.unwrap()).await
}

/// What clients look for before they send the text.
fn assert_unknown(answer: &Answer) {
    assert_eq!((answer.status, codes(&answer.body)), (200, vec!["PERSISTED_QUERY_NOT_FOUND".to_owned()]), "{answer:?}");
    assert_eq!(answer.body["errors"][0]["message"], "PersistedQueryNotFound");
    assert!(answer.body.get("data").is_none());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, codes(&answer.body)), (status, vec![code.to_owned()]), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// Two servers of one database, with a Redis of their own, and somebody signed in at both.
struct Pair {
    servers: [TestApp; 2],
    clients: [Client; 2],
    redis: Server,
}

impl Pair {
    async fn start() -> Self {
        let redis = Server::start().await.unwrap();
        let adjust = |config: &mut ServerConfig| config.redis.url = Some(redis.url());
        let first = TestApp::with(adjust, Arc::new(SystemClock)).await;
        let second = TestApp::beside(&first, adjust).await;
        let one = first.sign_up("Sharma", "owner@sharma.example").await;
        let two = Client::new(second.url("/graphql"), one.token.clone());
        Self { servers: [first, second], clients: [one, two], redis }
    }

    /// Sends the text to the first server until Redis has it: it may be slow on a busy machine, and is told but once.
    async fn share(&self, texts: impl Fn(usize) -> String) -> String {
        let mut redis = redis::Client::open(self.redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        for number in 0..20 {
            let text = texts(number);
            post(&self.clients[0], &with_text(&text)).await.data();
            if redis::cmd("EXISTS").arg(key(&text)).query_async::<bool>(&mut redis).await.unwrap() {
                return text;
            }
        }
        panic!("Redis is never told");
    }
}

fn key(text: &str) -> String {
    format!("payaid:document:{}", TextHash::of(text))
}

/// A document that differs from others in a name that nobody sees.
fn numbered(number: usize) -> String {
    format!("query Number{number} {ROLE}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_was_sent_the_other_knows() {
    let pair = Pair::start().await;
    let [one, two] = &pair.clients;
    assert_unknown(&post(one, &by_hash(&numbered(0))).await);
    assert_unknown(&post(two, &by_hash(&numbered(0))).await);
    let text = pair.share(numbered).await;
    assert_eq!(post(one, &by_hash(&text)).await.data()["viewer"]["role"], "OWNER");
    until("the other server asks Redis", async || post(two, &by_hash(&text)).await.body["data"]["viewer"]["role"] == "OWNER").await;
    let metrics = reqwest::get(pair.servers[1].url("/metrics")).await.unwrap().text().await.unwrap();
    for known in ["memory", "redis", "text", "unknown"] {
        assert!(metrics.contains(&format!("documents_total{{known=\"{known}\"}}")), "{known}");
    }
    let mut redis = redis::Client::open(pair.redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let left = redis::cmd("TTL").arg(key(&text)).query_async::<i64>(&mut redis).await.unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_is_away_is_not_needed() {
    let mut pair = Pair::start().await;
    let text = pair.share(numbered).await;
    pair.redis.kill().await;
    let [one, two] = &pair.clients;
    assert_eq!(post(one, &by_hash(&text)).await.data()["viewer"]["role"], "OWNER");
    assert_unknown(&post(two, &by_hash(&text)).await);
    assert_eq!(post(two, &with_text(&text)).await.data()["viewer"]["role"], "OWNER");
    assert_eq!(post(two, &by_hash(&text)).await.data()["viewer"]["role"], "OWNER");
    assert_unknown(&post(two, &by_hash(COUNT)).await);
}

/// Whoever can write to Redis must not decide what somebody else runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_changed_in_redis_is_not_run() {
    let pair = Pair::start().await;
    let mut redis = redis::Client::open(pair.redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let contents: [&[u8]; 4] = [COUNT.as_bytes(), b"", b"\xff\xfe", &[b' '; 20_000]];
    for content in contents {
        redis::cmd("SET").arg(key(ROLE)).arg(content).query_async::<()>(&mut redis).await.unwrap();
        assert_unknown(&post(&pair.clients[1], &by_hash(ROLE)).await);
    }
    redis::cmd("DEL").arg(key(ROLE)).query_async::<()>(&mut redis).await.unwrap();
    redis::cmd("LPUSH").arg(key(ROLE)).arg(ROLE).query_async::<()>(&mut redis).await.unwrap();
    assert_unknown(&post(&pair.clients[1], &by_hash(ROLE)).await);
    assert_eq!(post(&pair.clients[1], &with_text(ROLE)).await.data()["viewer"]["role"], "OWNER");
    assert_eq!(post(&pair.clients[1], &by_hash(ROLE)).await.data()["viewer"]["role"], "OWNER");
}

#[tokio::test]
async fn one_server_remembers_by_itself() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let named = "query($first: Int) { contacts(first: $first) { nodes { name } totalCount } }";
    owner.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
    assert_unknown(&post(&owner, &by_hash(named)).await);
    assert_eq!(post(&owner, &with_text(named)).await.data()["contacts"]["totalCount"], 1);
    let mut body = by_hash(named);
    body["variables"] = json!({"first": 1});
    assert_eq!(post(&owner, &body).await.data()["contacts"], json!({"nodes": [{"name": "Asha"}], "totalCount": 1}));
    assert_refused(&post(&app.anonymous(), &body).await, 401, "UNAUTHENTICATED");
    // A hash that is no other's may be written in capitals.
    body["extensions"]["persistedQuery"]["sha256Hash"] = TextHash::of(named).to_string().to_uppercase().into();
    assert_eq!(post(&owner, &body).await.data()["contacts"]["totalCount"], 1);
}

#[tokio::test]
async fn queries_by_hash_come_by_get_and_may_be_kept() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    assert_unknown(&get(&owner, &by_hash(COUNT)).await);
    let kept = |answer: &Answer| {
        assert_eq!(answer.data()["contacts"]["totalCount"], 0);
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        let vary: Vec<&str> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.join(", ").starts_with("Accept, Authorization, X-API-Key, "), "{vary:?}");
    };
    kept(&get(&owner, &with_text(COUNT)).await);
    kept(&get(&owner, &by_hash(COUNT)).await);
    // What is sent as text, comes by POST, or failed is not kept.
    for answer in [get(&owner, &json!({"query": COUNT})).await, post(&owner, &by_hash(COUNT)).await] {
        assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.header("cache-control")), (Some(0), Some("no-store")));
    }
    assert_refused(&get(&app.anonymous(), &by_hash(COUNT)).await, 401, "UNAUTHENTICATED");

    let create = "mutation { contactCreate(input: {name: \"Asha\"}) { contact { id } } }";
    assert_refused(&get(&owner, &with_text(create)).await, 405, "VALIDATION_ERROR");
    assert_unknown(&post(&owner, &by_hash(create)).await);
    post(&owner, &with_text(create)).await.data();
    assert_refused(&get(&owner, &by_hash(create)).await, 405, "VALIDATION_ERROR");
    assert_eq!(owner.query(COUNT).await["contacts"]["totalCount"], 1);
}

#[tokio::test]
async fn a_text_that_is_not_what_its_hash_says_is_refused() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut forged = with_text(COUNT);
    forged["query"] = ROLE.into();
    let mut later = with_text(COUNT);
    later["extensions"]["persistedQuery"]["version"] = 2.into();
    for (body, reason) in [(forged, "another SHA-256"), (later, "version` must be 1")] {
        for accept in ["application/graphql-response+json", "application/json"] {
            let answer = read(owner.request(Method::POST, &owner.url).header("accept", accept).json(&body).send().await.unwrap()).await;
            assert_refused(&answer, 400, "VALIDATION_ERROR");
            assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains(reason), "{answer:?}");
        }
        assert_refused(&get(&owner, &body).await, 400, "VALIDATION_ERROR");
    }
    assert_unknown(&post(&owner, &by_hash(COUNT)).await);
}

/// Whoever is not let in does not fill the memory either.
#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let deep = format!("{}name{}", "{ a ".repeat(25), " }".repeat(25));
    let long = format!("{ROLE}{}", " ".repeat(20_000));
    assert_refused(&post(&app.anonymous(), &with_text(ROLE)).await, 401, "UNAUTHENTICATED");
    for (text, status, code) in [("{ viewer {", 400, "VALIDATION_ERROR"), (&deep, 422, "DOCUMENT_TOO_COMPLEX"), (&long, 422, "DOCUMENT_TOO_COMPLEX")]
    {
        assert_refused(&post(&owner, &with_text(text)).await, status, code);
        assert_unknown(&post(&owner, &by_hash(text)).await);
    }
    assert_unknown(&post(&owner, &by_hash(ROLE)).await);
    // What anybody may ask is remembered for anybody.
    post(&app.anonymous(), &with_text("{ __typename }")).await.data();
    assert_eq!(post(&app.anonymous(), &by_hash("{ __typename }")).await.data()["__typename"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_takes_hashes_too() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut socket = Socket::admitted(&app, &owner).await;
    socket.tell(json!({"type": "subscribe", "id": "1", "payload": by_hash(ROLE)})).await;
    let error = socket.hear().await;
    assert_eq!((&error["type"], &error["payload"][0]["message"]), (&json!("error"), &json!("PersistedQueryNotFound")), "{error:#}");
    for body in [with_text(ROLE), by_hash(ROLE)] {
        socket.tell(json!({"type": "subscribe", "id": "1", "payload": body})).await;
        let next = socket.hear().await;
        assert_eq!((&next["type"], &next["payload"]["data"]), (&json!("next"), &json!({"viewer": {"role": "OWNER"}})), "{next:#}");
        assert_eq!(socket.hear().await["type"], "complete");
    }
}
