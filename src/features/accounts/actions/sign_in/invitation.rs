//! Accepting an invitation: as somebody new, or as a user who is known by her address and proves it by her password.

use async_graphql::InputObject;

use super::{Entered, Place, Proof, enter, insert_member, insert_user, prove, scope_of, still_proven};
use crate::access::audit::{self, Changed};
use crate::access::{Act, ClientInfo, Role, Services, passwords, refresh};
use crate::base::{Checks, Code, Error, Result, id, text};
use crate::features::accounts::model::{Invitation, Member};
use crate::features::accounts::queries::{self, invitations, sign_in as sql};
use crate::features::accounts::rules;

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
    Known(Proof),
    New { name: String, password_hash: String },
}

/// Makes the invited person a member and signs her in.
///
/// # Errors
/// `INVALID_TOKEN` for an invitation that is not there, was accepted or has run out, or whose inviter may not invite any more; `UNAUTHENTICATED` when the password is not the one of the
/// account; `CONFLICT` when she is a member already.
pub async fn accept(services: &Services, client: &ClientInfo, input: InvitationAcceptInput) -> Result<Entered> {
    let found = sql::invitation_by_token(services, &refresh::hash(&input.token)).await?;
    let (organization, invitation, (time_zone, plan)) = found.ok_or_else(not_acceptable)?;
    if invitation.accepted_at.value()?.is_some() || invitation.expires_at.value()? <= services.clock.now() {
        return Err(not_acceptable());
    }
    let email = invitation.email.text()?.to_owned();
    let (user, guest) = if sql::credentials_by_email(services, &email).await?.is_some() {
        let proof = prove(services, client, &email, input.password).await?;
        (proof.user, Guest::Known(proof))
    } else {
        let mut checks = Checks::new();
        let name = checks.take("name", text::line(&input.name, 200)).unwrap_or_default();
        checks.take("password", passwords::check(&input.password, &email));
        checks.finish()?;
        (id::fresh(&*services.clock), Guest::New { name, password_hash: services.passwords.hash(input.password).await? })
    };
    let time_zone = time_zone.parse().map_err(Error::internal)?;
    let scope = scope_of(services, client, Place { organization, role: invitation.role.value()?, time_zone, plan }, user);
    let own = services.clone();
    let joining = move |act: Act| async move {
        // A past membership of hers may still be remembered.
        act.db.after_commit(move || own.forget_user(user));
        join(&act, &invitation, email, guest).await
    };
    enter(services, scope, "session.create", joining).await
}

async fn join(act: &Act, invitation: &Invitation, email: String, guest: Guest) -> Result<()> {
    match guest {
        Guest::Known(proof) => still_proven(act, &proof).await?,
        Guest::New { name, password_hash } => insert_user(act, name, email, password_hash).await?,
    }
    let inviter = invitation.invited_by.value()?;
    let members = queries::lock_members_of_users(act, [inviter, act.scope.user]).await?;
    let of = |user| members.iter().find(|member| member.user_id.value().is_ok_and(|id| id == user));
    let may_invite = |role: Role| rules::may_invite(role, act.scope.role);
    if !of(inviter).and_then(present_role).is_some_and(may_invite) {
        return Err(not_acceptable());
    }
    let accepted = invitations::accept(act, invitation.id).await?.ok_or_else(not_acceptable)?;
    match of(act.scope.user) {
        None => insert_member(act, act.scope.role).await?,
        Some(before) if before.removed_at.value()?.is_some() => {
            let after = queries::set_role(act, before.id, act.scope.role).await?;
            audit::record(act, "member.restore", &[Changed { id: before.id, before: Some(before), after: after.as_ref() }]).await?;
        }
        Some(_) => return Err(Error::new(Code::Conflict, "You are a member of this organization already: sign in.")),
    }
    audit::record(act, "invitation.accept", &[Changed { id: accepted.id, before: Some(invitation), after: Some(&accepted) }]).await
}

/// What a member who was not removed may do.
fn present_role(member: &Member) -> Option<Role> {
    let present = matches!(member.removed_at.value(), Ok(None));
    member.role.value().ok().filter(|_| present)
}

fn not_acceptable() -> Error {
    Error::on_field(Code::InvalidToken, "token", "This invitation is not open any more: ask for a new one.")
}
