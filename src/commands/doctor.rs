//! `payaid doctor`: says of everything the server needs whether it is well, what is wrong, and what to do.
//!
//! What must hold: it changes nothing, asks with the server's own login and role, and comes to an end whatever is broken.

mod database;
mod neighbours;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::access::sealing::Sealing;
use crate::commands::{dev, output};
use crate::platform::config::{EncryptionConfig, LlmConfig, MailConfig, RedisConfig};

/// Says of everything the server needs whether it is well, and what to do when it is not.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The primary; when left out, the private database that `payaid dev` runs from this folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The replicas, comma separated, where there are any.
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true, value_delimiter = ',')]
    pub database_read_url: Vec<String>,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// The language model.
    #[command(flatten)]
    pub llm: LlmConfig,
    /// Mail.
    #[command(flatten)]
    pub mail: MailConfig,
    /// The keys that fields are encrypted with.
    #[command(flatten)]
    pub encryption: EncryptionConfig,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be, or not used at all.
    Ok,
    /// The server works; somebody should look at it.
    Warning,
    /// Something does not work.
    Wrong,
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `migrations`.
    pub part: &'static str,
    /// How well it is.
    pub state: State,
    /// What was found, in a sentence.
    pub found: String,
    /// What to do; empty when all is well.
    pub advice: String,
}

impl Finding {
    fn ok(part: &'static str, found: impl Into<String>) -> Self {
        Self { part, state: State::Ok, found: found.into(), advice: String::new() }
    }

    fn warning(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, state: State::Warning, found: found.into(), advice: advice.into() }
    }

    fn wrong(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, state: State::Wrong, found: found.into(), advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Wrong => "WRONG",
        };
        write!(f, "{mark:<8} {:<19} {}", self.part, self.found)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, " → {}", self.advice) }
    }
}

/// Looks at everything and writes a line for each; the exit code is 1 when something is wrong.
///
/// # Errors
/// When the findings cannot be written as JSON, which would be a fault of the build.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = examine(&args).await;
    let well = findings.iter().all(|finding| finding.state < State::Wrong);
    if args.json {
        output::line(serde_json::to_string_pretty(&serde_json::json!({ "well": well, "findings": findings }))?);
    } else {
        findings.iter().for_each(output::line);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at everything, in the order in which one thing needs the other.
pub async fn examine(args: &DoctorArgs) -> Vec<Finding> {
    let named = args.database_url.clone().filter(|url| !url.is_empty());
    let is_dev = named.is_none();
    let replicas: Vec<String> = args.database_read_url.iter().filter(|url| !url.is_empty()).cloned().collect();
    let mut findings = match named.or_else(|| dev::running_url(Path::new(".payaid"))) {
        Some(url) => database::examine(&url, &replicas).await,
        None => vec![Finding::wrong(
            "database",
            "no database is named",
            "set DATABASE_URL to postgres://payaid_server@host/payaid, or run `payaid dev` in this folder",
        )],
    };
    findings.push(neighbours::redis(&args.redis).await);
    findings.push(neighbours::language_model(&args.llm).await);
    findings.push(neighbours::mail(&args.mail).await);
    findings.push(encryption(&args.encryption, is_dev));
    findings
}

/// Whether secrets can be kept.
fn encryption(config: &EncryptionConfig, is_dev: bool) -> Finding {
    const PART: &str = "encryption";
    match (Sealing::new(config), &config.encryption_key) {
        (Err(error), _) => Finding::wrong(PART, format!("{error:#}"), "look at ENCRYPTION_KEY and ENCRYPTION_PREVIOUS_KEYS"),
        (Ok(_), Some(_)) => Finding::ok(PART, "ENCRYPTION_KEY is set"),
        (Ok(_), None) if is_dev => Finding::ok(PART, "`payaid dev` keeps a key of its own"),
        (Ok(_), None) => Finding::warning(
            PART,
            "ENCRYPTION_KEY is not set: nobody can be invited, and no webhook made",
            "give all servers and workers the same one, made with `openssl rand -base64 32`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_missing_or_none_is_found() {
        let none = EncryptionConfig::default();
        assert_eq!((encryption(&none, false).state, encryption(&none, true).state), (State::Warning, State::Ok));
        let short = EncryptionConfig { encryption_key: Some("c2hvcnQ=".to_owned().into()), ..none };
        assert_eq!((encryption(&short, false).state, encryption(&short, true).state), (State::Wrong, State::Wrong));
    }

    #[test]
    fn a_finding_is_one_line() {
        assert_eq!(Finding::ok("redis", "answers").to_string(), "ok       redis               answers");
        let wrong = Finding::wrong("migrations", "2 were not run", "run `payaid migrate`");
        assert_eq!(wrong.to_string(), "WRONG    migrations          2 were not run → run `payaid migrate`");
    }
}
