//! A receiver that answers as a test wants, and a verification that shares nothing with the server's.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use data_encoding::BASE64;

#[derive(Debug, Clone)]
pub struct Call {
    pub headers: HeaderMap,
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// What is answered to one call: a status, and a header.
pub type Scripted = (u16, Option<(&'static str, &'static str)>);

pub struct Receiver {
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    /// Answers the first calls as the script says, and all others with 200.
    pub async fn start(script: &[Scripted]) -> Self {
        let (calls, script): (Arc<Mutex<Vec<Call>>>, _) = (Arc::default(), script.to_vec());
        let kept = Arc::clone(&calls);
        let answer = async move |headers: HeaderMap, body: String| {
            let index = {
                let mut calls = kept.lock().unwrap();
                calls.push(Call { headers, body });
                calls.len() - 1
            };
            let (status, header) = script.get(index).copied().unwrap_or((200, None));
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            (StatusCode::from_u16(status).unwrap(), headers, "ok").into_response()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, calls }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

/// Whether a call is signed with a secret, as Standard Webhooks describes it.
pub fn is_signed(call: &Call, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    let signed = format!("{}.{}.{}", call.header("webhook-id"), call.header("webhook-timestamp"), call.body);
    let right = format!("v1,{}", BASE64.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes()).as_ref()));
    call.header("webhook-signature").split(' ').any(|given| given == right)
}
