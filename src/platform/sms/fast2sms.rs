//! Fast2SMS: its route `dlt`, for Indian numbers alone, with the variables divided by `|`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::{Wire, not_understood, said};
use super::{Sent, Sms, SmsProvider, Unsent, UnsentKind};

const NAME: &str = "fast2sms";
/// How Indian numbers begin.
const INDIA: &str = "+91";
/// Codes that are about the number: not valid, blocked by the registry of those who want no calls.
const ABOUT_THE_NUMBER: [i64; 2] = [411, 427];

/// An account at Fast2SMS.
pub struct Fast2Sms {
    url: String,
    key: SecretString,
    wire: Wire,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "return")]
    taken: bool,
    request_id: Option<String>,
    status_code: Option<i64>,
    /// A text, or a list of them.
    #[serde(default)]
    message: Value,
}

impl Fast2Sms {
    pub fn new(url: &str, key: SecretString, wire: Wire) -> Self {
        Self { url: url.to_owned(), key, wire }
    }

    async fn ask(&self, sms: &Sms) -> Result<Sent, Unsent> {
        let body = json!({
            "route": "dlt",
            "sender_id": sms.template.header,
            "message": sms.template.fast2sms.as_ref().unwrap_or(&sms.template.id),
            "variables_values": sms.values.join("|"),
            "numbers": sms.to.trim_start_matches(INDIA),
            "flash": "0",
        });
        let request = self.wire.post(&self.url, "/dev/bulkV2").header("authorization", self.key.expose_secret()).json(&body);
        let answer = self.wire.ask(NAME, request).await?;
        let Ok(reply) = serde_json::from_str::<Reply>(&answer.text) else { return Err(not_understood(NAME, answer.status)) };
        if reply.taken {
            return Ok(Sent { provider: NAME, reference: reply.request_id.map(|id| said(&id)) });
        }
        let about_the_number = reply.status_code.is_some_and(|code| ABOUT_THE_NUMBER.contains(&code));
        let kind = if about_the_number { UnsentKind::Refused } else { UnsentKind::Later };
        Err(Unsent { provider: NAME, reason: format!("{NAME} refuses it: {}", said(&words(&reply.message))), kind })
    }
}

fn words(message: &Value) -> String {
    match message {
        Value::String(text) => text.clone(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

impl SmsProvider for Fast2Sms {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reaches(&self, sms: &Sms) -> bool {
        sms.to.starts_with(INDIA)
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Sent, Unsent>> {
        self.ask(sms).boxed()
    }
}
