//! `payaid dev`: everything on this machine, from nothing: a private PostgreSQL, the schema, demo data once, and the server.
//!
//! What must hold: a second start takes up the data of the first; whatever way it ends, no server of its own stays behind; what cannot work is said
//! in one sentence.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use crate::App;
use crate::access::{sealing, tokens};
use crate::app::DemoAccount;
use crate::base::Clock;
use crate::base::allowance::Allowance;
use crate::base::clock::SystemClock;
use crate::commands::{output, seed, serve, worker};
use crate::platform::cluster::postgres::{self, Options, SUPERUSER, Server};
use crate::platform::config::{
    AuthConfig, DatabaseConfig, DocumentConfig, EncryptionConfig, HttpConfig, Introspection, LimitConfig, MailConfig, RedisConfig, ServerConfig,
    SmsConfig, WebhookConfig,
};
use crate::platform::postgres::migrate;
use crate::web;

/// The name of the private database.
const DATABASE: &str = "payaid";

/// Starts everything on this machine.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The port on 127.0.0.1 to serve on.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Where the private database and the development key are kept.
    #[arg(long, default_value = ".payaid")]
    pub data_dir: PathBuf,
    /// Begin with fresh data: what the private database holds is deleted.
    #[arg(long)]
    pub reset: bool,
    /// Use this database instead of a private one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Run the migrations by this login, when the one of DATABASE_URL may not.
    #[arg(long, env = "DATABASE_DIRECT_URL", hide_env_values = true)]
    pub database_direct_url: Option<String>,
    /// Read from these replicas, comma separated.
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true, value_delimiter = ',')]
    pub database_read_url: Vec<String>,
    /// Start so many streaming replicas beside the private database, and read from them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub replicas: u8,
    /// Redis; without it this one server counts for itself.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Documents.
    #[command(flatten)]
    pub documents: DocumentConfig,
    /// Budgets and limits.
    #[command(flatten)]
    pub limits: LimitConfig,
    /// Mail.
    #[command(flatten)]
    pub mail: MailConfig,
    /// Text messages.
    #[command(flatten)]
    pub sms: SmsConfig,
    /// Webhooks.
    #[command(flatten)]
    pub webhooks: WebhookConfig,
}

/// The database of this run, and its server when it is a private one.
struct Database {
    server_url: String,
    owner_url: String,
    private: Option<Server>,
    replicas: Vec<Server>,
}

/// Runs until it is asked to stop.
///
/// # Errors
/// One sentence that says what is in the way and what to do.
pub async fn run(args: DevArgs) -> anyhow::Result<()> {
    // Asked for once and heard everywhere: a Ctrl-C between two steps is not lost.
    let stop = serve::stop_asked()?.boxed().shared();
    // Before anything is started: a port that is taken is the most common thing to go wrong.
    let listener = serve::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port))).await?;
    let address = listener.local_addr()?;
    let database = tokio::select! {
        database = open_database(&args) => database?,
        () = stop.clone() => return Ok(()),
    };
    let prepared = tokio::select! {
        prepared = prepare(&args, &database, address) => prepared.map(Some),
        () = stop.clone() => Ok(None),
    };
    let served = match prepared {
        Ok(Some(app)) => {
            announce(address, &database);
            let worker = worker::work(&app, &database.owner_url, stop.clone());
            let (served, worked) = tokio::join!(web::serve(Arc::clone(&app), listener, stop), worker);
            served.and(worked)
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    output::line("Stopping.");
    for replica in database.replicas {
        replica.stop().await;
    }
    if let Some(server) = database.private {
        forget_url(&args.data_dir);
        server.stop().await;
    }
    output::line("Stopped.");
    served
}

async fn prepare(args: &DevArgs, database: &Database, address: SocketAddr) -> anyhow::Result<Arc<App>> {
    output::line("Bringing the database to the newest schema.");
    for name in migrate::run(&database.owner_url).await? {
        output::line(format!("  {name}"));
    }
    let seeded = seed::demo(&database.server_url, SystemClock.now(), &output::line).await?;
    if !seeded.loaded.is_empty() {
        seed::analyze(&database.owner_url).await?;
    }
    let config = config(args, database, address)?;
    let app = App::build_with_demo(config, Arc::new(SystemClock), demo_accounts())?;
    Ok(app)
}

async fn open_database(args: &DevArgs) -> anyhow::Result<Database> {
    if let Some(url) = args.database_url.as_deref().filter(|url| !url.is_empty()) {
        if args.reset {
            bail!("--reset is for the private database alone; DATABASE_URL is set, and that database is not touched");
        }
        if args.replicas > 0 {
            bail!("--replicas is for the private database alone; DATABASE_URL is set: name its replicas in DATABASE_READ_URL");
        }
        let owner_url = args.database_direct_url.clone().unwrap_or_else(|| url.to_owned());
        return Ok(Database { server_url: url.to_owned(), owner_url, private: None, replicas: Vec::new() });
    }
    let data_dir = args.data_dir.join("postgres");
    if args.reset {
        output::line("Deleting the data of the private PostgreSQL.");
        postgres::erase(&data_dir).await?;
    }
    std::fs::create_dir_all(&args.data_dir).with_context(|| format!("the folder {} cannot be made", args.data_dir.display()))?;
    output::line("Starting a private PostgreSQL.");
    let server = Server::start(Options::kept(&data_dir)).await?;
    create_database(&server.url("postgres", SUPERUSER)).await?;
    let owner_url = server.url(DATABASE, SUPERUSER);
    keep_url(&args.data_dir, &owner_url)?;
    let replicas = start_replicas(args, &server).await?;
    Ok(Database { server_url: owner_url.clone(), owner_url, private: Some(server), replicas })
}

/// As many replicas as are asked for. Their data is made anew with each start, and goes with them.
async fn start_replicas(args: &DevArgs, primary: &Server) -> anyhow::Result<Vec<Server>> {
    let mut replicas = Vec::new();
    for number in 1..=args.replicas {
        output::line(format!("Copying the database to replica {number} of {}.", args.replicas));
        replicas.push(primary.replica(Options::temporary()).await?);
    }
    Ok(replicas)
}

async fn create_database(url: &str) -> anyhow::Result<()> {
    let mut connection = AsyncPgConnection::establish(url).await.context("the private PostgreSQL does not answer")?;
    match connection.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await {
        Ok(()) => Ok(()),
        Err(error) if error.to_string().contains("already exists") => Ok(()),
        Err(error) => Err(error).context("the private database cannot be made"),
    }
}

fn config(args: &DevArgs, database: &Database, listen: SocketAddr) -> anyhow::Result<ServerConfig> {
    let private = database.replicas.iter().map(|replica| replica.url(DATABASE, SUPERUSER));
    let read_urls = args.database_read_url.iter().cloned().chain(private).collect();
    Ok(ServerConfig {
        database: DatabaseConfig { read_urls, ..DatabaseConfig::at(&database.server_url) },
        redis: RedisConfig { url: args.redis_url.clone() },
        auth: AuthConfig::with_key(kept_key(&args.data_dir, "jwt-key.pem", tokens::generate_key)?),
        http: HttpConfig::at(listen),
        // For people at the explorer, who load its page again and again.
        documents: DocumentConfig { introspection: Introspection::Everybody, ..args.documents.clone() },
        limits: LimitConfig { limit_anonymous: Allowance::per(1_000, 3_600), ..args.limits.clone() },
        mail: args.mail.clone(),
        sms: args.sms.clone(),
        webhooks: args.webhooks.clone(),
        encryption: EncryptionConfig {
            encryption_key: Some(kept_key(&args.data_dir, "encryption-key", sealing::generate_key)?.into()),
            ..EncryptionConfig::default()
        },
    })
}

/// A key of this machine's development server: made once, and kept, so that a restart signs nobody out and what was encrypted can be read.
fn kept_key(data_dir: &Path, name: &str, generate: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let path = data_dir.join(name);
    if let Ok(key) = std::fs::read_to_string(&path) {
        return Ok(key);
    }
    std::fs::create_dir_all(data_dir)?;
    let key = generate()?;
    write_private(&path, &key).with_context(|| format!("a key cannot be kept in {}", path.display()))?;
    Ok(key)
}

/// Where the other commands find the private database while it runs.
fn keep_url(data_dir: &Path, url: &str) -> anyhow::Result<()> {
    write_private(&data_dir.join(URL_FILE), url).context("the address of the private database cannot be kept")
}

fn forget_url(data_dir: &Path) {
    // Nobody is hurt by a file that stays: it names a socket that is not there.
    let _ = std::fs::remove_file(data_dir.join(URL_FILE));
}

const URL_FILE: &str = "database-url";

/// The address of the private database that `payaid dev` runs from this folder, if it does.
#[must_use]
pub fn running_url(data_dir: &Path) -> Option<String> {
    std::fs::read_to_string(data_dir.join(URL_FILE)).ok()
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())
}

fn demo_accounts() -> Vec<DemoAccount> {
    seed::DEMO_OWNERS
        .iter()
        .map(|(label, email)| DemoAccount { label: (*label).to_owned(), email: (*email).to_owned(), password: seed::DEMO_PASSWORD.to_owned() })
        .collect()
}

fn announce(address: SocketAddr, database: &Database) {
    let place = match (&database.private, database.replicas.len()) {
        (None, _) => "the database of DATABASE_URL".to_owned(),
        (Some(_), 0) => "a private PostgreSQL".to_owned(),
        (Some(_), 1) => "a private PostgreSQL with a replica".to_owned(),
        (Some(_), many) => format!("a private PostgreSQL with {many} replicas"),
    };
    output::line(format!("\nPayAid is ready, on {place}. Ctrl-C stops it.\n"));
    output::line(format!("  Explorer  http://{address}/graphiql"));
    output::line(format!("  GraphQL   http://{address}/graphql"));
    for (label, email) in seed::DEMO_OWNERS {
        output::line(format!("  Sign in   {email}  password {}  ({label})", seed::DEMO_PASSWORD));
    }
    output::line("");
}
