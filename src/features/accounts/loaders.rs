//! Batch functions over accounts.

use std::sync::Arc;

use uuid::Uuid;

use crate::access::{Batch, Reader};
use crate::base::{Map, Result};
use crate::features::accounts::model::{Invitation, Member, Organization, User};
use crate::features::accounts::queries;

/// Organizations by their ids: only the tenant's own is found.
pub struct OrganizationById;

impl Batch for OrganizationById {
    type Key = Uuid;
    type Value = Arc<Organization>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<Organization>>> {
        let organizations = queries::organizations_by_ids(&reader, keys).await?;
        Ok(organizations.into_iter().map(|organization| (organization.id, organization)).collect())
    }
}

/// Users by their ids.
pub struct UserById;

impl Batch for UserById {
    type Key = Uuid;
    type Value = Arc<User>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<User>>> {
        let users = queries::users_by_ids(&reader, keys).await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

/// Members by their ids.
pub struct MemberById;

impl Batch for MemberById {
    type Key = Uuid;
    type Value = Arc<Member>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<Member>>> {
        let members = queries::members_by_ids(&reader, keys).await?;
        Ok(members.into_iter().map(|member| (member.id, member)).collect())
    }
}

/// Invitations by their ids.
pub struct InvitationById;

impl Batch for InvitationById {
    type Key = Uuid;
    type Value = Arc<Invitation>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<Invitation>>> {
        let invitations = queries::invitations::by_ids(&reader, keys).await?;
        Ok(invitations.into_iter().map(|invitation| (invitation.id, invitation)).collect())
    }
}
