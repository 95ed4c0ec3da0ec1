//! What a failure of the database means to the caller.

use std::time::Duration;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use crate::base::{Code, Error};

/// Turns a database error into one for the caller; the database's own words go to the log alone.
///
/// Violations that an action expects (a taken e-mail address) are recognised by the action through [`violated`] before it comes to this.
#[must_use]
pub fn translate(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(kind, information) => database_error(&kind, &*information),
        DieselError::BrokenTransactionManager => Error::database_unavailable("the transaction manager is broken"),
        other => Error::internal(other),
    }
}

fn database_error(kind: &DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> Error {
    let text = format!("{kind:?}: {}{}", information.message(), constraint_of(information));
    match kind {
        DatabaseErrorKind::UniqueViolation => Error::new(Code::Conflict, "Another object with this value exists already.").because(text),
        DatabaseErrorKind::ForeignKeyViolation => {
            Error::new(Code::Conflict, "This refers to an object that is not there, or others still refer to it.").because(text)
        }
        DatabaseErrorKind::CheckViolation | DatabaseErrorKind::NotNullViolation => {
            Error::new(Code::ValidationError, "A value is outside what can be stored.").because(text)
        }
        DatabaseErrorKind::SerializationFailure => Error {
            retry_after: Some(Duration::from_millis(100)),
            ..Error::new(Code::Conflict, "This collided with another change; try again.").because(text)
        },
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ReadOnlyTransaction => {
            Error::database_unavailable(text)
        }
        _ => by_message(information.message(), text),
    }
}

/// Diesel keeps no SQLSTATE for the rest, so these go by PostgreSQL's English messages. A server that speaks another language (`lc_messages`, which
/// only its superuser may set) has them reported as `INTERNAL_ERROR`; nothing else depends on it.
fn by_message(message: &str, text: String) -> Error {
    let has = |part: &str| message.contains(part);
    if has("statement timeout") {
        return Error::new(Code::Timeout, "The database took longer than it may for one statement. Ask for less at once, or narrow the filter.")
            .because(text);
    }
    if has("lock timeout") || has("deadlock detected") {
        return Error::new(Code::Conflict, "Somebody else is changing the same object; try again.").because(text);
    }
    if has(ABORTED) {
        let message = "This was not read, because another part of the operation failed, whose error says why; try again.";
        return Error { message: message.to_owned(), ..Error::database_unavailable(text) };
    }
    let gone = [
        "terminating connection",
        "shutting down",
        "starting up",
        "too many clients",
        "remaining connection slots",
        "No space left",
        "recovery",
        "is not currently accepting",
    ];
    if gone.iter().any(|part| has(part)) {
        return Error::database_unavailable(text);
    }
    Error::internal(text)
}

/// What a statement fails with that is sent in a transaction in which another has failed.
const ABORTED: &str = "current transaction is aborted";

/// Whether a statement only failed because another one of its transaction did.
#[must_use]
pub fn taken_along(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information) if information.message().contains(ABORTED))
}

/// Whether a failure to read is the node's own, so that another node may answer, and if so, whether the node is gone: its connection was lost. A
/// replica also ends a query that stands in the way of what it has to replay.
#[must_use]
pub fn moves(error: &DieselError) -> Option<bool> {
    let DieselError::DatabaseError(kind, information) = error else { return None };
    match kind {
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => Some(true),
        DatabaseErrorKind::SerializationFailure => Some(false),
        _ => {
            let has = |part: &str| information.message().contains(part);
            // The first ends the connection too, since snapshots have a savepoint, and neither says anything against the node: what a replica replays
            // holds locks as well.
            if has("conflict with recovery") || has("lock timeout") {
                return Some(false);
            }
            let gone = ["terminating connection", "shutting down", "starting up", "is not currently accepting"].iter().any(|part| has(part));
            gone.then_some(true)
        }
    }
}

fn constraint_of(information: &dyn DatabaseErrorInformation) -> String {
    information.constraint_name().map(|name| format!(" [{name}]")).unwrap_or_default()
}

/// Whether an error is the violation of this constraint or unique index.
#[must_use]
pub fn violated(error: &Error, constraint: &str) -> bool {
    error.internal.as_deref().is_some_and(|text| text.ends_with(&format!("[{constraint}]")))
}
