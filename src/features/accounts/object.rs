//! What the schema shows of accounts.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::features::accounts::loaders::UserById;
use crate::features::accounts::model::{self, UserId};

/// A person who signs in. The same person may be a member of several organizations.
#[derive(Clone)]
pub struct User(pub Arc<model::User>);

impl NodeObject for User {
    type Row = model::User;
    const READ: Permission = Permission::MembersRead;

    async fn load(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<UserById>(id).await?.map(Self))
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
