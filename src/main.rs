//! The command line of `payaid`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use payaid::access::tokens::install_crypto;
use payaid::commands::{self, dev, doctor, healthcheck, migrate, output, schema, seed, worker};
use payaid::platform::config::ServerConfig;
use payaid::platform::telemetry::{LogFormat, start_logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// PayAid: a GraphQL server for small businesses over PostgreSQL.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    log_format: LogFormat,
    /// Which log lines are written, in the syntax of RUST_LOG.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything on this machine, without any configuration.
    Dev(dev::DevArgs),
    /// Serves, configured by the environment.
    Serve(Box<ServerConfig>),
    /// Does what is due in the background.
    Worker(worker::WorkerArgs),
    /// Brings the database to the newest schema.
    Migrate(migrate::MigrateArgs),
    /// Loads demo or benchmark data.
    Seed(seed::SeedArgs),
    /// Prints the GraphQL schema.
    Schema(schema::SchemaArgs),
    /// Says of everything the server needs whether it is well, and what to do when it is not.
    Doctor(doctor::DoctorArgs),
    /// Asks a server of this machine whether it lives, for container health checks.
    Healthcheck(healthcheck::HealthcheckArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            output::note(format!("payaid: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    install_crypto();
    start_logging(cli.log_format, &cli.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(cli.command))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(args) => dev::run(args).await?,
        Command::Serve(config) => commands::serve::run(*config).await?,
        Command::Worker(args) => worker::run(args).await?,
        Command::Migrate(args) => migrate::run(&args).await?,
        Command::Seed(args) => seed::run(args).await?,
        Command::Schema(args) => schema::run(&args)?,
        Command::Doctor(args) => return doctor::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
