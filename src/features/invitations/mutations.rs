//! The mutation that invites somebody.

use async_graphql::{Context, Object};

use crate::access::payload::divide;
use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::accounts::actions::MemberInviteInput;
use crate::features::invitations::actions;
use crate::features::invitations::object::MemberInvitePayload;

/// The mutation that invites somebody.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "InvitationMutations")]
impl Mutations {
    /// Invites somebody to become a member, in place of an earlier invitation of the same address, and mails her the link. It can be accepted for seven days. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersWrite)")]
    async fn member_invite(&self, ctx: &Context<'_>, #[graphql(desc = "Whom to invite.")] input: MemberInviteInput) -> Result<Option<Written<MemberInvitePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let outcome = operation.write(|act| async move { actions::invite(&act, &services, input).await }).await;
        let (invited, user_errors) = divide(outcome)?;
        let (invitation, invite_token) = invited.unzip();
        let invitation = invitation.map(|invitation| Written(invitation.into()));
        Ok(Some(Written(MemberInvitePayload { invitation, invite_token, user_errors })))
    }
}
