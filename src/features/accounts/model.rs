//! The rows of organizations, users, memberships, invitations and sessions.

use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::users;

/// The identifier of a user.
pub type UserId = Id<User>;

/// A user as it is read. The password's hash is not part of it.
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
