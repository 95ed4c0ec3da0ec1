//! Mail out: composed, signed and handed to a mail server, else to SendGrid, else written into a file.
//!
//! What must hold:
//! - Nothing is sent twice because of a guess: where it is not known whether a provider took a mail, no other is asked.
//! - A mail has the same `Message-ID` whenever it is sent, so that whoever gets it twice can tell.
//! - No text of a mail can add a header or a recipient, and no password, key or text of a mail stands in a log.

pub mod bounces;
mod compose;
mod dkim;
mod files;
pub mod sendgrid;
mod smtp;
pub mod templates;
pub mod unsubscribe;

use std::time::Duration;

use anyhow::{Context, ensure};
use uuid::Uuid;

use crate::base::SharedClock;
use crate::platform::config::MailConfig;
use crate::platform::jobs::Queue;
use compose::{Composer, Letter};
use files::Folder;
use sendgrid::SendGrid;
use smtp::Smtp;

/// What the job that sends a mail needs beside, to take the mail and to write what came of it.
const SPARE: Duration = Duration::from_secs(30);

/// A mail to one person.
#[derive(Debug, Clone)]
pub struct Email {
    /// Which mail this is: its `Message-ID` whenever it is sent.
    pub id: Uuid,
    /// The address it goes to.
    pub to: String,
    /// The name of whom it goes to.
    pub to_name: Option<String>,
    /// Where answers go, when not to the sender.
    pub reply_to: Option<String>,
    /// The name that the sender shows, when not the configured one.
    pub from_name: Option<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// The address that unsubscribes by a POST, for what is not transactional. An `https` one, as it must be outside of a developer's machine, stands
    /// in the headers (RFC 8058).
    pub unsubscribe: Option<String>,
    /// A word of letters, digits, `-` and `_` that comes back in bounces and in SendGrid's events, and tells nothing by itself.
    pub reference: String,
}

/// A mail that somebody took over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Who took it: `smtp`, `sendgrid` or `files`.
    pub provider: &'static str,
    /// What the provider calls it.
    pub reference: Option<String>,
}

/// A mail that was not sent, or may not have been.
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

/// What follows when a mail was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsentKind {
    /// Nobody took it now; it can be tried again.
    Later,
    /// It was refused, and would be again.
    Refused,
    /// There is nobody at this address: nothing more should be sent there.
    BadAddress,
    /// It may have been sent: the connection was lost before the answer came.
    Unknown,
}

impl UnsentKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Refused => "refused",
            Self::BadAddress => "bad_address",
            Self::Unknown => "unknown",
        }
    }
}

/// Sends mail by what is configured. Holds no connection of the database, and is made for all tasks of a process together.
pub struct Mailer {
    composer: Composer,
    smtp: Option<Smtp>,
    sendgrid: Option<SendGrid>,
    files: Folder,
    hourly: u32,
}

impl Mailer {
    /// The mailer of a configuration. Nothing is connected to yet. Must be called after [`crate::access::tokens::install_crypto`].
    ///
    /// # Errors
    /// When a part of the configuration is missing or cannot be understood, or sending could take longer than a job may.
    pub fn new(config: &MailConfig, clock: SharedClock) -> anyhow::Result<Self> {
        let smtp = Smtp::new(config).context("the mail server")?;
        let sendgrid = SendGrid::new(config).context("SendGrid")?;
        let (patience, limit) = (smtp.as_ref().map_or(Duration::ZERO, Smtp::patience), Queue::Email.rules().limit);
        let asked = patience.saturating_add(sendgrid.as_ref().map_or(Duration::ZERO, SendGrid::patience));
        ensure!(
            asked.saturating_add(SPARE) <= limit,
            "SMTP_TIMEOUT and SENDGRID_TIMEOUT are too long: with {} s to connect and to write what came of it, sending a mail could take {} s, and a job \
             is ended after {} s",
            SPARE.saturating_add(smtp.as_ref().map_or(Duration::ZERO, |_| smtp::BEFORE)).as_secs(),
            asked.saturating_add(SPARE).as_secs(),
            limit.as_secs()
        );
        let composer = Composer::new(config, smtp.is_some() || sendgrid.is_some(), clock)?;
        Ok(Self { composer, smtp, sendgrid, files: Folder::new(&config.mail_folder), hourly: config.mail_hourly })
    }

    /// The most mails that an organization sends in an hour.
    #[must_use]
    pub fn hourly(&self) -> u32 {
        self.hourly
    }

    /// Says how mail goes out, and whether the mail server answers; sends nothing.
    ///
    /// # Errors
    /// What the mail server says instead, for a person.
    pub async fn look(&self) -> Result<String, String> {
        match (&self.smtp, &self.sendgrid) {
            (Some(smtp), _) => smtp.look().await,
            (None, Some(_)) => Ok("goes out by SendGrid".to_owned()),
            (None, None) => Ok("is written into files: neither SMTP_HOST nor SENDGRID_API_KEY is set".to_owned()),
        }
    }

    /// Sends a mail: by the mail server, and by SendGrid when that one cannot take it now; into a file when there is neither.
    ///
    /// # Errors
    /// When nobody took it, or it isn't known whether somebody did.
    pub async fn send(&self, email: &Email) -> Result<Sent, Unsent> {
        let result = self.hand_on(email).await;
        let (provider, outcome) = match &result {
            Ok(sent) => (sent.provider, "sent"),
            Err(unsent) => (unsent.provider, unsent.kind.as_str()),
        };
        metrics::counter!("mails_total", "provider" => provider, "outcome" => outcome).increment(1);
        result
    }

    async fn hand_on(&self, email: &Email) -> Result<Sent, Unsent> {
        let letter = self.composer.letter(email)?;
        let first = match &self.smtp {
            None => None,
            Some(smtp) => match smtp.send(&letter).await {
                Err(unsent) if unsent.kind == UnsentKind::Later => Some(unsent),
                decided => return decided,
            },
        };
        let (Some(sendgrid), first) = (&self.sendgrid, &first) else {
            return match first {
                Some(unsent) => Err(unsent),
                None => self.files.keep(&letter).await,
            };
        };
        if let Some(unsent) = first {
            tracing::warn!(mail = %email.id, reason = %unsent, "the mail server does not take mail; SendGrid is asked");
        }
        sendgrid.send(email, &letter).await.map_err(|unsent| match first {
            Some(before) => Unsent { reason: format!("{}; before it, {before}", unsent.reason), ..unsent },
            None => unsent,
        })
    }
}

/// What a provider has answered, for a person to read: one line, not too long, without the recipient's address.
fn shown(text: &str, letter: &Letter) -> String {
    let address: &str = letter.to.email.as_ref();
    let plain: String = text.replace(address, "the recipient").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.chars().take(LONGEST_REASON).collect()
}

const LONGEST_REASON: usize = 400;
