//! The counts that all servers share, in Redis, decided in one step each.
//!
//! For each key the instant is kept, in microseconds of Redis's own clock, at which all of it will be there again (GCRA). While Redis does not answer
//! nobody waits for it: a task of its own finds out when it is back. The same task tells the other servers that this one is there.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Script;
use tokio::sync::Notify;

use crate::access::limits::key::Key;
use crate::access::limits::{Claim, Level, NotTaken, Taken};
use crate::platform::config::LimitConfig;
use crate::platform::redis::{Redis, Unanswered};

/// After how many operations in vain the others do not ask any more.
const MISSES: u32 = 3;
/// After how many answers in time, one after another, it is asked again.
const GOOD: u32 = 2;
/// After how many reports of fewer servers there are fewer: one that has restarted, or a Redis that has, may not know all of them.
const FEWER: u32 = 4;
/// How often a server says that it is there, and how often it asks while Redis does not answer.
const EVERY: Duration = Duration::from_secs(5);
const AWAY_EVERY: Duration = Duration::from_millis(200);
/// After how many seconds of silence a server is not counted any more.
const GONE_AFTER: u32 = 16;
/// The list of servers.
const SERVERS: &str = "payaid:servers";

/// The counts in Redis.
pub struct Shared {
    redis: Redis,
    /// How long an operation waits for an answer.
    within: Duration,
    answers: AtomicBool,
    misses: AtomicU32,
    good: AtomicU32,
    servers: AtomicU32,
    /// The servers that there are at least, and how often fewer were reported than are reckoned with.
    least: u32,
    fewer: AtomicU32,
    silent: Notify,
}

impl Shared {
    /// The counts of a Redis. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn new(redis: Redis, config: &LimitConfig) -> Arc<Self> {
        let least = config.limit_servers.max(1);
        let shared = Arc::new(Self {
            redis,
            within: config.limit_redis_wait,
            answers: AtomicBool::new(true),
            misses: AtomicU32::new(0),
            good: AtomicU32::new(0),
            servers: AtomicU32::new(least),
            least,
            fewer: AtomicU32::new(0),
            silent: Notify::new(),
        });
        let watched = Arc::downgrade(&shared);
        let own: u128 = rand::random();
        tokio::spawn(async move {
            while let Some(shared) = watched.upgrade() {
                shared.say_present(&format!("{own:032x}")).await;
                if shared.answers() {
                    let _ = tokio::time::timeout(EVERY, shared.silent.notified()).await;
                }
                if !shared.answers() {
                    tokio::time::sleep(AWAY_EVERY).await;
                }
            }
        });
        shared
    }

    /// How many servers share what is allowed, as was last known.
    pub fn servers(&self) -> u32 {
        self.servers.load(Ordering::Relaxed)
    }

    /// Whether Redis answers, as far as is known.
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// Takes all claims or none; `None` when Redis does not answer.
    pub async fn take(&self, refusals: Key, claims: &[Claim]) -> Option<Result<Taken, (usize, NotTaken, u32)>> {
        let mut script = TAKE.prepare_invoke();
        script.key(refusals.to_string()).arg(super::REFUSALS.each_micros());
        for claim in claims {
            script.key(claim.key.to_string()).arg(claim.allowance.most.get()).arg(claim.allowance.each_micros()).arg(claim.cells.get());
        }
        let answer: Vec<i64> = self.ask(&script).await?;
        let [refused, wait, factor, levels @ ..] = answer.as_slice() else { return None };
        let (factor, levels) = (u32::try_from(*factor).ok()?, levels.as_chunks::<2>().0);
        let level = |[left, full_in]: &[i64; 2]| Level { left: u32::try_from(*left).unwrap_or_default(), full_in: micros(*full_in) };
        match usize::try_from(*refused).ok()?.checked_sub(1) {
            None => Some(Ok(Taken::new(factor, levels.iter().map(level).collect()))),
            Some(index) => {
                let wait = (*wait >= 0).then(|| micros(*wait));
                Some(Err((index, NotTaken { wait, level: level(levels.get(index)?) }, factor)))
            }
        }
    }

    /// Gives back what was taken; of the first, all that was ever taken, when `clear`.
    pub async fn give_back(&self, back: &[(Claim, NonZeroU32)], clear: bool) {
        let mut script = GIVE_BACK.prepare_invoke();
        script.arg(i32::from(clear));
        for (claim, cells) in back {
            script.key(claim.key.to_string()).arg(claim.allowance.each_micros().saturating_mul(cells.get().into()));
        }
        self.ask::<i64>(&script).await;
    }

    async fn ask<T: redis::FromRedisValue>(&self, script: &redis::ScriptInvocation<'_>) -> Option<T> {
        if !self.answers() {
            return None;
        }
        match self.redis.run_within(self.within, script).await {
            Ok(answer) => {
                self.misses.store(0, Ordering::Relaxed);
                Some(answer)
            }
            Err(error) => {
                self.note_miss(&error);
                None
            }
        }
    }

    /// Notes that there was no answer in time. A single one that is late may be the machine's fault.
    fn note_miss(&self, error: &Unanswered) {
        self.good.store(0, Ordering::Relaxed);
        if self.misses.fetch_add(1, Ordering::Relaxed) + 1 >= MISSES && self.answers.swap(false, Ordering::Relaxed) {
            tracing::warn!(%error, "limits are counted on this server alone until Redis answers");
            metrics::gauge!("limits_shared").set(0.0);
            self.silent.notify_one();
        }
    }

    /// Notes how many servers Redis knows of.
    fn note_servers(&self, seen: u32) {
        let (seen, known) = (seen.max(self.least), self.servers());
        if seen >= known || self.fewer.fetch_add(1, Ordering::Relaxed) + 1 >= FEWER {
            self.servers.store(seen, Ordering::Relaxed);
            self.fewer.store(0, Ordering::Relaxed);
        }
    }

    async fn say_present(&self, own: &str) {
        let mut script = PRESENT.prepare_invoke();
        script.key(SERVERS).arg(own).arg(GONE_AFTER);
        match self.redis.run_within(self.within, &script).await {
            Ok(servers) => {
                self.note_servers(servers);
                self.misses.store(0, Ordering::Relaxed);
                // One that answers now and then is not back.
                if !self.answers() && self.good.fetch_add(1, Ordering::Relaxed) + 1 >= GOOD {
                    self.answers.store(true, Ordering::Relaxed);
                    metrics::gauge!("limits_shared").set(1.0);
                    tracing::info!(servers, "limits are shared again");
                }
            }
            Err(error) => self.note_miss(&error),
        }
    }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Keys: the refusals, then those of the claims. Arguments: the microseconds in which a refusal is forgotten; for each claim how many are allowed, the
/// microseconds in which one comes back, and how many are taken. Answers which claim is refused, 0 for none; how long to wait for it in microseconds, -1
/// for ever; by how much the limits are tightened; and for each claim how many are left and the microseconds until all are there again.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local function ahead(key) return math.max(tonumber(redis.call('GET', key) or 0) - now, 0) end
        local function keep(key, ahead) redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000)) end
        local each_refusal = tonumber(ARGV[1])
        local refusals = math.ceil(ahead(KEYS[1]) / each_refusal)
        local factor = 1
        if refusals >= 40 then factor = 8 elseif refusals >= 20 then factor = 4 elseif refusals >= 10 then factor = 2 end
        local refused, wait, after, answer = 0, 0, {}, {}
        for i = 1, #KEYS - 1 do
          local most, each, cells = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
          local before = ahead(KEYS[i + 1])
          after[i] = before + math.min(cells * factor, most) * each
          local over = after[i] - most * each
          if cells > most and wait >= 0 then
            refused, wait = i, -1
          elseif over > 0 and wait >= 0 and over > wait then
            refused, wait = i, over
          end
          answer[2 * i - 1], answer[2 * i] = before, each
        end
        for i = 1, #KEYS - 1 do
          local most, each = tonumber(ARGV[3 * i - 1]), answer[2 * i]
          local now_ahead = refused == 0 and after[i] or answer[2 * i - 1]
          if refused == 0 then keep(KEYS[i + 1], now_ahead) end
          answer[2 * i - 1], answer[2 * i] = math.max(most - math.ceil(now_ahead / each), 0), now_ahead
        end
        if refused > 0 and refusals < 60 then keep(KEYS[1], ahead(KEYS[1]) + each_refusal) end
        table.insert(answer, 1, factor)
        table.insert(answer, 1, wait)
        table.insert(answer, 1, refused)
        return answer
        ",
    )
});

/// Arguments: whether the first count is forgotten altogether, then for each key the microseconds that are given back.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        for i, key in ipairs(KEYS) do
          local ahead = tonumber(redis.call('GET', key) or 0) - now - ARGV[i + 1]
          if ahead <= 0 or (i == 1 and ARGV[1] == '1') then
            redis.call('DEL', key)
          else
            redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
          end
        end
        return 0
        ",
    )
});

/// Says that a server is there, and answers how many are.
static PRESENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local now = tonumber(redis.call('TIME')[1])
        -- First what a Redis that is full refuses.
        redis.call('ZADD', KEYS[1], now, ARGV[1])
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
        redis.call('EXPIRE', KEYS[1], 3600)
        return redis.call('ZCARD', KEYS[1])
        ",
    )
});
