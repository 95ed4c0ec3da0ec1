//! Payloads of mutations: the object, and what the caller can put right.

use async_graphql::SimpleObject;

use crate::access::writer::{Writable, WrittenList};
use crate::base::directives::cost;
use crate::base::error::Problem;
use crate::base::{Code, Error, Result};
use crate::plain;

/// Something about the input that the caller can put right. The mutation changed nothing.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct UserError {
    /// The stable code to branch on.
    pub code: Code,
    /// The path to the input field, such as `["input", "email"]`; empty when no single field is at fault.
    pub field: Vec<String>,
    /// What happened and what to do, for a person.
    pub message: String,
}

impl Writable for UserError {
    plain!(code, field, message);
}

impl From<Problem> for UserError {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, field: problem.field, message: problem.message }
    }
}

/// Divides an action's outcome: the value, or what belongs into `userErrors`; everything else stays an error of the operation.
///
/// # Errors
/// What the caller cannot put right in the input.
pub fn divide<T>(outcome: Result<T>) -> Result<(Option<T>, WrittenList<Vec<UserError>>), Error> {
    match outcome {
        Ok(value) => Ok((Some(value), WrittenList(Vec::new()))),
        Err(error) if error.code.is_user_error() => Ok((None, WrittenList(error.into_problems().into_iter().map(UserError::from).collect()))),
        Err(error) => Err(error),
    }
}

/// A payload with one object field and `userErrors`.
///
/// `payload!(/// What came of it. ContactCreatePayload { /// The contact. contact: Contact })` makes the type and
/// `ContactCreatePayload::of(outcome)`.
#[macro_export]
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident { $(#[$field_meta:meta])* $field:ident: $of:ty }) => {
        $(#[$meta])*
        #[derive(Clone, async_graphql::SimpleObject)]
        pub struct $name {
            $(#[$field_meta])*
            pub $field: Option<$crate::access::writer::Written<$of>>,
            /// What to put right; empty when all went well.
            pub user_errors: $crate::access::writer::WrittenList<Vec<$crate::access::payload::UserError>>,
        }

        impl $crate::access::writer::Writable for $name {}

        impl $name {
            /// The payload of an action's outcome.
            ///
            /// # Errors
            /// What the caller cannot put right in the input.
            pub fn of<T: Into<$of>>(outcome: $crate::base::Result<T>) -> $crate::base::Result<Option<$crate::access::writer::Written<Self>>> {
                let (value, user_errors) = $crate::access::payload::divide(outcome)?;
                let $field = value.map(|value| $crate::access::writer::Written(value.into()));
                Ok(Some($crate::access::writer::Written(Self { $field, user_errors })))
            }
        }
    };
}
