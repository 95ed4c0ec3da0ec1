//! Exotel: the whole text with its DLT ids as a form, answered in XML, or in JSON where an account is set to it.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::wire::{Wire, form, not_understood, said};
use super::{Sent, Sms, SmsProvider, Unsent, UnsentKind};

const NAME: &str = "exotel";

/// An account at Exotel.
pub struct Exotel {
    url: String,
    path: String,
    key: SecretString,
    token: SecretString,
    wire: Wire,
}

impl Exotel {
    pub fn new(url: &str, sid: &str, key: SecretString, token: SecretString, wire: Wire) -> Self {
        Self { url: url.to_owned(), path: format!("/v1/Accounts/{sid}/Sms/send"), key, token, wire }
    }

    async fn ask(&self, sms: &Sms) -> Result<Sent, Unsent> {
        let (text, callback) = (sms.text(), self.wire.callback(NAME, &sms.reference));
        let mut pairs = vec![
            ("From", sms.template.header.as_str()),
            ("To", sms.to.as_str()),
            ("Body", text.as_str()),
            ("DltEntityId", sms.template.entity.as_str()),
            ("DltTemplateId", sms.template.id.as_str()),
            ("SmsType", if sms.transactional { "transactional" } else { "promotional" }),
        ];
        pairs.extend(callback.as_deref().map(|callback| ("StatusCallback", callback)));
        let request = self.wire.post(&self.url, &self.path).basic_auth(self.key.expose_secret(), Some(self.token.expose_secret()));
        let answer = self.wire.ask(NAME, form(request, &pairs)).await?;
        if let Some(sid) = field(&answer.text, "SMSMessage", "Sid").filter(|_| answer.status.is_success()) {
            return Ok(Sent { provider: NAME, reference: Some(said(&sid)) });
        }
        let Some(message) = field(&answer.text, "RestException", "Message") else { return Err(not_understood(NAME, answer.status)) };
        let is_number = message.contains("'To'") || message.to_lowercase().contains("number");
        let kind = if is_number { UnsentKind::Refused } else { UnsentKind::Later };
        Err(Unsent { provider: NAME, reason: format!("{NAME} refuses it: {}", said(&message)), kind })
    }
}

/// A field of an object of the answer, in either notation.
fn field(text: &str, object: &str, name: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        return json.get(object)?.get(name)?.as_str().map(str::to_owned);
    }
    let within = between(text, &format!("<{object}>"), &format!("</{object}>"))?;
    between(within, &format!("<{name}>"), &format!("</{name}>")).map(str::to_owned)
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(within, _)| within)
}

impl SmsProvider for Exotel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Sent, Unsent>> {
        self.ask(sms).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_understood() {
        let xml = "<TwilioResponse>\n <SMSMessage>\n  <Sid>abc1</Sid>\n </SMSMessage>\n</TwilioResponse>";
        assert_eq!(field(xml, "SMSMessage", "Sid").as_deref(), Some("abc1"));
        assert_eq!(field(r#"{"SMSMessage": {"Sid": "abc1"}}"#, "SMSMessage", "Sid").as_deref(), Some("abc1"));
        let refused = r#"{"RestException": {"Status": 400, "Message": "Mandatory Parameter missing", "Code": 34001}}"#;
        assert_eq!(field(refused, "RestException", "Message").as_deref(), Some("Mandatory Parameter missing"));
        assert_eq!(field(refused, "SMSMessage", "Sid"), None);
        assert_eq!(field("<SMSMessage><Sid>abc", "SMSMessage", "Sid"), None);
    }
}
