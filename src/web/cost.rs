//! What answers say of prices and budgets: `extensions.cost`, and the headers `RateLimit` and `RateLimit-Policy`
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::access::budget::Budget;
use crate::access::cost::price::Line;
use crate::base::duration::whole_seconds;
use crate::base::{Code, Error, Result};

/// The header by which a client asks for prices.
pub const X_COST: HeaderName = HeaderName::from_static("x-cost");
/// The header of what is left.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The header of what is allowed.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a client wants to know of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The sum.
    Sum,
    /// The sum, and what it is made of.
    Explained,
    /// The same, without the operation being run.
    Only,
}

/// `extensions.cost`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostBody {
    /// The most that the operation can cost.
    requested: u64,
    /// What it cost; null when it was not run.
    actual: Option<u64>,
    /// What is left of the budget.
    available: u32,
    /// What the budget has at most.
    limit: u32,
    /// How much comes back each second.
    restore_rate: f64,
    /// What the sum is made of, the dearest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Line>>,
}

impl CostBody {
    /// What an operation cost, and how its budget stands.
    #[must_use]
    pub fn new(requested: u64, actual: Option<u64>, budget: &Budget, fields: Option<Vec<Line>>) -> Self {
        let Budget { allowance, level, .. } = budget;
        let restore_rate = (allowance.per_second() * 1_000.0).round() / 1_000.0;
        Self { requested, actual, available: level.left, limit: allowance.most.get(), restore_rate, fields }
    }
}

/// What a client wants to know, by its header.
///
/// # Errors
/// `VALIDATION_ERROR` for anything but `explain` and `only`.
pub fn wanted(headers: &HeaderMap) -> Result<Wanted> {
    match headers.get(X_COST).map(HeaderValue::as_bytes) {
        None => Ok(Wanted::Sum),
        Some(b"explain") => Ok(Wanted::Explained),
        Some(b"only") => Ok(Wanted::Only),
        Some(_) => Err(Error::new(
            Code::ValidationError,
            "The header X-Cost is `explain`, to have the price field by field, or `only`, to have it without running the operation.",
        )),
    }
}

/// Adds the headers of a budget.
pub fn put_headers(headers: &mut HeaderMap, budget: &Budget) {
    let Budget { policy, allowance, level, of_points } = budget;
    let unit = if *of_points { "points" } else { "requests" };
    let seconds = allowance.period.as_secs().max(1);
    let full_in = whole_seconds(level.full_in);
    let texts = [
        (RATE_LIMIT, format!("\"{policy}\";r={};t={full_in}", level.left)),
        (RATE_LIMIT_POLICY, format!("\"{policy}\";q={};w={seconds};qu=\"{unit}\"", allowance.most)),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
