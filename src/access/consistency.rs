//! Nobody misses her own write: what a caller has written is remembered for her, and given to her as a token, and her reads see it.
//!
//! A place in the primary's log is taken after each commit. It goes out with the answer as a signed token, which a client may send with its reads to
//! whatever server; and it is remembered under the session, in this process and, where there are several servers, in Redis, for clients that send
//! nothing. Where something may have been forgotten, because this process is young, or Redis is silent or was emptied, reads see all that was written
//! by then, by whomever.

mod shared;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use moka::policy::EvictionPolicy;
use uuid::Uuid;

use crate::access::consistency::shared::{RESTS, Shared, Silent};
use crate::access::consistency::token::{Signer, Stated};
use crate::access::scope::Scope;
use crate::base::{Code, Error, Result, SharedClock, id};
use crate::platform::config::AuthConfig;
use crate::platform::postgres::position::{Lineage, Position};
use crate::platform::postgres::routing::SOMEWHERE;
use crate::platform::postgres::{Databases, Freshness};
use crate::platform::redis::Redis;

/// How long the last write of a session is remembered: longer than a replica is behind, also one that fell behind before the primary was lost.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How long reads are held to see what was written before something may have been forgotten; as long as a replica can be behind.
const FLOOR_LASTS: Duration = Duration::from_secs(60);
/// How long after a promotion the new primary is found at the latest.
const SETTLED: TimeDelta = TimeDelta::minutes(10);
/// How often Redis is told of a write before the writer gets her answer all the same.
const TRIES: usize = 3;
/// How many sessions are remembered in this process, about 20 MB.
const MOST_SESSIONS: u64 = 200_000;

/// How fresh what is read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Everything that was committed: read on the primary.
    Strong,
    /// Everything that this session has written.
    #[default]
    Session,
    /// Whatever a replica shows that keeps up.
    Eventual,
}

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    level: Option<Level>,
    token: Option<String>,
}

impl Asked {
    /// Reads what a client has sent; nothing where it has sent nothing.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a level that there is not.
    pub fn read(level: Option<&str>, token: Option<&str>) -> Result<Self> {
        let level = level.map(|level| match level.trim() {
            "strong" => Ok(Level::Strong),
            "session" => Ok(Level::Session),
            "eventual" => Ok(Level::Eventual),
            _ => Err(Error::new(Code::ValidationError, "The consistency is `strong`, `session` (what is meant without it) or `eventual`.")),
        });
        Ok(Self { level: level.transpose()?, token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()) })
    }

    /// This, and of the other what this leaves open.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { level: self.level.or(other.level), token: self.token.or(other.token) }
    }
}

/// Remembers what sessions have written, and signs and reads tokens.
pub struct Consistency {
    signer: Signer,
    clock: SharedClock,
    written: moka::sync::Cache<Uuid, Position>,
    shared: Option<Shared>,
    /// Sessions that have written something that the other servers could not be told, and since when.
    untold: Mutex<HashMap<Uuid, Instant>>,
    floor: Mutex<Floor>,
}

/// What every session's reads see for a while, whoever wrote it.
struct Floor {
    since: Instant,
    /// `None` until it was asked for.
    position: Option<Position>,
}

impl Floor {
    fn raised() -> Self {
        Self { since: Instant::now(), position: None }
    }
}

impl Consistency {
    /// Remembers nothing yet; its tokens are those of all servers that have the same signing key.
    #[must_use]
    pub fn new(config: &AuthConfig, redis: Option<Redis>, clock: SharedClock) -> Self {
        Self {
            signer: Signer::new(config),
            clock,
            written: moka::sync::Cache::builder().max_capacity(MOST_SESSIONS).time_to_live(REMEMBERED).eviction_policy(EvictionPolicy::lru()).build(),
            shared: redis.map(Shared::new),
            untold: Mutex::default(),
            // Of what was written before this process began, it remembers nothing.
            floor: Mutex::new(Floor::raised()),
        }
    }

    /// Remembers a commit of a session; `None` when it is not known where it stands in the log, so that only the primary is known to show it.
    pub async fn remember(self: &Arc<Self>, session: Uuid, written: Option<Position>, lineage: &Lineage) {
        let somewhere = || lineage.known().map(|line| Position { line, lsn: SOMEWHERE });
        let Some(position) = written.or_else(somewhere) else { return };
        self.keep(session, position);
        // One that was silent just now is tried once, so that writers do not wait for it.
        let tries = if self.shared.as_ref().is_some_and(Shared::rests) { 1 } else { TRIES };
        for _ in 0..tries {
            if self.tell(session, position).await {
                return;
            }
        }
        let first = {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.insert(session, Instant::now());
            untold.len() == 1
        };
        if first {
            tokio::spawn(Arc::clone(self).tell_later());
        }
    }

    /// Remembers a place that covers all that the session had written `before`, in the stead of one that said nothing, or nothing any more. What was
    /// written meanwhile stays.
    pub async fn renew(&self, session: Uuid, before: Option<Position>, place: Position) {
        let kept = self.written.entry(session).and_upsert_with(|known| match known.map(|known| known.into_value()) {
            known if known == before => place,
            known => known.map_or(place, |known| known.later(place)),
        });
        if kept.into_value() == place {
            self.tell(session, place).await;
        }
    }

    /// Tells the other servers what they do not know as soon as it can be told.
    async fn tell_later(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RESTS).await;
            let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (session, since) in untold {
                let known = self.written.get(&session).filter(|_| since.elapsed() < REMEMBERED);
                let Some(position) = known else { continue };
                if !self.tell(session, position).await {
                    break;
                }
                self.untold.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
            }
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.retain(|_, since| since.elapsed() < REMEMBERED);
            if untold.is_empty() {
                return;
            }
        }
    }

    async fn tell(&self, session: Uuid, position: Position) -> bool {
        match &self.shared {
            Some(shared) => shared.tell(session, position, REMEMBERED).await,
            None => true,
        }
    }

    fn keep(&self, session: Uuid, position: Position) {
        self.written.entry(session).and_upsert_with(|known| match known.map(|known| known.into_value()) {
            Some(known) if known.lsn != SOMEWHERE && position.lsn != SOMEWHERE => known.later(position),
            _ => position,
        });
    }

    /// What a session has written last, as far as this process remembers.
    #[must_use]
    pub fn last(&self, session: Uuid) -> Option<Position> {
        self.written.get(&session)
    }

    /// A token for a place; for one that is not known, a token that leads to the primary.
    #[must_use]
    pub fn sign(&self, position: Position) -> Option<String> {
        self.signer.sign(position, self.clock.now())
    }

    /// Refuses what is no token, also where it makes no difference: the client is to learn of it before it does.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub fn check(&self, asked: &Asked) -> Result<()> {
        asked.token.as_deref().map_or(Ok(()), |token| self.signer.verify(token).map(drop))
    }

    /// How fresh a query of this caller has to be.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a token that is none.
    pub async fn freshness(&self, asked: &Asked, scope: Option<&Scope>, databases: &Databases) -> Result<Freshness> {
        let stated = asked.token.as_deref().map(|token| self.signer.verify(token)).transpose()?;
        match asked.level.unwrap_or_default() {
            Level::Strong => return Ok(Freshness::Latest),
            Level::Eventual => return Ok(Freshness::Any),
            Level::Session => {}
        }
        let stated = match stated {
            // It may be of a server with the key of before, and only the primary shows for certain what it stands for.
            Some(None) => return Ok(Freshness::Renewed),
            Some(Some(stated)) if self.is_of_another_line(&stated, databases) => return Ok(Freshness::Renewed),
            Some(Some(stated)) => Some(stated),
            None => None,
        };
        let Some(scope) = scope else { return Ok(stated.map_or(Freshness::Any, |stated| Freshness::Since(stated.position))) };
        let told = self.told(scope, databases).await?;
        let known = self.written.get(&scope.application()).into_iter().chain(told).chain(self.floor(databases).await?);
        match known.chain(stated.map(|stated| stated.position)).reduce(Position::later) {
            None => Ok(Freshness::Any),
            Some(last) if last.lsn == SOMEWHERE => Ok(Freshness::Renewed),
            Some(last) => Ok(Freshness::Since(last)),
        }
    }

    /// What the session has written on other servers, or something later.
    async fn told(&self, scope: &Scope, databases: &Databases) -> Result<Option<Position>> {
        let Some(shared) = &self.shared else { return Ok(None) };
        match shared.ask(scope.application(), &id::fresh(&*scope.clock).simple().to_string()).await {
            Ok(told) => {
                if told.doubtful {
                    *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = Floor::raised();
                    shared.settle();
                }
                Ok(told.position)
            }
            // The primary is asked how far it has written, and not for the whole answer.
            Err(Silent) => Ok(Some(databases.place_after(Instant::now()).await?)),
        }
    }

    /// Whether what a token states cannot be compared with any place of today: it lies on a timeline that was left, or in another cluster. One that is
    /// newer than all that is known is waited for, unless the token is so old that it must have been lost with a database that was restored.
    fn is_of_another_line(&self, stated: &Stated, databases: &Databases) -> bool {
        let (line, settled) = (stated.position.line, self.clock.now() - stated.issued_at > SETTLED);
        databases.lineage().known().is_some_and(|known| known.system != line.system || known.timeline > line.timeline || (known != line && settled))
    }

    /// What all reads have to see while something may have been forgotten.
    async fn floor(&self, databases: &Databases) -> Result<Option<Position>> {
        let since = {
            let floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
            if floor.since.elapsed() > FLOOR_LASTS {
                return Ok(None);
            }
            if floor.position.is_some() {
                return Ok(floor.position);
            }
            floor.since
        };
        let place = databases.place_after(since).await?;
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        // Unless it was raised again meanwhile.
        if floor.since == since {
            floor.position = Some(place);
        }
        Ok(Some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_left_open() {
        let read = |level, token| Asked::read(level, token).unwrap();
        assert_eq!(read(Some("strong"), None).or(read(Some("eventual"), Some("t"))), read(Some("strong"), Some("t")));
        assert_eq!(read(None, Some(" ")), Asked::default());
        assert!(Asked::read(Some("Strong"), None).is_err());
    }
}
