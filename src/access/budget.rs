//! What an operation takes from its caller's budgets before it runs, and gives back afterwards.
//!
//! Signed in, an operation counts against its application (a session or an API key), its user and its organization; without being signed in, against its
//! address. The budgets follow from the organization's plan. Field by field it may also count in a [`Class`].

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;

use crate::access::document::Selection;
use crate::access::limits::key::{Key, Of};
use crate::access::limits::{Claim, Class, Level, Limits, Refused, Taken};
use crate::access::scope::Scope;
use crate::access::tier::Plan;
use crate::base::allowance::Allowance;
use crate::base::duration::whole_seconds;
use crate::base::{Code, Error};
use crate::platform::config::LimitConfig;

/// How many sessions' worth of points a user has in all sessions together.
const USER: u32 = 2;
/// How many sessions' worth of points an organization has in all together.
const ORGANIZATION: u32 = 10;
/// What is open to everybody because it is signing in or up, or nothing at all.
const SIGNING_IN: [&str; 5] = ["signIn", "signUp", "sessionRefresh", "invitationAccept", "__typename"];

/// A budget of points, as answers show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Whose it is: `application`, `user`, `organization` or `address`; or the name of a class.
    pub policy: &'static str,
    /// How much there is at most, and in what time as much comes back.
    pub allowance: Allowance,
    /// How it stands.
    pub level: Level,
    /// Whether it is one of points, or of operations.
    pub of_points: bool,
}

/// What an operation has taken.
#[derive(Debug)]
pub struct Charge {
    limits: Limits,
    claims: Vec<Claim>,
    taken: Taken,
    policies: Vec<&'static str>,
    /// How many of the claims, from the first on, are points.
    points: usize,
    plan: &'static str,
    /// The most that the operation can cost.
    pub requested: u64,
}

/// Why an operation was not admitted.
#[derive(Debug)]
pub struct NotAdmitted {
    /// What its caller is told.
    pub error: Error,
    /// The budget that has too little.
    pub budget: Budget,
}

/// Who asks, as far as limits go.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// On whose behalf; `None` when nobody is signed in.
    pub scope: Option<&'a Scope>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// The id of the request, from which waits are spread.
    pub request_id: &'a str,
}

/// The points of a session or API key of an organization with this plan.
const fn points(plan: Plan, config: &LimitConfig) -> Allowance {
    match plan {
        Plan::Free => config.budget_free,
        Plan::Basic => config.budget_basic,
        Plan::Pro => config.budget_pro,
        Plan::Enterprise => config.budget_enterprise,
    }
}

impl Asking<'_> {
    /// The points of this caller: whose, which count, and how much is allowed.
    fn budgets(&self, limits: &Limits) -> Vec<(&'static str, Key, Allowance)> {
        let config = limits.config();
        let Some(scope) = self.scope else {
            return vec![("address", Key::of_address(self.ip, Of::Address), config.budget_anonymous)];
        };
        let own = points(scope.plan, config);
        let key = |of, id| Key::within(scope.organization, of, id);
        let application = ("application", key(Of::Application, scope.application()), own);
        let organization = ("organization", key(Of::Organization, scope.organization), own.times(ORGANIZATION));
        if scope.is_key() {
            return vec![application, organization];
        }
        vec![application, ("user", key(Of::User, scope.user), own.times(USER)), organization]
    }

    /// Whose refusals tighten the limits.
    fn refusals(&self) -> Key {
        match self.scope {
            Some(scope) => Key::within(scope.organization, Of::Refusals, scope.application()),
            None => Key::of_address(self.ip, Of::Refusals),
        }
    }

    /// The count of a class: of the address, or of the user, whom her API keys act for.
    fn class(&self, class: Class) -> Key {
        match self.scope.filter(|_| !class.is_by_address()) {
            Some(scope) => Key::within(scope.organization, Of::Class(class), scope.user),
            None => Key::of_address(self.ip, Of::Class(class)),
        }
    }
}

/// Takes what an operation can cost, and one for each class that what it selects counts in.
///
/// # Errors
/// `COST_EXCEEDED` when a budget has too little left, `RATE_LIMITED` when a class has.
pub async fn admit(limits: &Limits, asking: Asking<'_>, selection: Option<&Selection>, requested: u64) -> Result<Charge, Box<NotAdmitted>> {
    admit_beyond(None, limits, asking, selection, requested).await
}

/// As [`admit`], where a part was taken before, which is part of the charge then; it stays taken when there is too little for the rest.
///
/// # Errors
/// As [`admit`].
pub async fn admit_beyond(
    held: Option<Charge>,
    limits: &Limits,
    asking: Asking<'_>,
    selection: Option<&Selection>,
    requested: u64,
) -> Result<Charge, Box<NotAdmitted>> {
    let classes = selection.map_or_else(Vec::new, |selection| classes(asking, selection));
    // Nobody waits twice for a Redis that does not answer.
    let here = held.as_ref().is_some_and(|held| !held.taken.is_shared());
    let mut before = None;
    let already = match held {
        Some(held) if held.requested >= requested && classes.is_empty() => return Ok(held),
        // Of one point nothing would be left to take beside the classes.
        Some(held) if held.requested >= requested => {
            held.give_back();
            0
        }
        Some(held) => {
            before = Some(held.taken);
            held.requested
        }
        None => 0,
    };
    let (whole, rest) = (cells(requested), cells(requested.saturating_sub(already)));
    let (mut policies, mut claims) = (Vec::with_capacity(3), Vec::with_capacity(3));
    for (policy, key, allowance) in asking.budgets(limits) {
        policies.push(policy);
        // What is more than there ever is, is so with all of it.
        let cells = if whole > allowance.most { whole } else { rest };
        claims.push(Claim { key, allowance, cells, strict: false });
    }
    let points = claims.len();
    for (class, count) in classes {
        policies.push(class.name());
        claims.push(Claim { key: asking.class(class), allowance: class.allowance(limits.config()), cells: count, strict: true });
    }
    let plan = asking.scope.map_or("anonymous", |scope| scope.plan.as_str());
    match limits.take_as(here, asking.refusals(), &claims).await {
        Ok(mut taken) => {
            if let Some(before) = &before {
                taken.join(before);
            }
            claims.iter_mut().take(points).for_each(|claim| claim.cells = whole);
            Ok(Charge { limits: limits.clone(), claims, taken, policies, points, plan, requested: requested.max(1) })
        }
        Err(refused) => {
            let budget = budget(&policies, &claims, refused.index, refused.why.level, refused.index < points);
            metrics::counter!("refusals_total", "policy" => budget.policy).increment(1);
            Err(Box::new(NotAdmitted { error: error(&budget, requested, &refused, asking.request_id), budget }))
        }
    }
}

/// Points as they are counted: one at least.
fn cells(points: u64) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(points).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// The classes that an operation counts in, and how often.
fn classes(asking: Asking<'_>, selection: &Selection) -> Vec<(Class, NonZeroU32)> {
    let mut counted: Vec<(Class, NonZeroU32)> = Vec::new();
    for class in selection.classes() {
        match counted.iter_mut().find(|(known, _)| known == class) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counted.push((*class, NonZeroU32::MIN)),
        }
    }
    if asking.scope.is_none() && !selection.root_fields().iter().all(|name| SIGNING_IN.contains(&name.as_str())) {
        counted.push((Class::Anonymous, NonZeroU32::MIN));
    }
    counted
}

impl Charge {
    /// The budget that there is least left of.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        let levels = self.taken.levels.iter().take(self.points).enumerate();
        let (index, level) = levels.min_by_key(|(_, level)| level.left)?;
        Some(budget(&self.policies, &self.claims, index, *level, true))
    }

    /// Gives all points back.
    pub fn give_back(&self) {
        if let Some(points) = self.claims.get(..self.points) {
            self.limits.give_back(points, &self.taken, u32::try_from(self.requested).unwrap_or(u32::MAX), false);
        }
    }

    /// Gives back what the operation has not come to, and says how the budget stands then. A point is kept at least.
    pub fn settle(&self, actual: u64) -> Option<Budget> {
        let actual = actual.clamp(1, self.requested);
        metrics::counter!("points_total", "plan" => self.plan).increment(actual);
        let back = u32::try_from(self.requested.saturating_sub(actual)).unwrap_or(u32::MAX);
        let points = self.claims.get(..self.points)?;
        self.limits.give_back(points, &self.taken, back, false);
        let budget = self.budget()?;
        let given = back.saturating_mul(self.taken.factor);
        let left = budget.level.left.saturating_add(given).min(budget.allowance.most.get());
        let sooner = Duration::from_micros(budget.allowance.each_micros().saturating_mul(u64::from(given)));
        Some(Budget { level: Level { left, full_in: budget.level.full_in.saturating_sub(sooner) }, ..budget })
    }
}

fn budget(policies: &[&'static str], claims: &[Claim], index: usize, level: Level, of_points: bool) -> Budget {
    let policy = policies.get(index).copied().unwrap_or_default();
    let allowance = claims.get(index).map_or(Allowance::per(1, 1), |claim| claim.allowance);
    Budget { policy, allowance, level, of_points }
}

fn error(budget: &Budget, requested: u64, refused: &Refused, request_id: &str) -> Error {
    let (most, seconds) = (budget.allowance.most, budget.allowance.period.as_secs_f64());
    // While limits are tightened, as much fewer points fit.
    let left = budget.level.left.checked_div(refused.factor).unwrap_or(budget.level.left);
    let wait = refused.why.wait.map(|wait| spread(wait, request_id));
    let wait_words = wait.map(|wait| format!("Try again in {} seconds.", whole_seconds(wait).max(1)));
    let tightened = if refused.factor > 1 {
        format!(" Because of many refusals before, each counts {} times for a while.", refused.factor)
    } else {
        String::new()
    };
    if !budget.of_points {
        let what = Class::named(budget.policy).map_or("operations", Class::plural);
        let wait_words = wait_words.unwrap_or_else(|| "Send fewer of them in one operation.".to_owned());
        let message = format!("Too many {what}: {most} in {seconds} seconds are allowed. {wait_words}{tightened}");
        let details = json!({ "policy": budget.policy, "limit": most, "available": left, "windowSeconds": seconds });
        return Error { retry_after: wait, details: Some(Box::new(details)), ..Error::new(Code::RateLimited, message) };
    }
    let rate = (budget.allowance.per_second() * 1_000.0).round() / 1_000.0;
    let message = match wait_words {
        Some(words) => format!(
            "The operation can cost {requested} points, and {left} of the {most} of this {} are left; {rate} come back each second. {words} One of at most \
             {left} points can run at once.{tightened}",
            budget.policy
        ),
        None => format!(
            "The operation can cost {requested} points, more than the {most} that this {} has altogether: waiting does not help. Ask for smaller pages, or in \
             several operations.",
            budget.policy
        ),
    };
    let details = json!({ "policy": budget.policy, "requested": requested, "available": left, "limit": most, "restoreRate": rate });
    Error { retry_after: wait, details: Some(Box::new(details)), ..Error::new(Code::CostExceeded, message) }
}

/// A wait that is 10 to 20 % longer, so that those who wait do not all come back at once.
fn spread(wait: Duration, request_id: &str) -> Duration {
    let sum = request_id.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    wait.saturating_add(wait / 10).saturating_add(wait / 1_000 * (sum % 100))
}

#[cfg(test)]
mod tests;
