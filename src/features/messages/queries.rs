//! Every statement about messages; those about SMS templates and suppressions are in [`templates`] and [`suppressions`]. Each names its organization;
//! row level security stands behind it.

pub mod suppressions;
pub mod templates;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader, Services};
use crate::base::Result;
use crate::base::filter::{DateTimeFilter, StringFilter, check_strings};
use crate::features::accounts::model::UserId;
use crate::features::contacts::model::{ContactId, ContactStatus};
use crate::features::lists::Filter;
use crate::features::messages::model::templates::SmsTemplateId;
use crate::features::messages::model::{Message, MessageChanges, MessageChannel, MessageState, NewMessage};
use crate::platform::postgres::{Access, Settings, Transaction};
use crate::schema::{contacts, memberships, messages, organizations, users};
use crate::{lists, narrow_any, narrow_id, narrow_instant, narrow_text, operators, stored};

stored! {
    messages of Message, NewMessage, MessageChanges;
    Missing("messages_organization_id_contact_id_fkey", "contactId", "contact"),
    Missing("messages_organization_id_sms_template_id_fkey", "smsTemplateId", "SMS template"),
}

lists! {
    messages of Message, narrowed by MessageFilter, usually CreatedAt Desc;

    /// How to order messages.
    pub struct MessageOrder;

    /// What messages can be ordered by.
    pub enum MessageOrderField {
        /// When they were written.
        CreatedAt = created_at: DateTime<Utc>,
        /// When they were last changed.
        UpdatedAt = updated_at: DateTime<Utc>,
    }

    /// Whose messages a list holds.
    pub enum MessageParent {
        /// Those to a contact.
        Contact = contact_id,
    }
}

operators!(
    /// Compares a channel.
    MessageChannelFilter,
    MessageChannel
);
operators!(
    /// Compares a state.
    MessageStateFilter,
    MessageState
);

/// Narrows a list of messages; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct MessageFilter {
    /// By channel.
    pub channel: Option<MessageChannelFilter>,
    /// By state.
    pub state: Option<MessageStateFilter>,
    /// By the e-mail address or number they go to, as it is stored.
    pub to: Option<StringFilter>,
    /// Only those to this contact.
    pub contact_id: Option<ContactId>,
    /// Only those made from this SMS template.
    pub sms_template_id: Option<SmsTemplateId>,
    /// Only those that this member sent.
    pub created_by_id: Option<UserId>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
}

impl Filter for MessageFilter {
    fn check(&self) -> Result<()> {
        check_strings(&[("filter.to", &self.to)])
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &MessageFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.channel, messages::channel);
    query = narrow_any!(query, filter.state, messages::state);
    query = narrow_text!(query, filter.to, messages::to_address);
    query = narrow_id!(query, filter.contact_id, messages::contact_id);
    query = narrow_id!(query, filter.sms_template_id, messages::sms_template_id);
    query = narrow_id!(query, filter.created_by_id, messages::created_by);
    narrow_instant!(query, filter.created_at, messages::created_at)
}

/// Whom a message can go to, of a contact.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = contacts, check_for_backend(diesel::pg::Pg))]
pub struct Recipient {
    /// The contact.
    pub id: Uuid,
    /// The full name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// Whether the contact is worked with.
    pub status: ContactStatus,
}

/// The contact of an id, held so that it cannot be deleted meanwhile.
///
/// # Errors
/// As the database fails.
pub async fn recipient(act: &Act, contact: Uuid) -> Result<Option<Recipient>> {
    let query = contacts::table.select(Recipient::as_select()).filter(contacts::organization_id.eq(act.organization()));
    act.db.first(query.filter(contacts::id.eq(contact)).for_key_share()).await
}

/// Whether a contact of this address is blocked.
///
/// # Errors
/// As the database fails.
pub async fn is_blocked(act: &Act, channel: MessageChannel, address: &str) -> Result<bool> {
    let query = contacts::table.select(contacts::id).filter(contacts::organization_id.eq(act.organization()));
    let query = query.filter(contacts::status.eq(ContactStatus::Blocked)).into_boxed();
    let query = match channel {
        MessageChannel::Email => query.filter(contacts::email.eq(address.to_owned())),
        MessageChannel::Sms => query.filter(contacts::phone.eq(address.to_owned())),
    };
    let found: Option<Uuid> = act.db.first(query.limit(1)).await?;
    Ok(found.is_some())
}

/// The name and the address of a member who was not removed.
///
/// # Errors
/// As the database fails.
pub async fn member(act: &Act, user: Uuid) -> Result<Option<(String, String)>> {
    let query = memberships::table.inner_join(users::table).select((users::name, users::email));
    let query = query.filter(memberships::organization_id.eq(act.organization())).filter(memberships::removed_at.is_null());
    act.db.first(query.filter(memberships::user_id.eq(user))).await
}

/// The name and the locale of the organization.
///
/// # Errors
/// As the database fails.
pub async fn organization(act: &Act) -> Result<Option<(String, String)>> {
    act.db.first(organizations::table.select((organizations::name, organizations::locale)).filter(organizations::id.eq(act.organization()))).await
}

/// The organization and the message that a provider's reference belongs to.
///
/// # Errors
/// As the database fails.
pub async fn by_provider_reference(services: &Services, provider: &str, reference: &str) -> Result<Option<(Uuid, Uuid)>> {
    let settings = Settings { provider_reference: Some(reference.to_owned()), ..Settings::default() };
    let db = Transaction::new(services.databases.primary().clone(), Access::Snapshot, &settings);
    let query = messages::table.select((messages::organization_id, messages::id)).filter(messages::provider.eq(provider.to_owned()));
    db.first(query.filter(messages::provider_reference.eq(reference.to_owned())).limit(1)).await
}
