//! One socket from its first message to its last.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::App;
use crate::access::consistency::Asked;
use crate::base::{Code, Error, json};
use crate::web::cost::Wanted;
use crate::web::credentials;
use crate::web::errors::{Body, ErrorBody};
use crate::web::observe::{fresh_id, note_operation};
use crate::web::pipeline::{self, Answered, Caller, Reply};
use crate::web::request::GraphqlRequest;
use crate::web::socket::message::{Ending, Incoming, Outgoing};
use crate::web::subscription::{Opened, at};

/// How long a client may take to send `connection_init`.
const INIT_WITHIN: Duration = Duration::from_secs(3);
/// How long a message may take to be sent before the client counts as gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How long the client may take to close its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The most operations at once on one socket.
const MOST_OPERATIONS: usize = 50;
/// The longest id of an operation.
const LONGEST_ID: usize = 128;

/// Whether the socket goes on.
type Flow = ControlFlow<Option<Ending>>;

struct Session {
    app: Arc<App>,
    socket: WebSocket,
    ip: Option<IpAddr>,
    /// `None` until `connection_init` was accepted; inside, the token or API key, if one was sent.
    admitted: Option<Option<SecretString>>,
    /// When the token ends.
    expires: Option<Instant>,
    operations: JoinSet<(u64, String, Reply)>,
    /// By their ids.
    running: HashMap<String, Running>,
    started: u64,
    /// What subscriptions say: one at a time, so that who is not read does not gather answers.
    said: (mpsc::Sender<Said>, mpsc::Receiver<Said>),
    /// Whether the server is about to end.
    leaving: bool,
}

/// An operation that is under way.
struct Running {
    /// Its own: a client may use an id again before the answer that it gave up is thrown away.
    number: u64,
    task: AbortHandle,
    /// Whether it is a subscription, which does not end by itself.
    stays: bool,
}

/// What a subscription says: its number, its id, and an answer, or nothing when it is open.
type Said = (u64, String, Option<Body>);

/// Serves a socket to its end.
pub async fn run(app: Arc<App>, socket: WebSocket, ip: Option<IpAddr>) {
    let _counted = Counted::new();
    let mut draining = pin!(app.draining());
    let (operations, running, said) = (JoinSet::new(), HashMap::new(), mpsc::channel(1));
    let mut session = Session { app, socket, ip, admitted: None, expires: None, operations, running, started: 0, said, leaving: false };
    let mut init_by = Some(Instant::now() + INIT_WITHIN);
    let mut heard = Instant::now();
    // An interval of no length would not be one.
    let ping_every = session.app.config.http.socket_ping_interval.max(Duration::from_millis(1));
    let mut pings = tokio::time::interval_at(heard + ping_every, ping_every);
    let mut leaving = None;
    let ending = loop {
        let flow = tokio::select! {
            // What runs may end, and what comes of this is kept until then, since the server waits for it.
            held = &mut draining, if leaving.is_none() => {
                leaving = Some(held);
                session.leave();
                Continue(())
            }
            () = at(init_by) => Break(Some(Ending::no_init())),
            () = at(session.expires) => Break(Some(Ending::forbidden("Token expired"))),
            _ = pings.tick() => if heard.elapsed() > ping_every * 2 { Break(Some(Ending::silent())) } else { session.send(Message::Ping(Vec::new().into())).await },
            Some(done) = session.operations.join_next() => match done {
                Ok((number, id, reply)) => session.finish(number, id, reply).await,
                Err(_cancelled) => Continue(()),
            },
            Some((number, id, answer)) = session.said.1.recv() => session.pass_on(number, id, answer).await,
            message = session.socket.recv() => {
                heard = Instant::now();
                session.receive(message).await
            }
        };
        if let Break(ending) = flow {
            break ending;
        }
        if leaving.is_some() && session.operations.is_empty() {
            break Some(Ending::going_away());
        }
        if session.admitted.is_some() {
            init_by = None;
        }
    };
    if let Some(ending) = ending {
        session.close(&ending).await;
    }
}

impl Session {
    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Flow {
        match message {
            None | Some(Ok(Message::Close(_))) => Break(None),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Continue(()),
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(message) => self.handle(message).await,
                Err(_) => Break(Some(Ending::bad_message("Invalid message received"))),
            },
            Some(Ok(Message::Binary(_))) => Break(Some(Ending::bad_message("Only text messages are understood"))),
            // Tungstenite's error is not among what axum offers, so its words have to do.
            Some(Err(error)) if error.to_string().contains("too long") => Break(Some(Ending::too_long())),
            Some(Err(_)) => Break(Some(Ending::broken())),
        }
    }

    async fn handle(&mut self, message: Incoming) -> Flow {
        match message {
            Incoming::ConnectionInit { .. } if self.admitted.is_some() => Break(Some(Ending::second_init())),
            // In a box, so that a socket keeps no room for what it does once.
            Incoming::ConnectionInit { payload } => self.init(payload.unwrap_or_default()).boxed().await,
            Incoming::Subscribe { id, payload } => self.subscribe(id, payload).await,
            Incoming::Complete { id } => {
                if let Some(operation) = self.running.remove(&id) {
                    operation.task.abort();
                }
                Continue(())
            }
            Incoming::Ping { payload } => self.tell(&Outgoing::Pong { payload }).await,
            Incoming::Pong {} => Continue(()),
        }
    }

    /// Takes the token or key, and lets the client in.
    async fn init(&mut self, payload: serde_json::Map<String, Json>) -> Flow {
        let token = match credentials::of_message(&payload) {
            Ok(None) => None,
            Err(_) => return Break(Some(Ending::forbidden("Forbidden"))),
            Ok(Some(token)) => {
                let request_id = fresh_id(&*self.app.services.clock);
                let checked = self.app.services.authenticate(token.expose_secret(), self.ip, request_id);
                match timeout(self.app.config.http.operation_timeout, checked).await {
                    Ok(Ok(_)) => Some(token),
                    Ok(Err(error)) if error.code == Code::DatabaseUnavailable => return Break(Some(Ending::try_again())),
                    Ok(Err(_)) => return Break(Some(Ending::forbidden("Forbidden"))),
                    Err(_) => return Break(Some(Ending::try_again())),
                }
            }
        };
        self.expires = token.as_ref().and_then(|token| credentials::ends_at(&self.app, token));
        self.admitted = Some(token);
        self.tell(&Outgoing::ConnectionAck).await
    }

    async fn subscribe(&mut self, id: String, payload: Json) -> Flow {
        let Some(token) = &self.admitted else { return Break(Some(Ending::unauthorized())) };
        let Ok(request) = GraphqlRequest::from_json(payload) else { return Break(Some(Ending::bad_message("Invalid payload of subscribe"))) };
        if id.is_empty() || id.len() > LONGEST_ID {
            return Break(Some(Ending::bad_message("An id has 1 to 128 bytes")));
        }
        if self.running.contains_key(&id) {
            return Break(Some(Ending::duplicate(&id)));
        }
        let request_id = fresh_id(&*self.app.services.clock);
        if self.running.len() >= MOST_OPERATIONS {
            let message = format!("At most {MOST_OPERATIONS} operations run at once on one socket; wait for one to end.");
            let refused = ErrorBody::new(&Error::new(Code::RateLimited, message), &request_id);
            return self.tell(&Outgoing::Error { id, payload: vec![refused] }).await;
        }
        let span = tracing::info_span!("operation", request_id = &*request_id, operation = tracing::field::Empty);
        let caller = Caller { request_id, token: token.clone(), ip: self.ip, asked: Asked::default(), routing: false, cost: Wanted::Sum };
        self.started += 1;
        let (app, number, own_id) = (Arc::clone(&self.app), self.started, id.clone());
        let said = self.said.0.clone();
        let work = async move {
            note_operation(request.operation_name.as_deref());
            let reply = match pipeline::open(&app, &caller, request).boxed().await {
                Answered::Reply(reply) => reply,
                Answered::Opened(opened) => tell_all(&app, opened, (number, &own_id), &said).await,
            };
            tracing::info!(status = reply.status.as_u16(), "answered over a socket");
            (number, own_id, reply)
        };
        let task = self.operations.spawn(work.instrument(span));
        self.running.insert(id, Running { number, task, stays: false });
        Continue(())
    }

    /// Sends what a subscription says.
    async fn pass_on(&mut self, number: u64, id: String, answer: Option<Body>) -> Flow {
        match (self.running.get_mut(&id).filter(|running| running.number == number), answer) {
            (Some(running), None) => {
                running.stays = true;
                if self.leaving {
                    self.leave();
                }
                Continue(())
            }
            (Some(_), Some(payload)) => self.tell(&Outgoing::Next { id, payload }).await,
            // The client gave it up.
            (None, _) => Continue(()),
        }
    }

    /// Ends what does not end by itself.
    fn leave(&mut self) {
        self.leaving = true;
        self.running.retain(|_, running| {
            if running.stays {
                running.task.abort();
            }
            !running.stays
        });
    }

    async fn finish(&mut self, number: u64, id: String, reply: Reply) -> Flow {
        // The client gave it up while the answer was on its way.
        if self.running.get(&id).is_none_or(|running| running.number != number) {
            return Continue(());
        }
        self.running.remove(&id);
        let ended = reply.code() == Some(Code::InvalidToken);
        for message in Outgoing::of(id, reply.body) {
            self.tell(&message).await?;
        }
        if ended { Break(Some(Ending::forbidden("Forbidden"))) } else { Continue(()) }
    }

    async fn tell(&mut self, message: &Outgoing) -> Flow {
        let Some(text) = json::to_vec(message).ok().and_then(|json| Utf8Bytes::try_from(json).ok()) else { return Break(None) };
        self.send(Message::Text(text)).await
    }

    async fn send(&mut self, message: Message) -> Flow {
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Continue(()),
            Ok(Err(_)) | Err(_) => Break(None),
        }
    }

    /// Says why, and waits for the client to close too, or the reason might be lost on its way.
    async fn close(&mut self, ending: &Ending) {
        let last_words = async {
            if self.socket.send(Message::Close(Some(ending.frame()))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _ = timeout(CLOSE_WITHIN, last_words).await;
    }
}

/// Says all that a subscription answers, and gives back what it ended with.
async fn tell_all(app: &App, mut opened: Box<Opened>, (number, id): (u64, &str), said: &mpsc::Sender<Said>) -> Reply {
    let mut answer = None;
    loop {
        // The socket is gone when nobody hears; then this task is about to be as well.
        let _ = said.send((number, id.to_owned(), answer)).await;
        match opened.next(app).await {
            Ok(body) => answer = Some(body),
            Err(reply) => {
                // What was said before is passed on first.
                let _ = said.reserve().await;
                return reply;
            }
        }
    }
}

/// Counts open sockets for the metrics.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("websocket_connections").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("websocket_connections").decrement(1.0);
    }
}
