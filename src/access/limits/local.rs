//! The counts of this server alone, decided by governor.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use foldhash::quality::RandomState;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use crate::access::limits::key::Key;
use crate::access::limits::{Level, NotTaken};
use crate::base::allowance::Allowance;
use crate::base::{Map, SharedClock};

/// How many counts a shard holds before those are thrown away that nothing is left of, and how many shards there are besides the first.
const SHARD: usize = 4_096;
const SHARDS: usize = 31;

type Limiter = RateLimiter<Key, Counts, Ticks, NoOpMiddleware<Nanos>>;

/// The counts of this server. What is counted is kept apart from how it is judged, so that nothing is forgotten when less or more is allowed.
pub struct Local {
    limiters: RwLock<Map<Allowance, Arc<(Limiter, Counts)>>>,
    shards: Arc<Shards>,
    clock: SharedClock,
}

impl Local {
    /// Counts of nothing yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self { limiters: RwLock::default(), shards: Arc::default(), clock }
    }

    /// Takes so much of what is allowed, or nothing.
    ///
    /// # Errors
    /// When there is less left.
    pub fn take(&self, key: Key, allowance: Allowance, cells: NonZeroU32) -> Result<Level, NotTaken> {
        let limiter = self.limiter(allowance);
        let (limiter, counts) = &*limiter;
        match limiter.check_key_n(&key, cells) {
            Ok(Ok(())) => Ok(self.look(key, allowance)),
            Ok(Err(until)) => Err(NotTaken { wait: Some(until.wait_time_from(counts.ticks.now())), level: self.look(key, allowance) }),
            Err(_) => Err(NotTaken { wait: None, level: self.look(key, allowance) }),
        }
    }

    /// Notes what was taken elsewhere, as much of it as there is; how much that was.
    pub fn note(&self, key: Key, allowance: Allowance, cells: NonZeroU32) -> u32 {
        let (each, now) = (nanos(allowance), self.now());
        let mut shard = self.shards.of(&key);
        let until = shard.get(&key).copied().unwrap_or_default().max(now);
        let most = now.saturating_add(each.saturating_mul(allowance.most.get().into()));
        let noted = most.saturating_sub(until).checked_div(each).unwrap_or_default().min(cells.get().into());
        keep(&mut shard, key, until.saturating_add(each.saturating_mul(noted)), now);
        u32::try_from(noted).unwrap_or(u32::MAX)
    }

    /// How much is left.
    pub fn look(&self, key: Key, allowance: Allowance) -> Level {
        let until = self.shards.of(&key).get(&key).copied().unwrap_or_default();
        let ahead = until.saturating_sub(self.now());
        let taken = u32::try_from(ahead.div_ceil(nanos(allowance))).unwrap_or(u32::MAX);
        Level { left: allowance.most.get().saturating_sub(taken), full_in: Duration::from_nanos(ahead) }
    }

    /// Gives back what was taken.
    pub fn give_back(&self, key: Key, allowance: Allowance, cells: u32) {
        let nanos = nanos(allowance).saturating_mul(u64::from(cells));
        self.shards.of(&key).entry(key).and_modify(|until| *until = until.saturating_sub(nanos));
    }

    /// Forgets a count.
    pub fn clear(&self, key: Key) {
        self.shards.of(&key).remove(&key);
    }

    fn now(&self) -> u64 {
        Ticks(SharedClock::clone(&self.clock)).now().as_u64()
    }

    fn limiter(&self, allowance: Allowance) -> Arc<(Limiter, Counts)> {
        if let Some(known) = self.limiters.read().unwrap_or_else(PoisonError::into_inner).get(&allowance) {
            return Arc::clone(known);
        }
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(limiters.entry(allowance).or_insert_with(|| {
            let ticks = Ticks(SharedClock::clone(&self.clock));
            let counts = Counts { shards: Arc::clone(&self.shards), begun: ticks.now().as_u64(), ticks };
            let quota = Quota::with_period(Duration::from_micros(allowance.each_micros())).unwrap_or_else(|| Quota::per_hour(allowance.most));
            let limiter = RateLimiter::new(quota.allow_burst(allowance.most), counts.clone(), counts.ticks.clone());
            Arc::new((limiter, counts))
        }))
    }
}

fn nanos(allowance: Allowance) -> u64 {
    allowance.each_micros().saturating_mul(1_000)
}

/// By a fast hash, seeded for each map: whoever found addresses that meet in one place would find a few thousand there at most.
type Held = HashMap<Key, u64, RandomState>;
type Shard = Mutex<Held>;

/// For each key the instant, in nanoseconds, at which all of it will be there again.
#[derive(Default)]
struct Shards {
    first: Shard,
    rest: [Shard; SHARDS],
    hasher: RandomState,
}

impl Shards {
    fn of(&self, key: &Key) -> MutexGuard<'_, Held> {
        let place = self.hasher.hash_one(key) % u64::try_from(SHARDS + 1).unwrap_or(1);
        let shard = usize::try_from(place).ok().and_then(|place| self.rest.get(place)).unwrap_or(&self.first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shards as a limiter sees them.
#[derive(Clone)]
struct Counts {
    shards: Arc<Shards>,
    /// From when the limiter reckons.
    begun: u64,
    ticks: Ticks,
}

impl StateStore for Counts {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shards.of(key);
        let (outcome, until) = decide(shard.get(key).map(|until| Nanos::new(until.saturating_sub(self.begun))))?;
        keep(&mut shard, *key, until.as_u64().saturating_add(self.begun), self.ticks.now().as_u64());
        Ok(outcome)
    }
}

fn keep(shard: &mut Held, key: Key, until: u64, now: u64) {
    if shard.len() >= SHARD && !shard.contains_key(&key) {
        make_room(shard, now);
    }
    shard.insert(key, until);
}

/// Throws away what nothing is left of, and where that is not enough, the half that is nearest to it.
fn make_room(shard: &mut Held, now: u64) {
    shard.retain(|_, until| *until > now);
    if shard.len() < SHARD {
        return;
    }
    let mut all: Vec<u64> = shard.values().copied().collect();
    let middle = all.len() / 2;
    let (_, middle, _) = all.select_nth_unstable(middle);
    let middle = *middle;
    shard.retain(|_, until| *until > middle);
}

/// The server's clock as governor reads it.
#[derive(Clone)]
struct Ticks(SharedClock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let micros = u64::try_from(self.0.now().timestamp_micros()).unwrap_or_default();
        Nanos::new(micros.saturating_mul(1_000))
    }
}
