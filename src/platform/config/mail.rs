//! How mail goes out: by SMTP, by SendGrid, or into files.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::base::duration::parse as duration;

/// How mail goes out.
#[derive(Debug, Clone, Args)]
pub struct MailConfig {
    /// The mail server that takes our mail. Without it and without SendGrid, mail is written into files.
    #[arg(long, env = "SMTP_HOST")]
    pub smtp_host: Option<String>,
    /// Its port; 465 for `tls`, else 25 where nothing is said.
    #[arg(long, env = "SMTP_PORT")]
    pub smtp_port: Option<u16>,
    /// The login at the mail server, where it asks for one.
    #[arg(long, env = "SMTP_USER")]
    pub smtp_user: Option<String>,
    /// The password of that login.
    #[arg(long, env = "SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<SecretString>,
    /// How the connection to the mail server is encrypted.
    #[arg(long, env = "SMTP_TLS", value_enum, default_value = "starttls")]
    pub smtp_tls: SmtpTls,
    /// How long the mail server may take to say that it has taken a mail, such as `2m`.
    #[arg(long, env = "SMTP_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub smtp_timeout: Duration,
    /// The sender, such as `PayAid <no-reply@example.in>`.
    #[arg(long, env = "MAIL_FROM")]
    pub mail_from: Option<String>,
    /// Where bounces go, such as `bounces@example.in`: the envelope's sender is `bounces+reference@example.in`.
    #[arg(long, env = "MAIL_BOUNCES")]
    pub mail_bounces: Option<String>,
    /// The domain that signs mail (DKIM), and under which its public key stands in the DNS.
    #[arg(long, env = "DKIM_DOMAIN")]
    pub dkim_domain: Option<String>,
    /// The name of the key within that domain.
    #[arg(long, env = "DKIM_SELECTOR", default_value = "payaid")]
    pub dkim_selector: String,
    /// The file with the private key, RSA or Ed25519, as PEM.
    #[arg(long, env = "DKIM_KEY")]
    pub dkim_key: Option<PathBuf>,
    /// The key of SendGrid's API, by which mail goes out that the mail server does not take.
    #[arg(long, env = "SENDGRID_API_KEY", hide_env_values = true)]
    pub sendgrid_api_key: Option<SecretString>,
    /// Where SendGrid's API is.
    #[arg(long, env = "SENDGRID_URL", default_value = SENDGRID)]
    pub sendgrid_url: String,
    /// How long a call to it may take, such as `20s`.
    #[arg(long, env = "SENDGRID_TIMEOUT", default_value = "20s", value_parser = duration)]
    pub sendgrid_timeout: Duration,
    /// The public key that SendGrid shows for its signed events, in base64.
    #[arg(long, env = "SENDGRID_WEBHOOK_KEY")]
    pub sendgrid_webhook_key: Option<String>,
    /// The most mails that an organization sends in an hour.
    #[arg(long, env = "MAIL_HOURLY", default_value_t = 1_000)]
    pub mail_hourly: u32,
    /// Where mail is written when nothing is there to send it by.
    #[arg(long, env = "MAIL_FOLDER", default_value = ".payaid/mail")]
    pub mail_folder: PathBuf,
    /// The secret that makes the links by which people unsubscribe; derived from the signing key when it is not set.
    #[arg(long, env = "UNSUBSCRIBE_KEY", hide_env_values = true)]
    pub unsubscribe_key: Option<SecretString>,
    /// Where people reach this server, as links in mail name it.
    #[arg(long, env = "PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: String,
}

const SENDGRID: &str = "https://api.sendgrid.com";

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SmtpTls {
    /// Not at all: for a server on the same machine.
    None,
    /// By STARTTLS, without which nothing is sent.
    Starttls,
    /// From the first byte on.
    Tls,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp_host: None,
            smtp_port: None,
            smtp_user: None,
            smtp_password: None,
            smtp_tls: SmtpTls::Starttls,
            smtp_timeout: Duration::from_secs(120),
            mail_from: None,
            mail_bounces: None,
            dkim_domain: None,
            dkim_selector: "payaid".to_owned(),
            dkim_key: None,
            sendgrid_api_key: None,
            sendgrid_url: SENDGRID.to_owned(),
            sendgrid_timeout: Duration::from_secs(20),
            sendgrid_webhook_key: None,
            mail_hourly: 1_000,
            mail_folder: PathBuf::from(".payaid/mail"),
            unsubscribe_key: None,
            public_url: "http://127.0.0.1:8080".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        mail: MailConfig,
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        assert_eq!(format!("{:?}", Line::parse_from(["payaid"]).mail), format!("{:?}", MailConfig::default()));
    }
}
