//! A server put together: its configuration, its services, the schema, and what it remembers of documents.

mod watching;

use std::sync::Arc;

use foldhash::fast::RandomState;
use metrics_exporter_prometheus::PrometheusHandle;
use moka::sync::Cache;
use tokio::sync::{Semaphore, watch};

use crate::access::Services;
use crate::access::document::{Document, TypeMap};
use crate::access::documents::{Documents, Found, TextHash};
use crate::access::events::places::Places;
use crate::access::inbound::Inbox;
use crate::access::jobs::{Performing, Registry};
use crate::base::{Result, SharedClock};
use crate::features::{self, Api};
use crate::platform::config::ServerConfig;
use crate::platform::telemetry;

/// How much text of documents is remembered in parsed form, in bytes: what is parsed and planned takes many times as much.
const REMEMBERED_TEXT: u64 = 1024 * 1024;

/// How far a server is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves, and asks load balancers by `/readyz` to send requests elsewhere.
    Leaving,
    /// It finishes what it has begun and takes no more.
    Draining,
}

/// An account to try the server with, shown by the explorer.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DemoAccount {
    /// What the explorer calls it.
    pub label: String,
    /// The e-mail address to sign in with.
    pub email: String,
    /// The password to sign in with.
    pub password: String,
}

/// A server put together, shared by everything that serves.
pub struct App {
    /// What the server was started with.
    pub config: ServerConfig,
    /// What operations have at hand.
    pub services: Services,
    /// The executable schema.
    pub api: Api,
    /// What is done in the background.
    pub jobs: Arc<Registry>,
    /// Who tells the server of events.
    pub inbox: Inbox,
    /// The types of the schema.
    pub types: TypeMap,
    /// Accounts that the explorer offers to sign in with; none outside of a development server.
    pub demo_accounts: Vec<DemoAccount>,
    /// Renders what was measured.
    pub metrics: PrometheusHandle,
    /// How many more connections may be served.
    pub connections: Arc<Semaphore>,
    /// How many more WebSockets and streams of events may be served.
    pub sockets: Arc<Semaphore>,
    /// The subscriptions that are open.
    pub subscriptions: Places,
    /// The documents that requests name, and which may be run.
    pub documents: Documents,
    phase: watch::Sender<Phase>,
    /// Prepared documents and the lengths of their texts, times their operations, by the hashes of their texts.
    prepared: Cache<TextHash, (u32, Arc<Document>), RandomState>,
}

impl App {
    /// Puts a server together. Nothing is connected to yet. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When a part of the configuration cannot be understood.
    pub fn build(config: ServerConfig, clock: SharedClock) -> anyhow::Result<Arc<Self>> {
        Self::build_with_demo(config, clock, Vec::new())
    }

    /// As [`App::build`], with accounts that anybody may see.
    ///
    /// # Errors
    /// When a part of the configuration cannot be understood.
    pub fn build_with_demo(config: ServerConfig, clock: SharedClock, demo_accounts: Vec<DemoAccount>) -> anyhow::Result<Arc<Self>> {
        let services = Services::new(&config, clock)?;
        if config.encryption.encryption_key.is_none() {
            tracing::warn!("ENCRYPTION_KEY is missing: nobody can be invited, and no webhook made");
        }
        let api = features::build()?;
        let types = TypeMap::from_sdl(&api.schema().sdl())?;
        let prepared =
            Cache::builder().max_capacity(REMEMBERED_TEXT).weigher(|_, (length, _): &(u32, _)| *length).build_with_hasher(RandomState::default());
        let metrics = telemetry::metrics_handle()?;
        let documents = Documents::new(&config, services.redis.clone(), services.databases.clone());
        let phase = watch::Sender::new(Phase::Serving);
        let permits = || Arc::new(Semaphore::new(config.http.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let (connections, sockets) = (permits(), permits());
        let subscriptions = Places::new(config.http.subscriptions_each);
        let app = Arc::new(Self {
            config,
            services,
            api,
            jobs: Arc::new(features::registry()),
            inbox: features::inbox(),
            types,
            demo_accounts,
            metrics,
            connections,
            sockets,
            subscriptions,
            documents,
            phase,
            prepared,
        });
        let watching: std::sync::Weak<Self> = Arc::downgrade(&app);
        app.services.events.attach(features::NOUNS, watching);
        Ok(app)
    }

    /// What a worker of this server performs.
    #[must_use]
    pub fn performing(&self) -> Arc<Performing> {
        Arc::new(Performing::new(self.services.clone(), Arc::clone(&self.jobs)))
    }

    /// A document that was checked, when it is remembered.
    #[must_use]
    pub fn known(&self, found: &Found) -> Option<Arc<Document>> {
        self.prepared.get(&found.hash).map(|(_, document)| document)
    }

    /// A document that was checked, from memory where the same text was asked for before.
    ///
    /// # Errors
    /// What [`Document::prepare`] refuses, which is not remembered.
    pub fn prepared(&self, found: &Found) -> Result<Arc<Document>> {
        if let Some(known) = self.known(found) {
            return Ok(known);
        }
        let document = Arc::new(Document::prepare_within(found.most, &found.text, &self.types, &self.config.documents)?);
        let weight = u32::try_from(found.text.len().saturating_mul(document.operations())).unwrap_or(u32::MAX);
        self.prepared.insert(found.hash, (weight, Arc::clone(&document)));
        Ok(document)
    }

    /// How far the server is on its way to its end.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Comes when the server begins to drain. Whoever has this future, or what comes of it, is waited for in [`App::drained`].
    pub fn draining(&self) -> impl Future<Output = watch::Receiver<Phase>> + Send + use<> {
        let mut phase = self.phase.subscribe();
        async move {
            let _ = phase.wait_for(|phase| *phase == Phase::Draining).await.map(drop);
            phase
        }
    }

    /// Goes on to a phase; never back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Waits until nobody is left of those who were told by [`App::draining`].
    pub async fn drained(&self) {
        self.phase.closed().await;
    }
}
