//! Nobody misses her own write: what a caller has written is remembered for her, and given to her as a token, and her reads see it.
//!
//! A place in the primary's log is taken after each commit. It goes out with the answer as a signed token, which a client may send with its reads to
//! whatever server; and it is remembered for a minute under the session, in this process and, where there are several servers, in Redis, for clients
//! that send nothing. When Redis cannot say what other servers have remembered, the read goes to the primary.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::scope::Scope;
use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::config::AuthConfig;
use crate::platform::postgres::position::{Line, Lineage, Lsn, Position};
use crate::platform::postgres::{Databases, Freshness};
use crate::platform::redis::Redis;

/// How long the last write of a session is remembered. A replica that is further behind than that is not read from at all.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long Redis is not asked after it did not answer.
const REDIS_RESTS: Duration = Duration::from_secs(1);
/// How many sessions are remembered in this process, about 20 MB.
const MOST_SESSIONS: u64 = 200_000;

/// Further than any replica: what was written stands somewhere in the log.
const SOMEWHERE: Lsn = Lsn(u64::MAX);

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

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stated {
    position: Position,
    issued_at: DateTime<Utc>,
}

/// Remembers what sessions have written, and signs and reads tokens.
pub struct Consistency {
    signing: EncodingKey,
    verifying: DecodingKey,
    clock: SharedClock,
    written: moka::sync::Cache<Uuid, Position>,
    redis: Option<Redis>,
    rests_until: Mutex<Option<Instant>>,
}

impl Consistency {
    /// What belongs to the configured signing key: tokens of all servers that have it are the same.
    #[must_use]
    pub fn new(config: &AuthConfig, redis: Option<Redis>, clock: SharedClock) -> Self {
        let secret = Sha256::digest(format!("payaid consistency tokens\n{}", config.jwt_private_key.expose_secret().trim()));
        Self {
            signing: EncodingKey::from_secret(&secret),
            verifying: DecodingKey::from_secret(&secret),
            clock,
            written: moka::sync::Cache::builder().max_capacity(MOST_SESSIONS).time_to_live(REMEMBERED).build(),
            redis,
            rests_until: Mutex::default(),
        }
    }

    /// Remembers a commit of a session; `None` when it is not known where it stands in the log, so that only the primary is known to show it.
    pub async fn remember(self: &Arc<Self>, session: Uuid, written: Option<Position>, lineage: &Lineage) {
        let somewhere = || lineage.known().map(|line| Position { line, lsn: SOMEWHERE });
        let Some(position) = written.or_else(somewhere) else { return };
        self.keep(session, position);
        if self.redis.is_some() && !self.tell(session, position).await {
            let own = Arc::clone(self);
            // The others do not know; they learn it as soon as it can be said.
            tokio::spawn(async move {
                let until = Instant::now() + REMEMBERED;
                while Instant::now() < until {
                    tokio::time::sleep(REDIS_RESTS).await;
                    if own.tell(session, position).await {
                        return;
                    }
                }
            });
        }
    }

    fn keep(&self, session: Uuid, position: Position) {
        self.written.entry(session).and_upsert_with(|known| known.map_or(position, |known| known.into_value().later(position)));
    }

    /// What a session has written last, as far as this process remembers.
    #[must_use]
    pub fn last(&self, session: Uuid) -> Option<Position> {
        self.written.get(&session)
    }

    /// A token for a place; `None` when the place is not known.
    #[must_use]
    pub fn sign(&self, position: Position) -> Option<String> {
        if position.lsn == SOMEWHERE {
            return None;
        }
        let Position { line: Line { system, timeline }, lsn: Lsn(lsn) } = position;
        let issued = self.clock.now().timestamp_micros();
        let payload = [system.to_be_bytes().as_slice(), &timeline.to_be_bytes(), &lsn.to_be_bytes(), &issued.to_be_bytes()].concat();
        let payload = format!("c1.{}", BASE64URL_NOPAD.encode(&payload));
        let signature = jsonwebtoken::crypto::sign(payload.as_bytes(), &self.signing, Algorithm::HS256).ok()?;
        Some(format!("{payload}.{signature}"))
    }

    /// What a token says; `None` when it was signed by another key, such as the one before.
    fn verify(&self, token: &str) -> Result<Option<Stated>> {
        let broken = || Error::new(Code::ValidationError, "This is no consistency token: send one back exactly as a mutation gave it, or none.");
        let (payload, signature) = token.rsplit_once('.').ok_or_else(broken)?;
        let bytes = BASE64URL_NOPAD.decode(payload.strip_prefix("c1.").ok_or_else(broken)?.as_bytes()).map_err(|_| broken())?;
        let stated = stated(&bytes).ok_or_else(broken)?;
        let genuine = jsonwebtoken::crypto::verify(signature, payload.as_bytes(), &self.verifying, Algorithm::HS256).unwrap_or(false);
        Ok(genuine.then_some(stated))
    }

    /// Refuses what is no token, also where it makes no difference: the client is to learn of it before it does.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub fn check(&self, asked: &Asked) -> Result<()> {
        asked.token.as_deref().map_or(Ok(()), |token| self.verify(token).map(drop))
    }

    /// How fresh a query of this caller has to be.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a token that is none.
    pub async fn freshness(&self, asked: &Asked, scope: Option<&Scope>, databases: &Databases) -> Result<Freshness> {
        let stated = asked.token.as_deref().map(|token| self.verify(token)).transpose()?;
        match asked.level.unwrap_or_default() {
            Level::Strong => return Ok(Freshness::Latest),
            Level::Eventual => return Ok(Freshness::Any),
            Level::Session => {}
        }
        let stated = match stated {
            // It may be of a server with the key of before, and only the primary shows for certain what it stands for.
            Some(None) => return Ok(Freshness::Latest),
            Some(Some(stated)) => Some(stated),
            None => None,
        };
        if let Some(Stated { position, issued_at }) = &stated
            && databases.lineage().learn(position.line).is_err()
        {
            tracing::debug!("a token of {issued_at} stands for {} of timeline {}, which was left", position.lsn, position.line.timeline);
        }
        let Some(scope) = scope else { return Ok(stated.map_or(Freshness::Any, |stated| Freshness::Since(stated.position))) };
        let known = match self.told(scope.session).await {
            Ok(told) => self.written.get(&scope.session).into_iter().chain(told),
            Err(Silent) => return Ok(Freshness::Latest),
        };
        let last = known.chain(stated.map(|stated| stated.position)).reduce(Position::later);
        Ok(last.map_or(Freshness::Any, Freshness::Since))
    }

    /// Tells the other servers; whether that went well.
    async fn tell(&self, session: Uuid, position: Position) -> bool {
        let Some(redis) = self.redis.as_ref().filter(|_| !self.rests()) else { return self.redis.is_none() };
        let script = redis::Script::new(TELL);
        let mut invocation = script.prepare_invoke();
        invocation.key(key(session)).arg(text(position)).arg(u64::try_from(REMEMBERED.as_millis()).unwrap_or(u64::MAX));
        let told = redis.run::<()>(&invocation).await;
        self.note(told.is_ok());
        told.is_ok()
    }

    /// What another server has remembered of a session.
    async fn told(&self, session: Uuid) -> Result<Option<Position>, Silent> {
        let Some(redis) = &self.redis else { return Ok(None) };
        if self.rests() {
            return Err(Silent);
        }
        let script = redis::Script::new("return redis.call('GET', KEYS[1])");
        let answer = redis.run::<Option<String>>(script.prepare_invoke().key(key(session))).await;
        self.note(answer.is_ok());
        answer.map(|text| text.as_deref().and_then(position)).map_err(|_| Silent)
    }

    fn rests(&self) -> bool {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, answered: bool) {
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = (!answered).then(|| Instant::now() + REDIS_RESTS);
        if rests_until.is_none() && until.is_some() {
            tracing::warn!("Redis does not say what sessions have written: their reads go to the primary until it does");
        }
        *rests_until = until;
    }
}

/// Redis does not answer.
struct Silent;

/// Keeps the later of two places. As text of fixed length they are in the order of their cluster, timeline and position.
const TELL: &str = "local known = redis.call('GET', KEYS[1]) \
    if known and string.sub(known, 1, 16) == string.sub(ARGV[1], 1, 16) and known > ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) \
    else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end";

fn key(session: Uuid) -> String {
    format!("payaid:written:{session}")
}

fn text(Position { line, lsn }: Position) -> String {
    format!("{:016x}{:08x}{:016x}", line.system, line.timeline, lsn.0)
}

fn position(text: &str) -> Option<Position> {
    if text.len() != 40 {
        return None;
    }
    let system = u64::from_str_radix(text.get(..16)?, 16).ok()?;
    let timeline = u32::from_str_radix(text.get(16..24)?, 16).ok()?;
    let lsn = u64::from_str_radix(text.get(24..)?, 16).ok()?;
    Some(Position { line: Line { system, timeline }, lsn: Lsn(lsn) })
}

fn stated(bytes: &[u8]) -> Option<Stated> {
    let (system, rest) = bytes.split_first_chunk()?;
    let (timeline, rest) = rest.split_first_chunk()?;
    let (lsn, rest) = rest.split_first_chunk()?;
    let issued = i64::from_be_bytes(rest.try_into().ok()?);
    let line = Line { system: u64::from_be_bytes(*system), timeline: u32::from_be_bytes(*timeline) };
    Some(Stated { position: Position { line, lsn: Lsn(u64::from_be_bytes(*lsn)) }, issued_at: DateTime::from_timestamp_micros(issued)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tokens::{generate_key, install_crypto};
    use crate::base::clock::SystemClock;

    const PLACE: Position = Position { line: Line { system: 7_658_291_033_377_112_501, timeline: 3 }, lsn: Lsn(0x16_b374_d848) };

    fn consistency() -> Consistency {
        install_crypto();
        Consistency::new(&AuthConfig::with_key(generate_key().unwrap()), None, Arc::new(SystemClock))
    }

    #[test]
    fn a_token_is_read_back_by_the_same_key_alone() {
        let (one, other) = (consistency(), consistency());
        let token = one.sign(PLACE).unwrap();
        assert_eq!(one.verify(&token).unwrap().map(|stated| stated.position), Some(PLACE));
        assert_eq!(other.verify(&token).unwrap(), None);
        let (payload, signature) = token.rsplit_once('.').unwrap();
        let further = one.sign(Position { lsn: Lsn(1), ..PLACE }).unwrap();
        let forged = format!("{}.{signature}", further.rsplit_once('.').unwrap().0);
        assert_eq!(one.verify(&forged).unwrap(), None);
        for broken in ["", "c1", "c1.", "c1.AAAA.x", payload, "c2.AAAA.x", &token.replace("c1.", "")] {
            assert_eq!(one.verify(broken).unwrap_err().code, Code::ValidationError, "{broken}");
        }
    }

    #[test]
    fn a_place_is_kept_as_text_in_its_order() {
        assert_eq!(position(&text(PLACE)), Some(PLACE));
        for broken in ["", "zz", "00000000000000010000000", "0000000000000001000000010000000000000001ff"] {
            assert_eq!(position(broken), None, "{broken}");
        }
        let later = Position { lsn: Lsn(PLACE.lsn.0 + 1), ..PLACE };
        let promoted = Position { line: Line { timeline: 4, ..PLACE.line }, lsn: Lsn(0) };
        assert!(text(PLACE) < text(later) && text(later) < text(promoted));
    }

    #[test]
    fn what_is_not_said_is_left_open() {
        let read = |level, token| Asked::read(level, token).unwrap();
        assert_eq!(read(Some("strong"), None).or(read(Some("eventual"), Some("t"))), read(Some("strong"), Some("t")));
        assert_eq!(read(None, Some(" ")), Asked::default());
        assert!(Asked::read(Some("Strong"), None).is_err());
    }
}
