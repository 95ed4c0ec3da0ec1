//! The rows of organizations, users, memberships, invitations and sessions.
//!
//! Rows that can be serialized go into the audit log, so they hold no hash; those with hashes have names of their own and cannot be serialized.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::access::{Plan, Role};
use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::{api_keys, invitations, memberships, organizations, sessions, users};

/// The identifier of an organization.
pub type OrganizationId = Id<Organization>;
/// The identifier of a user.
pub type UserId = Id<User>;
/// The identifier of a membership.
pub type MemberId = Id<Member>;
/// The identifier of an invitation.
pub type InvitationId = Id<Invitation>;

/// An organization as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = organizations, check_for_backend(diesel::pg::Pg))]
pub struct Organization {
    /// The row's id.
    pub id: Uuid,
    /// Name.
    pub name: Col<String>,
    /// GSTIN, verified.
    pub gstin: Col<Option<String>>,
    /// GST code of the state.
    pub state_code: Col<String>,
    /// IANA name of the time zone in which days begin.
    pub time_zone: Col<String>,
    /// Language and country, as `en-IN`.
    pub locale: Col<String>,
    /// What was subscribed to.
    pub plan: Col<Plan>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Organization {
    const PREFIX: &'static str = "organization";
}

impl ReadShape for Organization {
    const TYPE: &'static str = "Organization";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("state", &["state_code"])];
}

/// A user as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct User {
    /// The row's id.
    pub id: Uuid,
    /// E-mail address in lower case.
    pub email: Col<String>,
    /// Full name.
    pub name: Col<String>,
}

impl Noun for User {
    const PREFIX: &'static str = "user";
}

impl ReadShape for User {
    const TYPE: &'static str = "User";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// A membership as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = memberships, check_for_backend(diesel::pg::Pg))]
pub struct Member {
    /// The row's id.
    pub id: Uuid,
    /// The user.
    pub user_id: Col<Uuid>,
    /// What the user may do.
    pub role: Col<Role>,
    /// When the member was removed.
    pub removed_at: Col<Option<DateTime<Utc>>>,
    /// When the user became a member.
    pub created_at: Col<DateTime<Utc>>,
}

impl Noun for Member {
    const PREFIX: &'static str = "member";
}

impl ReadShape for Member {
    const TYPE: &'static str = "Member";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("user", &["user_id"]), ("joined_at", &["created_at"])];
}

/// An invitation as it is read.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = invitations, check_for_backend(diesel::pg::Pg))]
pub struct Invitation {
    /// The row's id.
    pub id: Uuid,
    /// The address of the person who is invited.
    pub email: Col<String>,
    /// What she will be allowed to do.
    pub role: Col<Role>,
    /// The user who invited her.
    pub invited_by: Col<Uuid>,
    /// Until when the invitation can be accepted.
    pub expires_at: Col<DateTime<Utc>>,
    /// When it was accepted.
    pub accepted_at: Col<Option<DateTime<Utc>>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
}

impl Noun for Invitation {
    const PREFIX: &'static str = "invitation";
}

impl ReadShape for Invitation {
    const TYPE: &'static str = "Invitation";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// A session as the audit log shows it.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    /// The row's id.
    pub id: Uuid,
    /// Whose session.
    pub user_id: Uuid,
    /// When it ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before that.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Noun for Session {
    const PREFIX: &'static str = "session";
}

/// An API key that ended together with its maker's membership, as the audit log shows it.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
pub struct EndedKey {
    /// The row's id.
    pub id: Uuid,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Noun for EndedKey {
    const PREFIX: &'static str = "apikey";
}

/// A session with the hashes of its refresh tokens.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct SessionSecrets {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Whose session.
    pub user_id: Uuid,
    /// Of the newest refresh token.
    pub refresh_hash: String,
    /// Of the one before.
    pub previous_hash: Option<String>,
    /// When the newest was made.
    pub rotated_at: DateTime<Utc>,
    /// When the session ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before that.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What proves who a user is.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct Credentials {
    /// The user.
    pub id: Uuid,
    /// Her e-mail address.
    pub email: String,
    /// The hash of her password.
    pub password_hash: String,
    /// Counts the changes of the user, and so of her password.
    pub version: i32,
}

/// An organization to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = organizations)]
pub struct NewOrganization {
    /// The row's id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// GSTIN.
    pub gstin: Option<String>,
    /// GST code of the state.
    pub state_code: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of an organization: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = organizations)]
pub struct OrganizationChanges {
    /// Name.
    pub name: Option<String>,
    /// GSTIN.
    pub gstin: Option<Option<String>>,
    /// GST code of the state.
    pub state_code: Option<String>,
    /// Time zone.
    pub time_zone: Option<String>,
    /// Language and country.
    pub locale: Option<String>,
}

/// A user to be created.
#[derive(Clone, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser {
    /// The row's id.
    pub id: Uuid,
    /// E-mail address in lower case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// The hash of the password.
    pub password_hash: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// A membership to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = memberships)]
pub struct NewMember {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// What the user may do.
    pub role: Role,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// An invitation to be created.
#[derive(Clone, Insertable)]
#[diesel(table_name = invitations)]
pub struct NewInvitation {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The address of the person who is invited.
    pub email: String,
    /// What she will be allowed to do.
    pub role: Role,
    /// The hash of the token that accepts the invitation.
    pub token_hash: String,
    /// The user who invites her.
    pub invited_by: Uuid,
    /// Until when the invitation can be accepted.
    pub expires_at: DateTime<Utc>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// A session to be created.
#[derive(Clone, Insertable)]
#[diesel(table_name = sessions)]
pub struct NewSession {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Whose session.
    pub user_id: Uuid,
    /// Of what all its refresh tokens have in common.
    pub family_hash: String,
    /// Of its first refresh token.
    pub refresh_hash: String,
    /// When the refresh token was made.
    pub rotated_at: DateTime<Utc>,
    /// When the session ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}
