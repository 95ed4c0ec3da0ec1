//! The rows of companies.
use crate::base::{Id, Noun};

/// A company.
pub struct Company;
/// The identifier of a company.
pub type CompanyId = Id<Company>;
impl Noun for Company {
    const PREFIX: &'static str = "company";
}
