//! `payaid bounce`: reads what came back to the address for bounces, from a pipe of the mail server or from a Maildir.
//!
//! What must hold: a mail of a Maildir is moved only after it was dealt with, so that none is lost; and what is no bounce is no error, for a mail server
//! would send a bounce about it. What cannot be dealt with now ends with the status by which a mail server keeps the mail and tries again.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use secrecy::SecretString;

use crate::access::Services;
use crate::base::clock::SystemClock;
use crate::commands::output;
use crate::features::messages::actions::reports;
use crate::platform::config::ServerConfig;
use crate::platform::mail::bounces::{Bounce, read_for};

/// The status of a command that a mail server is to call again later (EX_TEMPFAIL).
const LATER: u8 = 75;
/// No mail is larger; the rest of a larger one is not read.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Reads what came back to the address for bounces.
#[derive(Debug, Args)]
pub struct BounceArgs {
    /// The address that the mail was sent to, as the mail server knows it.
    #[arg(long)]
    pub recipient: Option<String>,
    /// Reads the new mails of this Maildir, instead of one from standard input, and moves them to its `cur`.
    #[arg(long, conflicts_with = "recipient")]
    pub maildir: Option<PathBuf>,
    /// The database that has the mails; without it, what came back is shown and not written down.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The key that the server signs with, which marks its mails as well.
    #[arg(long, env = "JWT_PRIVATE_KEY", hide_env_values = true)]
    pub jwt_private_key: Option<SecretString>,
}

/// Reads one mail from standard input, or all new ones of a Maildir, and says with which status to end.
pub async fn run(args: BounceArgs) -> ExitCode {
    match read(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format!("payaid: {error:#}"));
            ExitCode::from(LATER)
        }
    }
}

async fn read(args: BounceArgs) -> anyhow::Result<()> {
    let services = services(&args)?;
    let taken = take_all(services.as_ref(), args).await;
    if let Some(services) = services {
        services.events.flush().await;
    }
    taken
}

async fn take_all(services: Option<&Services>, args: BounceArgs) -> anyhow::Result<()> {
    let Some(maildir) = args.maildir else {
        let mut raw = Vec::new();
        std::io::stdin().lock().take(LONGEST).read_to_end(&mut raw).context("standard input cannot be read")?;
        return take(services, read_for(&raw, args.recipient.as_deref()), "standard input").await;
    };
    for path in waiting(&maildir)? {
        let file = std::fs::File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut raw = Vec::new();
        file.take(LONGEST).read_to_end(&mut raw).with_context(|| format!("{} cannot be read", path.display()))?;
        take(services, read_for(&raw, None), &path.display().to_string()).await?;
        set_aside(&maildir, &path)?;
    }
    Ok(())
}

/// The mails that nobody has read, oldest first.
fn waiting(maildir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let new = maildir.join("new");
    let read = || format!("{} cannot be read: it is no Maildir, or belongs to another account", new.display());
    let entries = std::fs::read_dir(&new).with_context(read)?.collect::<Result<Vec<_>, _>>().with_context(read)?;
    let mut files: Vec<PathBuf> =
        entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// Marks a mail as seen, as the Maildir format says.
fn set_aside(maildir: &Path, path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let cur = maildir.join("cur");
    std::fs::create_dir_all(&cur)
        .and_then(|()| std::fs::rename(path, cur.join(format!("{name}:2,S"))))
        .with_context(|| format!("{} cannot be moved", path.display()))
}

/// What writes bounces down; `None` where no database is named.
fn services(args: &BounceArgs) -> anyhow::Result<Option<Services>> {
    let Some(url) = &args.database_url else { return Ok(None) };
    let key = args.jwt_private_key.clone().context("JWT_PRIVATE_KEY is missing: by it the server knows its mails again")?;
    let config = ServerConfig::at(url, key);
    Services::new(&config, Arc::new(SystemClock)).map(Some)
}

/// Deals with one mail.
async fn take(services: Option<&Services>, bounce: Option<Bounce>, place: &str) -> anyhow::Result<()> {
    if let (Some(services), Some(bounce)) = (services, &bounce)
        && !reports::bounced(services, bounce).await.with_context(|| format!("{place} could not be written down"))?
    {
        output::line(format!("{place}: not about a mail of this server"));
        return Ok(());
    }
    match bounce {
        None => output::line(format!("{place}: no bounce")),
        Some(Bounce { reference, status, permanent, .. }) => {
            let mail = reference.map_or_else(|| "a mail that it does not name".to_owned(), |reference| format!("mail {reference}"));
            let lasting = if permanent { "for good" } else { "for now" };
            output::line(format!("{place}: {mail} was not delivered, {lasting} ({status})"));
        }
    }
    Ok(())
}
