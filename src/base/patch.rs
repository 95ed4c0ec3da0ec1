//! Changes to single fields: left out, set, or (where the field may be empty) cleared with `null`.

use async_graphql::MaybeUndefined;

use crate::base::error::Checks;

/// A checked change of a field that may be empty: `None` leaves it, `Some(None)` clears it.
pub type Change<T> = Option<Option<T>>;

/// Checks a change of a field that may be empty.
pub fn nullable<S, T>(checks: &mut Checks, field: &str, value: &MaybeUndefined<S>, parse: impl FnOnce(&S) -> Result<T, String>) -> Change<T> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(checks.take(field, parse(value))),
    }
}

/// Checks a value that may be left out.
pub fn optional<S, T>(checks: &mut Checks, field: &str, value: Option<&S>, parse: impl FnOnce(&S) -> Result<T, String>) -> Option<T>
where
    S: ?Sized,
{
    value.and_then(|value| checks.take(field, parse(value)))
}

/// The change as it was sent, without a check.
pub fn plain<T: Clone>(value: &MaybeUndefined<T>) -> Change<T> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value.clone())),
    }
}
