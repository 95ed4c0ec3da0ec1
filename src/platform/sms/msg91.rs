//! MSG91: a flow of its own for each template, with the variables as `VAR1`, `VAR2` and so on.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wire::{Wire, not_understood, said};
use super::{Sent, Sms, SmsProvider, Unsent, UnsentKind};

const NAME: &str = "msg91";

/// An account at MSG91.
pub struct Msg91 {
    url: String,
    key: SecretString,
    wire: Wire,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "type")]
    kind: String,
    /// The request's id after a success, otherwise what was wrong.
    #[serde(default)]
    message: String,
}

impl Msg91 {
    pub fn new(url: &str, key: SecretString, wire: Wire) -> Self {
        Self { url: url.to_owned(), key, wire }
    }

    async fn ask(&self, sms: &Sms) -> Result<Sent, Unsent> {
        let mut recipient = Map::new();
        recipient.insert("mobiles".to_owned(), json!(sms.to.trim_start_matches('+')));
        for (number, value) in sms.values.iter().enumerate() {
            recipient.insert(format!("VAR{}", number.saturating_add(1)), json!(value));
        }
        let template = sms.template.msg91.as_ref().unwrap_or(&sms.template.id);
        let body = json!({"template_id": template, "short_url": "0", "recipients": [Value::Object(recipient)]});
        let request = self.wire.post(&self.url, "/api/v5/flow").header("authkey", self.key.expose_secret()).json(&body);
        let answer = self.wire.ask(NAME, request).await?;
        let Ok(reply) = serde_json::from_str::<Reply>(&answer.text) else { return Err(not_understood(NAME, answer.status)) };
        if reply.kind == "success" {
            return Ok(Sent { provider: NAME, reference: Some(said(&reply.message)).filter(|id| !id.is_empty()) });
        }
        let words = reply.message.to_lowercase();
        let is_number = words.contains("mobile") || words.contains("number");
        let kind = if is_number { UnsentKind::Refused } else { UnsentKind::Later };
        Err(Unsent { provider: NAME, reason: format!("{NAME} refuses it: {}", said(&reply.message)), kind })
    }
}

impl SmsProvider for Msg91 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Sent, Unsent>> {
        self.ask(sms).boxed()
    }
}
