//! The mutations of contacts.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::access::payload::{UserError, divide};
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::contacts::actions::{self, ContactChangesInput, ContactCreateInput, ContactUpdateInput};
use crate::features::contacts::model::ContactId;
use crate::features::contacts::object::Contact;
use crate::payload;

payload!(
    /// What came of `contactCreate`.
    ContactCreatePayload {
        /// The contact that was created; null when there are user errors.
        contact: Contact
    }
);
payload!(
    /// What came of `contactUpdate`.
    ContactUpdatePayload {
        /// The contact as it is now; null when there are user errors.
        contact: Contact
    }
);

/// Changes to several contacts.
#[derive(Debug, Clone, InputObject)]
pub struct ContactBulkUpdateInput {
    /// 1 to 100 contacts.
    pub ids: Vec<ContactId>,
    /// What changes, for all of them alike.
    pub changes: ContactChangesInput,
}

/// A contact to delete.
#[derive(Debug, Clone, InputObject)]
pub struct ContactDeleteInput {
    /// The contact.
    pub id: ContactId,
}

/// Several contacts to delete.
#[derive(Debug, Clone, InputObject)]
pub struct ContactBulkDeleteInput {
    /// 1 to 100 contacts.
    pub ids: Vec<ContactId>,
}

/// What came of `contactBulkUpdate`.
#[derive(Clone, SimpleObject)]
pub struct ContactBulkUpdatePayload {
    /// The contacts as they are now; empty when there are user errors.
    pub contacts: Vec<Contact>,
    /// What to put right; empty when all went well.
    pub user_errors: Vec<UserError>,
}

/// What came of `contactDelete` and `contactBulkDelete`.
#[derive(Clone, SimpleObject)]
pub struct ContactDeletePayload {
    /// The identifiers of what was deleted; empty when there are user errors.
    pub deleted_ids: Vec<ContactId>,
    /// What to put right; empty when all went well.
    pub user_errors: Vec<UserError>,
}

/// The mutations of contacts.
#[derive(Default)]
pub struct Mutations;

#[Object]
impl Mutations {
    /// Creates a contact.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_create(&self, ctx: &Context<'_>, #[graphql(desc = "The contact.")] input: ContactCreateInput) -> Result<ContactCreatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await;
        ContactCreatePayload::of(outcome)
    }

    /// Changes a contact.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: ContactUpdateInput) -> Result<ContactUpdatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await;
        ContactUpdatePayload::of(outcome)
    }

    /// Deletes a contact with its timeline. Its deals and tasks stay.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which contact.")] input: ContactDeleteInput) -> Result<ContactDeletePayload> {
        delete(ctx, vec![input.id]).await
    }

    /// Changes up to 100 contacts alike: all of them, or none when one is not there.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts, and what changes.")] input: ContactBulkUpdateInput,
    ) -> Result<ContactBulkUpdatePayload> {
        let outcome = Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, &input.ids, &input.changes).await }).await;
        let (rows, user_errors) = divide(outcome)?;
        Ok(ContactBulkUpdatePayload { contacts: rows.unwrap_or_default().into_iter().map(Contact::from).collect(), user_errors })
    }

    /// Deletes up to 100 contacts: all of them, or none when one is not there.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_bulk_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts.")] input: ContactBulkDeleteInput,
    ) -> Result<ContactDeletePayload> {
        delete(ctx, input.ids).await
    }
}

async fn delete(ctx: &Context<'_>, ids: Vec<ContactId>) -> Result<ContactDeletePayload> {
    let operation = Operation::of(ctx)?;
    let outcome = operation.write(|act| async move { actions::delete(&act, &ids).await }).await;
    let (deleted, user_errors) = divide(outcome)?;
    Ok(ContactDeletePayload { deleted_ids: deleted.unwrap_or_default(), user_errors })
}
