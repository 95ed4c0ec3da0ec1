//! The mutations of contacts.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::contacts::actions::{
    self, ContactBulkDeleteInput, ContactBulkUpdateInput, ContactCreateInput, ContactDeleteInput, ContactUpdateInput,
};
use crate::features::contacts::model::ContactId;
use crate::features::contacts::object::Contact;
use crate::features::rows;
use crate::payloads;

payloads! {
    "contact", "contacts": Contact, ContactId;
    ContactCreatePayload { contact }, ContactUpdatePayload { contact }, ContactBulkUpdatePayload { contacts }, ContactDeletePayload
}

/// The mutations of contacts.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "ContactMutations")]
impl Mutations {
    /// Creates a contact. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_create(&self, ctx: &Context<'_>, #[graphql(desc = "The contact.")] input: ContactCreateInput) -> Result<Option<Written<ContactCreatePayload>>> {
        ContactCreatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await)
    }

    /// Changes a contact. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: ContactUpdateInput) -> Result<Option<Written<ContactUpdatePayload>>> {
        ContactUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await)
    }

    /// Changes up to 100 contacts alike: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts, and what changes.")] input: ContactBulkUpdateInput,
    ) -> Result<Option<Written<ContactBulkUpdatePayload>>> {
        ContactBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await)
    }

    /// Deletes a contact with its timeline. Its deals and tasks stay. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which contact.")] input: ContactDeleteInput) -> Result<Option<Written<ContactDeletePayload>>> {
        ContactDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Deletes up to 100 contacts with their timelines: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsWrite)")]
    async fn contact_bulk_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts.")] input: ContactBulkDeleteInput,
    ) -> Result<Option<Written<ContactDeletePayload>>> {
        ContactDeletePayload::of(Operation::of(ctx)?.write(|act| async move { rows::delete_all(&act, &input.ids).await }).await)
    }
}
