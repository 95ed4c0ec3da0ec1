//! What the schema shows of the audit log.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::writer::{Writable, Written};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::id::AnyId;
use crate::base::scalars::{DateTime, Json};
use crate::features::accounts::object::User;
use crate::features::api_keys::object::ApiKey;
use crate::features::audit_log::loaders::AuditEntryById;
use crate::features::audit_log::model::{self, AuditEntryId};
use crate::features::audit_log::queries::AuditEntryOrderField;
use crate::from_rows;
use crate::plain;

/// One action on one object.
#[derive(Clone)]
pub struct AuditEntry(pub Arc<model::AuditEntry>);

/// A page of the audit log.
pub type AuditEntryConnection = Written<Connection<AuditEntry>>;

from_rows!(AuditEntry of model::AuditEntry);

impl Listed for AuditEntry {
    const NAME: &'static str = "AuditEntry";
    const READ: Permission = <Self as NodeObject>::READ;
    type Order = AuditEntryOrderField;
    type Row = model::AuditEntry;

    fn row(&self) -> &model::AuditEntry {
        &self.0
    }
}

impl Writable for AuditEntry {
    plain!(id, at, action, noun, object_id, before, after, request_id);
}

impl NodeObject for AuditEntry {
    type Row = model::AuditEntry;
    const READ: Permission = Permission::AuditRead;

    async fn find(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<AuditEntryById>(id).await?.map(Self))
    }
}

/// One action on one object. Entries are never changed or deleted.
#[Object(guard = "Can(Permission::AuditRead)")]
impl AuditEntry {
    /// The identifier.
    pub async fn id(&self) -> AuditEntryId {
        AuditEntryId::new(self.0.id)
    }

    /// When it happened.
    async fn at(&self) -> Result<DateTime> {
        self.0.at.value().map(DateTime)
    }

    /// The member who did it, or for whom an API key did it; null when the server did it by itself. Null when it fails; the errors say why.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        match self.0.actor_id.value()? {
            Some(id) => User::load(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The API key by which it was done, which acted for `actor`; null when she was signed in herself. Null when it fails; the errors say why.
    async fn api_key(&self, ctx: &Context<'_>) -> Result<Option<Written<ApiKey>>> {
        ApiKey::load_if(ctx, self.0.api_key_id.value()?).await
    }

    /// What was done, such as `contact.update`.
    async fn action(&self) -> Result<&str> {
        self.0.action.text()
    }

    /// The kind of object, such as `contact`.
    async fn noun(&self) -> Result<&str> {
        self.0.noun.text()
    }

    /// The identifier of the object, which may have been deleted since.
    async fn object_id(&self) -> Result<ID> {
        let id = AnyId { prefix: self.0.noun.get()?.clone(), uuid: self.0.row_id.value()? };
        Ok(ID(id.to_string()))
    }

    /// What was changed, as it was before; null when the object was created, or nothing of it is shown.
    async fn before(&self) -> Result<Option<Json>> {
        Ok(self.0.before.get()?.clone().map(Json))
    }

    /// What was changed, as it became; null when the object was deleted, or nothing of it is shown.
    async fn after(&self) -> Result<Option<Json>> {
        Ok(self.0.after.get()?.clone().map(Json))
    }

    /// The id of the request in which it happened, as `X-Request-Id` said it.
    async fn request_id(&self) -> Result<&str> {
        self.0.request_id.text()
    }
}
