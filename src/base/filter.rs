//! The typed operators that filters are made of. An operator that is left out does not narrow; several together must all hold.

use async_graphql::InputObject;

use crate::base::error::{Checks, Result};
use crate::base::money::{Currency, MoneyInput};
use crate::base::page::argument;
use crate::base::scalars::{Date, DateTime, Decimal};

/// The most values that one `in` takes.
pub const MAX_IN: usize = 100;

/// Compares an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct DateTimeFilter {
    /// At this instant or later.
    pub gte: Option<DateTime>,
    /// Later than this instant.
    pub gt: Option<DateTime>,
    /// At this instant or earlier.
    pub lte: Option<DateTime>,
    /// Earlier than this instant.
    pub lt: Option<DateTime>,
}

/// Compares a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct DateFilter {
    /// On this day or later.
    pub gte: Option<Date>,
    /// On this day or earlier.
    pub lte: Option<Date>,
}

/// Compares a text, letter for letter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct StringFilter {
    /// Exactly this.
    pub eq: Option<String>,
    /// One of these, at most 100.
    #[graphql(name = "in")]
    pub any: Option<Vec<String>>,
}

/// Compares an amount of money. Amounts of other currencies are left out, not converted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, InputObject)]
pub struct MoneyFilter {
    /// The currency; rupees when left out.
    #[graphql(default_with = "Currency::Inr")]
    pub currency: Currency,
    /// This amount or more.
    pub gte: Option<Decimal>,
    /// This amount or less.
    pub lte: Option<Decimal>,
}

impl MoneyFilter {
    /// The least and the most in minor units; `name` is the argument that the filter came in.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for an amount that no object of the currency can have.
    pub fn bounds(&self, name: &str) -> Result<(Option<i64>, Option<i64>)> {
        let minor = |operator: &str, amount: Option<Decimal>| {
            let input = amount.map(|amount| MoneyInput { amount, currency: self.currency });
            input.map(|input| input.minor().map_err(|message| argument(&format!("{name}.{operator}"), &message))).transpose()
        };
        Ok((minor("gte", self.gte)?, minor("lte", self.lte)?))
    }
}

/// Refuses lists that are longer than [`MAX_IN`] and texts that PostgreSQL cannot hold.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub fn check_string(name: &str, filter: &StringFilter) -> Result<()> {
    let mut checks = Checks::new();
    let any = filter.any.as_deref().unwrap_or_default();
    checks.require(any.len() <= MAX_IN, name, format!("`in` takes at most {MAX_IN} values."));
    let clean = filter.eq.iter().chain(any).all(|text| !text.contains('\0') && text.len() <= 1000);
    checks.require(clean, name, "This text is too long or holds a null character.");
    checks.finish()
}

/// Checks each of several filters by [`check_string`]; the names are those of the schema.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub fn check_strings(filters: &[(&str, &Option<StringFilter>)]) -> Result<()> {
    filters.iter().filter_map(|(name, filter)| Some((name, filter.as_ref()?))).try_for_each(|(name, filter)| check_string(name, filter))
}

/// A filter over one enum or one kind of identifier: `eq` and `in`.
///
/// `operators!(StageFilter, Stage, "a stage")` makes the input object.
#[macro_export]
macro_rules! operators {
    ($(#[$meta:meta])* $name:ident, $of:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash, async_graphql::InputObject)]
        pub struct $name {
            /// Exactly this one.
            pub eq: Option<$of>,
            /// One of these, at most 100.
            #[graphql(name = "in", validator(max_items = 100))]
            pub any: Option<Vec<$of>>,
        }

        impl $name {
            /// The values of both operators, or `None` when neither is given.
            #[must_use]
            pub fn values(&self) -> Option<Vec<$of>> {
                match (&self.eq, &self.any) {
                    (None, None) => None,
                    (Some(eq), None) => Some(vec![eq.clone()]),
                    (None, Some(any)) => Some(any.clone()),
                    (Some(eq), Some(any)) => Some(any.iter().filter(|value| *value == eq).cloned().collect()),
                }
            }
        }
    };
}

/// Narrows a boxed query by an optional [`DateTimeFilter`] on a column.
#[macro_export]
macro_rules! narrow_instant {
    ($query:expr, $filter:expr, $column:expr) => {{
        let mut query = $query;
        if let Some(filter) = &$filter {
            if let Some(at) = filter.gte {
                query = query.filter($column.ge(at.0));
            }
            if let Some(at) = filter.gt {
                query = query.filter($column.gt(at.0));
            }
            if let Some(at) = filter.lte {
                query = query.filter($column.le(at.0));
            }
            if let Some(at) = filter.lt {
                query = query.filter($column.lt(at.0));
            }
        }
        query
    }};
}

/// Narrows a boxed query by an optional [`StringFilter`] on a text column.
#[macro_export]
macro_rules! narrow_text {
    ($query:expr, $filter:expr, $column:expr) => {{
        let mut query = $query;
        if let Some(filter) = &$filter {
            if let Some(text) = &filter.eq {
                query = query.filter($column.eq(text.clone()));
            }
            if let Some(texts) = &filter.any {
                query = query.filter($column.eq_any(texts.clone()));
            }
        }
        query
    }};
}

/// Narrows a boxed query by an optional filter of [`operators!`] on a column.
#[macro_export]
macro_rules! narrow_any {
    ($query:expr, $filter:expr, $column:expr) => {{
        let query = $query;
        match $filter.as_ref().and_then(|filter| filter.values()) {
            Some(values) => query.filter($column.eq_any(values)),
            None => query,
        }
    }};
}

/// Narrows a boxed query to the rows that refer to an optional identifier.
#[macro_export]
macro_rules! narrow_id {
    ($query:expr, $id:expr, $column:expr) => {{
        let query = $query;
        match $id {
            Some(id) => query.filter($column.eq(id.uuid())),
            None => query,
        }
    }};
}
