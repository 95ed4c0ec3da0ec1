//! Guards: every field of the schema has one, on itself or on its type, and the door to all of them is shut for anonymous callers.
//!
//! Beside the guards, [`crate::access::operation`] refuses an anonymous operation whose root fields are not all in [`PUBLIC_FIELDS`], before
//! anything runs; so a root field whose guard was forgotten is still not open to the world.

use async_graphql::{Context, Guard, Result};

use crate::access::operation::Operation;
use crate::access::permissions::Permission;

/// The root fields that need no sign-in.
pub const PUBLIC_FIELDS: &[&str] = &["signUp", "signIn", "sessionRefresh", "invitationAccept", "__schema", "__type", "__typename"];

/// Lets a caller pass whose role has the permission.
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

/// Lets everybody pass, and says so: a root field with this guard must also stand in [`PUBLIC_FIELDS`].
#[derive(Debug, Clone, Copy)]
pub struct Public;

impl Guard for Public {
    async fn check(&self, _: &Context<'_>) -> Result<()> {
        Ok(())
    }
}
