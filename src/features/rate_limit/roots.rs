//! The query field of budgets.

use async_graphql::{Context, Object};
use chrono::TimeDelta;

use crate::access::writer::Written;
use crate::access::{Operation, SignedIn};
use crate::base::scalars::DateTime;
use crate::base::{Error, Result};
use crate::features::rate_limit::object::RateLimit;

/// The query field of budgets.
#[derive(Default)]
pub struct Roots;

/// The query field of budgets.
#[Object(name = "RateLimitRoots")]
impl Roots {
    /// What this operation costs, and what is left of the caller's budget. Null when it fails; the errors say why.
    #[graphql(guard = "SignedIn")]
    async fn rate_limit(&self, ctx: &Context<'_>) -> Result<Option<Written<RateLimit>>> {
        let operation = Operation::of(ctx)?;
        let charge = operation.charge().ok_or_else(|| Error::internal("an operation ran that was not charged"))?;
        let budget = charge.budget().ok_or_else(|| Error::internal("an operation was charged to nobody"))?;
        let full_in = TimeDelta::from_std(budget.level.full_in).map_err(Error::internal)?;
        Ok(Some(Written(RateLimit {
            cost: i64::try_from(charge.requested).unwrap_or(i64::MAX),
            limit: budget.allowance.most.get().into(),
            remaining: budget.level.left.into(),
            reset_at: DateTime(operation.services().clock.now() + full_in),
            policy: budget.policy.to_owned(),
        })))
    }
}
