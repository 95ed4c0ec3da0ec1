//! How a key is sent: in either header, over a socket, from allowed addresses; and what a broken one costs.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use serde_json::json;

use super::{CREATE, LIST, NOW, made, refusal, with_scopes};
use crate::harness::clock::HeldClock;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

#[tokio::test]
async fn either_header_takes_a_key() {
    let app = TestApp::with(|config| config.http.cors_origins = vec!["https://app.example.in".to_owned()], Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (_, program) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let (_, other) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let (key, other) = (program.token.clone().unwrap(), other.token.unwrap());
    let status = async |client: &Client, headers: &[(&str, &str)]| {
        let answer = client.ask(LIST, json!({}), headers).await;
        (answer.status, answer.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let well = (200, String::new());
    assert_eq!(status(&program, &[]).await, well);
    assert_eq!(status(&app.anonymous(), &[("x-api-key", &key)]).await, well);
    assert_eq!(status(&app.anonymous(), &[("X-API-Key", &key), ("authorization", &format!("bearer {key}"))]).await, well);
    assert_eq!(status(&program, &[("x-api-key", &other)]).await, (422, "VALIDATION_ERROR".to_owned()));
    assert_eq!(status(&owner, &[("x-api-key", &key)]).await, (422, "VALIDATION_ERROR".to_owned()));
    // An access token is no key.
    assert_eq!(status(&app.anonymous(), &[("x-api-key", &owner.token.clone().unwrap())]).await, (401, "INVALID_TOKEN".to_owned()));
    let preflight = app.anonymous().request(reqwest::Method::OPTIONS, &app.url("/graphql"));
    let preflight = preflight.header("origin", "https://app.example.in").header("access-control-request-method", "POST");
    let preflight = preflight.header("access-control-request-headers", "x-api-key").send().await.unwrap();
    assert!(preflight.headers()["access-control-allow-headers"].to_str().unwrap().contains("x-api-key"), "{preflight:?}");
}

#[tokio::test]
async fn a_key_counts_only_from_where_it_is_allowed() {
    let app = TestApp::with(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()], Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let allowed = ["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"];
    let (id, program) = made(&app, &owner, json!({"name": "Key", "scopes": ["contacts.read"], "allowedIps": allowed})).await;
    let status = async |from: &[&str]| {
        let headers: Vec<(&str, &str)> = from.iter().map(|from| ("x-forwarded-for", *from)).collect();
        let answer = program.ask(LIST, json!({}), &headers).await;
        let error = &answer.body["errors"][0];
        assert_eq!(error["message"].as_str().is_some_and(|message| message.contains("API key is not allowed from")), answer.status == 403, "{error}");
        (answer.status, error["extensions"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let (well, refused) = ((200, String::new()), (403, "FORBIDDEN".to_owned()));
    for from in ["203.0.113.7", "198.51.100.7", "::ffff:203.0.113.9", "2001:db8:1::5", "192.0.2.1, 203.0.113.7, 127.0.0.9"] {
        assert_eq!(status(&[from]).await, well, "{from}");
    }
    // What stands to the left of the first address that is no proxy was written by the caller.
    for from in ["192.0.2.1", "198.51.100.8", "2001:db9::5", "203.0.113.7, 192.0.2.1", "nonsense"] {
        assert_eq!(status(&[from]).await, refused, "{from}");
    }
    assert_eq!(status(&[]).await, refused, "from the proxy itself");
    // Only who has proven the key gets to know that it is about the address.
    let key = program.token.clone().unwrap();
    let last = if key.ends_with('0') { "1" } else { "0" };
    let broken = Client::new(app.url("/graphql"), Some(format!("{}{last}", &key[..key.len() - 1])));
    assert_eq!(refusal(&broken, LIST).await.0, "INVALID_TOKEN");

    // A change counts at once.
    let changes = json!({"id": id, "version": 1, "changes": {"allowedIps": ["192.0.2.1"]}});
    owner.done("apiKeyUpdate", changes, "apiKey { version }").await;
    assert_eq!((status(&["192.0.2.1"]).await, status(&["203.0.113.7"]).await), (well.clone(), refused.clone()));
    owner.done("apiKeyUpdate", json!({"id": id, "version": 2, "changes": {"allowedIps": []}}), "apiKey { version }").await;
    assert_eq!((status(&["203.0.113.7"]).await, status(&[]).await), (well.clone(), well.clone()));

    // Where no proxy is trusted, nobody's word counts for an address.
    let strict = TestApp::beside(&app, |_| ()).await;
    owner.done("apiKeyUpdate", json!({"id": id, "version": 3, "changes": {"allowedIps": ["203.0.113.7"]}}), "apiKey { version }").await;
    let direct = Client::new(strict.url("/graphql"), program.token.clone());
    assert_eq!(direct.ask(LIST, json!({}), &[("x-forwarded-for", "203.0.113.7")]).await.status, 403);
    // A list that cannot be read lets nobody in.
    app.superuser().await.batch_execute("UPDATE api_keys SET allowed_ips = '{nonsense}'").await.unwrap();
    let young = TestApp::beside(&app, |_| ()).await;
    assert_eq!(refusal(&Client::new(young.url("/graphql"), program.token.clone()), LIST).await.0, "INTERNAL_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_takes_a_key_and_asks_about_it_each_time() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|config| config.auth.access_token_ttl = Duration::from_secs(900), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (id, program) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let key = program.token.clone().unwrap();
    for payload in [json!({"apiKey": key}), json!({"authorization": format!("Bearer {key}")})] {
        let mut socket = Socket::connect(&app).await;
        socket.tell(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
        assert_eq!(socket.data(LIST).await["contacts"]["totalCount"], 0);
        // What is not in the scopes is refused here as well.
        socket.tell(json!({"type": "subscribe", "id": "write", "payload": {"query": CREATE}})).await;
        assert_eq!(socket.hear().await["payload"]["errors"][0]["extensions"]["code"], "INSUFFICIENT_PERMISSIONS");
        assert_eq!(socket.hear().await["type"], "complete");
    }
    for payload in [json!({"apiKey": "pa_live_nonsense"}), json!({"apiKey": owner.token}), json!({"apiKey": key, "accessToken": owner.token})] {
        let mut socket = Socket::connect(&app).await;
        socket.tell(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()), "{payload}");
    }
    let mut socket = Socket::connect(&app).await;
    socket.tell(json!({"type": "connection_init", "payload": {"apiKey": key}})).await;
    assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
    // Far beyond the life of any access token.
    clock.advance(chrono::Duration::days(7));
    assert_eq!(socket.data(LIST).await["contacts"]["totalCount"], 0);
    let owner = app.sign_in("owner@sharma.example", crate::harness::app::PASSWORD).await;
    owner.done("apiKeyRevoke", json!({"id": id}), "apiKey { id }").await;
    assert_eq!(socket.refusal(LIST).await, "INVALID_TOKEN");
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
}

/// What cannot be a key costs no statement, one that is not known costs one, and a known one what a session costs.
#[tokio::test]
async fn a_broken_key_is_refused_without_a_statement() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (_, program) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let key = program.token.clone().unwrap();
    let sent = async |key: &str| {
        let recorder = Recorder::start(&app).await;
        let answer = Client::new(app.url("/graphql"), Some(key.to_owned())).send(LIST, json!({})).await;
        // The server's statements quote their names, and this test's own do not.
        let statements: Vec<String> = recorder.finish().into_iter().filter(|sql| sql.contains('"') && !sql.starts_with("UPDATE")).collect();
        let about_keys = statements.iter().filter(|sql| sql.contains("\"api_keys\"")).count();
        (answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned(), about_keys, statements.len())
    };
    let invalid = "INVALID_TOKEN".to_owned();
    let (before, last) = key.split_at(key.len() - 1);
    let typo = format!("{before}{}", if last == "a" { "b" } else { "a" });
    for broken in ["pa_live_", "pa_live_nonsense", &typo, &key[..key.len() - 1], &format!("{key}0"), &key.replacen("pa_live_0", "pa_live_1", 1)] {
        assert_eq!(sent(broken).await, (invalid.clone(), 0, 0), "{broken}");
    }
    // Right in form, and of the same row, but with another secret.
    let id = payaid::access::keys::ApiKey::parse(&key).unwrap().id();
    let guessed = payaid::access::keys::ApiKey::fresh(id).unwrap().text();
    assert_eq!(sent(&guessed).await, (invalid, 1, 1));
    // Whose it is, and whether it stands; then both are remembered.
    let (code, first, _) = sent(&key).await;
    assert_eq!((code.as_str(), first), ("", 2));
    let noted = "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL";
    let superuser = app.superuser().await;
    until("its use is noted", async || superuser.query_one(noted, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    // What is left are the page and the count.
    assert_eq!(sent(&key).await, (String::new(), 0, 2));
}
