//! The mutations of the organization and its members.

use async_graphql::{Context, InputObject, Object};

use crate::access::writer::Written;
use crate::access::{Act, Can, Operation, Permission, Services};
use crate::base::Result;
use crate::features::accounts::actions::{self, InvitationRevokeInput, MemberRoleSetInput, OrganizationUpdateInput};
use crate::features::accounts::model::{self, MemberId};
use crate::features::accounts::object::{Invitation, Member, Organization};
use crate::payload;

payload!(
    /// What came of `organizationUpdate`.
    OrganizationUpdatePayload {
        /// The organization as it is now; null when there are user errors.
        organization: Organization
    }
);
payload!(
    /// What came of `memberRoleSet`.
    MemberRoleSetPayload {
        /// The member as she is now; null when there are user errors.
        member: Member
    }
);
payload!(
    /// What came of `memberRemove`.
    MemberRemovePayload {
        /// The member as she was kept; null when there are user errors.
        member: Member
    }
);

payload!(
    /// What came of `invitationRevoke`.
    InvitationRevokePayload {
        /// The invitation as it was; null when there are user errors.
        invitation: Invitation
    }
);

/// A member to remove.
#[derive(Debug, Clone, InputObject)]
pub struct MemberRemoveInput {
    /// The member.
    pub member_id: MemberId,
}

/// The mutations of the organization and its members.
#[derive(Default)]
pub struct MemberMutations;

#[Object]
impl MemberMutations {
    /// Changes the organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::OrganizationWrite)")]
    async fn organization_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: OrganizationUpdateInput,
    ) -> Result<Option<Written<OrganizationUpdatePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let change = |act: Act| async move {
            let organization = act.organization();
            act.db.after_commit(move || services.forget_organization(organization));
            actions::organization_update(&act, input).await
        };
        let outcome = operation.write(change).await;
        OrganizationUpdatePayload::of(outcome)
    }

    /// Ends an invitation that was not accepted: its token is refused from now on. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersWrite)")]
    async fn invitation_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation.")] input: InvitationRevokeInput,
    ) -> Result<Option<Written<InvitationRevokePayload>>> {
        let outcome = Operation::of(ctx)?.write(move |act| async move { actions::revoke_invitation(&act, input.invitation_id).await }).await;
        InvitationRevokePayload::of(outcome)
    }

    /// Gives a member another role. Only an owner makes or unmakes owners, and one always remains. The open invitations of a member who may not invite any more end. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersWrite)")]
    async fn member_role_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The member and the role.")] input: MemberRoleSetInput,
    ) -> Result<Option<Written<MemberRoleSetPayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let change = |act: Act| async move { forgetting(&act, services, actions::set_role(&act, input).await?) };
        let outcome = operation.write(change).await;
        MemberRoleSetPayload::of(outcome)
    }

    /// Removes a member, signs her out of this organization, revokes the API keys that act for her and ends the open invitations that she made. What she did keeps her name, and she can be invited again. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MembersWrite)")]
    async fn member_remove(&self, ctx: &Context<'_>, #[graphql(desc = "Which member.")] input: MemberRemoveInput) -> Result<Option<Written<MemberRemovePayload>>> {
        let operation = Operation::of(ctx)?;
        let services = operation.services().clone();
        let change = move |act: Act| async move { forgetting(&act, services, actions::remove(&act, input.member_id).await?) };
        let outcome = operation.write(change).await;
        MemberRemovePayload::of(outcome)
    }
}

/// What this server remembers of the member's standing is forgotten with the commit, whoever waits for it.
fn forgetting(act: &Act, services: Services, member: model::Member) -> Result<model::Member> {
    let user = member.user_id.value()?;
    act.db.after_commit(move || services.forget_user(user));
    Ok(member)
}
