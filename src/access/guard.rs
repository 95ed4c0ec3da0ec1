//! Guards: every field of the schema has one, on itself or on its type, and the door to all of them is shut for anonymous callers.
//!
//! Beside the guards, [`admit`] refuses an anonymous operation whose root fields are not all in [`PUBLIC_FIELDS`], before
//! anything runs; so a root field whose guard was forgotten is still not open to the world.
//!
//! A guard looks at who asks and never at the object: an operation asks it for the first object at a place, and the plain fields of the others are
//! written without it ([`crate::access::writer`]).

use async_graphql::{Context, Guard, Result};

use crate::access::document::Selection;
use crate::access::operation::Operation;
use crate::access::permissions::Permission;
use crate::access::scope::{Scope, not_for_keys};
use crate::base::{Code, Error};

/// The root fields that need no sign-in.
pub const PUBLIC_FIELDS: &[&str] = &["signUp", "signIn", "sessionRefresh", "invitationAccept", "__schema", "__type", "__typename"];

/// Lets a caller pass who has the permission: by the role, and by the scopes when it is an API key.
#[derive(Debug, Clone, Copy)]
pub struct Can(pub Permission);

impl Guard for Can {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Ok(Operation::of(ctx)?.require(self.0)?)
    }
}

/// Lets everybody pass who is signed in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Operation::of(ctx)?.scope()?;
        Ok(())
    }
}

/// Lets everybody pass who is signed in by a session, and no API key.
#[derive(Debug, Clone, Copy)]
pub struct InSession;

impl Guard for InSession {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        Operation::of(ctx)?.scope()?.session()?;
        Ok(())
    }
}

/// Lets every person pass, also one who is not signed in, and says so: a root field with this guard must also stand in [`PUBLIC_FIELDS`]. An API key
/// is no person, and has nothing to do where people come in.
#[derive(Debug, Clone, Copy)]
pub struct Public;

impl Guard for Public {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        if Operation::of(ctx)?.scope().is_ok_and(|scope| scope.is_key()) {
            return Err(not_for_keys().into());
        }
        Ok(())
    }
}

/// Refuses an anonymous operation unless every root field is open to everybody, and one for the schema itself unless the caller may read that.
///
/// # Errors
/// `UNAUTHENTICATED`; `INSUFFICIENT_PERMISSIONS`; `DOCUMENT_TOO_COMPLEX` for an anonymous mutation of several fields.
pub fn admit(scope: Option<&Scope>, selection: &Selection, reads_schema: bool) -> Result<(), Error> {
    let open = |name: &String| PUBLIC_FIELDS.contains(&name.as_str());
    if selection.asks_for_schema() && !reads_schema {
        let Some(scope) = scope else { return Err(unauthenticated()) };
        scope.require(Permission::SchemaRead)?;
    }
    if scope.is_some() {
        return Ok(());
    }
    if !selection.root_fields().iter().all(open) {
        return Err(unauthenticated());
    }
    // Each hashes a password or tries a token: aliases would let one request do it hundreds of times.
    if selection.is_mutation() && selection.root_count() > 1 {
        return Err(Error::new(Code::DocumentTooComplex, "Without being signed in, a mutation has one field: send one operation after another."));
    }
    Ok(())
}

/// The error for callers who are not signed in.
#[must_use]
pub fn unauthenticated() -> Error {
    Error::new(
        Code::Unauthenticated,
        "Sign in first: get an access token by `signIn`, or an API key, and send it as `Authorization: Bearer <token>`.",
    )
}
