//! Every statement about accounts. Each names its organization; row level security stands behind it. What happens before an organization is known,
//! or concerns a person's sessions wherever they are, is in [`sign_in`]; what concerns invitations in [`invitations`].

pub mod invitations;
pub mod sign_in;

use std::sync::Arc;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader, Role};
use crate::base::Result;
use crate::features::accounts::model::{Member, NewMember, NewOrganization, NewUser, Organization, OrganizationChanges, User};
use crate::features::lists::Filter;
use crate::platform::postgres::statement::Limited;
use crate::schema::{memberships, organizations, pipeline_stages, pipelines, users};
use crate::{lists, narrow_any, operators};

lists! {
    memberships of Member, narrowed by MemberFilter, usually JoinedAt Asc;

    /// How to order members.
    pub struct MemberOrder;

    /// What members can be ordered by.
    pub enum MemberOrderField {
        /// When they became members.
        JoinedAt = created_at: DateTime<Utc>,
    }
}

operators!(
    /// Compares a role.
    RoleFilter,
    Role
);

/// Narrows a list of members; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct MemberFilter {
    /// By role.
    pub role: Option<RoleFilter>,
    /// Only those who were removed, instead of those who were not.
    #[graphql(default = false)]
    pub removed: bool,
}

impl Filter for MemberFilter {}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &MemberFilter) -> Query<ST> {
    let query = narrow_any!(query, filter.role, memberships::role);
    if filter.removed { query.filter(memberships::removed_at.is_not_null()) } else { query.filter(memberships::removed_at.is_null()) }
}

/// The stages that a new organization's pipeline begins with: name, probability in percent, kind.
const DEFAULT_STAGES: [(&str, i32, &str); 6] =
    [("New", 10, "OPEN"), ("Qualified", 30, "OPEN"), ("Proposal", 50, "OPEN"), ("Negotiation", 70, "OPEN"), ("Won", 100, "WON"), ("Lost", 0, "LOST")];

/// The users of these ids who are or were members of the organization.
///
/// # Errors
/// As the database fails.
pub async fn users_by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<User>>> {
    let columns = reader.columns::<User>(&[]);
    let query = users::table.inner_join(memberships::table).select(columns);
    reader.db.load_columns(columns, query.filter(memberships::organization_id.eq(reader.organization())).filter(users::id.eq_any(ids))).await
}

/// Of these ids, the one that is the tenant's: no other organization is found by its id.
///
/// # Errors
/// As the database fails.
pub async fn organizations_by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<Organization>>> {
    let columns = reader.columns::<Organization>(&[]);
    let query = organizations::table.select(columns);
    reader.db.load_columns(columns, query.filter(organizations::id.eq(reader.organization())).filter(organizations::id.eq_any(ids))).await
}

/// The organizations that the signed-in user belongs to, by name, at most 100; for an API key, which is of one organization, that one.
///
/// # Errors
/// As the database fails.
pub async fn organizations_of_viewer(reader: &Reader) -> Result<Vec<Arc<Organization>>> {
    let columns = reader.columns::<Organization>(&[]);
    let query = organizations::table.inner_join(memberships::table).select(columns);
    let query = query.filter(memberships::user_id.eq(reader.scope.user)).filter(memberships::removed_at.is_null());
    let query = query.order((organizations::name, organizations::id));
    if reader.scope.is_key() {
        return reader.db.load_columns(columns, query.filter(organizations::id.eq(reader.organization()))).await;
    }
    reader.db.load_columns(columns, Limited { query, limit: 100 }).await
}

/// The members of these ids.
///
/// # Errors
/// As the database fails.
pub async fn members_by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<Member>>> {
    let columns = reader.columns::<Member>(&[]);
    let query = memberships::table.select(columns);
    reader.db.load_columns(columns, query.filter(memberships::organization_id.eq(reader.organization())).filter(memberships::id.eq_any(ids))).await
}

/// The tenant's own row, whole, locked against other writers until the transaction ends; rows that refer to it can still be made.
///
/// # Errors
/// As the database fails.
pub async fn lock_organization(act: &Act) -> Result<Option<Organization>> {
    let query = organizations::table.select(Organization::as_select()).filter(organizations::id.eq(act.organization()));
    act.db.first(query.for_no_key_update()).await
}

/// Stores the tenant's own row.
///
/// # Errors
/// As the database fails.
pub async fn insert_organization(act: &Act, new: NewOrganization) -> Result<Option<Organization>> {
    act.db.first(diesel::insert_into(organizations::table).values(new).returning(Organization::as_returning())).await
}

/// Changes the tenant's own row and counts its version up.
///
/// # Errors
/// As the database fails.
pub async fn update_organization(act: &Act, changes: OrganizationChanges) -> Result<Option<Organization>> {
    let target = organizations::table.filter(organizations::id.eq(act.organization()));
    let stamped = (changes, organizations::updated_at.eq(act.now()), organizations::version.eq(organizations::version + 1));
    act.db.first(diesel::update(target).set(stamped).returning(Organization::as_returning())).await
}

/// Stores the pipeline that every organization begins with.
///
/// # Errors
/// As the database fails.
pub async fn insert_default_pipeline(act: &Act) -> Result<()> {
    let (now, organization, pipeline) = (act.now(), act.organization(), act.fresh_id());
    let row = (
        pipelines::organization_id.eq(organization),
        pipelines::id.eq(pipeline),
        pipelines::name.eq("Sales"),
        pipelines::is_default.eq(true),
        pipelines::created_at.eq(now),
        pipelines::updated_at.eq(now),
    );
    act.db.execute(diesel::insert_into(pipelines::table).values(row)).await?;
    let stage = |(position, (name, probability, kind)): (i32, (&'static str, i32, &'static str))| {
        (
            pipeline_stages::organization_id.eq(organization),
            pipeline_stages::id.eq(act.fresh_id()),
            pipeline_stages::pipeline_id.eq(pipeline),
            pipeline_stages::name.eq(name),
            pipeline_stages::position.eq(position),
            pipeline_stages::kind.eq(kind),
            pipeline_stages::probability.eq(probability),
            pipeline_stages::created_at.eq(now),
            pipeline_stages::updated_at.eq(now),
        )
    };
    let stages: Vec<_> = (0..).zip(DEFAULT_STAGES).map(stage).collect();
    act.db.execute(diesel::insert_into(pipeline_stages::table).values(stages)).await?;
    Ok(())
}

/// Stores a new user: the one on whose behalf the transaction runs.
///
/// # Errors
/// As the database fails.
pub async fn insert_user(act: &Act, new: NewUser) -> Result<()> {
    act.db.execute(diesel::insert_into(users::table).values(new)).await?;
    Ok(())
}

/// A member and all present owners, locked against other writers until the transaction ends.
///
/// The owners are locked along, so that two of them cannot unmake each other at the same moment.
///
/// # Errors
/// As the database fails.
pub async fn lock_member_and_owners(act: &Act, id: Uuid) -> Result<Vec<Member>> {
    let owner = memberships::role.eq(Role::Owner).and(memberships::removed_at.is_null());
    let query = memberships::table.select(Member::as_select()).filter(memberships::organization_id.eq(act.organization()));
    act.db.load(query.filter(memberships::id.eq(id).or(owner)).order(memberships::id).for_update()).await
}

/// These users' memberships, present or past, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock_members_of_users(act: &Act, users: [Uuid; 2]) -> Result<Vec<Member>> {
    let query = memberships::table.select(Member::as_select()).filter(memberships::organization_id.eq(act.organization()));
    act.db.load(query.filter(memberships::user_id.eq_any(users)).order(memberships::id).for_update()).await
}

/// The role of a user who is a present member; until the transaction ends nobody changes or removes her.
///
/// # Errors
/// As the database fails.
pub async fn hold_role(act: &Act, user: Uuid) -> Result<Option<Role>> {
    let query = memberships::table.select(memberships::role).filter(memberships::organization_id.eq(act.organization()));
    act.db.first(query.filter(memberships::user_id.eq(user)).filter(memberships::removed_at.is_null()).for_share()).await
}

/// Whether an address is that of a present member.
///
/// # Errors
/// As the database fails.
pub async fn is_member(act: &Act, email: &str) -> Result<bool> {
    let query = memberships::table.inner_join(users::table).select(memberships::id);
    let query = query.filter(memberships::organization_id.eq(act.organization())).filter(memberships::removed_at.is_null());
    let found: Option<Uuid> = act.db.first(query.filter(users::email.eq(email.to_owned()))).await?;
    Ok(found.is_some())
}

/// Stores a new membership.
///
/// # Errors
/// As the database fails.
pub async fn insert_member(act: &Act, new: NewMember) -> Result<Option<Member>> {
    act.db.first(diesel::insert_into(memberships::table).values(new).returning(Member::as_returning())).await
}

/// Gives a member, present or past, a role, and makes her a present one.
///
/// # Errors
/// As the database fails.
pub async fn set_role(act: &Act, id: Uuid, role: Role) -> Result<Option<Member>> {
    let target = memberships::table.filter(memberships::organization_id.eq(act.organization())).filter(memberships::id.eq(id));
    let changes = (
        memberships::role.eq(role),
        memberships::removed_at.eq(None::<DateTime<Utc>>),
        memberships::updated_at.eq(act.now()),
        memberships::version.eq(memberships::version + 1),
    );
    act.db.first(diesel::update(target).set(changes).returning(Member::as_returning())).await
}

/// Makes a member a past one.
///
/// # Errors
/// As the database fails.
pub async fn remove_member(act: &Act, id: Uuid) -> Result<Option<Member>> {
    let target = memberships::table.filter(memberships::organization_id.eq(act.organization())).filter(memberships::id.eq(id));
    let changes =
        (memberships::removed_at.eq(Some(act.now())), memberships::updated_at.eq(act.now()), memberships::version.eq(memberships::version + 1));
    act.db.first(diesel::update(target).set(changes).returning(Member::as_returning())).await
}
