//! What is told of contacts as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::contacts::model::ContactId;
use crate::features::contacts::object::Contact;
use crate::features::contacts::queries::ContactFilter;
use crate::features::told;
use crate::told;

told!("a contact", "contact": Contact; ContactChange { contact_id: ContactId, contact });

/// What is told of contacts.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "ContactSubscriptions")]
impl Subscriptions {
    /// Each change of a contact that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    async fn contact_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only contacts that are like this after the change; what was deleted is told of all.")] filter: Option<ContactFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<ContactChange>>> {
        ContactChange::of(ctx, told::of_list::<Contact>(ctx, filter, since).await?)
    }
}
