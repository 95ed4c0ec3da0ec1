//! Guessing passwords is slowed down by three limits on failures:
//!
//! - for one account from one address five at once, then one more every three minutes: 5 in any 15 minutes, over and over;
//! - for one address, whatever the account, thirty at once, then one more every thirty seconds: 30 in any 15 minutes;
//! - for one account, from wherever, a hundred at once, then one more every 36 seconds: 100 in any hour. Who guesses from many addresses can keep
//!   the account's owner out for as long as she goes on, which is the price; it is looser so that nobody does so by accident.
//!
//! What must hold: only failures count, and a success clears those of the account from that address, but not those from elsewhere, which are
//! somebody else's; an attempt counts as failed from its beginning until it is known to be good, so that a hundred attempts at once, or attempts
//! whose client leaves early, are no way around. While Redis answers, its count, which all servers share, decides alone; without Redis, or while it
//! does not answer, each server counts for itself just as strictly, those attempts included that it let through on Redis's word.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use redis::Script;

use crate::access::refresh::hash;
use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::redis::Redis;

/// How many failures a limit allows at once, and the time in which as many are forgotten.
#[derive(Clone, Copy)]
struct Allowance {
    most: u32,
    period: Duration,
}

const QUARTER: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// For one account from one address.
const CLOSE: Allowance = Allowance { most: 5, period: QUARTER };
/// For one address, whatever the account.
const ADDRESS: Allowance = Allowance { most: 30, period: QUARTER };
/// For one account, whatever the address.
const ACCOUNT: Allowance = Allowance { most: 100, period: HOUR };
/// New organizations from one address; counted on this server alone, and not taken back.
const SIGN_UPS: Allowance = Allowance { most: 20, period: QUARTER };

impl Allowance {
    /// The time in which one failure is forgotten.
    fn each(self) -> Duration {
        self.period / self.most.max(1)
    }
}

/// Counts the failures of signing in.
#[derive(Clone)]
pub struct Throttle {
    close: Arc<Limit>,
    account: Arc<Limit>,
    address: Arc<Limit>,
    sign_ups: Arc<Limit>,
    redis: Option<Redis>,
}

/// What an attempt counts against.
struct Attempt {
    /// The account from the address.
    close: String,
    /// The account.
    account: String,
    /// The address, when it is known.
    address: Option<String>,
}

impl Throttle {
    /// Counts in Redis where there is one, and on this server.
    #[must_use]
    pub fn new(redis: Option<Redis>, clock: &SharedClock) -> Self {
        let limit = |allowance| Arc::new(Limit::new(allowance, clock));
        Self { close: limit(CLOSE), account: limit(ACCOUNT), address: limit(ADDRESS), sign_ups: limit(SIGN_UPS), redis }
    }

    /// Runs an attempt to prove who one is. It counts when it fails with `UNAUTHENTICATED`; `account` is what is being guessed at.
    ///
    /// # Errors
    /// `RATE_LIMITED` without trying, after too many failures; else what the attempt failed with.
    pub async fn attempt<T>(&self, account: &str, from: Option<IpAddr>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let attempt = Attempt::new(account, from);
        let counted_here = self.count(&attempt).await?;
        let outcome = work.await;
        match &outcome {
            Ok(_) => self.take_back(&attempt, counted_here, true).await,
            Err(error) if error.code == Code::Unauthenticated => {}
            Err(_) => self.take_back(&attempt, counted_here, false).await,
        }
        outcome
    }

    /// Counts a new organization from an address; those whose address is not known count together.
    ///
    /// # Errors
    /// `RATE_LIMITED` when there were too many.
    pub fn sign_up(&self, from: Option<IpAddr>) -> Result<()> {
        let address = from.map(neighbourhood).unwrap_or_default();
        self.sign_ups
            .count(&address)
            .map_err(|error| Error { message: "Too many organizations were made from here; try again later.".to_owned(), ..error })
    }

    /// The limits that an attempt counts against, and under which key.
    fn limits<'a>(&'a self, attempt: &'a Attempt) -> impl Iterator<Item = (&'a Limit, &'a String)> {
        let always = [(&*self.close, &attempt.close), (&*self.account, &attempt.account)];
        always.into_iter().chain(attempt.address.iter().map(|address| (&*self.address, address)))
    }

    /// Counts an attempt, and says whether this server's own count holds it as well.
    async fn count(&self, attempt: &Attempt) -> Result<bool> {
        let here = self.count_here(attempt);
        match self.ask_redis(attempt, "count").await {
            None => here.map(|()| true),
            Some(wait) if wait > 0 => {
                if here.is_ok() {
                    self.take_back_here(attempt, false);
                }
                Err(too_many(Duration::from_micros(u64::try_from(wait).unwrap_or_default())))
            }
            Some(_) => Ok(here.is_ok()),
        }
    }

    /// Counts against all limits, or, when one has been reached, against none.
    fn count_here(&self, attempt: &Attempt) -> Result<()> {
        for (index, (limit, key)) in self.limits(attempt).enumerate() {
            limit.count(key).inspect_err(|_| self.limits(attempt).take(index).for_each(|(limit, key)| limit.give_back(key)))?;
        }
        Ok(())
    }

    async fn take_back(&self, attempt: &Attempt, counted_here: bool, success: bool) {
        if counted_here {
            self.take_back_here(attempt, success);
        } else if success {
            self.close.clear(&attempt.close);
        }
        self.ask_redis(attempt, if success { "success" } else { "undo" }).await;
    }

    fn take_back_here(&self, attempt: &Attempt, success: bool) {
        self.limits(attempt).for_each(|(limit, key)| limit.give_back(key));
        if success {
            self.close.clear(&attempt.close);
        }
    }

    /// Microseconds to wait, 0 when there is no need to; `None` without an answer.
    async fn ask_redis(&self, attempt: &Attempt, what: &str) -> Option<i64> {
        let redis = self.redis.as_ref()?;
        let mut script = SCRIPT.prepare_invoke();
        script.arg(what);
        for (limit, key) in self.limits(attempt) {
            let Allowance { most, period } = limit.allowance;
            script.key(format!("payaid:{{sign-in}}:{key}")).arg(most).arg(period.as_secs());
        }
        redis.run(&script).await.inspect_err(|error| tracing::warn!(%error, "failures of signing in are counted on this server alone")).ok()
    }
}

impl Attempt {
    fn new(account: &str, from: Option<IpAddr>) -> Self {
        let address = from.map(neighbourhood);
        // No address has a line break or the length of a hash, so no two kinds of keys are the same.
        Self { close: hash(&format!("{account}\n{}", address.as_deref().unwrap_or_default())), account: hash(account), address }
    }
}

/// The address, for IPv6 the network that one customer gets.
fn neighbourhood(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn too_many(wait: Duration) -> Error {
    let wait = Duration::from_secs(wait.as_secs().saturating_add(1));
    let message = format!("Too many failed attempts to sign in. Try again in {} seconds.", wait.as_secs());
    Error { retry_after: Some(wait), ..Error::new(Code::RateLimited, message) }
}

/// One limit on this server: governor decides, over counts that can be taken back and that nobody can make grow without bound.
struct Limit {
    limiter: RateLimiter<String, Counts, Ticks, NoOpMiddleware<Nanos>>,
    counts: Counts,
    allowance: Allowance,
    clock: SharedClock,
}

impl Limit {
    fn new(allowance: Allowance, clock: &SharedClock) -> Self {
        let burst = NonZeroU32::new(allowance.most).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(allowance.each()).unwrap_or_else(|| Quota::per_hour(burst)).allow_burst(burst);
        let counts = Counts::kept(2 * allowance.period);
        let limiter = RateLimiter::new(quota, counts.clone(), Ticks(SharedClock::clone(clock)));
        Self { limiter, counts, allowance, clock: SharedClock::clone(clock) }
    }

    fn count(&self, key: &String) -> Result<()> {
        self.limiter.check_key(key).map_err(|until| too_many(until.wait_time_from(Ticks::read(&self.clock))))
    }

    fn give_back(&self, key: &str) {
        let each = u64::try_from(self.allowance.each().as_nanos()).unwrap_or(u64::MAX);
        self.counts.0.entry_by_ref(key).and_compute_with(|entry| match entry {
            Some(entry) => moka::ops::compute::Op::Put(entry.into_value().saturating_sub(each)),
            None => moka::ops::compute::Op::Nop,
        });
    }

    fn clear(&self, key: &str) {
        self.counts.0.invalidate(key);
    }
}

/// For each key the instant, in nanoseconds, at which all its failures will be forgotten.
#[derive(Clone)]
struct Counts(moka::sync::Cache<String, u64>);

impl Counts {
    fn kept(idle: Duration) -> Self {
        let bounded = moka::sync::Cache::builder().max_capacity(100_000).time_to_idle(idle);
        Self(bounded.eviction_policy(moka::policy::EvictionPolicy::lru()).build())
    }
}

impl StateStore for Counts {
    type Key = String;

    fn measure_and_replace<T, F, E>(&self, key: &String, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut decided = None;
        self.0.entry_by_ref(key).and_compute_with(|entry| {
            let before = entry.map(|entry| Nanos::new(entry.into_value()));
            match decide(before) {
                Ok((outcome, after)) => {
                    decided = Some(Ok(outcome));
                    moka::ops::compute::Op::Put(after.as_u64())
                }
                Err(refused) => {
                    decided = Some(Err(refused));
                    moka::ops::compute::Op::Nop
                }
            }
        });
        match decided {
            Some(outcome) => outcome,
            None => decide(None).map(|(outcome, _)| outcome),
        }
    }
}

/// The server's clock as governor reads it.
#[derive(Clone)]
struct Ticks(SharedClock);

impl Ticks {
    fn read(clock: &SharedClock) -> Nanos {
        let micros = u64::try_from(clock.now().timestamp_micros()).unwrap_or_default();
        Nanos::new(micros.saturating_mul(1000))
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Self::read(&self.0)
    }
}

/// The same limits over all servers, decided in one step. For each key the instant is kept, in microseconds of Redis's own clock, at which all its
/// failures will be forgotten. Arguments: what happened, then for each key how many failures are allowed and the seconds in which as many are
/// forgotten; the first key is the one that a success clears. Answers how long to wait, in microseconds.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local wait = 0
        local after = {}
        for i, key in ipairs(KEYS) do
          local period = ARGV[2 * i + 1] * 1000000
          local each = period / ARGV[2 * i]
          local clear = math.max(tonumber(redis.call('GET', key) or now), now)
          if ARGV[1] == 'count' then
            after[i] = clear + each
            wait = math.max(wait, after[i] - period - now)
          elseif ARGV[1] == 'success' and i == 1 then
            after[i] = now
          else
            after[i] = clear - each
          end
        end
        if wait > 0 then return wait end
        for i, key in ipairs(KEYS) do
          if after[i] > now then
            redis.call('SET', key, string.format('%.0f', after[i]), 'PX', math.ceil((after[i] - now) / 1000))
          else
            redis.call('DEL', key)
          end
        end
        return 0
        ",
    )
});

#[cfg(test)]
mod tests;
