//! Twilio: the whole text as a form, answered in JSON.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::wire::{Wire, form, not_understood, said};
use super::{Sent, Sms, SmsProvider, Unsent, UnsentKind};

const NAME: &str = "twilio";
/// Codes that are about the number: not valid, in a region that is not served, no mobile one.
const ABOUT_THE_NUMBER: [i64; 4] = [21_211, 21_217, 21_612, 21_614];
/// The code of a number that has said STOP.
const STOPPED: i64 = 21_610;

/// An account at Twilio.
pub struct Twilio {
    url: String,
    sid: String,
    token: SecretString,
    from: Option<String>,
    wire: Wire,
}

#[derive(Deserialize)]
struct Reply {
    sid: Option<String>,
    code: Option<i64>,
    message: Option<String>,
}

impl Twilio {
    pub fn new(url: &str, sid: &str, token: SecretString, from: Option<String>, wire: Wire) -> Self {
        Self { url: url.to_owned(), sid: sid.to_owned(), token, from, wire }
    }

    async fn ask(&self, sms: &Sms) -> Result<Sent, Unsent> {
        let (text, callback) = (sms.text(), self.wire.callback(NAME, &sms.reference));
        let from = self.from.as_deref().unwrap_or(&sms.template.header);
        let mut pairs = vec![("To", sms.to.as_str()), ("From", from), ("Body", text.as_str())];
        pairs.extend(callback.as_deref().map(|callback| ("StatusCallback", callback)));
        let path = format!("/2010-04-01/Accounts/{}/Messages.json", self.sid);
        let request = self.wire.post(&self.url, &path).basic_auth(&self.sid, Some(self.token.expose_secret()));
        let answer = self.wire.ask(NAME, form(request, &pairs)).await?;
        let Ok(reply) = serde_json::from_str::<Reply>(&answer.text) else { return Err(not_understood(NAME, answer.status)) };
        match (reply.sid, reply.code) {
            (Some(sid), _) if answer.status.is_success() => Ok(Sent { provider: NAME, reference: Some(said(&sid)) }),
            (_, Some(code)) => {
                let kind = match code {
                    STOPPED => UnsentKind::Unsubscribed,
                    _ if ABOUT_THE_NUMBER.contains(&code) => UnsentKind::Refused,
                    _ => UnsentKind::Later,
                };
                let message = reply.message.unwrap_or_default();
                Err(Unsent { provider: NAME, reason: format!("{NAME} refuses it: {} ({code})", said(&message)), kind })
            }
            _ => Err(not_understood(NAME, answer.status)),
        }
    }
}

impl SmsProvider for Twilio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Sent, Unsent>> {
        self.ask(sms).boxed()
    }
}
