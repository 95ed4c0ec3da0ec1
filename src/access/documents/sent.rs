//! Texts that clients have sent together with their hashes, so that they can name them by the hash alone from then on.
//!
//! They are remembered in memory, and in Redis for the other servers. Nothing depends on them: a client whose hash is not known sends the text again.
//! So Redis that is away, slow or full fails nobody, and what it says is compared with the hash before it is used, since whoever may write there must
//! not decide what is run here. A server gives Redis only so much an hour, for anybody may send as many texts as she likes.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use crate::access::documents::TextHash;
use crate::platform::redis::Redis;

/// How much text is remembered here, in bytes.
const REMEMBERED: u64 = 8 * 1024 * 1024;
/// What a text takes beside itself, in bytes.
const AROUND: usize = 256;
/// How long Redis remembers a text that nobody uses.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often Redis is told that a text is in use.
const RENEWED: Duration = Duration::from_secs(60 * 60);
/// How much text a server gives Redis in an hour, in bytes.
const GIVEN: NonZeroU32 = match NonZeroU32::new(8 * 1024 * 1024) {
    Some(bytes) => bytes,
    None => NonZeroU32::MIN,
};
/// How long Redis is not asked after it did not answer.
const RESTS: Duration = Duration::from_secs(1);

/// The text, unless it is longer than any that was put there, and remembers it for longer.
const ASK: &str = "if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[2]) then return false end \
    redis.call('PEXPIRE', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";
const TELL: &str = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])";

/// What clients have sent.
pub struct Sent {
    texts: Cache<TextHash, Arc<Text>>,
    shared: Option<Arc<Shared>>,
}

struct Text {
    text: Arc<str>,
    /// When Redis was told of it last; `None` when it was not.
    told: Mutex<Option<Instant>>,
}

impl Text {
    fn new(text: Arc<str>, told: Option<Instant>) -> Arc<Self> {
        Arc::new(Self { text, told: Mutex::new(told) })
    }

    /// Whether Redis is to be told, by whoever asks first.
    fn is_due(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|told| told.elapsed() > RENEWED);
        if due {
            *told = Some(Instant::now());
        }
        due
    }
}

impl Sent {
    /// Remembers in memory, and in Redis where there is one.
    pub fn new(redis: Option<Redis>, most: usize) -> Self {
        let weight = |_: &TextHash, text: &Arc<Text>| u32::try_from(text.text.len().saturating_add(AROUND)).unwrap_or(u32::MAX);
        let shared =
            redis.map(|redis| Arc::new(Shared { redis, most, room: RateLimiter::direct(Quota::per_hour(GIVEN)), rests_until: Mutex::default() }));
        Self { texts: Cache::builder().max_capacity(REMEMBERED).weigher(weight).build(), shared }
    }

    /// Whether this server remembers a text.
    pub fn remembers(&self, hash: TextHash) -> bool {
        self.texts.contains_key(&hash)
    }

    /// A text that this server remembers.
    pub fn remembered(&self, hash: TextHash) -> Option<Arc<str>> {
        let known = self.texts.get(&hash)?;
        if let Some(shared) = &self.shared
            && known.is_due()
        {
            let (shared, known) = (Arc::clone(shared), Arc::clone(&known));
            tokio::spawn(async move { shared.tell(hash, &known.text).await });
        }
        Some(Arc::clone(&known.text))
    }

    /// A text that another server was sent.
    pub async fn told(&self, hash: TextHash) -> Option<Arc<str>> {
        let text: Arc<str> = self.shared.as_ref()?.ask(hash).await?.into();
        self.texts.insert(hash, Text::new(Arc::clone(&text), Some(Instant::now())));
        Some(text)
    }

    /// Remembers a text of this hash, and tells the others.
    pub async fn keep(&self, hash: TextHash, text: &Arc<str>) {
        let known = self.texts.get_with(hash, || Text::new(Arc::clone(text), None));
        if let Some(shared) = &self.shared
            && known.is_due()
        {
            shared.tell(hash, text).await;
        }
    }
}

/// Redis, as servers tell each other by it.
struct Shared {
    redis: Redis,
    /// The longest text, in bytes.
    most: usize,
    room: DefaultDirectRateLimiter,
    rests_until: Mutex<Option<Instant>>,
}

impl Shared {
    async fn ask(&self, hash: TextHash) -> Option<String> {
        let script = redis::Script::new(ASK);
        let mut invocation = script.prepare_invoke();
        invocation.key(key(hash)).arg(millis(KEPT)).arg(self.most);
        let found: Vec<u8> = self.run::<Option<Vec<u8>>>(&invocation).await.flatten()?;
        let text = String::from_utf8(found).ok().filter(|text| TextHash::of(text) == hash);
        if text.is_none() {
            tracing::warn!(%hash, "what Redis has for the hash of a document is another text: it is not run");
        }
        text
    }

    async fn tell(&self, hash: TextHash, text: &str) {
        let length = u32::try_from(text.len()).ok().and_then(NonZeroU32::new);
        if !length.is_some_and(|length| matches!(self.room.check_n(length), Ok(Ok(())))) {
            tracing::debug!(%hash, "Redis was given as many texts of documents as it may be: this one is remembered here alone");
            return;
        }
        let script = redis::Script::new(TELL);
        let mut invocation = script.prepare_invoke();
        invocation.key(key(hash)).arg(text).arg(millis(KEPT));
        self.run::<()>(&invocation).await;
    }

    async fn run<T: redis::FromRedisValue>(&self, invocation: &redis::ScriptInvocation<'_>) -> Option<T> {
        if self.rests_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let answer = self.redis.run(invocation).await;
        let mut rests_until = self.rests_until();
        if let Err(error) = &answer
            && rests_until.is_none()
        {
            tracing::warn!(%error, "persisted documents are remembered on this server alone");
        }
        *rests_until = answer.is_err().then(|| Instant::now() + RESTS);
        answer.ok()
    }

    fn rests_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(hash: TextHash) -> String {
    format!("payaid:document:{hash}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_redis_memory_alone_remembers() {
        let sent = Sent::new(None, 16 * 1024);
        let text: Arc<str> = "{ __typename }".into();
        let hash = TextHash::of(&text);
        assert_eq!((sent.remembered(hash), sent.told(hash).await), (None, None));
        sent.keep(hash, &text).await;
        assert_eq!(sent.remembered(hash), Some(text));
    }

    #[test]
    fn redis_is_told_by_one_of_those_who_use_a_text() {
        let text = Text::new("{ a }".into(), None);
        assert!(text.is_due() && !text.is_due());
        let told = Text::new("{ a }".into(), Some(Instant::now()));
        assert!(!told.is_due());
    }
}
