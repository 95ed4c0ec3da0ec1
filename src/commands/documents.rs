//! `payaid documents`: imports the documents that clients name by their ids, and lists them.
//!
//! What must hold: nothing is stored unless all of the file can be; each document is one that this binary would run.

mod manifest;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::access::document::{Document, TypeMap};
use crate::access::documents::{MAX_ID, MAX_TRUSTED_BYTES};
use crate::base::Clock;
use crate::base::clock::SystemClock;
use crate::commands::{dev, output};
use crate::features::{self, Api};
use crate::platform::config::DocumentConfig;
use manifest::Entry;

/// Imports documents that clients name by their ids, and lists them.
#[derive(Debug, Args)]
pub struct DocumentsArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with documents.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Stores the documents of a file: Apollo's manifest, or the map of ids and texts that Relay and GraphQL Code Generator write.
    Import(ImportArgs),
    /// Lists the documents that are stored.
    List(ListArgs),
}

/// Stores the documents of a file.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file.
    pub file: PathBuf,
    /// Replace documents that are stored under the same id with another text.
    #[arg(long)]
    pub replace: bool,
    /// What the servers let documents be.
    #[command(flatten)]
    pub limits: DocumentConfig,
    /// The database, by a login that is a member of `payaid_owner`.
    #[arg(long = "database-url", env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub direct_url: Option<String>,
    /// Used when DATABASE_DIRECT_URL is not set.
    #[arg(long = "server-database-url", env = "DATABASE_URL", hide_env_values = true, hide = true)]
    pub url: Option<String>,
}

/// Lists the documents that are stored.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The database, by the server's login; when left out, the private one that `payaid dev` runs from this folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Imports or lists documents.
///
/// # Errors
/// When the file or the database cannot be read, or documents of the file are wrong.
pub async fn run(args: DocumentsArgs) -> anyhow::Result<()> {
    let private = || dev::running_url(Path::new(".payaid"));
    match args.what {
        What::Import(ImportArgs { file, replace, limits, direct_url, url }) => {
            let url = direct_url.or(url).or_else(private);
            let url = url.context("no database is named: set DATABASE_DIRECT_URL (or DATABASE_URL) to postgres://user@host/payaid")?;
            let bytes = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let summary =
                import(&url, &bytes, replace, &limits, &output::note).await.with_context(|| format!("{}: nothing was imported", file.display()))?;
            output::line(summary);
        }
        What::List(ListArgs { database_url }) => {
            let url = database_url.or_else(private);
            let url = url.context("no database is named: set DATABASE_URL to postgres://payaid_server@host/payaid")?;
            table::list(&url).await?.iter().for_each(output::line);
        }
    }
    Ok(())
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many documents are new.
    pub imported: usize,
    /// How many replaced one of the same id.
    pub replaced: usize,
    /// How many were there already.
    pub unchanged: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imported, replaced, unchanged } = self;
        write!(f, "Imported {imported} documents; replaced {replaced}; {unchanged} were there already.")
    }
}

/// Stores the documents of a file, all or none; `say` is told of the progress and of each document that is wrong.
///
/// # Errors
/// When the file is none of the known formats, documents are wrong or stored with another text, or the database cannot be written to.
pub async fn import(url: &str, file: &[u8], replace: bool, limits: &DocumentConfig, say: &(dyn Fn(String) + Sync)) -> anyhow::Result<Summary> {
    let entries = manifest::read(file)?;
    say(format!("Checking {} documents against the schema.", entries.len()));
    let api = features::build()?;
    let types = TypeMap::from_sdl(&api.schema().sdl())?;
    let mut wrong = Vec::new();
    for entry in &entries {
        wrong.extend(check(entry, &api, &types, limits).await.err().map(|reason| format!("{entry}: {reason}")));
    }
    wrong.extend(manifest::twice(&entries));
    refuse(&wrong, "cannot be run", say)?;
    say(format!("Storing {} documents.", entries.len()));
    let stored = table::store(url, &entries, replace, SystemClock.now()).await?;
    refuse(&stored.refused, "are stored with another text, which --replace would replace", say)?;
    Ok(stored.summary)
}

fn refuse(wrong: &[String], why: &str, say: &(dyn Fn(String) + Sync)) -> anyhow::Result<()> {
    wrong.iter().for_each(|line| say(line.clone()));
    if wrong.is_empty() { Ok(()) } else { bail!("{} documents {why}", wrong.len()) }
}

/// Refuses a document that this server would not run, with the reason.
async fn check(entry: &Entry, api: &Api, types: &TypeMap, limits: &DocumentConfig) -> Result<(), String> {
    if entry.id.is_empty() || entry.id.len() > MAX_ID || !entry.id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("an id has 1 to {MAX_ID} printable ASCII characters"));
    }
    entry.check_hash()?;
    if entry.text.contains('\0') {
        return Err("the text has a null character".to_owned());
    }
    let document = Document::prepare_within(MAX_TRUSTED_BYTES, &entry.text, types, limits).map_err(|error| error.message)?;
    entry.check_operation(&document)?;
    for selection in document.selections() {
        if let Some(error) = api.validate(selection).await.first() {
            return Err(error.message.clone());
        }
    }
    Ok(())
}
