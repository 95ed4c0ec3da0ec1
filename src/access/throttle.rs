//! Guessing passwords is slowed down by three limits on failures:
//!
//! - for one account from one address three at once, then one more every five minutes: 3 in any 15 minutes, over and over (`LIMIT_SIGN_IN`);
//! - for one address, whatever the account, thirty at once, then one more every thirty seconds: 30 in any 15 minutes;
//! - for one account, from wherever, a hundred at once, then one more every 36 seconds: 100 in any hour. Who guesses from many addresses can keep
//!   the account's owner out for as long as she goes on, which is the price; it is looser so that nobody does so by accident.
//!
//! What must hold: only failures count, and a success clears those of the account from that address, but not those from elsewhere, which are
//! somebody else's; an attempt counts as failed from its beginning until it is known to be good, so that a hundred attempts at once, or attempts
//! whose client leaves early, are no way around. Who goes on while she is refused is limited more tightly.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::access::limits::key::{Key, Of};
use crate::access::limits::{Claim, Class, Limits};
use crate::base::allowance::Allowance;
use crate::base::{Code, Error, Result};

/// For one address, whatever the account.
const ADDRESS: Allowance = Allowance::per(30, 15 * 60);
/// For one account, whatever the address.
const ACCOUNT: Allowance = Allowance::per(100, 60 * 60);

/// Counts the failures of signing in.
#[derive(Clone)]
pub struct Throttle {
    limits: Limits,
}

impl Throttle {
    /// Counts among the other limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Runs an attempt to prove who one is. It counts when it fails with `UNAUTHENTICATED`; `account` is what is being guessed at.
    ///
    /// # Errors
    /// `RATE_LIMITED` without trying, after too many failures; else what the attempt failed with.
    pub async fn attempt<T>(&self, account: &str, from: Option<IpAddr>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let (refusals, claims) = self.claims(account, from);
        let taken = self.limits.take(refusals, &claims).await.map_err(|refused| {
            metrics::counter!("refusals_total", "policy" => Class::SignIn.name()).increment(1);
            too_many("Too many failed attempts to sign in.", refused.why.wait)
        })?;
        let outcome = work.await;
        match &outcome {
            Ok(_) => self.limits.give_back(&claims, &taken, 1, true),
            Err(error) if error.code == Code::Unauthenticated => {}
            Err(_) => self.limits.give_back(&claims, &taken, 1, false),
        }
        outcome
    }

    /// What an attempt counts against: the account from the address, which is the one that a success clears, the account, and the address where it is
    /// known.
    fn claims(&self, account: &str, from: Option<IpAddr>) -> (Key, Vec<Claim>) {
        let claim = |key, allowance| Claim { key, allowance, cells: NonZeroU32::MIN, strict: true };
        let close = |of| Key::of_pair(account, from, of);
        let mut claims = vec![
            claim(close(Of::Class(Class::SignIn)), Class::SignIn.allowance(self.limits.config())),
            claim(Key::hashed(account, Of::Account), ACCOUNT),
        ];
        if from.is_some() {
            claims.push(claim(Key::of_address(from, Of::SignInAddress), ADDRESS));
        }
        (close(Of::Refusals), claims)
    }
}

fn too_many(what: &str, wait: Option<Duration>) -> Error {
    let wait = Duration::from_secs(wait.unwrap_or_default().as_secs().saturating_add(1));
    let message = format!("{what} Try again in {} seconds.", wait.as_secs());
    Error { retry_after: Some(wait), ..Error::new(Code::RateLimited, message) }
}

#[cfg(test)]
mod tests;
