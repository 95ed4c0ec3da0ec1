//! `payaid mail`: lists the mails that the server sends, shows how they look, and sends one to try the configuration.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::id;
use crate::commands::output;
use crate::platform::config::MailConfig;
use crate::platform::mail::templates::{self, Language, Rendered};
use crate::platform::mail::{Email, Mailer};

/// Lists the mails that the server sends, shows how they look, and sends one to try the configuration.
#[derive(Debug, Args)]
pub struct MailArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with mail.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Lists the mails that there are.
    List,
    /// Prints a mail with made-up values.
    Preview(PreviewArgs),
    /// Sends a mail as the server would, and says what became of it.
    Test(Box<TestArgs>),
}

/// Prints a mail.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Which mail.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(templates::names()))]
    pub name: String,
    /// In which language.
    #[arg(long, value_enum, default_value = "en")]
    pub language: Language,
    /// The HTML instead of the subject and the text.
    #[arg(long)]
    pub html: bool,
}

/// Sends a mail.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Where to.
    pub address: String,
    /// Which mail.
    #[arg(long, default_value = "invitation", value_parser = clap::builder::PossibleValuesParser::new(templates::names()))]
    pub name: String,
    /// In which language.
    #[arg(long, value_enum, default_value = "en")]
    pub language: Language,
    /// How mail goes out.
    #[command(flatten)]
    pub mail: MailConfig,
}

/// Lists, shows or sends.
///
/// # Errors
/// When the configuration cannot be understood, or nobody takes the mail.
pub async fn run(args: MailArgs) -> anyhow::Result<()> {
    match args.what {
        What::List => templates::names().iter().for_each(output::line),
        What::Preview(PreviewArgs { name, language, html }) => {
            let Rendered { subject, text, html: page } = sample(&name, language)?;
            output::line(if html { page } else { format!("{subject}\n\n{text}") }.trim_end());
        }
        What::Test(test) => output::line(send(*test).await?),
    }
    Ok(())
}

fn sample(name: &str, language: Language) -> anyhow::Result<Rendered> {
    let rendered = templates::render(name, language, &templates::sample(name, language));
    rendered.map_err(|error| anyhow!("{name} cannot be shown: {}", error.internal.as_deref().unwrap_or(&error.message)))
}

async fn send(TestArgs { address, name, language, mail }: TestArgs) -> anyhow::Result<String> {
    let mailer = Mailer::new(&mail, Arc::new(SystemClock))?;
    let Rendered { subject, text, html } = sample(&name, language)?;
    let id = id::fresh(&SystemClock);
    let email = Email {
        id,
        to: address,
        to_name: None,
        reply_to: None,
        from_name: None,
        subject,
        text,
        html: Some(html),
        unsubscribe: None,
        reference: format!("test-{}", id.simple()),
    };
    let sent = mailer.send(&email).await.context("the mail was not sent")?;
    let reference = sent.reference.map(|reference| format!(" ({reference})")).unwrap_or_default();
    Ok(format!("{} has taken the mail{reference}.", sent.provider))
}
