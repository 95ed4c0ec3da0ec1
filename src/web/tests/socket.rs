//! WebSocket without a database: the close codes of the protocol.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::app;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A served app; it stops when the sender is dropped.
async fn served() -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    (address, stop, tokio::spawn(crate::web::serve(app(), listener, shutdown)))
}

async fn try_connect(address: SocketAddr, protocol: &str, origin: Option<&str>) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    Ok(connect_async(request).await?.0)
}

async fn connect(address: SocketAddr) -> Socket {
    try_connect(address, "graphql-transport-ws", None).await.unwrap()
}

async fn tell(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    match tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap() {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Close(frame) => return frame.unwrap().code.into(),
            _ => continue,
        }
    }
}

async fn admitted(address: SocketAddr) -> Socket {
    let mut socket = connect(address).await;
    tell(&mut socket, json!({"type": "connection_init"})).await;
    assert_eq!(hear(&mut socket).await, json!({"type": "connection_ack"}));
    socket
}

#[tokio::test]
async fn an_operation_goes_the_way_of_those_by_http() {
    let (address, _stop, _) = served().await;
    let mut socket = admitted(address).await;
    tell(&mut socket, json!({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}})).await;
    let next = hear(&mut socket).await;
    assert_eq!((&next["type"], &next["id"], &next["payload"]["data"]), (&json!("next"), &json!("1"), &json!({"__typename": "Query"})));
    assert_eq!(next["payload"]["extensions"]["cost"]["requested"], 1);
    assert_eq!(hear(&mut socket).await, json!({"type": "complete", "id": "1"}));
    tell(&mut socket, json!({"type": "subscribe", "id": "1", "payload": {"query": "{ contacts { nodes { id } } }"}})).await;
    let refused = hear(&mut socket).await;
    assert_eq!((&refused["type"], &refused["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("UNAUTHENTICATED")));
    tell(&mut socket, json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(hear(&mut socket).await, json!({"type": "pong", "payload": {"n": 1}}));
    tell(&mut socket, json!({"type": "complete", "id": "unknown"})).await;
    tell(&mut socket, json!({"type": "ping"})).await;
    assert_eq!(hear(&mut socket).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn breaking_the_protocol_closes_the_socket_with_its_code() {
    let (address, _stop, _) = served().await;
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}});
    let refused = [
        (vec![json!("nonsense")], 4400),
        (vec![json!({"type": "start", "id": "1", "payload": {"query": "{ a }"}})], 4400),
        (vec![subscribe.clone()], 4401),
        (vec![json!({"type": "connection_init", "payload": {"authorization": "Bearer nonsense"}})], 4403),
        (vec![json!({"type": "connection_init", "payload": {"authorization": 7}})], 4403),
        (vec![json!({"type": "connection_init", "payload": {"accessToken": "nonsense"}})], 4403),
        (vec![json!({"type": "connection_init", "payload": 7})], 4400),
        (vec![json!({"type": "connection_init"}), json!({"type": "connection_init"})], 4429),
        (vec![json!({"type": "connection_init"}), json!({"type": "subscribe", "id": "1", "payload": {}})], 4400),
        (vec![json!({"type": "connection_init"}), json!({"type": "subscribe", "id": "", "payload": {"query": "{ a }"}})], 4400),
    ];
    for (messages, code) in refused {
        let mut socket = connect(address).await;
        for message in &messages {
            tell(&mut socket, message.clone()).await;
        }
        assert_eq!(closed(&mut socket).await, code, "{messages:?}");
    }
    let mut socket = admitted(address).await;
    socket.send(Message::text(" ".repeat(1_100_000))).await.unwrap();
    assert_eq!(closed(&mut socket).await, 1009);
    let mut socket = connect(address).await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4400);
}

#[tokio::test]
async fn an_id_cannot_be_used_twice_at_once() {
    let (address, _stop, _) = served().await;
    let mut socket = admitted(address).await;
    // Both are read before the first can have been answered, since nothing is awaited between them on this one thread.
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": "{ __schema { types { name fields { name type { name } } } } }"}});
    socket.feed(Message::text(subscribe.to_string())).await.unwrap();
    socket.feed(Message::text(subscribe.to_string())).await.unwrap();
    socket.flush().await.unwrap();
    assert_eq!(closed(&mut socket).await, 4409);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_kept() {
    let (address, _stop, _) = served().await;
    let mut socket = connect(address).await;
    assert_eq!(closed(&mut socket).await, 4408);
}

#[tokio::test]
async fn foreign_pages_and_other_protocols_are_refused() {
    let (address, _stop, _) = served().await;
    let status = |outcome: Result<Socket, Error>| match outcome {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(status(try_connect(address, "graphql-transport-ws", Some("https://evil.example")).await), 403);
    assert_eq!(status(try_connect(address, "graphql-ws", None).await), 400);
    assert_eq!(status(try_connect(address, "chat", None).await), 400);
    assert!(try_connect(address, "graphql-transport-ws", Some("https://app.example.in")).await.is_ok());
    assert!(try_connect(address, "graphql-transport-ws", Some(&format!("http://{address}"))).await.is_ok());
}

#[tokio::test]
async fn stopping_closes_sockets_and_comes_to_an_end() {
    let (address, stop, server) = served().await;
    let mut socket = admitted(address).await;
    let idle = TcpStream::connect(address).await.unwrap();
    drop(stop);
    assert_eq!(closed(&mut socket).await, 1001);
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}
