//! A server of this process on a database of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use payaid::App;
use payaid::base::SharedClock;
use payaid::base::allowance::Allowance;
use payaid::base::clock::SystemClock;
use payaid::platform::cluster::postgres::SUPERUSER;
use payaid::platform::config::{DatabaseConfig, DocumentConfig, EncryptionConfig, Introspection, LimitConfig, ServerConfig, WebhookConfig};
use payaid::web;
use serde_json::json;
use tokio::sync::oneshot;

use crate::harness::client::Client;
use crate::harness::servers::{Database, connect, shared};

pub const PASSWORD: &str = "correct horse battery";

pub struct TestApp {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub database: Database,
    stop: Option<oneshot::Sender<()>>,
}

impl TestApp {
    /// A server on a fresh database, with the machine's clock.
    pub async fn start() -> Self {
        Self::with(|_| (), Arc::new(SystemClock)).await
    }

    /// A server with another configuration or clock.
    pub async fn with(adjust: impl FnOnce(&mut ServerConfig), clock: SharedClock) -> Self {
        let servers = shared().await;
        let database = servers.database().await;
        let mut config = config(&servers.primary.url(&database, "payaid_server"));
        adjust(&mut config);
        Self::serve(config, clock, database).await
    }

    /// A second server on the database of another.
    pub async fn beside(other: &Self, adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = config(&shared().await.primary.url(&other.database, "payaid_server"));
        adjust(&mut config);
        Self::serve(config, Arc::new(SystemClock), other.database.clone()).await
    }

    /// A server on a database that is there already.
    pub async fn on(database: Database) -> Self {
        Self::on_with(database, |_| (), Arc::new(SystemClock)).await
    }

    /// A server on a database that is there already, with another configuration or clock.
    pub async fn on_with(database: Database, adjust: impl FnOnce(&mut ServerConfig), clock: SharedClock) -> Self {
        let mut config = config(&shared().await.primary.url(&database, "payaid_server"));
        adjust(&mut config);
        Self::serve(config, clock, database).await
    }

    /// A server with this whole configuration.
    pub async fn serve(config: ServerConfig, clock: SharedClock, database: Database) -> Self {
        let listener = tokio::net::TcpListener::bind(config.http.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = App::build(config, clock).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(web::serve(Arc::clone(&app), listener, async move {
            let _ = stopped.await;
        }));
        Self { app, address, database, stop: Some(stop) }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A caller who is not signed in.
    pub fn anonymous(&self) -> Client {
        Client::new(self.url("/graphql"), None)
    }

    /// Asks the server to stop, as SIGTERM does.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// A new organization's owner, signed in.
    pub async fn sign_up(&self, organization: &str, email: &str) -> Client {
        let input = json!({"organizationName": organization, "stateCode": "27", "name": format!("Owner of {organization}"), "email": email, "password": PASSWORD});
        let query = "mutation($input: SignUpInput!) { signUp(input: $input) { accessToken userErrors { code field message } } }";
        let data = self.anonymous().data(query, json!({"input": input})).await;
        let token = data["signUp"]["accessToken"].as_str().unwrap_or_else(|| panic!("{data}"));
        Client::new(self.url("/graphql"), Some(token.to_owned()))
    }

    /// Somebody who has an account, signed in.
    pub async fn sign_in(&self, email: &str, password: &str) -> Client {
        let payload = self.anonymous().done("signIn", json!({"email": email, "password": password}), "accessToken").await;
        let token = payload["accessToken"].as_str().unwrap_or_else(|| panic!("{payload}"));
        Client::new(self.url("/graphql"), Some(token.to_owned()))
    }

    /// A new member of an owner's organization, signed in.
    pub async fn member(&self, owner: &Client, role: &str, email: &str) -> Client {
        let invite = "mutation($input: MemberInviteInput!) { memberInvite(input: $input) { inviteToken userErrors { code field message } } }";
        let data = owner.data(invite, json!({"input": {"email": email, "role": role}})).await;
        let token = data["memberInvite"]["inviteToken"].as_str().unwrap_or_else(|| panic!("{data}"));
        let accept = "mutation($input: InvitationAcceptInput!) { invitationAccept(input: $input) { accessToken userErrors { code field message } } }";
        let input = json!({"token": token, "name": format!("Member {email}"), "password": PASSWORD});
        let data = self.anonymous().data(accept, json!({"input": input})).await;
        let token = data["invitationAccept"]["accessToken"].as_str().unwrap_or_else(|| panic!("{data}"));
        Client::new(self.url("/graphql"), Some(token.to_owned()))
    }

    /// A connection past row level security, to look at what the server did.
    pub async fn superuser(&self) -> tokio_postgres::Client {
        connect(&shared().await.primary.url(&self.database, SUPERUSER)).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The configuration of tests. The wait for a connection is long, because the machine that runs the tests may be busy.
pub fn config(url: &str) -> ServerConfig {
    let mut database = DatabaseConfig::at(url);
    database.pool_size = 4;
    database.pool_wait = Duration::from_secs(20);
    ServerConfig {
        database,
        documents: documents(),
        limits: limits(),
        webhooks: webhooks(),
        encryption: EncryptionConfig { encryption_key: Some(ENCRYPTION_KEY.to_owned().into()), ..EncryptionConfig::default() },
        ..ServerConfig::at(url, signing_key())
    }
}

/// The walks over the schema ask for much at once; the limits have tests of their own.
pub fn documents() -> DocumentConfig {
    DocumentConfig {
        document_max_cost: 10_000_000,
        document_max_depth: 20,
        document_max_fields: 1_000,
        document_max_aliases: 1_000,
        document_max_directives: 1_000,
        introspection: Introspection::Everybody,
        ..DocumentConfig::default()
    }
}

/// Tests are quicker than people, and come from one address.
fn limits() -> LimitConfig {
    let much = Allowance::per(4_000_000_000, 60);
    let many = Allowance::per(1_000_000, 60);
    LimitConfig {
        budget_free: much,
        budget_basic: much,
        budget_pro: much,
        budget_enterprise: much,
        budget_anonymous: much,
        limit_anonymous: many,
        limit_sign_up: many,
        ..LimitConfig::default()
    }
}

/// A key that encrypts nothing outside of these tests.
const ENCRYPTION_KEY: &str = "dGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgISE=";

/// Receivers of tests are on this machine.
fn webhooks() -> WebhookConfig {
    WebhookConfig {
        webhook_allow_http: true,
        webhook_allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        webhook_endpoints: 100_000,
        ..WebhookConfig::default()
    }
}

fn signing_key() -> String {
    static KEY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    KEY.get_or_init(|| payaid::access::tokens::generate_key().unwrap()).clone()
}
