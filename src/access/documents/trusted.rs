//! Documents that the operators have imported: they stand in the database, and the server reads what it is asked for.
//!
//! What was read is remembered for as long as there is room, so that it is run also while the database is away, and is read again in the background
//! when it is a minute old, so that what was replaced or taken away is noticed. That there is no such document is believed for a few seconds. Few are
//! looked up at once, so that somebody who makes up ids does not keep the others from the database; and when it does not answer, nobody is told that
//! there is no such document.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use tokio::sync::Semaphore;

use crate::access::documents::{MAX_TRUSTED_BYTES, TextHash};
use crate::base::{Code, Error, Result};
use crate::platform::postgres::{Access, Databases, Pool, Settings, Transaction};
use crate::schema::trusted_documents;

/// How much text is remembered, in bytes.
const REMEMBERED: u64 = 32 * 1024 * 1024;
/// What a text takes beside itself, in bytes.
const AROUND: usize = 512;
/// How old what was read may be before it is read again.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long it is believed that there is no such document.
const UNKNOWN_FOR: Duration = Duration::from_secs(3);
/// How many names are remembered of which there is no document.
const MOST_UNKNOWN: u64 = 10_000;
/// How many documents are looked up at once.
const AT_ONCE: usize = 2;
/// How long a look-up may wait for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(1);
/// How long a node may take to answer before another one is asked.
const NODE_WITHIN: Duration = Duration::from_secs(1);

/// What an imported document is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// What it was imported as.
    Id(String),
    /// The hash of its text.
    Hash(TextHash),
}

impl Key {
    /// The key of a `documentId`.
    pub fn of(id: String) -> Self {
        match id.strip_prefix("sha256:").and_then(TextHash::parse) {
            Some(hash) => Self::Hash(hash),
            None => Self::Id(id),
        }
    }
}

/// The imported documents.
pub struct Trusted {
    databases: Databases,
    known: moka::future::Cache<Key, Arc<Imported>>,
    unknown: moka::sync::Cache<Key, ()>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Imported {
    hash: TextHash,
    text: Arc<str>,
    /// When it was read last, or begun to be.
    read: Mutex<Instant>,
}

impl Imported {
    /// Whether it is to be read again, by whoever asks first.
    fn is_due(&self) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let due = read.elapsed() > BELIEVED;
        if due {
            *read = Instant::now();
        }
        due
    }
}

/// Why there is nothing to be remembered.
enum Missing {
    /// There is no such document.
    Unknown,
    /// It could not be found out.
    Failed(Error),
}

impl Trusted {
    /// Nothing is known yet.
    pub fn new(databases: Databases) -> Self {
        let weight = |_: &Key, imported: &Arc<Imported>| u32::try_from(imported.text.len().saturating_add(AROUND)).unwrap_or(u32::MAX);
        Self {
            databases,
            known: moka::future::Cache::builder().max_capacity(REMEMBERED).weigher(weight).build(),
            unknown: moka::sync::Cache::builder().max_capacity(MOST_UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Whether this server remembers it.
    pub fn remembers(&self, key: &Key) -> bool {
        self.known.contains_key(key)
    }

    /// A document that this server remembers.
    pub async fn remembered(&self, key: &Key) -> Option<(TextHash, Arc<str>)> {
        let known = self.known.get(key).await?;
        if known.is_due() {
            let (databases, turns, remembered, key) = (self.databases.clone(), Arc::clone(&self.turns), self.known.clone(), key.clone());
            tokio::spawn(async move {
                match ask(&key, &databases, &turns).await {
                    Ok(Some(imported)) => remembered.insert(key, imported).await,
                    Ok(None) => remembered.invalidate(&key).await,
                    Err(error) => tracing::warn!(reason = error.internal.as_deref().unwrap_or_default(), "an imported document is not read again"),
                }
            });
        }
        Some((known.hash, Arc::clone(&known.text)))
    }

    /// A document that the database has; `None` when there is no such document.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` and the like when that cannot be found out.
    pub async fn look_up(&self, key: &Key) -> Result<Option<(TextHash, Arc<str>)>> {
        if self.unknown.contains_key(key) {
            return Ok(None);
        }
        let read = async { ask(key, &self.databases, &self.turns).await.map_err(Missing::Failed)?.ok_or(Missing::Unknown) };
        match self.known.try_get_with_by_ref(key, read).await {
            Ok(imported) => Ok(Some((imported.hash, Arc::clone(&imported.text)))),
            Err(missing) => match &*missing {
                Missing::Unknown => {
                    self.unknown.insert(key.clone(), ());
                    Ok(None)
                }
                Missing::Failed(error) => Err(error.clone()),
            },
        }
    }
}

/// Asks the primary; while it does not answer, the replicas, whose saying that there is none counts for nothing: one may be behind.
async fn ask(key: &Key, databases: &Databases, turns: &Semaphore) -> Result<Option<Arc<Imported>>> {
    let turn = tokio::time::timeout(TURN_WITHIN, turns.acquire()).await;
    let _turn = turn.ok().and_then(|turn| turn.ok()).ok_or_else(|| Error::database_unavailable("too many documents are looked up at once"))?;
    if !databases.primary_answers()
        && let Some(found) = ask_replicas(key, databases).await
    {
        return Ok(Some(found));
    }
    match ask_node(key, databases.primary()).await {
        Err(error) if error.code == Code::DatabaseUnavailable => ask_replicas(key, databases).await.map(Some).ok_or(error),
        outcome => outcome,
    }
}

async fn ask_replicas(key: &Key, databases: &Databases) -> Option<Arc<Imported>> {
    for replica in databases.candidates(|_| true) {
        if let Ok(Some(found)) = ask_node(key, &replica.pool).await {
            return Some(found);
        }
    }
    None
}

async fn ask_node(key: &Key, node: &Pool) -> Result<Option<Arc<Imported>>> {
    let answer = tokio::time::timeout(NODE_WITHIN, read(key, node)).await;
    answer.unwrap_or_else(|_| Err(Error::database_unavailable("an imported document was not read in time")))
}

async fn read(key: &Key, node: &Pool) -> Result<Option<Arc<Imported>>> {
    let settings = Settings { documents: true, ..Settings::default() };
    let db = Transaction::new(node.clone(), Access::Snapshot, &settings);
    let texts = trusted_documents::table.select(trusted_documents::text);
    let text: Option<String> = match key {
        Key::Id(id) => db.first(texts.filter(trusted_documents::id.eq(id.clone()))).await?,
        Key::Hash(hash) => db.first(texts.filter(trusted_documents::hash.eq(hash.to_string()))).await?,
    };
    let Some(text) = text.filter(|text| text.len() <= MAX_TRUSTED_BYTES) else { return Ok(None) };
    let hash = TextHash::of(&text);
    if matches!(key, Key::Hash(wanted) if *wanted != hash) {
        return Err(Error::internal(format!("an imported document has not the hash {hash} that it is stored under")));
    }
    Ok(Some(Arc::new(Imported { hash, text: text.into(), read: Mutex::new(Instant::now()) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_hash_means_the_text_of_that_hash() {
        let hash = TextHash::of("{ __typename }");
        assert_eq!(Key::of(format!("sha256:{hash}")), Key::Hash(hash));
        for id in [hash.to_string(), "sha256:7d".to_owned(), "x-app:1".to_owned(), "GetContacts".to_owned()] {
            assert_eq!(Key::of(id.clone()), Key::Id(id));
        }
    }

    #[test]
    fn what_is_old_is_read_again_by_one_of_those_who_use_it() {
        let imported = |age| {
            let read = Instant::now().checked_sub(age).unwrap();
            Imported { hash: TextHash::of(""), text: "".into(), read: Mutex::new(read) }
        };
        let old = imported(BELIEVED + Duration::from_secs(1));
        assert!(old.is_due() && !old.is_due());
        assert!(!imported(Duration::ZERO).is_due());
    }
}
