//! The nodes of a database: a primary for every write, and replicas for reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::{Error, Result};
use crate::platform::config::DatabaseConfig;
use crate::platform::postgres::health::{Heart, Replica};
use crate::platform::postgres::pool::Pool;
use crate::platform::postgres::position::{Lineage, Position};
use crate::platform::postgres::routing::written;

/// The database nodes; clones share them.
#[derive(Clone)]
pub struct Databases {
    inner: Arc<Inner>,
}

struct Inner {
    primary: Pool,
    lineage: Arc<Lineage>,
    replicas: Vec<Replica>,
    heart: Option<Arc<Heart>>,
    /// How long a read waits for a replica to catch up.
    patience: Duration,
    /// How long a read waits for its turn on the primary.
    turn_within: Duration,
    /// Turns for the queries that only the primary can answer.
    turns: Arc<Semaphore>,
    /// Which replica is looked at first.
    first: AtomicUsize,
    /// How far the primary had written, and when it was asked.
    place: tokio::sync::Mutex<Option<(Instant, Position)>>,
}

impl Databases {
    /// Pools to the configured nodes; connects only when first used, but for replicas, which are watched from now on. Must be called inside a Tokio
    /// runtime.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(config: &DatabaseConfig) -> anyhow::Result<Self> {
        let lineage = Arc::<Lineage>::default();
        let primary = Pool::primary(&config.url, config, &lineage).context("DATABASE_URL")?;
        let urls: Vec<&String> = config.read_urls.iter().filter(|url| !url.is_empty()).collect();
        let mut replicas = Vec::new();
        let heart = if urls.is_empty() { None } else { Some(Heart::watch(&config.url, config, &lineage).context("DATABASE_URL")?) };
        if let Some(heart) = &heart {
            for (number, url) in urls.into_iter().enumerate() {
                replicas.push(Replica::watch(number + 1, url, config, heart, &lineage).context("DATABASE_READ_URL")?);
            }
        }
        // Of four connections one is left to writes.
        let most = config.primary_reads.unwrap_or(config.pool_size - config.pool_size / 4).clamp(1, Semaphore::MAX_PERMITS);
        let (turns, turn_within) = (Arc::new(Semaphore::new(most)), config.pool_wait);
        let inner = Inner {
            primary,
            lineage,
            replicas,
            heart,
            patience: config.replica_wait,
            turn_within,
            turns,
            first: AtomicUsize::new(0),
            place: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where writes go, and reads that must see them.
    #[must_use]
    pub fn primary(&self) -> &Pool {
        &self.inner.primary
    }

    /// The replicas; not all of them are fit to read from.
    #[must_use]
    pub fn replicas(&self) -> &[Replica] {
        &self.inner.replicas
    }

    /// The cluster and timeline that is written to, as far as it is known.
    #[must_use]
    pub fn lineage(&self) -> &Lineage {
        &self.inner.lineage
    }

    /// Whether the primary answers, as far as is known: without replicas nobody asks it but those who need it.
    #[must_use]
    pub fn primary_answers(&self) -> bool {
        self.inner.heart.as_ref().is_none_or(|heart| heart.beats())
    }

    /// How long a read waits for a replica to catch up.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.inner.patience
    }

    /// The replicas that are fit and pass, the one to be preferred first: of two neighbours the less busy one, beginning with another pair each time.
    #[must_use]
    pub fn candidates(&self, passes: impl Fn(&Replica) -> bool) -> Vec<&Replica> {
        let mut fit: Vec<&Replica> = self.inner.replicas.iter().filter(|replica| replica.is_fit() && passes(replica)).collect();
        if fit.len() > 1 {
            let first = self.inner.first.fetch_add(1, Ordering::Relaxed) % fit.len();
            fit.rotate_left(first);
            if let [one, other, ..] = fit.as_mut_slice()
                && other.pool.in_use() < one.pool.in_use()
            {
                std::mem::swap(one, other);
            }
        }
        fit
    }

    /// How far the primary had written at some moment after this one.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when it does not say.
    pub async fn place_after(&self, moment: Instant) -> Result<Position> {
        if let Some(place) = self.inner.heart.as_ref().and_then(|heart| heart.place_after(moment)) {
            return Ok(place);
        }
        // Of many who ask, one asks at a time, and those who came before she asked take her answer.
        let mut last = self.inner.place.lock().await;
        if let Some((asked, place)) = *last
            && asked > moment
        {
            return Ok(place);
        }
        let asked = Instant::now();
        let connection = self.primary().get().await?;
        let place = written(&connection, self.lineage()).await;
        let place = place.ok_or_else(|| Error::database_unavailable("the primary does not say how far it has written"))?;
        *last = Some((asked, place));
        Ok(place)
    }

    /// A turn on the primary for a query that no replica can answer: if all replicas fell behind at once, their load would take the primary down.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when too many have theirs.
    pub async fn turn_on_primary(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.inner.turn_within, Arc::clone(&self.inner.turns).acquire_owned()).await;
        turn.ok().and_then(|turn| turn.ok()).ok_or_else(|| Error::database_unavailable("too many reads need the primary at once"))
    }

    /// Comes when no write is under way any more.
    pub async fn settled(&self) {
        self.inner.primary.settled().await;
    }

    /// Closes every pool.
    pub fn close(&self) {
        self.inner.primary.close();
        self.inner.replicas.iter().for_each(|replica| replica.pool.close());
    }
}
