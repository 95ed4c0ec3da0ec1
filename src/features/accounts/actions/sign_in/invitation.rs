//! Accepting an invitation: as somebody new, or as a user who is known by her address and proves it by her password.

use async_graphql::InputObject;

use super::{Entered, enter, insert_member, insert_user, prove, scope_of};
use crate::access::audit::{self, Changed};
use crate::access::{Act, ClientInfo, Services, passwords, refresh};
use crate::base::{Checks, Code, Error, Result, id, text};
use crate::features::accounts::model::Invitation;
use crate::features::accounts::queries::{self, sign_in as sql};

/// An invitation to accept.
#[derive(Clone, InputObject)]
pub struct InvitationAcceptInput {
    /// The token of the invitation.
    pub token: String,
    /// Your full name, 1 to 200 characters; not looked at when your address has an account already.
    pub name: String,
    /// Your password: the one of your account, when your address has one; else a new one of 10 to 200 characters.
    pub password: String,
}

/// Who accepts.
enum Guest {
    Known,
    New { name: String, password_hash: String },
}

/// Makes the invited person a member and signs her in.
///
/// # Errors
/// `INVALID_TOKEN` for an invitation that is not there, was accepted or has run out; `UNAUTHENTICATED` when the password is not the one of the
/// account; `CONFLICT` when she is a member already.
pub async fn accept(services: &Services, client: &ClientInfo, input: InvitationAcceptInput) -> Result<Entered> {
    let found = sql::invitation_by_token(services, &refresh::hash(&input.token)).await?;
    let (organization, invitation, time_zone) = found.ok_or_else(not_acceptable)?;
    if invitation.accepted_at.value()?.is_some() || invitation.expires_at.value()? <= services.clock.now() {
        return Err(not_acceptable());
    }
    let email = invitation.email.text()?.to_owned();
    let (user, guest) = if sql::credentials_by_email(services, &email).await?.is_some() {
        (prove(services, client, &email, input.password).await?, Guest::Known)
    } else {
        let mut checks = Checks::new();
        let name = checks.take("name", text::line(&input.name, 200)).unwrap_or_default();
        checks.take("password", passwords::check(&input.password, &email));
        checks.finish()?;
        (id::fresh(&*services.clock), Guest::New { name, password_hash: services.passwords.hash(input.password).await? })
    };
    let time_zone = time_zone.parse().map_err(Error::internal)?;
    let scope = scope_of(services, client, (organization, invitation.role.value()?, time_zone), user);
    let own = services.clone();
    let joining = move |act: Act| async move {
        // A past membership of hers may still be remembered.
        act.db.after_commit(move || own.forget_user(user));
        join(&act, &invitation, email, guest).await
    };
    enter(services, scope, "session.create", joining).await
}

async fn join(act: &Act, invitation: &Invitation, email: String, guest: Guest) -> Result<()> {
    let accepted = queries::accept_invitation(act, invitation.id).await?.ok_or_else(not_acceptable)?;
    if let Guest::New { name, password_hash } = guest {
        insert_user(act, name, email, password_hash).await?;
    }
    match queries::lock_member_of_user(act, act.scope.user).await? {
        None => insert_member(act, act.scope.role).await?,
        Some(before) if before.removed_at.value()?.is_some() => {
            let after = queries::set_role(act, before.id, act.scope.role).await?;
            audit::record(act, "member.restore", &[Changed { id: before.id, before: Some(&before), after: after.as_ref() }]).await?;
        }
        Some(_) => return Err(Error::new(Code::Conflict, "You are a member of this organization already: sign in.")),
    }
    audit::record(act, "invitation.accept", &[Changed { id: accepted.id, before: Some(invitation), after: Some(&accepted) }]).await
}

fn not_acceptable() -> Error {
    Error::on_field(Code::InvalidToken, "token", "This invitation is not open any more: ask for a new one.")
}
