//! What the schema shows of accounts.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission, Plan, Role, SignedIn};
use crate::base::directives::list_size;
use crate::base::scalars::DateTime;
use crate::base::{Error, Result, state};
use crate::features::accounts::loaders::{InvitationById, MemberById, OrganizationById, UserById};
use crate::features::accounts::model::{self, InvitationId, MemberId, OrganizationId, UserId};
use crate::features::accounts::queries::invitations::InvitationOrderField;
use crate::features::accounts::queries::{self, MemberOrderField};
use crate::plain;

/// A business that works with this server: everything else belongs to one.
#[derive(Clone)]
pub struct Organization(pub Arc<model::Organization>);

/// A person who signs in. The same person may be a member of several organizations.
#[derive(Clone)]
pub struct User(pub Arc<model::User>);

/// A person's membership in the organization.
#[derive(Clone)]
pub struct Member(pub Arc<model::Member>);

/// An invitation to become a member.
#[derive(Clone)]
pub struct Invitation(pub Arc<model::Invitation>);

/// Who is signed in, and where.
#[derive(Debug, Clone, Copy)]
pub struct Viewer;

impl Writable for Viewer {}

/// A page of members.
pub type MemberConnection = Written<Connection<Member>>;

/// A page of invitations.
pub type InvitationConnection = Written<Connection<Invitation>>;

macro_rules! shows {
    ($($object:ident by $loader:ident seen with $permission:ident),+ $(,)?) => {
        $(
            $crate::from_rows!($object of model::$object);

            impl NodeObject for $object {
                type Row = model::$object;
                const READ: Permission = Permission::$permission;

                async fn find(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
                    Ok(Operation::of(ctx)?.reads()?.load::<$loader>(id).await?.map(Self))
                }
            }
        )+
    };
}
shows!(
    Organization by OrganizationById seen with MembersRead,
    User by UserById seen with MembersRead,
    Member by MemberById seen with MembersRead,
    Invitation by InvitationById seen with MembersWrite,
);

impl Writable for Organization {
    plain!(id, name, gstin, state_code, state, time_zone, locale, plan, created_at, updated_at, version);
}

impl Writable for User {
    plain!(id, email, name);
}

impl Writable for Member {
    plain!(id, role, joined_at, removed_at);
}

impl Writable for Invitation {
    plain!(id, email, role, expires_at, accepted_at, created_at);
}

impl Listed for Member {
    const NAME: &'static str = "Member";
    const READ: Permission = <Self as NodeObject>::READ;
    type Order = MemberOrderField;
    type Row = model::Member;

    fn row(&self) -> &model::Member {
        &self.0
    }
}

impl Listed for Invitation {
    const NAME: &'static str = "Invitation";
    const READ: Permission = <Self as NodeObject>::READ;
    type Order = InvitationOrderField;
    type Row = model::Invitation;

    fn row(&self) -> &model::Invitation {
        &self.0
    }
}

/// A business that works with this server: everything else belongs to one.
#[Object(guard = "Can(Permission::MembersRead)")]
impl Organization {
    /// The identifier.
    pub async fn id(&self) -> OrganizationId {
        OrganizationId::new(self.0.id)
    }

    /// The name.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// The GSTIN, its check character verified; null when the business is not registered.
    async fn gstin(&self) -> Result<Option<&str>> {
        self.0.gstin.text()
    }

    /// The two-digit GST code of the state.
    async fn state_code(&self) -> Result<&str> {
        self.0.state_code.text()
    }

    /// The name of the state; null when its code is no longer in use.
    async fn state(&self) -> Result<Option<&str>> {
        Ok(state::name(self.0.state_code.text()?))
    }

    /// The time zone in which the organization's days begin, by its IANA name, such as `Asia/Kolkata`.
    async fn time_zone(&self) -> Result<&str> {
        self.0.time_zone.text()
    }

    /// The language and country, such as `en-IN`.
    async fn locale(&self) -> Result<&str> {
        self.0.locale.text()
    }

    /// What the organization has subscribed to.
    async fn plan(&self) -> Result<Plan> {
        self.0.plan.value()
    }

    /// When the organization signed up.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the organization was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// A person who signs in. The same person may be a member of several organizations.
#[Object(guard = "Can(Permission::MembersRead)")]
impl User {
    /// The identifier.
    pub async fn id(&self) -> UserId {
        UserId::new(self.0.id)
    }

    /// The e-mail address, in lower case.
    async fn email(&self) -> Result<&str> {
        self.0.email.text()
    }

    /// The full name.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }
}

/// A person's membership in the organization.
#[Object(guard = "Can(Permission::MembersRead)")]
impl Member {
    /// The identifier.
    pub async fn id(&self) -> MemberId {
        MemberId::new(self.0.id)
    }

    /// The person; null only while she cannot be read.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load(ctx, self.0.user_id.value()?).await
    }

    /// What the member may do.
    async fn role(&self) -> Result<Role> {
        self.0.role.value()
    }

    /// When the person first became a member.
    async fn joined_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the member was removed; null while she is one.
    async fn removed_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.removed_at.value()?.map(DateTime))
    }
}

/// An invitation to become a member. Its token is shown once, by `memberInvite`.
#[Object(guard = "Can(Permission::MembersWrite)")]
impl Invitation {
    /// The identifier.
    pub async fn id(&self) -> InvitationId {
        InvitationId::new(self.0.id)
    }

    /// The e-mail address of the person who is invited.
    async fn email(&self) -> Result<&str> {
        self.0.email.text()
    }

    /// What the person will be allowed to do.
    async fn role(&self) -> Result<Role> {
        self.0.role.value()
    }

    /// The member who invites; null only while she cannot be read.
    async fn invited_by(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load(ctx, self.0.invited_by.value()?).await
    }

    /// Until when the invitation can be accepted.
    async fn expires_at(&self) -> Result<DateTime> {
        self.0.expires_at.value().map(DateTime)
    }

    /// When the invitation was accepted; null while it was not.
    async fn accepted_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.accepted_at.value()?.map(DateTime))
    }

    /// When the invitation was made.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }
}

/// Who is signed in, and where.
#[Object(guard = "SignedIn")]
impl Viewer {
    /// The signed-in person, or the one whom the API key acts for. Null when it fails; the errors say why.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        let user = Operation::of(ctx)?.scope()?.user;
        User::load(ctx, user).await?.ok_or_else(|| Error::internal("the signed-in user cannot be read")).map(Some)
    }

    /// The organization that she is signed in to. Null when it fails; the errors say why.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Written<Organization>>> {
        let organization = Operation::of(ctx)?.scope()?.organization;
        Organization::load(ctx, organization).await?.ok_or_else(|| Error::internal("the organization cannot be read")).map(Some)
    }

    /// All organizations that she belongs to, by name, at most 100; `organizationSwitch` goes from one to another. An API key sees its own alone. Null when it fails; the errors say why.
    #[graphql(directive = list_size::apply(Some(100), None, None, None))]
    async fn organizations(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<Organization>>>> {
        let reads = Operation::of(ctx)?.reads()?;
        Ok(Some(queries::organizations_of_viewer(&reads.reader).await?.into_iter().map(Organization::from).collect()))
    }

    /// Her role in the organization.
    async fn role(&self, ctx: &Context<'_>) -> Result<Role> {
        Ok(Operation::of(ctx)?.scope()?.role)
    }

    /// The codes of everything that may be done, such as `contacts.read`: what her role allows, and of that what is in an API key's scopes.
    async fn permissions(&self, ctx: &Context<'_>) -> Result<Vec<&'static str>> {
        Ok(Operation::of(ctx)?.scope()?.permissions.codes())
    }
}
