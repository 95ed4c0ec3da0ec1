//! `/graphql` over WebSocket as a signed-in client uses it: operations, the end of a token and of a session, and the limits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use payaid::base::clock::SystemClock;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::harness::clock::HeldClock;
use crate::harness::waiting::{LIMIT, until};
use crate::harness::{Client, TestApp};

/// The most operations at once on one socket.
const MOST: usize = 50;

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn connect(app: &TestApp) -> Self {
        Self::connect_to(&app.address.to_string()).await
    }

    async fn connect_to(address: &str) -> Self {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        // Some tests open thousands.
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        Self(connect_async_with_config(request, Some(config), true).await.unwrap().0)
    }

    /// A socket that was let in with a client's token.
    pub async fn admitted(app: &TestApp, client: &Client) -> Self {
        Self::admitted_to(&app.address.to_string(), client).await
    }

    /// A socket that was let in with a client's token, of a server at a host and port.
    pub async fn admitted_to(address: &str, client: &Client) -> Self {
        let mut socket = Self::connect_to(address).await;
        let bearer = format!("Bearer {}", client.token.as_ref().unwrap());
        socket.tell(json!({"type": "connection_init", "payload": {"authorization": bearer}})).await;
        assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
        socket
    }

    pub async fn tell(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.tell(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    /// The next message, which is none of WebSocket itself.
    pub async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.hear_text().await).unwrap()
    }

    /// As [`Socket::hear`], as it came.
    pub async fn hear_text(&mut self) -> String {
        loop {
            match tokio::time::timeout(LIMIT, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The data of an operation that must succeed.
    pub async fn data(&mut self, query: &str) -> Value {
        self.subscribe("data", query).await;
        let mut next = self.hear().await;
        assert!(next["type"] == "next" && next["id"] == "data" && next["payload"].get("errors").is_none(), "{next:#}");
        assert_eq!(self.hear().await, json!({"type": "complete", "id": "data"}));
        next["payload"]["data"].take()
    }

    /// The code of an operation that must be refused.
    pub async fn refusal(&mut self, query: &str) -> String {
        self.subscribe("refused", query).await;
        let error = self.hear().await;
        assert!(error["type"] == "error" && error["id"] == "refused", "{error:#}");
        error["payload"][0]["extensions"]["code"].as_str().unwrap().to_owned()
    }

    /// The code and reason that the server closes with, after no other message.
    pub async fn closed(mut self) -> (u16, String) {
        loop {
            match tokio::time::timeout(LIMIT, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_client_works_over_a_socket() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut socket = Socket::admitted(&app, &owner).await;
    assert_eq!(socket.data("{ viewer { organization { name } } }").await["viewer"]["organization"]["name"], "Sharma");
    let create = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { name } userErrors { code } } } query Other { viewer { role } }";
    let payload = json!({"query": create, "variables": {"input": {"name": "Asha"}}, "operationName": "Other"});
    socket.tell(json!({"type": "subscribe", "id": "named", "payload": payload})).await;
    assert_eq!(socket.hear().await["type"], "error", "one of two operations has no name");
    let create = create.split(" query Other").next().unwrap();
    let payload = json!({"query": create, "variables": {"input": {"name": "Asha"}}});
    socket.tell(json!({"type": "subscribe", "id": "named", "payload": payload})).await;
    let next = socket.hear().await;
    assert_eq!(next["payload"]["data"], json!({"contactCreate": {"contact": {"name": "Asha"}, "userErrors": []}}), "{next:#}");
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "named"}));
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 1);

    // What fails as a whole is refused; what fails in part is answered, as by HTTP.
    for (query, code) in [("{ nonsense }", "VALIDATION_ERROR"), ("{ contacts(", "VALIDATION_ERROR")] {
        assert_eq!(socket.refusal(query).await, code, "{query}");
    }
    socket.subscribe("partly", r#"{ viewer { role } contact(id: "broken") { name } }"#).await;
    let next = socket.hear().await;
    assert_eq!((&next["type"], &next["payload"]["data"]["viewer"]["role"]), (&json!("next"), &json!("OWNER")), "{next:#}");
    assert_eq!(next["payload"]["errors"][0]["extensions"]["code"], "INVALID_ID", "{next:#}");
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "partly"}));

    // The other way to send the token, and tokens that are none of ours.
    let mut other = Socket::connect(&app).await;
    other.tell(json!({"type": "connection_init", "payload": {"accessToken": owner.token}})).await;
    assert_eq!(other.hear().await["type"], "connection_ack");
    let token = owner.token.unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}.{first}{}", &signature[1..]);
    let mut forger = Socket::connect(&app).await;
    forger.tell(json!({"type": "connection_init", "payload": {"accessToken": forged}})).await;
    assert_eq!(forger.closed().await, (4403, "Forbidden".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_token() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|config| config.auth.access_token_ttl = Duration::from_secs(900), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut busy = Socket::admitted(&app, &owner).await;
    clock.advance(chrono::Duration::seconds(899));
    assert_eq!(busy.data("{ viewer { role } }").await["viewer"]["role"], "OWNER");
    // One second is left, and nothing is asked for.
    let idle = Socket::admitted(&app, &owner).await;
    assert_eq!(idle.closed().await, (4403, "Token expired".to_owned()));
    clock.advance(chrono::Duration::seconds(3600));
    assert_eq!(busy.refusal("{ viewer { role } }").await, "INVALID_TOKEN");
    assert_eq!(busy.closed().await, (4403, "Forbidden".to_owned()));
    let mut late = Socket::connect(&app).await;
    late.tell(json!({"type": "connection_init", "payload": {"accessToken": owner.token}})).await;
    assert_eq!(late.closed().await.0, 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_the_session_counts_on_an_open_socket() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let sales = app.member(&owner, "SALES", "sales@sharma.example").await;
    let create = r#"mutation { contactCreate(input: {name: "Asha"}) { contact { name } } }"#;
    let mut socket = Socket::admitted(&app, &sales).await;
    assert_eq!(socket.data(create).await["contactCreate"]["contact"]["name"], "Asha");
    let members = owner.query("{ members { nodes { id role } } }").await;
    let member = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["role"] == "SALES").unwrap();
    owner.done("memberRoleSet", json!({"memberId": member["id"], "role": "VIEWER"}), "member { role }").await;
    socket.subscribe("viewer", create).await;
    let next = socket.hear().await;
    assert_eq!(next["payload"]["errors"][0]["extensions"]["code"], "INSUFFICIENT_PERMISSIONS", "{next:#}");
    assert_eq!(socket.hear().await["type"], "complete");
    assert_eq!(sales.query("mutation { signOut { success } }").await["signOut"]["success"], true);
    assert_eq!(socket.refusal("{ viewer { role } }").await, "INVALID_TOKEN");
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
    let mut again = Socket::connect(&app).await;
    again.tell(json!({"type": "connection_init", "payload": {"accessToken": sales.token}})).await;
    assert_eq!(again.closed().await.0, 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_operations_run_at_once_and_what_is_given_up_is_not_answered() {
    let patient = |config: &mut payaid::platform::config::ServerConfig| {
        config.database.lock_timeout = LIMIT;
        config.database.statement_timeout = LIMIT;
        config.database.pool_wait = LIMIT;
        config.http.operation_timeout = LIMIT;
    };
    let mut app = TestApp::with(patient, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut socket = Socket::admitted(&app, &owner).await;
    let lock = app.superuser().await;
    lock.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let slow = "{ contacts { totalCount } }";
    for id in 0..MOST {
        socket.subscribe(&id.to_string(), slow).await;
    }
    assert_eq!(socket.refusal("{ viewer { role } }").await, "RATE_LIMITED");
    // A place that is given up is free, by the same name as well.
    socket.tell(json!({"type": "complete", "id": "0"})).await;
    socket.tell(json!({"type": "complete", "id": "1"})).await;
    socket.subscribe("1", slow).await;
    // Messages are read in their order, so what was sent before is known once this is answered; and the socket is not deaf meanwhile.
    socket.tell(json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(socket.hear().await, json!({"type": "pong", "payload": {"n": 1}}));

    // A server that stops finishes what it has begun.
    app.stop();
    tokio::time::timeout(LIMIT, app.app.draining()).await.unwrap();
    lock.batch_execute("ROLLBACK").await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < MOST - 1 {
        let next = socket.hear().await;
        assert_eq!((&next["type"], &next["payload"]["data"]), (&json!("next"), &json!({"contacts": {"totalCount": 0}})), "{next:#}");
        assert_eq!(socket.hear().await, json!({"type": "complete", "id": next["id"]}));
        answered.push(next["id"].as_str().unwrap().parse::<usize>().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (1..MOST).collect::<Vec<_>>());
    assert_eq!(socket.closed().await.0, 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_answer_is_let_go() {
    let app = TestApp::with(|config| config.http.socket_ping_interval = Duration::from_millis(200), Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let socket = Socket::admitted(&app, &owner).await;
    // Below the library, which would answer by itself.
    let MaybeTlsStream::Plain(mut stream) = socket.0.into_inner() else { panic!("TLS") };
    let mut heard = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut heard)).await.unwrap().unwrap();
    // Frames of the server: what they are, how long, and their content; a close frame begins with its code.
    let (ping, close, code) = ([0x89, 0], 0x88, 3008_u16.to_be_bytes());
    assert!(heard.starts_with(&ping), "{heard:?}");
    let last = heard.chunks(2).position(|frame| frame[0] == close).unwrap() * 2;
    assert_eq!(heard[last + 2..last + 4], code, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sockets_than_the_server_may_have_are_refused() {
    let app = TestApp::with(|config| config.http.max_connections = 2, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (first, _second) = (Socket::admitted(&app, &owner).await, Socket::admitted(&app, &owner).await);
    let mut request = format!("ws://{}/graphql", app.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
    assert!(matches!(&refused, tokio_tungstenite::tungstenite::Error::Http(response) if response.status() == 429), "{refused}");
    drop(first);
    until("there is room again", async || app.app.sockets.available_permits() == 1).await;
    Socket::admitted(&app, &owner).await;
}
