//! Mail by SMTP, to a mail server that takes it on: a Postfix of one's own, or a provider's.
//!
//! What must hold: each step of the conversation has its time, and what failed is known by its step. After the last byte of a mail, silence means that
//! it may have been taken; before it, that it was not.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::platform::config::{MailConfig, SmtpTls};
use crate::platform::mail::compose::Letter;
use crate::platform::mail::{Sent, Unsent, UnsentKind, shown};

const PROVIDER: &str = "smtp";
/// How long connecting, encrypting and signing in may take together.
const CONNECTING: Duration = Duration::from_secs(15);
/// How long the server may take to say whether it will take the mail.
const ENVELOPE: Duration = Duration::from_secs(30);
/// How long it may take until the text of a mail is sent.
pub const BEFORE: Duration = CONNECTING.saturating_add(ENVELOPE);
/// How long a connection is kept for the next mail: less than servers wait for one.
const KEPT: Duration = Duration::from_secs(20);
const MOST_KEPT: usize = 4;
/// How long a kept connection may take to show that it is there, and another to end.
const MOMENT: Duration = Duration::from_secs(2);

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    security: SmtpTls,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    /// How long the server may take to say that it has taken a mail: servers look for viruses before.
    patience: Duration,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    /// The configured mail server, where there is one.
    ///
    /// # Errors
    /// When a part of its configuration is missing, or certificates cannot be read.
    pub fn new(config: &MailConfig) -> anyhow::Result<Option<Self>> {
        let Some(host) = config.smtp_host.clone().filter(|host| !host.is_empty()) else { return Ok(None) };
        let login = match (&config.smtp_user, &config.smtp_password) {
            (Some(user), Some(password)) => Some(Credentials::new(user.clone(), password.expose_secret().to_owned())),
            (None, None) => None,
            _ => bail!("SMTP_USER and SMTP_PASSWORD belong together: set both, or none"),
        };
        let security = config.smtp_tls;
        if security == SmtpTls::None && login.is_some() {
            bail!("a password is not sent without encryption: set SMTP_TLS to starttls or tls");
        }
        let tls = match security {
            SmtpTls::None => None,
            _ => Some(TlsParameters::new_rustls(host.clone()).context("TLS is not possible")?),
        };
        let port = config.smtp_port.unwrap_or(if security == SmtpTls::Tls { 465 } else { 25 });
        Ok(Some(Self { host, port, security, tls, login, patience: config.smtp_timeout, kept: Mutex::default() }))
    }

    /// How long it may take to hand over a mail.
    pub const fn patience(&self) -> Duration {
        BEFORE.saturating_add(self.patience)
    }

    /// Hands a mail to the server.
    ///
    /// # Errors
    /// When the server does not take it, with what follows from its answer.
    pub async fn send(&self, letter: &Letter) -> Result<Sent, Unsent> {
        let late = |step: &str| unsent(letter, UnsentKind::Later, &format!("the server did not answer in time, {step}"));
        let mut connection = timeout(CONNECTING, self.begun(letter)).await.map_err(|_| late("on connecting"))??;
        let offered = timeout(ENVELOPE, offer(&mut connection, letter)).await;
        if let Err(failed) = offered.unwrap_or_else(|_| Err(late("before the text of the mail"))) {
            leave(connection);
            return Err(failed);
        }
        let unknown = |reason: &str| unsent(letter, UnsentKind::Unknown, &format!("it may have been sent: {reason}"));
        match timeout(self.patience, connection.message(&letter.raw)).await {
            Ok(Ok(response)) => {
                self.keep(connection);
                Ok(Sent { provider: PROVIDER, reference: response.first_line().map(|line| shown(line, letter)) })
            }
            Ok(Err(error)) if error.status().is_some() => {
                leave(connection);
                Err(judged(letter, &error))
            }
            Ok(Err(error)) => Err(unknown(&error.to_string())),
            Err(_) => Err(unknown("the server did not say in time whether it took the mail")),
        }
    }

    /// A connection on which the server has heard whom the mail is from: one that was kept, or a new one.
    async fn begun(&self, letter: &Letter) -> Result<AsyncSmtpConnection, Unsent> {
        while let Some((mut connection, since)) = self.take_kept() {
            // It may have ended, or the server takes so many mails on one and no more.
            if since.elapsed() < KEPT && timeout(MOMENT, begin(&mut connection, letter)).await.is_ok_and(|begun| begun.is_ok()) {
                return Ok(connection);
            }
            leave(connection);
        }
        let connected = self.connect().await;
        let mut connection = connected.map_err(|error| unsent(letter, UnsentKind::Later, &format!("no connection: {error}")))?;
        begin(&mut connection, letter).await?;
        Ok(connection)
    }

    /// Connects, encrypts and signs in.
    ///
    /// # Errors
    /// When one of these is not possible.
    pub async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let (hello, address) = (ClientId::default(), (self.host.as_str(), self.port));
        let implicit = self.tls.clone().filter(|_| self.security == SmtpTls::Tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, Some(CONNECTING), &hello, implicit, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| self.security == SmtpTls::Starttls) {
            connection.starttls(tls, &hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], login).await?;
        }
        Ok(connection)
    }

    /// Whether the server takes a connection, and the login where there is one.
    ///
    /// # Errors
    /// What it says instead, for a person.
    pub async fn look(&self) -> Result<String, String> {
        let place = format!("{}:{}", self.host, self.port);
        let connected = timeout(CONNECTING, self.connect()).await.map_err(|_| format!("the mail server at {place} does not answer"))?;
        leave(connected.map_err(|error| format!("the mail server at {place} takes no connection: {error}"))?);
        Ok(format!("the mail server at {place} answers"))
    }

    fn take_kept(&self) -> Option<(AsyncSmtpConnection, Instant)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since)| since.elapsed() < KEPT);
        if kept.len() < MOST_KEPT {
            kept.push((connection, Instant::now()));
        }
    }
}

/// Says whom the mail is from.
async fn begin(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Unsent> {
    let mut parameters = Vec::new();
    if [&letter.to.email, &letter.envelope].into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(unsent(letter, UnsentKind::Refused, "the mail server takes addresses in ASCII alone"));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    // Whatever a server says before it has heard of the recipient, it says of us, and another one may say otherwise.
    let of_us = |error: Error| unsent(letter, UnsentKind::Later, &error.to_string());
    connection.command(Mail::new(Some(letter.envelope.clone()), parameters)).await.map_err(of_us)?;
    Ok(())
}

/// Says whom the mail goes to, and that its text follows.
async fn offer(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Unsent> {
    connection.command(Rcpt::new(letter.to.email.clone(), Vec::new())).await.map_err(|error| judged(letter, &error))?;
    connection.command(Data).await.map_err(|error| judged(letter, &error))?;
    Ok(())
}

/// What an answer about the recipient or the mail means.
fn judged(letter: &Letter, error: &Error) -> Unsent {
    let text = error.to_string();
    let kind = match () {
        () if !error.is_permanent() => UnsentKind::Later,
        () if is_bad_address(&text) => UnsentKind::BadAddress,
        () => UnsentKind::Refused,
    };
    unsent(letter, kind, &text)
}

/// Whether an answer has one of the status codes for an address that is not there (RFC 3463); 5.1.7 and 5.1.8 are about the sender's.
fn is_bad_address(text: &str) -> bool {
    let codes = ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.9", "5.1.10"];
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|word| codes.contains(&word))
}

fn unsent(letter: &Letter, kind: UnsentKind, reason: &str) -> Unsent {
    Unsent { provider: PROVIDER, reason: shown(reason, letter), kind }
}

/// Ends a conversation behind the sender's back: the mail is decided.
fn leave(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        let _ = timeout(MOMENT, connection.abort()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::is_bad_address;

    #[test]
    fn addresses_that_are_not_there_are_told_from_other_refusals() {
        for text in ["permanent error (550): 5.1.1 <asha@example.in>: Recipient address rejected", "permanent error (550): 5.1.10 RESOLVER"] {
            assert!(is_bad_address(text), "{text}");
        }
        for text in ["permanent error (550): 5.7.1 blocked, see 15.1.1.7", "permanent error (550): No", "permanent error (553): 5.1.8 sender", ""] {
            assert!(!is_bad_address(text), "{text}");
        }
    }
}
