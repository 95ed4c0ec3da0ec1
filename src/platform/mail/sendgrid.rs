//! Mail by SendGrid's API (v3), and the events that SendGrid sends back.
//!
//! What must hold: SendGrid learns of a mail what it needs to deliver it, and a word that tells nothing; it follows no reader by pictures or links.

mod events;

use std::time::Duration;

use anyhow::Context;
use lettre::message::Mailbox;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

pub use events::{SendgridEvent, events, verify};

use crate::platform::config::MailConfig;
use crate::platform::mail::compose::{Letter, REFERENCE_HEADER, unsubscribing};
use crate::platform::mail::{Email, Sent, Unsent, UnsentKind, shown};

const PROVIDER: &str = "sendgrid";
const CONNECTING: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 16 * 1024;
/// The custom argument that comes back in events.
const REFERENCE: &str = "reference";

/// SendGrid.
pub struct SendGrid {
    client: Client,
    address: Url,
    key: SecretString,
    patience: Duration,
}

impl SendGrid {
    /// SendGrid, where a key is configured.
    ///
    /// # Errors
    /// When its address cannot be understood, or the system's certificates cannot be read.
    pub fn new(config: &MailConfig) -> anyhow::Result<Option<Self>> {
        let Some(key) = config.sendgrid_api_key.clone().filter(|key| !key.expose_secret().is_empty()) else { return Ok(None) };
        let address = Url::parse(&config.sendgrid_url).and_then(|base| base.join("/v3/mail/send")).context("SENDGRID_URL is no address")?;
        let call = config.sendgrid_timeout;
        let client = Client::builder().timeout(call).connect_timeout(CONNECTING.min(call)).redirect(Policy::none()).build()?;
        Ok(Some(Self { client, address, key, patience: call }))
    }

    /// How long it may take to hand over a mail.
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Hands a mail to SendGrid.
    ///
    /// # Errors
    /// When SendGrid does not take it, with what follows from its answer.
    pub async fn send(&self, email: &Email, letter: &Letter) -> Result<Sent, Unsent> {
        let call = self.client.post(self.address.clone()).bearer_auth(self.key.expose_secret()).json(&body(email, letter));
        let unsent = |kind, reason: &str| Unsent { provider: PROVIDER, reason: shown(reason, letter), kind };
        let response = match call.send().await {
            Ok(response) => response,
            // The address stands in the configuration, and the error's own text would only repeat it.
            Err(error) if error.is_connect() || error.is_builder() => return Err(unsent(UnsentKind::Later, "SendGrid cannot be reached")),
            Err(error) if error.is_timeout() => return Err(unsent(UnsentKind::Unknown, "it may have been sent: SendGrid did not answer in time")),
            Err(_) => return Err(unsent(UnsentKind::Unknown, "it may have been sent: the connection to SendGrid was lost")),
        };
        let status = response.status();
        if status.is_success() {
            let reference = response.headers().get("x-message-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
            return Ok(Sent { provider: PROVIDER, reference });
        }
        let said = said(response).await;
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => unsent(
                UnsentKind::Later,
                &format!("SendGrid refuses the key or the sender ({}): look at SENDGRID_API_KEY and MAIL_FROM; {said}", status.as_u16()),
            ),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                unsent(UnsentKind::Later, &format!("SendGrid takes no more for now ({})", status.as_u16()))
            }
            _ if status.is_client_error() => unsent(UnsentKind::Refused, &format!("SendGrid refuses the mail ({}): {said}", status.as_u16())),
            _ => unsent(UnsentKind::Later, &format!("SendGrid has a fault of its own ({})", status.as_u16())),
        })
    }
}

/// The errors that an answer tells.
async fn said(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_ANSWER {
            return String::new();
        }
    }
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let errors = answer.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let messages: Vec<&str> = errors.iter().filter_map(|error| error.get("message")?.as_str()).collect();
    messages.join("; ")
}

fn body(email: &Email, letter: &Letter) -> Value {
    let mut content = vec![json!({"type": "text/plain", "value": email.text})];
    content.extend(email.html.as_ref().map(|html| json!({"type": "text/html", "value": html})));
    let mut headers = Map::new();
    headers.insert("Message-ID".to_owned(), json!(letter.message_id));
    headers.insert(REFERENCE_HEADER.to_owned(), json!(email.reference));
    for (name, value) in letter.unsubscribe.iter().flat_map(|link| unsubscribing(link)) {
        headers.insert(name.to_owned(), json!(value));
    }
    let mut body = json!({
        "personalizations": [{"to": [person(&letter.to)], "custom_args": {REFERENCE: email.reference}}],
        "from": person(&letter.from),
        "subject": letter.subject,
        "content": content,
        "headers": headers,
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
            "subscription_tracking": {"enable": false},
        },
    });
    if let (Some(reply_to), Some(fields)) = (&letter.reply_to, body.as_object_mut()) {
        fields.insert("reply_to".to_owned(), person(reply_to));
    }
    body
}

fn person(mailbox: &Mailbox) -> Value {
    let address: &str = mailbox.email.as_ref();
    match &mailbox.name {
        Some(name) => json!({"email": address, "name": name}),
        None => json!({"email": address}),
    }
}
