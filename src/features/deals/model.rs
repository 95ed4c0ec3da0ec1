//! The rows of deals.
use crate::base::{Id, Noun};

/// A deal.
pub struct Deal;
/// The identifier of a deal.
pub type DealId = Id<Deal>;
impl Noun for Deal {
    const PREFIX: &'static str = "deal";
}
