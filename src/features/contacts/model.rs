//! The rows of contacts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::contacts;
use crate::text_enum;

text_enum! {
    /// How far a contact has come.
    pub enum ContactStage {
        /// Has shown interest.
        Lead = "LEAD",
        /// Is being talked to.
        Prospect = "PROSPECT",
        /// Has bought.
        Customer = "CUSTOMER",
        /// Bought once, and no longer.
        Former = "FORMER",
    }
}

text_enum! {
    /// Whether a contact is worked with.
    pub enum ContactStatus {
        /// In use.
        Active = "ACTIVE",
        /// Put aside.
        Inactive = "INACTIVE",
        /// Must not be written to or called.
        Blocked = "BLOCKED",
    }
}

text_enum! {
    /// Where a contact came from.
    pub enum ContactSource {
        /// The business's website.
        Website = "WEBSITE",
        /// Another customer.
        Referral = "REFERRAL",
        /// A WhatsApp message.
        Whatsapp = "WHATSAPP",
        /// A telephone call.
        Phone = "PHONE",
        /// A fair, a meeting or another event.
        Event = "EVENT",
        /// An advertisement.
        Advertisement = "ADVERTISEMENT",
        /// An import from another system.
        Import = "IMPORT",
        /// Anything else.
        Other = "OTHER",
    }
}

/// The identifier of a contact.
pub type ContactId = Id<Contact>;

/// A contact as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = contacts, check_for_backend(diesel::pg::Pg))]
pub struct Contact {
    /// The row's id.
    pub id: Uuid,
    /// Full name.
    pub name: Col<String>,
    /// E-mail address in lower case.
    pub email: Col<Option<String>>,
    /// Telephone number, E.164.
    pub phone: Col<Option<String>>,
    /// The company the contact works for.
    pub company_id: Col<Option<Uuid>>,
    /// Town or city.
    pub city: Col<Option<String>>,
    /// GST code of the state.
    pub state_code: Col<Option<String>>,
    /// How far the contact has come.
    pub stage: Col<ContactStage>,
    /// Whether the contact is worked with.
    pub status: Col<ContactStatus>,
    /// Where the contact came from.
    pub source: Col<ContactSource>,
    /// Words to find the contact by.
    pub tags: Col<Vec<Option<String>>>,
    /// The member who looks after the contact.
    pub owner_id: Col<Option<Uuid>>,
    /// Free text.
    pub notes: Col<Option<String>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Contact {
    const PREFIX: &'static str = "contact";
}

impl ReadShape for Contact {
    const TYPE: &'static str = "Contact";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] =
        &[("company", &["company_id"]), ("owner", &["owner_id"]), ("state", &["state_code"])];
}

/// A contact to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = contacts)]
pub struct NewContact {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// The company.
    pub company_id: Option<Uuid>,
    /// Town or city.
    pub city: Option<String>,
    /// GST code of the state.
    pub state_code: Option<String>,
    /// How far the contact has come.
    pub stage: ContactStage,
    /// Whether the contact is worked with.
    pub status: ContactStatus,
    /// Where the contact came from.
    pub source: ContactSource,
    /// Words to find the contact by.
    pub tags: Vec<String>,
    /// The member who looks after the contact.
    pub owner_id: Option<Uuid>,
    /// Free text.
    pub notes: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a contact: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = contacts)]
pub struct ContactChanges {
    /// Full name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<Option<String>>,
    /// Telephone number.
    pub phone: Option<Option<String>>,
    /// The company.
    pub company_id: Option<Option<Uuid>>,
    /// Town or city.
    pub city: Option<Option<String>>,
    /// GST code of the state.
    pub state_code: Option<Option<String>>,
    /// How far the contact has come.
    pub stage: Option<ContactStage>,
    /// Whether the contact is worked with.
    pub status: Option<ContactStatus>,
    /// Where the contact came from.
    pub source: Option<ContactSource>,
    /// Words to find the contact by.
    pub tags: Option<Vec<String>>,
    /// The member who looks after the contact.
    pub owner_id: Option<Option<Uuid>>,
    /// Free text.
    pub notes: Option<Option<String>>,
}
