//! A server that says at each of its paths what a test has told it to say, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// What the server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn form(&self) -> Vec<(String, String)> {
        let url = reqwest::Url::parse(&format!("http://form/?{}", self.body)).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

/// What it answers.
#[derive(Debug, Clone)]
pub enum Say {
    With(u16, String),
    /// Takes the request and says nothing.
    Nothing,
}

#[derive(Default)]
struct Script {
    answers: Mutex<HashMap<String, VecDeque<Say>>>,
    asked: Mutex<Vec<Asked>>,
}

/// The server; it ends with the test's runtime.
pub struct Answering {
    pub url: String,
    script: Arc<Script>,
}

impl Answering {
    pub async fn start() -> Self {
        let script = Arc::new(Script::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    /// Answers the next request to a path with this; the last one is said again and again.
    pub fn says(&self, path: &str, status: u16, body: impl Into<String>) {
        self.script.answers.lock().unwrap().entry(path.to_owned()).or_default().push_back(Say::With(status, body.into()));
    }

    /// Leaves the next request to a path without an answer.
    pub fn hangs(&self, path: &str) {
        self.script.answers.lock().unwrap().entry(path.to_owned()).or_default().push_back(Say::Nothing);
    }

    /// Forgets what it was to say.
    pub fn forget(&self) {
        self.script.answers.lock().unwrap().clear();
        self.script.asked.lock().unwrap().clear();
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Arc<Script>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    let asked = Asked { method: method.to_string(), path: path.clone(), headers, body: String::from_utf8_lossy(&body).into_owned() };
    script.asked.lock().unwrap().push(asked);
    let say = {
        let mut answers = script.answers.lock().unwrap();
        answers.get_mut(&path).and_then(|queue| if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() })
    };
    match say {
        Some(Say::With(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Say::Nothing) => std::future::pending().await,
        None => (StatusCode::NOT_FOUND, "nothing was scripted").into_response(),
    }
}
