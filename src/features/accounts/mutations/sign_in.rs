//! The mutations of signing up, in, elsewhere and out.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use futures_util::FutureExt;

use crate::access::payload::{UserError, divide};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Act, InSession, Operation, Public};
use crate::base::directives::rate_limit;
use crate::base::scalars::DateTime;
use crate::base::{Code, Result};
use crate::features::accounts::actions::sign_in::invitation::{self, InvitationAcceptInput};
use crate::features::accounts::actions::sign_in::{self, Entered, PasswordChangeInput, SignInInput, SignUpInput};
use crate::features::accounts::model::OrganizationId;
use crate::features::accounts::object::Viewer;

/// A payload that hands out tokens.
macro_rules! entering {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, SimpleObject)]
        pub struct $name {
            /// The access token, to be sent as `Authorization: Bearer <token>`; null when there are user errors.
            pub access_token: Option<String>,
            /// The token that `sessionRefresh` takes, once: each refresh answers with the next one. Null when there are user errors.
            pub refresh_token: Option<String>,
            /// When the access token ends; null when there are user errors.
            pub expires_at: Option<DateTime>,
            /// Who is signed in now, and where; null when there are user errors.
            pub viewer: Option<Written<Viewer>>,
            /// What to put right; empty when all went well.
            pub user_errors: WrittenList<Vec<UserError>>,
        }

        impl Writable for $name {}

        impl $name {
            /// The payload of an outcome. The rest of the operation, beginning with the payload's fields, runs on behalf of whoever came in.
            fn of(operation: &Operation, outcome: Result<Entered>) -> Result<Option<Written<Self>>> {
                let (entered, user_errors) = divide_proof(outcome)?;
                let Some(Entered { scope, access, refresh }) = entered else {
                    return Ok(Some(Written(Self { access_token: None, refresh_token: None, expires_at: None, viewer: None, user_errors })));
                };
                operation.continue_as(scope);
                let (access_token, refresh_token) = (Some(access.token), Some(refresh));
                let (expires_at, viewer) = (Some(DateTime(access.expires_at)), Some(Written(Viewer)));
                Ok(Some(Written(Self { access_token, refresh_token, expires_at, viewer, user_errors })))
            }
        }
    };
}

entering!(
    /// What came of `signUp`.
    SignUpPayload
);
entering!(
    /// What came of `signIn`.
    SignInPayload
);
entering!(
    /// What came of `sessionRefresh`.
    SessionRefreshPayload
);
entering!(
    /// What came of `organizationSwitch`.
    OrganizationSwitchPayload
);
entering!(
    /// What came of `invitationAccept`.
    InvitationAcceptPayload
);

/// What came of `signOut`.
#[derive(Debug, Clone, SimpleObject)]
pub struct SignOutPayload {
    /// Whether the session has ended.
    pub success: bool,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

/// What came of `passwordChange`.
#[derive(Debug, Clone, SimpleObject)]
pub struct PasswordChangePayload {
    /// Whether the new password counts.
    pub success: bool,
    /// What to put right; empty when all went well.
    pub user_errors: WrittenList<Vec<UserError>>,
}

/// A refresh token to exchange.
#[derive(Clone, InputObject)]
pub struct SessionRefreshInput {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

/// Where to go.
#[derive(Debug, Clone, InputObject)]
pub struct OrganizationSwitchInput {
    /// Another organization that the signed-in user belongs to, as `viewer { organizations { id } }` lists them.
    pub organization_id: OrganizationId,
}

/// As [`divide`]; and that somebody could not prove who she is, which elsewhere is an error of the whole operation, belongs into the form as well.
fn divide_proof<T>(outcome: Result<T>) -> Result<(Option<T>, WrittenList<Vec<UserError>>)> {
    match outcome {
        Err(error) if matches!(error.code, Code::Unauthenticated | Code::InvalidToken | Code::Forbidden) => {
            Ok((None, error.into_problems().into_iter().map(UserError::from).collect()))
        }
        other => divide(other),
    }
}

impl Writable for SignOutPayload {}
impl Writable for PasswordChangePayload {}

/// The mutations of signing up, in, elsewhere and out.
#[derive(Default)]
pub struct SignInMutations;

#[Object]
impl SignInMutations {
    /// Makes a new organization on the free plan, with its owner and its first pipeline, and signs the owner in. Null when it fails; the errors say why.
    #[graphql(guard = "Public", directive = rate_limit::apply("sign-up".into()))]
    async fn sign_up(&self, ctx: &Context<'_>, #[graphql(desc = "The organization and its owner.")] input: SignUpInput) -> Result<Option<Written<SignUpPayload>>> {
        let operation = Operation::of(ctx)?;
        SignUpPayload::of(operation, sign_in::sign_up(operation.services(), operation.client(), input).boxed().await)
    }

    /// Signs in by e-mail address and password. Too many failures are answered with `RATE_LIMITED` and the time to wait. Null when it fails; the errors say why.
    #[graphql(guard = "Public")]
    async fn sign_in(&self, ctx: &Context<'_>, #[graphql(desc = "Who signs in.")] input: SignInInput) -> Result<Option<Written<SignInPayload>>> {
        let operation = Operation::of(ctx)?;
        SignInPayload::of(operation, sign_in::sign_in(operation.services(), operation.client(), input).boxed().await)
    }

    /// Exchanges a refresh token for new tokens. A token can be exchanged once; who tries it again more than ten seconds later ends the session. Null when it fails; the errors say why.
    #[graphql(guard = "Public")]
    async fn session_refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token.")] input: SessionRefreshInput,
    ) -> Result<Option<Written<SessionRefreshPayload>>> {
        let operation = Operation::of(ctx)?;
        SessionRefreshPayload::of(operation, sign_in::refresh(operation.services(), operation.client(), &input.refresh_token).boxed().await)
    }

    /// Accepts an invitation and signs in. Whoever has an account at the invited address proves it by its password. Null when it fails; the errors say why.
    #[graphql(guard = "Public")]
    async fn invitation_accept(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation and who accepts it.")] input: InvitationAcceptInput,
    ) -> Result<Option<Written<InvitationAcceptPayload>>> {
        let operation = Operation::of(ctx)?;
        InvitationAcceptPayload::of(operation, invitation::accept(operation.services(), operation.client(), input).boxed().await)
    }

    /// Goes to another organization of the signed-in user: the session here ends, and one begins there. Not for API keys. Null when it fails; the errors say why.
    #[graphql(guard = "InSession")]
    async fn organization_switch(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to go.")] input: OrganizationSwitchInput,
    ) -> Result<Option<Written<OrganizationSwitchPayload>>> {
        let operation = Operation::of(ctx)?;
        let outcome = sign_in::switch(operation.services(), operation.client(), &operation.scope()?, input.organization_id).boxed().await;
        OrganizationSwitchPayload::of(operation, outcome)
    }

    /// Changes the signed-in user's password and ends all her other sessions, in all organizations; her API keys stay. Not for API keys. Null when it fails; the errors say why.
    #[graphql(guard = "InSession")]
    async fn password_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current and the new password.")] input: PasswordChangeInput,
    ) -> Result<Option<Written<PasswordChangePayload>>> {
        let operation = Operation::of(ctx)?;
        let outcome = sign_in::change_password(operation.services(), operation.client(), &operation.scope()?, input).boxed().await;
        let (done, user_errors) = divide_proof(outcome)?;
        Ok(Some(Written(PasswordChangePayload { success: done.is_some(), user_errors })))
    }

    /// Ends the session: its tokens are refused from now on. Not for API keys, which `apiKeyRevoke` ends. Null when it fails; the errors say why.
    #[graphql(guard = "InSession")]
    async fn sign_out(&self, ctx: &Context<'_>) -> Result<Option<Written<SignOutPayload>>> {
        let operation = Operation::of(ctx)?;
        let session = operation.scope()?.session()?;
        let services = operation.services().clone();
        let leave = move |act: Act| async move {
            act.db.after_commit(move || services.forget_session(session));
            sign_in::sign_out(&act).await
        };
        let outcome = operation.write(leave).await;
        let (done, user_errors) = divide(outcome)?;
        Ok(Some(Written(SignOutPayload { success: done.is_some(), user_errors })))
    }
}
