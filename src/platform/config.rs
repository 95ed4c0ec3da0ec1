//! Configuration, read from the environment and the command line. `.env.example` lists every variable with what happens when it is missing.

mod limits;
mod mail;
mod sms;
mod webhooks;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::base::duration::parse as duration;
use crate::base::network::Network;
pub use limits::{DocumentConfig, Introspection, LimitConfig};
pub use mail::{MailConfig, SmtpTls};
pub use sms::SmsConfig;
pub use webhooks::{EncryptionConfig, WebhookConfig};

/// Where the database is and how it is talked to.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// The primary, as `postgres://payaid_server@host/payaid`; the login must not be a superuser.
    #[arg(id = "database-url", long = "database-url", value_name = "DATABASE_URL", env = "DATABASE_URL", hide_env_values = true)]
    pub url: String,
    /// Replicas to read from, comma separated; without one, the primary serves reads too.
    #[arg(
        id = "database-read-url",
        long = "database-read-url",
        value_name = "DATABASE_READ_URL",
        env = "DATABASE_READ_URL",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub read_urls: Vec<String>,
    /// Connections kept to each node, besides one that reads of a single row share.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 8)]
    pub pool_size: usize,
    /// How long an operation waits for a free connection, such as `200ms`.
    #[arg(long, env = "DATABASE_POOL_WAIT", default_value = "200ms", value_parser = duration)]
    pub pool_wait: Duration,
    /// How long connecting may take.
    #[arg(long, env = "DATABASE_CONNECT_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// How long a connection is used before it is replaced.
    #[arg(long, env = "DATABASE_MAX_LIFETIME", default_value = "30m", value_parser = duration)]
    pub max_lifetime: Duration,
    /// How many statements are prepared on a connection before it is replaced; each takes about 16 KB of the database's memory.
    #[arg(long, env = "DATABASE_MAX_PREPARED", default_value_t = 500)]
    pub max_prepared: usize,
    /// How long one statement may run.
    #[arg(long, env = "DATABASE_STATEMENT_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock.
    #[arg(long, env = "DATABASE_LOCK_TIMEOUT", default_value = "1s", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long a query waits for a replica to catch up with what it must see, before it reads from the primary.
    #[arg(long, env = "DATABASE_REPLICA_WAIT", default_value = "15ms", value_parser = duration)]
    pub replica_wait: Duration,
    /// How far a replica may be behind before nothing is read from it.
    #[arg(long, env = "DATABASE_MAX_LAG", default_value = "10s", value_parser = duration)]
    pub max_lag: Duration,
    /// How many queries read from the primary at once while there are replicas; three quarters of the connections by default.
    #[arg(long, env = "DATABASE_PRIMARY_READS")]
    pub primary_reads: Option<usize>,
    /// How long a transaction may stand idle.
    #[arg(long, env = "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub idle_in_transaction_timeout: Duration,
}

impl DatabaseConfig {
    /// The defaults for an address.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            read_urls: Vec::new(),
            pool_size: 8,
            pool_wait: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(5),
            max_lifetime: Duration::from_secs(1800),
            max_prepared: 500,
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(1),
            replica_wait: Duration::from_millis(15),
            max_lag: Duration::from_secs(10),
            primary_reads: None,
            idle_in_transaction_timeout: Duration::from_secs(10),
        }
    }
}

/// Who signs access tokens and how long sign-ins last.
#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// The Ed25519 private key that signs access tokens, as PEM (PKCS#8); make one with `openssl genpkey -algorithm ed25519`.
    #[arg(long, env = "JWT_PRIVATE_KEY", hide_env_values = true)]
    pub jwt_private_key: SecretString,
    /// The Ed25519 public keys that were in use before, as PEM one after another: their tokens stay good until they expire.
    #[arg(long, env = "JWT_PREVIOUS_PUBLIC_KEYS")]
    pub jwt_previous_public_keys: Option<String>,
    /// The issuer named in tokens.
    #[arg(long, env = "JWT_ISSUER", default_value = "payaid")]
    pub jwt_issuer: String,
    /// The audience named in tokens.
    #[arg(long, env = "JWT_AUDIENCE", default_value = "payaid-api")]
    pub jwt_audience: String,
    /// How long an access token is good.
    #[arg(long, env = "ACCESS_TOKEN_TTL", default_value = "15m", value_parser = duration)]
    pub access_token_ttl: Duration,
    /// How long a session can go without being refreshed.
    #[arg(long, env = "REFRESH_TOKEN_TTL", default_value = "30d", value_parser = duration)]
    pub refresh_token_ttl: Duration,
}

impl AuthConfig {
    /// The defaults around a private key in PEM.
    #[must_use]
    pub fn with_key(pem: impl Into<SecretString>) -> Self {
        Self {
            jwt_private_key: pem.into(),
            jwt_previous_public_keys: None,
            jwt_issuer: "payaid".to_owned(),
            jwt_audience: "payaid-api".to_owned(),
            access_token_ttl: Duration::from_secs(900),
            refresh_token_ttl: Duration::from_secs(30 * 86_400),
        }
    }
}

/// How the server meets its clients.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// The address to listen on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Origins of browsers' pages that may call the API, comma separated, such as `https://app.example.in`; none by default.
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// How long one operation may take.
    #[arg(long, env = "OPERATION_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub operation_timeout: Duration,
    /// The largest request body, in bytes.
    #[arg(long, env = "BODY_LIMIT", default_value_t = 1_048_576)]
    pub body_limit: usize,
    /// How long running operations may take to finish when the server is asked to stop.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// How long the server goes on accepting after it is asked to stop, with `/readyz` failing already, so that a load balancer notices first.
    #[arg(long, env = "SHUTDOWN_GRACE", default_value = "0s", value_parser = duration)]
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed, as addresses or ranges such as `10.0.0.0/8`, comma separated; none by default.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Whether `Strict-Transport-Security` is sent: switch it off only where there is no TLS in front.
    #[arg(long, env = "HSTS", default_value_t = true, action = clap::ArgAction::Set)]
    pub hsts: bool,
    /// How often the client of a WebSocket is asked whether it is still there, and that of a stream of events told that the server is. A WebSocket
    /// that was silent for twice as long is gone. Less than the idle timeout of what stands in between.
    #[arg(long, env = "SOCKET_PING_INTERVAL", default_value = "25s", value_parser = duration)]
    pub socket_ping_interval: Duration,
    /// The most connections at once, and the most WebSockets and streams of events together. Beyond that connections wait to be accepted, and sockets
    /// and streams are refused.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,
    /// The most subscriptions that a session or an API key may have open at one server, over whatever connections.
    #[arg(long, env = "SUBSCRIPTIONS_EACH", default_value_t = 500)]
    pub subscriptions_each: usize,
    /// Whether the explorer is served at `/graphiql`.
    #[arg(long, env = "EXPLORER", default_value_t = true, action = clap::ArgAction::Set)]
    pub explorer: bool,
    /// Which documents are run: any, or those alone that were imported by `payaid documents import`.
    #[arg(long, env = "DOCUMENTS", value_enum, default_value = "any")]
    pub documents: AllowedDocuments,
    /// The most operations in one request; 0 refuses requests of several operations.
    #[arg(long, env = "BATCH_LIMIT", default_value_t = 10)]
    pub batch_limit: usize,
}

/// Which documents are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AllowedDocuments {
    /// Whatever a client sends.
    Any,
    /// Those alone that were imported.
    Trusted,
}

impl HttpConfig {
    /// The defaults at an address, as a development server has them.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            cors_origins: Vec::new(),
            operation_timeout: Duration::from_secs(10),
            body_limit: 1_048_576,
            drain_timeout: Duration::from_secs(25),
            shutdown_grace: Duration::ZERO,
            trusted_proxies: Vec::new(),
            hsts: false,
            socket_ping_interval: Duration::from_secs(25),
            max_connections: 10_000,
            subscriptions_each: 500,
            explorer: true,
            documents: AllowedDocuments::Any,
            batch_limit: 10,
        }
    }
}

/// Where Redis is.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisConfig {
    /// Redis, shared by several servers for their limits; without it each server counts for itself.
    #[arg(id = "redis-url", long = "redis-url", value_name = "REDIS_URL", env = "REDIS_URL", hide_env_values = true)]
    pub url: Option<String>,
}

/// Where a local language model answers.
#[derive(Debug, Clone, Default, Args)]
pub struct LlmConfig {
    /// Whether a language model is used at all.
    #[arg(long, env = "OLLAMA_ENABLED", default_value_t = false, action = clap::ArgAction::Set)]
    pub ollama_enabled: bool,
    /// Ollama's address, such as `http://127.0.0.1:11434`.
    #[arg(long, env = "OLLAMA_URL")]
    pub ollama_url: Option<String>,
}

impl ServerConfig {
    /// The defaults for a database and a signing key in PEM, as a development server has them.
    #[must_use]
    pub fn at(database: impl Into<String>, key: impl Into<SecretString>) -> Self {
        Self {
            database: DatabaseConfig::at(database),
            redis: RedisConfig::default(),
            auth: AuthConfig::with_key(key),
            http: HttpConfig::at(SocketAddr::from(([127, 0, 0, 1], 0))),
            documents: DocumentConfig::default(),
            limits: LimitConfig::default(),
            mail: MailConfig::default(),
            sms: SmsConfig::default(),
            webhooks: WebhookConfig::default(),
            encryption: EncryptionConfig::default(),
        }
    }
}

/// Everything that a serving process needs.
#[derive(Debug, Clone, Args)]
pub struct ServerConfig {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Sign-in.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// HTTP.
    #[command(flatten)]
    pub http: HttpConfig,
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
    /// Encryption of fields.
    #[command(flatten)]
    pub encryption: EncryptionConfig,
}
