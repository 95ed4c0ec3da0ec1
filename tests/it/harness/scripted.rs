//! Somebody else's HTTP server, which answers as a test says and remembers what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, headers and a body.
    Says(u16, Vec<(&'static str, &'static str)>, String),
    /// None, ever.
    Hangs,
}

impl Answer {
    /// A status with a body.
    pub fn status(status: u16, body: &str) -> Self {
        Self::Says(status, Vec::new(), body.to_owned())
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Play {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

/// The server. Without an answer in its script it answers 500.
pub struct Scripted {
    pub address: SocketAddr,
    play: Arc<Mutex<Play>>,
    serving: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let play = Arc::new(Mutex::new(Play { answers: answers.into_iter().collect(), asked: Vec::new() }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&play));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, play, serving }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an answer to the script.
    pub fn will(&self, answer: Answer) {
        self.play.lock().unwrap().answers.push_back(answer);
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.play.lock().unwrap().asked.clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(play): State<Arc<Mutex<Play>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut play = play.lock().unwrap();
        play.asked.push(Asked { method, path: uri.path().to_owned(), headers, body });
        play.answers.pop_front()
    };
    match answer {
        Some(Answer::Says(status, headers, body)) => {
            let headers: HeaderMap = headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
        }
        Some(Answer::Hangs) => std::future::pending().await,
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
