//! What others tell by webhooks: checked, kept, and worked on later.
//!
//! What must hold: nothing is taken whose signature is not right. Each event of a provider is in the database, once, before the provider is told that it
//! has arrived; a provider that was not told so sends it again. Working on an event twice must come to the same as once, and so must working on events in
//! any order: a process may die between an effect and the word that it is done.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::jobs::{Errand, Registry, enqueue_errand};
use crate::access::permissions::Role;
use crate::access::references::References;
use crate::access::scope::{Means, Scope};
use crate::access::services::Services;
use crate::access::tier::Plan;
use crate::access::writing::write;
use crate::base::{Error, Result, SharedClock, id};
use crate::platform::config::ServerConfig;
use crate::platform::postgres::{Access, Settings, Transaction};
use crate::schema::inbound_events;

/// So many events are worked on by one errand.
const AT_ONCE: usize = 100;
/// The most events of one request.
const MOST: usize = 10_000;
/// How often an errand is tried, after ever longer times.
const ATTEMPTS: i32 = 20;
/// After so long an event that is not worked on is taken up by itself, and so many of a provider at once.
const LEFT_AFTER: TimeDelta = TimeDelta::hours(1);
const MOST_LEFT: i64 = 1_000;
/// The longest reason that is kept, in letters.
const LONGEST_REASON: usize = 1_000;
/// The longest name of an event.
const LONGEST_ID: usize = 256;

/// A request of a provider.
pub struct Received<'r> {
    /// What the server was started with, and so the provider's secrets.
    pub config: &'r ServerConfig,
    /// What knows the words again that went out with messages.
    pub references: &'r References,
    /// What stands behind the `?` of the address, which may hold secrets; empty when nothing does.
    pub query: &'r str,
    /// A header's value.
    pub header: &'r dyn Fn(&str) -> Option<&'r str>,
    /// The body, byte for byte.
    pub body: &'r [u8],
    /// The present instant.
    pub now: DateTime<Utc>,
}

impl Received<'_> {
    /// The whole address that the provider was given, as it is reached from outside.
    #[must_use]
    pub fn address(&self, provider: &str) -> String {
        let base = self.config.mail.public_url.trim_end_matches('/');
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{base}/webhooks/{provider}{mark}{}", self.query)
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The provider's secret is not configured, so that nothing of it can be believed.
    NotConfigured,
    /// The signature is not right.
    Signature,
    /// It was sent too long ago: somebody may be repeating it.
    OutOfTime,
    /// It cannot be read.
    Malformed,
}

/// One event as a provider tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What the provider calls it: the same each time that it tells of it.
    pub id: String,
    /// What it tells, as JSON.
    pub body: Vec<u8>,
}

/// A provider: how what it sends is checked and read, and what is done about it.
pub trait Inbound: Send + Sync + 'static {
    /// Its name, which stands in the address.
    const PROVIDER: &'static str;
    /// What its errand is called in the queue.
    const ERRAND: &'static str;

    /// Checks the signature over the bytes that were sent.
    ///
    /// # Errors
    /// Why it is not taken.
    fn verify(received: &Received<'_>) -> Result<(), Refused>;

    /// The events of a request whose signature is right.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    fn events(received: &Received<'_>) -> Result<Vec<Told>, Refused>;

    /// Works on an event. Doing it twice, or in another order than they happened, comes to the same. What cannot be understood is let pass.
    fn process(services: Services, event: Told) -> impl Future<Output = Result<()>> + Send;
}

/// What is done for a provider.
#[derive(Clone, Copy)]
struct Provider {
    take: fn(&Received<'_>) -> Result<Vec<Told>, Refused>,
    keep: fn(Services, Vec<Told>) -> BoxFuture<'static, Result<usize>>,
    take_up: fn(Services) -> BoxFuture<'static, Result<()>>,
    bring: fn(&mut Registry),
}

/// The providers that the features bring.
#[derive(Default)]
pub struct Inbox {
    providers: BTreeMap<&'static str, Provider>,
}

impl Inbox {
    /// Brings a provider.
    pub fn add<P: Inbound>(&mut self) {
        let provider = Provider {
            take: take::<P>,
            keep: |services, told| keep::<P>(services, told).boxed(),
            take_up: |services| take_up::<P>(services).boxed(),
            bring: |jobs| jobs.add_errand::<Process<P>>(),
        };
        self.providers.insert(P::PROVIDER, provider);
    }

    /// Brings what works on the providers' events, at once and when they were left.
    pub fn register(&self, jobs: &mut Registry) {
        let providers: Vec<Provider> = self.providers.values().copied().collect();
        for provider in &providers {
            (provider.bring)(jobs);
        }
        jobs.every("inbound_left", "47 * * * *", move |services| {
            let providers = providers.clone();
            async move {
                for provider in providers {
                    (provider.take_up)(services.clone()).await?;
                }
                Ok(())
            }
        });
    }

    /// The events of a request to a provider.
    ///
    /// # Errors
    /// Why it is not taken; [`Refused::NotConfigured`] when there is no such provider.
    pub fn take(&self, provider: &str, received: &Received<'_>) -> Result<Vec<Told>, Refused> {
        let provider = self.providers.get(provider).ok_or(Refused::NotConfigured)?;
        (provider.take)(received)
    }

    /// Keeps events of a provider, and has those worked on that were not there yet; how many that were.
    ///
    /// # Errors
    /// As the database fails: nothing was kept.
    pub async fn keep(&self, services: &Services, provider: &str, told: Vec<Told>) -> Result<usize> {
        let provider = self.providers.get(provider).ok_or_else(|| Error::not_found("provider"))?;
        (provider.keep)(services.clone(), told).await
    }
}

fn take<P: Inbound>(received: &Received<'_>) -> Result<Vec<Told>, Refused> {
    P::verify(received)?;
    let told = P::events(received)?;
    let is_readable = |event: &Told| !event.id.is_empty() && event.id.len() <= LONGEST_ID && !event.id.contains('\0');
    if told.len() > MOST || !told.iter().all(is_readable) {
        return Err(Refused::Malformed);
    }
    Ok(told)
}

#[derive(Insertable)]
#[diesel(table_name = inbound_events)]
struct NewEvent {
    id: Uuid,
    provider: &'static str,
    event_id: String,
    body: Vec<u8>,
    received_at: DateTime<Utc>,
}

fn settings() -> Settings {
    Settings { inbound: true, ..Settings::default() }
}

async fn keep<P: Inbound>(services: Services, told: Vec<Told>) -> Result<usize> {
    let (clock, primary) = (SharedClock::clone(&services.clock), services.databases.primary());
    // In the order of their names, so that two requests with the same events do not wait for each other.
    let told: BTreeMap<String, Vec<u8>> = told.into_iter().map(|event| (event.id, event.body)).collect();
    if told.is_empty() {
        return Ok(0);
    }
    let now = clock.now();
    let new = told.into_iter().map(|(event_id, body)| NewEvent { id: id::fresh(&*clock), provider: P::PROVIDER, event_id, body, received_at: now });
    let new: Vec<NewEvent> = new.collect();
    let work = move |db: Transaction| async move {
        let mut fresh = Vec::with_capacity(new.len());
        for part in in_parts(new) {
            let target = diesel::insert_into(inbound_events::table).values(part);
            let target = target.on_conflict((inbound_events::provider, inbound_events::event_id)).do_nothing();
            let ids: Vec<Uuid> = db.load(target.returning(inbound_events::id)).await?;
            fresh.extend(ids);
        }
        for ids in fresh.chunks(AT_ONCE) {
            let word = ids.first().map(ToString::to_string).unwrap_or_default();
            enqueue_errand(&db, &Process::<P>::of(ids.to_vec()), &word, ATTEMPTS).await?;
        }
        Ok(fresh.len())
    };
    write(primary, &settings(), work, async |_| ()).await
}

fn in_parts(new: Vec<NewEvent>) -> Vec<Vec<NewEvent>> {
    let mut rest = new.into_iter();
    std::iter::from_fn(|| Some(rest.by_ref().take(AT_ONCE).collect::<Vec<_>>()).filter(|part| !part.is_empty())).collect()
}

/// Works on events of a provider that were kept.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Process<P> {
    ids: Vec<Uuid>,
    #[serde(skip)]
    provider: PhantomData<fn() -> P>,
}

impl<P> Process<P> {
    const fn of(ids: Vec<Uuid>) -> Self {
        Self { ids, provider: PhantomData }
    }
}

impl<P: Inbound> Errand for Process<P> {
    const NAME: &'static str = P::ERRAND;

    async fn run(self, services: Services) -> Result<()> {
        let (mut done, mut failure) = (Vec::new(), None);
        for (id, event) in begin(&services, self.ids).await? {
            // One that cannot be worked on keeps nothing else from it.
            match P::process(services.clone(), event).await {
                Ok(()) => done.push(id),
                Err(error) => {
                    note(&services, id, &error).await?;
                    failure = Some(error);
                }
            }
        }
        finish(&services, done).await?;
        failure.map_or(Ok(()), Err)
    }
}

/// Works on events of a provider that were kept long ago and are not worked on yet, because their errands were tried for as long as they are, or are
/// gone: some of them, those first that were tried least. A provider does not send again what was kept.
///
/// # Errors
/// As the database fails. What working on an event fails with stands in its row.
async fn take_up<P: Inbound>(services: Services) -> Result<()> {
    let before = services.clock.now() - LEFT_AFTER;
    let left = {
        let db = Transaction::new(services.databases.primary().clone(), Access::Snapshot, &settings());
        let target = inbound_events::table.select(inbound_events::id).filter(inbound_events::provider.eq(P::PROVIDER));
        let target = target.filter(inbound_events::processed_at.is_null()).filter(inbound_events::received_at.lt(before));
        db.load::<_, Uuid, _>(target.order((inbound_events::attempts, inbound_events::received_at)).limit(MOST_LEFT)).await?
    };
    if !left.is_empty() {
        tracing::warn!(provider = P::PROVIDER, count = left.len(), "events that were not worked on are taken up again");
    }
    for ids in left.chunks(AT_ONCE) {
        if let Err(error) = Process::<P>::of(ids.to_vec()).run(services.clone()).await {
            tracing::warn!(provider = P::PROVIDER, reason = %error, "an event could not be worked on");
        }
    }
    Ok(())
}

/// Those of the events that were not worked on yet; each is counted.
async fn begin(services: &Services, ids: Vec<Uuid>) -> Result<Vec<(Uuid, Told)>> {
    let work = move |db: Transaction| async move {
        let target = inbound_events::table.filter(inbound_events::id.eq_any(ids)).filter(inbound_events::processed_at.is_null());
        let counted = diesel::update(target).set(inbound_events::attempts.eq(inbound_events::attempts + 1));
        let rows: Vec<(Uuid, String, Vec<u8>)> =
            db.load(counted.returning((inbound_events::id, inbound_events::event_id, inbound_events::body))).await?;
        Ok(rows.into_iter().map(|(id, event, body)| (id, Told { id: event, body })).collect())
    };
    write(services.databases.primary(), &settings(), work, async |_| ()).await
}

async fn finish(services: &Services, ids: Vec<Uuid>) -> Result<()> {
    let now = services.clock.now();
    let work = move |db: Transaction| async move {
        let target = inbound_events::table.filter(inbound_events::id.eq_any(ids));
        db.execute(diesel::update(target).set((inbound_events::processed_at.eq(Some(now)), inbound_events::error.eq(None::<String>)))).await.map(drop)
    };
    write(services.databases.primary(), &settings(), work, async |_| ()).await
}

async fn note(services: &Services, id: Uuid, error: &Error) -> Result<()> {
    let reason: String = error.to_string().chars().take(LONGEST_REASON).collect();
    let work = move |db: Transaction| async move {
        let target = inbound_events::table.filter(inbound_events::id.eq(id));
        db.execute(diesel::update(target).set(inbound_events::error.eq(Some(reason)))).await.map(drop)
    };
    write(services.databases.primary(), &settings(), work, async |_| ()).await
}

/// The scope in which the server does, within an organization, what somebody outside has told it: on behalf of nobody.
#[must_use]
pub fn scope_within(services: &Services, organization: Uuid, event: &Told) -> Scope {
    Scope {
        organization,
        user: Uuid::nil(),
        means: Means::Job(Uuid::nil()),
        role: Role::Owner,
        permissions: Role::Owner.permissions(),
        plan: Plan::Free,
        time_zone: chrono_tz::UTC,
        request_id: Arc::from(event.id.as_str()),
        clock: SharedClock::clone(&services.clock),
    }
}
