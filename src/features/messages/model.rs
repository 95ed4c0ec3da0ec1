//! The rows of messages and suppressions; those of SMS templates are in [`templates`].

pub mod templates;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::{messages, suppressions};
use crate::text_enum;

text_enum! {
    /// How a message reaches somebody.
    pub enum MessageChannel {
        /// By e-mail.
        Email = "EMAIL",
        /// By text message.
        Sms = "SMS",
    }
}

text_enum! {
    /// How far a message has come.
    pub enum MessageState {
        /// It waits to be sent.
        Queued = "QUEUED",
        /// A provider took it.
        Sent = "SENT",
        /// The provider says that it arrived.
        Delivered = "DELIVERED",
        /// It came back: there is nobody at this address.
        Bounced = "BOUNCED",
        /// It was given up; `error` says why.
        Failed = "FAILED",
    }
}

text_enum! {
    /// The language of a message made from a template of the server.
    pub enum MessageLanguage {
        /// English.
        En = "EN",
        /// Hindi.
        Hi = "HI",
    }
}

text_enum! {
    /// Why nothing more is sent to an address.
    pub enum SuppressionReason {
        /// A message came back for good.
        Bounce = "BOUNCE",
        /// The person called a message spam.
        Complaint = "COMPLAINT",
        /// The person wants no more offers; what is transactional still goes there.
        Unsubscribe = "UNSUBSCRIBE",
    }
}

/// The identifier of a message.
pub type MessageId = Id<Message>;

/// The identifier of a suppression.
pub type SuppressionId = Id<Suppression>;

/// What is filled into a template, by the names of its variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, String>);

impl FromSql<Jsonb, Pg> for Variables {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(serde_json::from_value(json)?)
    }
}

impl ToSql<Jsonb, Pg> for Variables {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(self)?;
        <serde_json::Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}

/// A message as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = messages, check_for_backend(diesel::pg::Pg))]
pub struct Message {
    /// The row's id.
    pub id: Uuid,
    /// How it reaches somebody.
    pub channel: Col<MessageChannel>,
    /// How far it has come.
    pub state: Col<MessageState>,
    /// The e-mail address, or the number in E.164.
    pub to_address: Col<String>,
    /// The name of whom it goes to.
    pub to_name: Col<Option<String>>,
    /// The contact it goes to.
    pub contact_id: Col<Option<Uuid>>,
    /// The subject of a mail.
    pub subject: Col<Option<String>>,
    /// The text, where it is no secret.
    pub body: Col<Option<String>>,
    /// The server's template that a mail is made from.
    pub template: Col<Option<String>>,
    /// The registered text that a text message is made from.
    pub sms_template_id: Col<Option<Uuid>>,
    /// What is filled in.
    pub variables: Col<Variables>,
    /// What is filled in and nobody may read, sealed.
    #[serde(skip)]
    pub sealed: Col<Option<Vec<u8>>>,
    /// The language of a template.
    pub language: Col<MessageLanguage>,
    /// Whether it is about something that the person has begun.
    pub transactional: Col<bool>,
    /// Who took it, or was asked last.
    pub provider: Col<Option<String>>,
    /// What the provider calls it.
    pub provider_reference: Col<Option<String>>,
    /// How often sending it was begun.
    pub attempts: Col<i32>,
    /// Why it was not sent, or came back.
    pub error: Col<Option<String>>,
    /// Whether it may have been sent although nobody has said so.
    pub uncertain: Col<bool>,
    /// The kind of object it is about.
    pub about_noun: Col<Option<String>>,
    /// The row of the object it is about.
    pub about_id: Col<Option<Uuid>>,
    /// The job that sends it.
    pub job_id: Col<Option<Uuid>>,
    /// Not to be sent before.
    pub send_at: Col<Option<DateTime<Utc>>>,
    /// When a provider took it.
    pub sent_at: Col<Option<DateTime<Utc>>>,
    /// When it arrived.
    pub delivered_at: Col<Option<DateTime<Utc>>>,
    /// The member who sent it.
    pub created_by: Col<Uuid>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Message {
    const PREFIX: &'static str = "message";
}

impl ReadShape for Message {
    const TYPE: &'static str = "Message";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("to", &["to_address"]),
        ("contact", &["contact_id"]),
        ("sms_template", &["sms_template_id"]),
        ("may_have_been_sent", &["uncertain"]),
        ("about_id", &["about_noun"]),
    ];
}

/// A message to be written.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = messages)]
pub struct NewMessage {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// How it reaches somebody.
    pub channel: MessageChannel,
    /// How far it has come.
    pub state: MessageState,
    /// The e-mail address, or the number in E.164.
    pub to_address: String,
    /// The name of whom it goes to.
    pub to_name: Option<String>,
    /// The contact it goes to.
    pub contact_id: Option<Uuid>,
    /// The subject of a mail.
    pub subject: Option<String>,
    /// The text, where it is no secret.
    pub body: Option<String>,
    /// The server's template that a mail is made from.
    pub template: Option<String>,
    /// The registered text that a text message is made from.
    pub sms_template_id: Option<Uuid>,
    /// What is filled in.
    pub variables: Variables,
    /// What is filled in and nobody may read, sealed.
    pub sealed: Option<Vec<u8>>,
    /// The language of a template.
    pub language: MessageLanguage,
    /// Whether it is about something that the person has begun.
    pub transactional: bool,
    /// The kind of object it is about.
    pub about_noun: Option<String>,
    /// The row of the object it is about.
    pub about_id: Option<Uuid>,
    /// The job that sends it.
    pub job_id: Option<Uuid>,
    /// Not to be sent before.
    pub send_at: Option<DateTime<Utc>>,
    /// The member who sent it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a message: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = messages)]
pub struct MessageChanges {
    /// How far it has come.
    pub state: Option<MessageState>,
    /// The subject, once it is made from a template.
    pub subject: Option<Option<String>>,
    /// The text, once it is made from a template.
    pub body: Option<Option<String>>,
    /// What is filled in and nobody may read.
    pub sealed: Option<Option<Vec<u8>>>,
    /// Who took it, or was asked last.
    pub provider: Option<Option<String>>,
    /// What the provider calls it.
    pub provider_reference: Option<Option<String>>,
    /// How often sending it was begun.
    pub attempts: Option<i32>,
    /// Why it was not sent, or came back.
    pub error: Option<Option<String>>,
    /// Whether it may have been sent.
    pub uncertain: Option<bool>,
    /// The job that sends it.
    pub job_id: Option<Option<Uuid>>,
    /// When a provider took it.
    pub sent_at: Option<Option<DateTime<Utc>>>,
    /// When it arrived.
    pub delivered_at: Option<Option<DateTime<Utc>>>,
}

/// A suppression as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = suppressions, check_for_backend(diesel::pg::Pg))]
pub struct Suppression {
    /// The row's id.
    pub id: Uuid,
    /// What is not sent any more.
    pub channel: Col<MessageChannel>,
    /// The e-mail address, or the number in E.164.
    pub address: Col<String>,
    /// Why.
    pub reason: Col<SuppressionReason>,
    /// What was said about it.
    pub detail: Col<Option<String>>,
    /// The message that led to it.
    pub message_id: Col<Option<Uuid>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Suppression {
    const PREFIX: &'static str = "suppression";
}

impl ReadShape for Suppression {
    const TYPE: &'static str = "Suppression";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("message", &["message_id"])];
}

/// A suppression to be written.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = suppressions)]
pub struct NewSuppression {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What is not sent any more.
    pub channel: MessageChannel,
    /// The e-mail address, or the number in E.164.
    pub address: String,
    /// Why.
    pub reason: SuppressionReason,
    /// What was said about it.
    pub detail: Option<String>,
    /// The message that led to it.
    pub message_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// Nothing changes of a suppression but the message that it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = suppressions)]
pub struct SuppressionChanges {
    /// The message that led to it.
    pub message_id: Option<Option<Uuid>>,
}
