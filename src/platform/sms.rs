//! Text messages out: MSG91, Fast2SMS, Exotel and Twilio behind one trait, asked in this order as far as they have keys; without any, into files.
//!
//! What must hold:
//! - A provider that says no, or cannot be reached, has sent nothing: the next one is asked. One of which it is not known whether it has sent is the
//!   last that is asked.
//! - No more is sent by a provider on one of India's days than its quota allows, whoever asks.
//! - Every message names the header, entity and template that are registered for its text (DLT).
//! - No key, no number and no text of a message stands in a log.

pub mod dlt;
mod exotel;
mod fast2sms;
mod files;
mod msg91;
pub mod reports;
mod twilio;
mod wire;

use anyhow::bail;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::base::{Result, SharedClock};
use crate::platform::config::SmsConfig;
use crate::platform::quotas::{Quotas, Span};
use dlt::DltTemplate;
use exotel::Exotel;
use fast2sms::Fast2Sms;
use files::Folder;
use msg91::Msg91;
use twilio::Twilio;
use wire::Wire;

/// The shortest key for reports, in letters.
const SHORTEST_KEY: usize = 16;
/// Of a number, so many digits in a row tell whose it is.
const TELLING: usize = 6;

/// A text message to one person.
#[derive(Debug, Clone)]
pub struct Sms {
    /// Which message this is, however often it is sent.
    pub id: Uuid,
    /// The number it goes to, in E.164.
    pub to: String,
    /// The registered text.
    pub template: DltTemplate,
    /// What is filled in, in the order of the template's variables, checked by [`DltTemplate::fill`].
    pub values: Vec<String>,
    /// Whether it is about something that the person has begun, rather than an offer.
    pub transactional: bool,
    /// An opaque word that comes back in reports, where a provider takes one.
    pub reference: String,
}

impl Sms {
    /// The whole text, as the person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        self.template.text(&self.values)
    }
}

/// A message that a provider took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Who took it: `msg91`, `fast2sms`, `exotel`, `twilio` or `files`.
    pub provider: &'static str,
    /// What the provider calls it in its reports.
    pub reference: Option<String>,
}

/// A message that was not sent, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider}: {reason}")]
pub struct Unsent {
    /// Who was asked last.
    pub provider: &'static str,
    /// What was answered, for a person.
    pub reason: String,
    /// What follows from it.
    pub kind: UnsentKind,
}

/// What follows when a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsentKind {
    /// It was not taken, for a reason that lies with the provider: another one may, or the same one later.
    Later,
    /// It was refused for a reason that lies with the message: so would be any other.
    Refused,
    /// The person has told the provider to send nothing more.
    Unsubscribed,
    /// It may have been sent: no answer came, or none that can be understood.
    Unknown,
    /// Every provider has sent what it may until then.
    QuotaUsed(DateTime<Utc>),
}

/// One that sends text messages.
pub trait SmsProvider: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Whether it sends to this number at all.
    fn reaches(&self, sms: &Sms) -> bool {
        let _ = sms;
        true
    }

    /// Has a message sent.
    ///
    /// # Errors
    /// When it was not sent, or it is not known whether it was.
    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Sent, Unsent>>;
}

/// Sends text messages by what is configured. Holds no connection of the database while a provider is asked.
pub struct SmsSender {
    /// Each with the most that it sends in a day.
    providers: Vec<(Box<dyn SmsProvider>, u32)>,
    folder: Folder,
    quotas: Quotas,
}

impl SmsSender {
    /// The sender of a configuration. `public_url` is where providers reach this server with their reports. Nothing is connected to yet.
    ///
    /// # Errors
    /// When only a part of a provider's keys is there, or the key for reports is one that could be guessed.
    pub fn new(config: &SmsConfig, public_url: &str, quotas: Quotas, clock: SharedClock) -> anyhow::Result<Self> {
        if config.sms_reports_key.as_ref().is_some_and(|key| key.expose_secret().chars().count() < SHORTEST_KEY) {
            bail!(
                "SMS_REPORTS_KEY must have at least {SHORTEST_KEY} letters, since nothing else tells a report from what anybody sends: make one with \
                 `openssl rand -hex 24`"
            );
        }
        let wire = Wire::new(config.sms_timeout, public_url)?;
        let mut providers: Vec<(Box<dyn SmsProvider>, u32)> = Vec::new();
        if let Some(key) = &config.msg91_auth_key {
            providers.push((Box::new(Msg91::new(&config.msg91_url, key.clone(), wire.clone())), config.sms_daily_msg91));
        }
        if let Some(key) = &config.fast2sms_api_key {
            providers.push((Box::new(Fast2Sms::new(&config.fast2sms_url, key.clone(), wire.clone())), config.sms_daily_fast2sms));
        }
        match (&config.exotel_sid, &config.exotel_api_key, &config.exotel_api_token) {
            (Some(sid), Some(key), Some(token)) => {
                let exotel = Exotel::new(&config.exotel_url, sid, key.clone(), token.clone(), wire.clone());
                providers.push((Box::new(exotel), config.sms_daily_exotel));
            }
            (None, None, None) => {}
            _ => bail!("EXOTEL_SID, EXOTEL_API_KEY and EXOTEL_API_TOKEN belong together: set all three, or none"),
        }
        match (&config.twilio_account_sid, &config.twilio_auth_token) {
            (Some(sid), Some(token)) => {
                let twilio = Twilio::new(&config.twilio_url, sid, token.clone(), config.twilio_from.clone(), wire);
                providers.push((Box::new(twilio), config.sms_daily_twilio));
            }
            (None, None) => {}
            _ => bail!("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN belong together: set both, or none"),
        }
        Ok(Self { providers, folder: Folder::new(&config.sms_folder, clock), quotas })
    }

    /// Has a message sent by the first provider that takes it; into a file when none is configured.
    ///
    /// # Errors
    /// When it was not sent, or it is not known whether it was. When the quotas cannot be read, nothing is sent.
    pub async fn send(&self, sms: &Sms) -> Result<Sent, Unsent> {
        if self.providers.is_empty() {
            return self.folder.keep(sms).await;
        }
        let nobody = Unsent { provider: "sms", reason: "No provider sends to this number.".to_owned(), kind: UnsentKind::Refused };
        let mut last = None;
        for (provider, daily) in self.providers.iter().filter(|(provider, _)| provider.reaches(sms)) {
            let name = provider.name();
            let taken = self.quotas.take(name, Span::IndianDay, *daily).await;
            let taken = taken.map_err(|error| Unsent { provider: name, reason: error.message, kind: UnsentKind::Later })?;
            let outcome = match taken {
                Ok(_counted) => provider.send(sms).await.map_err(|unsent| Unsent { reason: without_number(&unsent.reason, &sms.to), ..unsent }),
                Err(until) => {
                    let reason = format!("{name} has sent the {daily} messages that it may send today");
                    Err(Unsent { provider: name, reason, kind: UnsentKind::QuotaUsed(until) })
                }
            };
            match outcome {
                Err(unsent) if matches!(unsent.kind, UnsentKind::Later | UnsentKind::QuotaUsed(_)) => {
                    tracing::warn!(message = %sms.id, "not sent, so the next one is asked: {unsent}");
                    last = Some(after(last, unsent));
                }
                decided => return decided,
            }
        }
        Err(last.unwrap_or(nobody))
    }
}

/// Two refusals as one: it can be tried as soon as any of the two providers takes it again.
fn after(before: Option<Unsent>, now: Unsent) -> Unsent {
    match before {
        None => now,
        Some(before) => Unsent {
            provider: now.provider,
            kind: if now.kind == before.kind { now.kind } else { UnsentKind::Later },
            reason: format!("{}; {}", before.reason, now.reason),
        },
    }
}

/// What a provider has said without the number that it was asked to send to, which it may have written in any way.
fn without_number(text: &str, number: &str) -> String {
    let number: String = number.chars().filter(char::is_ascii_digit).collect();
    let last = number.get(number.len().saturating_sub(TELLING)..).unwrap_or_default();
    let (mut plain, mut run) = (String::with_capacity(text.len()), String::new());
    for c in text.chars().map(Some).chain([None]) {
        let goes_on = c.is_some_and(|c| c.is_ascii_digit() || (!run.is_empty() && " -.()".contains(c)));
        match c {
            Some(c) if goes_on => run.push(c),
            _ => {
                let digits: String = run.chars().filter(char::is_ascii_digit).collect();
                if digits.len() >= TELLING && (number.contains(&digits) || digits.contains(last)) {
                    let behind = run.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
                    plain.push_str("the recipient");
                    plain.push_str(run.get(behind..).unwrap_or_default());
                } else {
                    plain.push_str(&run);
                }
                run.clear();
                plain.extend(c);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::without_number;

    #[test]
    fn no_way_to_write_the_number_is_left() {
        for said in ["+919876543210", "919876543210", "09876543210", "9876543210", "98765 43210", "+91 (98765) 43-210", "876543210", "400 9876543210"]
        {
            let plain = without_number(&format!("'{said}' is not valid (21211), see 1107160000000000001."), "+919876543210");
            assert!(plain.starts_with("'") && plain.ends_with("the recipient' is not valid (21211), see 1107160000000000001."), "{plain}");
        }
        assert_eq!(without_number("no balance: 543 left of 100000", "+919876543210"), "no balance: 543 left of 100000");
    }
}
