//! Every statement about accounts.

use diesel::prelude::*;
use uuid::Uuid;

use crate::access::Reader;
use crate::base::Result;
use crate::features::accounts::model::User;
use crate::schema::{memberships, users};

/// The users of these ids who are or were members of the organization.
///
/// # Errors
/// As the database fails.
pub async fn users_by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<User>> {
    let query = users::table.inner_join(memberships::table).select(reader.columns::<User>(&[]));
    reader.db.load(query.filter(memberships::organization_id.eq(reader.organization())).filter(users::id.eq_any(ids))).await
}
