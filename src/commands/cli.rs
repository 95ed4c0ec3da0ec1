//! The command line as a whole.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::access::tokens::install_crypto;
use crate::commands::{bounce, dev, doctor, documents, healthcheck, mail, migrate, schema, seed, serve, worker};
use crate::platform::config::ServerConfig;
use crate::platform::telemetry::{LogFormat, start_logging};

/// PayAid: a GraphQL server for small businesses over PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "payaid", version, about)]
pub struct Cli {
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of RUST_LOG.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts everything on this machine, without any configuration.
    Dev(Box<dev::DevArgs>),
    /// Serves, configured by the environment.
    Serve(Box<ServerConfig>),
    /// Does what was enqueued, and what is due from time to time.
    Worker(Box<worker::WorkerArgs>),
    /// Brings the database to the newest schema.
    Migrate(migrate::MigrateArgs),
    /// Loads demo or benchmark data.
    Seed(seed::SeedArgs),
    /// Imports documents that clients name by their ids, and lists them.
    Documents(documents::DocumentsArgs),
    /// Lists the mails that the server sends, shows how they look, and sends one to try the configuration.
    Mail(mail::MailArgs),
    /// Reads what came back to the address for bounces.
    Bounce(bounce::BounceArgs),
    /// Prints the GraphQL schema.
    Schema(schema::SchemaArgs),
    /// Says of everything the server needs whether it is well, and what to do when it is not.
    Doctor(Box<doctor::DoctorArgs>),
    /// Asks a server of this machine whether it lives, for container health checks.
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// Does what the command line says.
///
/// # Errors
/// One sentence for the person at the terminal.
pub fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    install_crypto();
    start_logging(cli.log_format, &cli.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(cli.command))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(args) => dev::run(*args).await?,
        Command::Serve(config) => serve::run(*config).await?,
        Command::Worker(args) => worker::run(*args).await?,
        Command::Migrate(args) => migrate::run(&args).await?,
        Command::Seed(args) => seed::run(args).await?,
        Command::Documents(args) => documents::run(args).await?,
        Command::Mail(args) => mail::run(args).await?,
        Command::Bounce(args) => return Ok(bounce::run(args).await),
        Command::Schema(args) => schema::run(&args)?,
        Command::Doctor(args) => return doctor::run(*args).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_takes_what_the_environment_gives() {
        let line = ["payaid", "serve", "--database-url", "postgres://a@b/c", "--redis-url", "redis://d", "--jwt-private-key", "pem"];
        let Command::Serve(config) = Cli::parse_from(line).command else { panic!("another command") };
        assert_eq!((config.database.url.as_str(), config.redis.url.as_deref()), ("postgres://a@b/c", Some("redis://d")));
    }
}
