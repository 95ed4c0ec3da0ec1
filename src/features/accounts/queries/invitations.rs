//! Every statement about invitations, but for the one that finds an invitation by its token, before an organization is known.

use std::sync::Arc;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::features::accounts::model::{Invitation, NewInvitation};
use crate::features::lists::Filter;
use crate::lists;
use crate::schema::invitations;

lists! {
    invitations of Invitation, narrowed by InvitationFilter, usually CreatedAt Desc;

    /// How to order invitations.
    pub struct InvitationOrder;

    /// What invitations can be ordered by.
    pub enum InvitationOrderField {
        /// When they were made.
        CreatedAt = created_at: DateTime<Utc>,
    }
}

/// Narrows a list of invitations; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct InvitationFilter {
    /// `true`: only those that can still be accepted; `false`: only those that were accepted or have run out.
    pub open: Option<bool>,
}

impl Filter for InvitationFilter {}

fn narrowed<ST>(query: Query<ST>, reader: &Reader, filter: &InvitationFilter) -> Query<ST> {
    let now = reader.now;
    match filter.open {
        None => query,
        Some(true) => query.filter(invitations::accepted_at.is_null()).filter(invitations::expires_at.gt(now)),
        Some(false) => query.filter(invitations::accepted_at.is_not_null().or(invitations::expires_at.le(now))),
    }
}

/// The invitations of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Arc<Invitation>>> {
    let columns = reader.columns::<Invitation>(&[]);
    let query = invitations::table.select(columns);
    reader.db.load_columns(columns, query.filter(invitations::organization_id.eq(reader.organization())).filter(invitations::id.eq_any(ids))).await
}

/// The invitation of an id, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock(act: &Act, id: Uuid) -> Result<Option<Invitation>> {
    let query = invitations::table.select(Invitation::as_select()).filter(invitations::organization_id.eq(act.organization()));
    act.db.first(query.filter(invitations::id.eq(id)).for_update()).await
}

/// Stores a new invitation.
///
/// # Errors
/// As the database fails.
pub async fn insert(act: &Act, new: NewInvitation) -> Result<Option<Invitation>> {
    act.db.first(diesel::insert_into(invitations::table).values(new).returning(Invitation::as_returning())).await
}

/// Marks an invitation as accepted, unless it was before or has run out.
///
/// # Errors
/// As the database fails.
pub async fn accept(act: &Act, id: Uuid) -> Result<Option<Invitation>> {
    let target = invitations::table.filter(invitations::organization_id.eq(act.organization())).filter(invitations::id.eq(id));
    let target = target.filter(invitations::accepted_at.is_null()).filter(invitations::expires_at.gt(act.now()));
    let changes =
        (invitations::accepted_at.eq(Some(act.now())), invitations::updated_at.eq(act.now()), invitations::version.eq(invitations::version + 1));
    act.db.first(diesel::update(target).set(changes).returning(Invitation::as_returning())).await
}

/// Deletes an invitation and says how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete(act: &Act, id: Uuid) -> Result<usize> {
    let target = invitations::table.filter(invitations::organization_id.eq(act.organization())).filter(invitations::id.eq(id));
    act.db.execute(diesel::delete(target)).await
}

/// Deletes the invitations of an address that were not accepted, and says which they were.
///
/// # Errors
/// As the database fails.
pub async fn delete_open_of_address(act: &Act, email: &str) -> Result<Vec<Invitation>> {
    let target = invitations::table.filter(invitations::organization_id.eq(act.organization()));
    let target = target.filter(invitations::email.eq(email.to_owned())).filter(invitations::accepted_at.is_null());
    act.db.load(diesel::delete(target).returning(Invitation::as_returning())).await
}

/// Deletes the invitations that a member made and nobody accepted, and says which they were.
///
/// # Errors
/// As the database fails.
pub async fn delete_open_of_inviter(act: &Act, user: Uuid) -> Result<Vec<Invitation>> {
    let target = invitations::table.filter(invitations::organization_id.eq(act.organization()));
    let target = target.filter(invitations::invited_by.eq(user)).filter(invitations::accepted_at.is_null());
    act.db.load(diesel::delete(target).returning(Invitation::as_returning())).await
}
