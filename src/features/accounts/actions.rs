//! What is done with organizations and members: check, write, audit, in the caller's transaction. How people come in is in [`sign_in`].

pub mod sign_in;

use async_graphql::{InputObject, MaybeUndefined};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::access::audit::{self, Changed};
use crate::access::{Act, Permission, Role, refresh};
use crate::base::patch::{nullable, optional};
use crate::base::{Checks, Code, Error, Result, email, gstin, state, text};
use crate::features::accounts::model::{EndedKey, Invitation, InvitationId, Member, MemberId, NewInvitation, Organization, OrganizationChanges};
use crate::features::accounts::queries::{self, invitations, sign_in as sessions};
use crate::features::accounts::rules;

/// How long an invitation can be accepted.
const INVITATION_LIFETIME: TimeDelta = TimeDelta::days(7);

/// Changes to the organization: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct OrganizationChangesInput {
    /// The name, 1 to 200 characters.
    pub name: Option<String>,
    /// The GSTIN; it must be of the organization's state.
    pub gstin: MaybeUndefined<String>,
    /// The two-digit GST code of the state.
    pub state_code: Option<String>,
    /// The time zone by its IANA name, such as `Asia/Kolkata`.
    pub time_zone: Option<String>,
    /// The language and country, such as `hi-IN`.
    pub locale: Option<String>,
}

/// A change of the organization that the caller is signed in to.
#[derive(Debug, Clone, InputObject)]
pub struct OrganizationUpdateInput {
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: OrganizationChangesInput,
}

/// Somebody to invite.
#[derive(Debug, Clone, InputObject)]
pub struct MemberInviteInput {
    /// The person's e-mail address.
    pub email: String,
    /// What the person will be allowed to do. Nobody is invited as `OWNER`: invite as `ADMIN`, and let an owner make the member one.
    pub role: Role,
}

/// Which invitation to end.
#[derive(Debug, Clone, InputObject)]
pub struct InvitationRevokeInput {
    /// The invitation.
    pub invitation_id: InvitationId,
}

/// A member's new role.
#[derive(Debug, Clone, InputObject)]
pub struct MemberRoleSetInput {
    /// The member.
    pub member_id: MemberId,
    /// What the member may do from now on.
    pub role: Role,
}

/// Changes the organization.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` when somebody else changed it first.
pub async fn organization_update(act: &Act, input: OrganizationUpdateInput) -> Result<Organization> {
    let changes = checked(&input.changes)?;
    let before = queries::lock_organization(act).await?.ok_or_else(|| Error::not_found("organization"))?;
    let version = before.version.value()?;
    if version != input.version {
        return Err(Error::version_conflict("organization", input.version, version));
    }
    let mut checks = Checks::new();
    let gstin = changes.gstin.as_ref().map_or(before.gstin.text()?, Option::as_deref);
    let state_code = changes.state_code.as_deref().unwrap_or(before.state_code.text()?);
    rules::check_state(&mut checks, if changes.gstin.is_some() { "changes.gstin" } else { "changes.stateCode" }, gstin, state_code);
    checks.finish()?;
    let after = queries::update_organization(act, changes).await?.ok_or_else(|| Error::internal("an updated organization was not returned"))?;
    audit::record(act, "organization.update", &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await?;
    Ok(after)
}

fn checked(input: &OrganizationChangesInput) -> Result<OrganizationChanges> {
    let mut checks = Checks::new();
    let changes = OrganizationChanges {
        name: optional(&mut checks, "changes.name", input.name.as_deref(), |name| text::line(name, 200)),
        gstin: nullable(&mut checks, "changes.gstin", &input.gstin, |gstin| gstin::parse(gstin)),
        state_code: optional(&mut checks, "changes.stateCode", input.state_code.as_deref(), state::parse),
        time_zone: optional(&mut checks, "changes.timeZone", input.time_zone.as_deref(), rules::time_zone),
        locale: optional(&mut checks, "changes.locale", input.locale.as_deref(), rules::locale),
    };
    let nothing_sent = changes == OrganizationChanges::default();
    checks.finish()?;
    if nothing_sent {
        return Err(Error::invalid("changes", "Send at least one change."));
    }
    Ok(changes)
}

/// Invites somebody, in place of an earlier invitation of the same address, and says the token that accepts it: it cannot be read again.
///
/// # Errors
/// `VALIDATION_ERROR`, `CONFLICT` when the address is a member's, or `FORBIDDEN` when the inviter was removed meanwhile, or may not give that role.
pub async fn invite(act: &Act, input: MemberInviteInput) -> Result<(Invitation, String)> {
    let mut checks = Checks::new();
    let email = checks.take("email", email::parse(&input.email)).unwrap_or_default();
    checks.require(input.role != Role::Owner, "role", "Nobody is invited as OWNER: invite as ADMIN, and let an owner make the member one.");
    checks.finish()?;
    // Held until the end, so that her removal finds what she made here.
    let inviter = queries::hold_role(act, act.scope.user).await?;
    let inviter = inviter.ok_or_else(|| Error::new(Code::Forbidden, "You are not a member of this organization any more."))?;
    act.scope.with_role(inviter).require(Permission::MembersWrite)?;
    if !rules::may_invite(inviter, input.role) {
        return Err(Error::new(Code::Forbidden, "Nobody invites somebody who may do more than she herself; ask an owner to do it."));
    }
    if queries::is_member(act, &email).await? {
        return Err(Error::on_field(Code::Conflict, "email", "This person is a member already."));
    }
    let replaced = invitations::delete_open_of_address(act, &email).await?;
    record_deletion(act, "invitation.replace", &replaced).await?;
    let (token, now) = (refresh::fresh()?, act.now());
    let new = NewInvitation {
        organization_id: act.organization(),
        id: act.fresh_id(),
        email,
        role: input.role,
        token_hash: refresh::hash(&token),
        invited_by: act.scope.user,
        expires_at: now + INVITATION_LIFETIME,
        created_at: now,
        updated_at: now,
    };
    let invitation = invitations::insert(act, new).await?.ok_or_else(|| Error::internal("an inserted invitation was not returned"))?;
    audit::record(act, "invitation.create", &[Changed { id: invitation.id, before: None, after: Some(&invitation) }]).await?;
    Ok((invitation, token))
}

/// Ends an open invitation: its token is refused from now on.
///
/// # Errors
/// `NOT_FOUND`, or `CONFLICT` when it was accepted.
pub async fn revoke_invitation(act: &Act, id: InvitationId) -> Result<Invitation> {
    let before = invitations::lock(act, id.uuid()).await?.ok_or_else(|| Error::field_not_found("invitationId", "invitation"))?;
    if before.accepted_at.value()?.is_some() {
        return Err(Error::on_field(Code::Conflict, "invitationId", "This invitation was accepted already; remove the member instead."));
    }
    invitations::delete(act, before.id).await?;
    record_deletion(act, "invitation.revoke", std::slice::from_ref(&before)).await?;
    Ok(before)
}

/// Gives a member another role. With one that may not invite, the open invitations that she made end.
///
/// # Errors
/// `NOT_FOUND`, `FORBIDDEN` when somebody else than an owner makes or unmakes one, `CONFLICT` for the last owner.
pub async fn set_role(act: &Act, input: MemberRoleSetInput) -> Result<Member> {
    let (before, owners) = lock(act, input.member_id).await?;
    rules::check_change_of_member(act.scope.role, before.role.value()?, Some(input.role), owners, "role")?;
    let after = queries::set_role(act, before.id, input.role).await?.ok_or_else(|| Error::internal("an updated member was not returned"))?;
    if !input.role.may(Permission::MembersWrite) {
        revoke_invitations_of(act, before.user_id.value()?).await?;
    }
    audit::record(act, "member.role_set", &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await?;
    Ok(after)
}

/// Removes a member, and ends her sessions, the API keys that act for her and the open invitations that she made. What else she did keeps her name.
///
/// # Errors
/// As [`set_role`].
pub async fn remove(act: &Act, id: MemberId) -> Result<Member> {
    let (before, owners) = lock(act, id).await?;
    rules::check_change_of_member(act.scope.role, before.role.value()?, None, owners, "memberId")?;
    let after = queries::remove_member(act, before.id).await?.ok_or_else(|| Error::internal("a removed member was not returned"))?;
    let user = after.user_id.value()?;
    revoke_invitations_of(act, user).await?;
    let ended = sessions::revoke_of_member(act, user).await?;
    sign_in::record_end(act, "session.end", &ended).await?;
    revoke_keys_of(act, user).await?;
    audit::record(act, "member.remove", &[Changed { id: after.id, before: Some(&before), after: Some(&after) }]).await?;
    Ok(after)
}

async fn revoke_invitations_of(act: &Act, user: Uuid) -> Result<()> {
    let revoked = invitations::delete_open_of_inviter(act, user).await?;
    record_deletion(act, "invitation.revoke", &revoked).await
}

/// For good: should she be invited again, they do not come back with her.
async fn revoke_keys_of(act: &Act, user: Uuid) -> Result<()> {
    let after = sessions::revoke_keys_of_member(act, user).await?;
    let before: Vec<_> = after.iter().map(|key| EndedKey { id: key.id, revoked_at: None }).collect();
    let changes: Vec<_> = after.iter().zip(&before).map(|(after, before)| Changed { id: after.id, before: Some(before), after: Some(after) }).collect();
    audit::record(act, "apikey.revoke", &changes).await
}

async fn record_deletion(act: &Act, action: &'static str, deleted: &[Invitation]) -> Result<()> {
    let changes: Vec<_> = deleted.iter().map(|row| Changed { id: row.id, before: Some(row), after: None }).collect();
    audit::record(act, action, &changes).await
}

/// A present member, locked, and how many owners there are.
async fn lock(act: &Act, id: MemberId) -> Result<(Member, usize)> {
    let rows = queries::lock_member_and_owners(act, id.uuid()).await?;
    let is_owner = |row: &&Member| matches!((row.role.value(), row.removed_at.value()), (Ok(Role::Owner), Ok(None)));
    let owners = rows.iter().filter(is_owner).count();
    let found = rows.into_iter().find(|row| row.id == id.uuid() && matches!(row.removed_at.value(), Ok(None)));
    Ok((found.ok_or_else(|| Error::field_not_found("memberId", "member"))?, owners))
}
