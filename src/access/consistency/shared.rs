//! What sessions have written on other servers, by way of Redis.
//!
//! What Redis says is believed only while it forgets nothing: a word that is lost with everything else tells of that, and so does silence, in which
//! others may have had to keep to themselves what they had to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::platform::postgres::position::{Line, Lsn, Position};
use crate::platform::redis::Redis;

/// How long Redis is not asked after it did not answer.
pub const RESTS: Duration = Duration::from_secs(1);

/// Redis, as servers tell each other by it.
pub struct Shared {
    redis: Redis,
    rests_until: Mutex<Option<Instant>>,
    /// The word that Redis keeps for as long as it forgets nothing.
    epoch: Mutex<Option<String>>,
    /// Whether something may have been forgotten since it was asked last.
    doubtful: AtomicBool,
}

/// What was told of a session.
pub struct Told {
    /// What another server remembers.
    pub position: Option<Position>,
    /// Whether others may have remembered something that was not told.
    pub doubtful: bool,
}

/// Redis does not answer.
pub struct Silent;

/// Keeps the later of two places. As text of fixed length they are in the order of their cluster, timeline and position. One that is not known gives
/// way to any other.
const TELL: &str = "local known = redis.call('GET', KEYS[1]) \
    if known and string.sub(known, 1, 16) == string.sub(ARGV[1], 1, 16) and known > ARGV[1] and string.sub(known, 25) ~= 'ffffffffffffffff' \
    then redis.call('PEXPIRE', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end";

/// What was told of a session, and the word.
const ASK: &str = "local epoch = redis.call('GET', KEYS[2]) if not epoch then epoch = ARGV[1] redis.call('SET', KEYS[2], epoch) end \
    return {epoch, redis.call('GET', KEYS[1]) or ''}";

const EPOCH: &str = "payaid:written:epoch";

impl Shared {
    /// Nothing was asked yet.
    #[must_use]
    pub const fn new(redis: Redis) -> Self {
        Self { redis, rests_until: Mutex::new(None), epoch: Mutex::new(None), doubtful: AtomicBool::new(false) }
    }

    /// Tells the other servers what a session has written, for them to remember for so long; whether that went well.
    pub async fn tell(&self, session: Uuid, position: Position, remembered: Duration) -> bool {
        let script = redis::Script::new(TELL);
        let mut invocation = script.prepare_invoke();
        invocation.key(key(session)).arg(text(position)).arg(u64::try_from(remembered.as_millis()).unwrap_or(u64::MAX));
        let told = self.redis.run::<()>(&invocation).await;
        self.note(told.is_ok());
        told.is_ok()
    }

    /// What others have told of a session; `fresh` becomes the word of a Redis that has none.
    pub async fn ask(&self, session: Uuid, fresh: &str) -> Result<Told, Silent> {
        if self.rests() {
            return Err(Silent);
        }
        let script = redis::Script::new(ASK);
        let answer = self.redis.run::<(String, String)>(script.prepare_invoke().key(key(session)).key(EPOCH).arg(fresh)).await;
        self.note(answer.is_ok());
        let (word, text) = answer.map_err(|_| Silent)?;
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if epoch.as_ref() != Some(&word) {
            self.doubtful.store(true, Ordering::Release);
            *epoch = Some(word);
        }
        drop(epoch);
        Ok(Told { position: position(&text), doubtful: AtomicBool::load(&self.doubtful, Ordering::Acquire) })
    }

    /// Says that the doubt is seen to: from now on nobody relies on what was told before.
    pub fn settle(&self) {
        self.doubtful.store(false, Ordering::Release);
    }

    /// Whether it did not answer just now.
    pub fn rests(&self) -> bool {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, answered: bool) {
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = (!answered).then(|| Instant::now() + RESTS);
        if rests_until.is_none() && until.is_some() {
            tracing::warn!("Redis does not say what sessions have written: each read asks the primary how far it has written");
        }
        if !answered {
            self.doubtful.store(true, Ordering::Release);
        }
        *rests_until = until;
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_as_text_in_its_order() {
        let place = Position { line: Line { system: 7_658_291_033_377_112_501, timeline: 3 }, lsn: Lsn(0x16_b374_d848) };
        assert_eq!(position(&text(place)), Some(place));
        for broken in ["", "zz", "00000000000000010000000", "0000000000000001000000010000000000000001ff"] {
            assert_eq!(position(broken), None, "{broken}");
        }
        let later = Position { lsn: Lsn(place.lsn.0 + 1), ..place };
        let promoted = Position { line: Line { timeline: 4, ..place.line }, lsn: Lsn(0) };
        assert!(text(place) < text(later) && text(later) < text(promoted));
    }
}
