//! How much callers may do in a span of time: budgets of points, and classes of operations with a number of their own.
//!
//! All of them are counted alike (GCRA): so much at once, and as much again in each period, bit by bit. An operation takes what it may cost at most from
//! all counts that it falls under, or from none; when it has run, the difference is given back. What must hold:
//! - While Redis answers, its counts decide, which all servers share; what is allowed is admitted exactly, however many ask at once.
//! - When Redis is not configured, each server counts for itself. When it is, but away, slow or full, each server goes on at once with its share of what is
//!   allowed. Classes then hold what this server has admitted before as well, so that an outage is no way around them.
//! - Who is refused again and again is limited more tightly for a while: each point counts twice, four or eight times.

mod class;
pub mod key;
mod local;
mod shared;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::base::SharedClock;
use crate::base::allowance::Allowance;
use crate::platform::config::LimitConfig;
use crate::platform::redis::Redis;
pub use class::Class;
use key::Key;
use local::Local;
use shared::Shared;

/// Refusals that are remembered, and in what time as many are forgotten: one in half a minute.
const REFUSALS: Allowance = Allowance::per(60, 1_800);

/// All counts; clones share them.
#[derive(Clone)]
pub struct Limits {
    local: Arc<Local>,
    shared: Option<Arc<Shared>>,
    config: Arc<LimitConfig>,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Limits").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What is to be taken from one count.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Which count.
    pub key: Key,
    /// How much is allowed.
    pub allowance: Allowance,
    /// How much is taken.
    pub cells: NonZeroU32,
    /// Whether this server counts along while Redis decides, so that nothing is forgotten when it is gone, and never lets more through than its share.
    pub strict: bool,
}

/// How a count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// How much is left.
    pub left: u32,
    /// When all of it will be there again.
    pub full_in: Duration,
}

/// There was less left than was to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken {
    /// How long to wait for it; `None` when it is more than there ever is.
    pub wait: Option<Duration>,
    /// How the count stands.
    pub level: Level,
}

/// What was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// By how much the caller's limits are tightened: what each point counts as.
    pub factor: u32,
    /// How each count stands, in the order of the claims.
    pub levels: Vec<Level>,
    /// Whether Redis holds it.
    shared: bool,
    /// How much of each claim this server holds.
    here: Vec<u32>,
}

/// Nothing was taken.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// Which of the claims there was too little for.
    pub index: usize,
    /// How that count stands.
    pub why: NotTaken,
    /// By how much the caller's limits are tightened.
    pub factor: u32,
}

impl Taken {
    fn new(factor: u32, levels: Vec<Level>) -> Self {
        Self { factor, levels, shared: true, here: Vec::new() }
    }

    /// Adds what was taken of the same counts before.
    pub fn join(&mut self, before: &Self) {
        for (here, before) in self.here.iter_mut().zip(&before.here) {
            *here = here.saturating_add(*before);
        }
    }

    /// Whether it is counted for all servers.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }
}

impl Limits {
    /// Counts in Redis where there is one, and on this server. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn new(config: &LimitConfig, redis: Option<Redis>, clock: SharedClock) -> Self {
        Self { local: Arc::new(Local::new(clock)), shared: redis.map(|redis| Shared::new(redis, config)), config: Arc::new(config.clone()) }
    }

    /// How many servers share what is allowed, as far as this one knows; 1 without Redis.
    #[must_use]
    pub fn servers(&self) -> u32 {
        self.shared.as_ref().map_or(1, |shared| shared.servers())
    }

    /// Whether the counts of all servers decide at present, and not those of this one.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.answers())
    }

    /// What is allowed.
    #[must_use]
    pub fn config(&self) -> &LimitConfig {
        &self.config
    }

    /// Takes all claims or none. What is refused counts as a refusal of the caller named by `refusals`.
    ///
    /// # Errors
    /// When a count has too little left.
    pub async fn take(&self, refusals: Key, claims: &[Claim]) -> Result<Taken, Refused> {
        self.take_as(false, refusals, claims).await
    }

    /// As [`Limits::take`]; without asking Redis when a part was taken `here` a moment ago, because it did not answer.
    ///
    /// # Errors
    /// As [`Limits::take`].
    pub async fn take_as(&self, here: bool, refusals: Key, claims: &[Claim]) -> Result<Taken, Refused> {
        if let Some(shared) = self.shared.as_ref().filter(|_| !here)
            && let Some(answer) = shared.take(refusals, claims).boxed().await
        {
            let mut taken = answer.map_err(|(index, why, factor)| Refused { index, why, factor })?;
            let note = |claim: &Claim| if claim.strict { self.local.note(claim.key, self.share(claim), counted(claim, taken.factor)) } else { 0 };
            taken.here = claims.iter().map(note).collect();
            return Ok(taken);
        }
        self.take_here(refusals, claims)
    }

    fn take_here(&self, refusals: Key, claims: &[Claim]) -> Result<Taken, Refused> {
        let factor = factor(REFUSALS.most.get().saturating_sub(self.local.look(refusals, REFUSALS).left));
        let mut taken = Taken { factor, levels: Vec::with_capacity(claims.len()), shared: false, here: Vec::with_capacity(claims.len()) };
        for (index, claim) in claims.iter().enumerate() {
            let allowance = self.share(claim);
            let cells = self.counted_here(claim, factor);
            match self.local.take(claim.key, allowance, cells) {
                Ok(level) => {
                    taken.levels.push(level);
                    taken.here.push(cells.get());
                }
                Err(why) => {
                    for earlier in claims.iter().take(index) {
                        self.local.give_back(earlier.key, self.share(earlier), self.counted_here(earlier, factor).get());
                    }
                    let _ = self.local.take(refusals, REFUSALS, NonZeroU32::MIN);
                    return Err(Refused { index, why, factor });
                }
            }
        }
        Ok(taken)
    }

    /// Gives back so much of each claim; of the first, all that was ever taken, when `clear`. Redis is told off the caller's path.
    pub fn give_back(&self, claims: &[Claim], taken: &Taken, cells: u32, clear: bool) {
        let factor = taken.factor;
        for (claim, here) in claims.iter().zip(&taken.here) {
            let allowance = self.share(claim);
            if cells > 0 {
                let kept = claim.cells.get().saturating_sub(cells).saturating_mul(factor);
                self.local.give_back(claim.key, allowance, here.saturating_sub(kept));
            }
        }
        if let Some(first) = claims.first().filter(|_| clear) {
            self.local.clear(first.key);
        }
        let Some(shared) = self.shared.as_ref().filter(|_| (taken.shared && cells > 0) || clear) else { return };
        // What Redis did not count is not given back there; but what is forgotten here is forgotten there.
        let held = if taken.shared { claims } else { claims.get(..1).unwrap_or_default() };
        let back = held.iter().filter_map(|claim| {
            let kept = claim.cells.get().saturating_sub(cells).saturating_mul(factor);
            Some((*claim, NonZeroU32::new(counted(claim, factor).get().saturating_sub(kept))?))
        });
        let (shared, back): (_, Vec<_>) = (Arc::clone(shared), back.collect());
        if !back.is_empty() {
            tokio::spawn(async move { shared.give_back(&back, clear).await });
        }
    }

    /// What a claim counts as here. One server's share of the points may be less than what an operation can cost that is within the whole: such a one
    /// takes all of it. Of a class nobody gets more than the share.
    fn counted_here(&self, claim: &Claim, factor: u32) -> NonZeroU32 {
        let counted = counted(claim, factor);
        let (share, most) = (self.share(claim).most, if claim.strict { self.share(claim).most } else { claim.allowance.most });
        if claim.cells > most { counted } else { counted.min(share) }
    }

    /// What this server may admit of it alone.
    fn share(&self, claim: &Claim) -> Allowance {
        match &self.shared {
            Some(shared) => claim.allowance.share(shared.servers()),
            None => claim.allowance,
        }
    }
}

/// What a claim counts as when limits are tightened.
fn counted(claim: &Claim, factor: u32) -> NonZeroU32 {
    let factor = NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN);
    claim.cells.saturating_mul(factor).min(claim.allowance.most.max(claim.cells))
}

/// By how much limits are tightened after so many refusals.
const fn factor(refusals: u32) -> u32 {
    match refusals {
        0..10 => 1,
        10..20 => 2,
        20..40 => 4,
        _ => 8,
    }
}
