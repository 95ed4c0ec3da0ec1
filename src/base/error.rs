//! One error type for the whole server.
//!
//! An error has a stable [`Code`], a message for the caller, and, where there is more to know, an internal message that goes to the log and never
//! to a caller. `docs/errors.md` has one heading for each code.

use std::fmt;
use std::time::Duration;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable codes a client may branch on, as they stand in `extensions.code` and in `userErrors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "ErrorCode")]
pub enum Code {
    /// No one is signed in, and this needs somebody.
    Unauthenticated,
    /// A token was sent and is not valid: broken, expired, revoked or of another server.
    InvalidToken,
    /// The signed-in user may not do this, whatever the role.
    Forbidden,
    /// The role or the key lacks the permission named in the message.
    InsufficientPermissions,
    /// There is no such object, or it belongs to another organization.
    NotFound,
    /// A value does not pass its check; the message says which and why.
    ValidationError,
    /// An identifier is broken or names another kind of object.
    InvalidId,
    /// Somebody else changed the object first, or a value that must be unique is taken.
    Conflict,
    /// The idempotency key was used before with another request.
    IdempotencyMismatch,
    /// A request with the same idempotency key is still running.
    InProgress,
    /// Too many requests; wait for the time that is given.
    RateLimited,
    /// The operation costs more than the budget holds.
    CostExceeded,
    /// The document is too deep, too wide or too long.
    DocumentTooComplex,
    /// The hash of the persisted document is not known; send the text along.
    PersistedQueryNotFound,
    /// The database cannot be reached or is overloaded; try again.
    DatabaseUnavailable,
    /// A service outside this server failed; try again.
    ExternalServiceError,
    /// The operation took longer than it may.
    Timeout,
    /// A fault of the server. It is logged under the request id.
    InternalError,
}

crate::plain_enums!(Code);

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::Unauthenticated,
        Self::InvalidToken,
        Self::Forbidden,
        Self::InsufficientPermissions,
        Self::NotFound,
        Self::ValidationError,
        Self::InvalidId,
        Self::Conflict,
        Self::IdempotencyMismatch,
        Self::InProgress,
        Self::RateLimited,
        Self::CostExceeded,
        Self::DocumentTooComplex,
        Self::PersistedQueryNotFound,
        Self::DatabaseUnavailable,
        Self::ExternalServiceError,
        Self::Timeout,
        Self::InternalError,
    ];

    /// The code as a client sees it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::Forbidden => "FORBIDDEN",
            Self::InsufficientPermissions => "INSUFFICIENT_PERMISSIONS",
            Self::NotFound => "NOT_FOUND",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::InvalidId => "INVALID_ID",
            Self::Conflict => "CONFLICT",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::InProgress => "IN_PROGRESS",
            Self::RateLimited => "RATE_LIMITED",
            Self::CostExceeded => "COST_EXCEEDED",
            Self::DocumentTooComplex => "DOCUMENT_TOO_COMPLEX",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::DatabaseUnavailable => "DATABASE_UNAVAILABLE",
            Self::ExternalServiceError => "EXTERNAL_SERVICE_ERROR",
            Self::Timeout => "TIMEOUT",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether a mutation reports this in its payload's `userErrors` rather than as a GraphQL error: what a person can put right in a form.
    #[must_use]
    pub const fn is_user_error(self) -> bool {
        matches!(self, Self::NotFound | Self::ValidationError | Self::InvalidId | Self::Conflict)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// The path to the input field, in the schema's spelling, such as `["input", "email"]`; empty when no single field is at fault.
    pub field: Vec<String>,
    /// What happened and what to do, for a person.
    pub message: String,
}

/// An error with what the caller may know and what only the log may.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// For the caller: what happened and what to do.
    pub message: String,
    /// For the log alone.
    pub internal: Option<String>,
    /// The single problems, when an input has them.
    pub problems: Vec<Problem>,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
    /// More for the caller, for programs to read.
    pub details: Option<Box<serde_json::Value>>,
}

impl Error {
    /// Whether the same may succeed a moment later: the database was away or too slow, or somebody held what was to be changed.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self.code, Code::DatabaseUnavailable | Code::Timeout | Code::Conflict)
    }

    /// An error with a code and a message for the caller.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), internal: None, problems: Vec::new(), retry_after: None, details: None }
    }

    /// An error about one field of `input`, named as in the schema: `email`, or `value.amount`.
    pub fn on_field(code: Code, field: &str, message: impl Into<String>) -> Self {
        let problem = Problem { code, field: field_path(field), message: message.into() };
        Self { problems: vec![problem.clone()], ..Self::new(code, problem.message) }
    }

    /// A value of `input` that does not pass its check.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::on_field(Code::ValidationError, field, message)
    }

    /// An object that is not there, or not this organization's: the two must not be told apart.
    pub fn not_found(noun: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {noun}."))
    }

    /// An object named by a field of `input` that is not there.
    pub fn field_not_found(field: &str, noun: &str) -> Self {
        Self::on_field(Code::NotFound, field, format!("There is no such {noun}."))
    }

    /// A change that somebody else was faster with.
    pub fn version_conflict(noun: &str, expected: i32, found: i32) -> Self {
        let message =
            format!("This {noun} was changed meanwhile: you sent version {expected}, it is at {found}. Read it again and repeat the change.");
        Self::on_field(Code::Conflict, "version", message)
    }

    /// A fault of the server; `internal` goes to the log alone.
    pub fn internal(internal: impl fmt::Display) -> Self {
        Self::new(Code::InternalError, "The server made a mistake. It is logged under this request's id.").because(internal)
    }

    /// The database cannot serve now.
    pub fn database_unavailable(internal: impl fmt::Display) -> Self {
        let message = "The database cannot be reached or is busy; try again in a moment.";
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(Code::DatabaseUnavailable, message).because(internal) }
    }

    /// Adds what only the log may know.
    #[must_use]
    pub fn because(mut self, internal: impl fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// The problems as a payload shows them: one at least.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        if self.problems.is_empty() {
            return vec![Problem { code: self.code, field: Vec::new(), message: self.message }];
        }
        self.problems
    }
}

fn field_path(field: &str) -> Vec<String> {
    std::iter::once("input").chain(field.split('.')).map(str::to_owned).collect()
}

/// Gathers everything that is wrong with an input, so that a form shows it at once.
#[derive(Debug, Default)]
pub struct Checks {
    problems: Vec<Problem>,
}

impl Checks {
    /// No problem so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a check, or `None` with its message noted under `field`.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, outcome: std::result::Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(message) => {
                self.note(field, message.to_string());
                None
            }
        }
    }

    /// Notes a problem under `field`.
    pub fn note(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem { code: Code::ValidationError, field: field_path(field), message: message.into() });
    }

    /// Notes a problem unless the condition holds.
    pub fn require(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.note(field, message);
        }
    }

    /// All well, or one error with every problem.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with the problems noted so far.
    pub fn finish(self) -> Result<()> {
        let Some(first) = self.problems.first() else { return Ok(()) };
        let message = first.message.clone();
        Err(Error { problems: self.problems, ..Error::new(Code::ValidationError, message) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTATION: &str = include_str!("../../docs/errors.md");

    #[test]
    fn every_code_has_its_heading_and_no_other() {
        let headings: Vec<&str> = DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, Code::ALL.map(Code::as_str));
    }

    #[test]
    fn every_code_has_an_example_and_advice() {
        for (code, section) in Code::ALL.into_iter().zip(DOCUMENTATION.split("\n## ").skip(1)) {
            let example = section.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
            let example: serde_json::Value = serde_json::from_str(example).unwrap();
            assert!(example.to_string().contains(&format!("\"code\":\"{code}\"")), "{code}: {example}");
            assert!(section.contains("**What to do:** "), "{code}");
            if example["data"].is_object() {
                assert!(code.is_user_error(), "{code} does not come in a payload");
            }
        }
    }
}
