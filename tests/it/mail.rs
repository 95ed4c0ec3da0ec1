//! Mail out and bounces in: through a real mail server, a scripted SendGrid, and files.

mod bounced;
mod composed;
mod dkim;
mod handed_on;
mod sendgrid;

use std::sync::Arc;

use payaid::base::clock::SystemClock;
use payaid::base::id;
use payaid::platform::config::{MailConfig, SmtpTls};
use payaid::platform::mail::{Email, Mailer, Sent, Unsent, UnsentKind};

use crate::harness::exim::Exim;
use crate::harness::scripted::Scripted;

/// A configuration that sends nowhere yet.
fn config() -> MailConfig {
    MailConfig {
        mail_from: Some("PayAid <no-reply@example.in>".to_owned()),
        mail_bounces: Some("bounces@example.in".to_owned()),
        smtp_tls: SmtpTls::None,
        mail_folder: "/nonexistent/payaid-mail".into(),
        ..MailConfig::default()
    }
}

/// A configuration that sends by this server.
fn through(exim: &Exim) -> MailConfig {
    MailConfig { smtp_host: Some("127.0.0.1".to_owned()), smtp_port: Some(exim.port), ..config() }
}

/// And, when that takes nothing, by this one.
fn and_then(sendgrid: &Scripted, config: MailConfig) -> MailConfig {
    MailConfig { sendgrid_api_key: Some("SG.secret".to_owned().into()), sendgrid_url: sendgrid.url(), ..config }
}

fn mailer(config: &MailConfig) -> Mailer {
    payaid::access::tokens::install_crypto();
    Mailer::new(config, Arc::new(SystemClock)).unwrap()
}

/// A plain mail.
fn email(to: &str) -> Email {
    let id = id::fresh(&SystemClock);
    Email {
        id,
        to: to.to_owned(),
        to_name: None,
        reply_to: None,
        from_name: None,
        subject: "Your order".to_owned(),
        text: "It is ready.\n".to_owned(),
        html: None,
        unsubscribe: None,
        reference: format!("r-{}", id.simple()),
    }
}

/// What is left of a result when only its kind counts.
fn kind(result: &Result<Sent, Unsent>) -> Result<&'static str, UnsentKind> {
    result.as_ref().map(|sent| sent.provider).map_err(|unsent| unsent.kind)
}
