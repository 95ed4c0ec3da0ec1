//! What the schema shows of a budget.

use async_graphql::SimpleObject;

use crate::access::writer::Writable;
use crate::base::scalars::DateTime;

/// A budget of points, of which each operation takes what it can cost and gets back what it did not come to.
#[derive(Debug, Clone, SimpleObject)]
pub struct RateLimit {
    /// The most points that this operation can cost.
    pub cost: i64,
    /// The most points that the budget has.
    pub limit: i64,
    /// The points that are left while this operation runs.
    pub remaining: i64,
    /// When all points will be there again.
    pub reset_at: DateTime,
    /// Whose budget it is, of those that the operation counts against the one with the least left: `application` for a session or an API key, `user`,
    /// `organization`, or `address`.
    pub policy: String,
}

impl Writable for RateLimit {}
