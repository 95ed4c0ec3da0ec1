//! The rows of SMS templates: texts that are registered with the telecom operators (DLT).

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{Id, Noun, Result};
use crate::platform::postgres::{Col, ReadShape};
use crate::platform::sms::dlt::{DltTemplate, Kind};
use crate::schema::sms_templates;

/// What may be filled into a place of a registered text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SmsVariableKind {
    /// Up to 30 characters; its tag is `{#alphanumeric#}` or `{#var#}`.
    Text,
    /// A number; its tag is `{#numeric#}` or `{#var#}`.
    Number,
    /// The address of a page; its tag is `{#url#}`, `{#urlott#}` or `{#var#}`.
    Url,
    /// A number to call; its tag is `{#cbn#}` or `{#var#}`.
    Phone,
    /// An e-mail address; its tag is `{#email#}` or `{#var#}`.
    Email,
}

crate::plain_enums!(SmsVariableKind);

impl From<SmsVariableKind> for Kind {
    fn from(kind: SmsVariableKind) -> Self {
        match kind {
            SmsVariableKind::Text => Self::Text,
            SmsVariableKind::Number => Self::Number,
            SmsVariableKind::Url => Self::Url,
            SmsVariableKind::Phone => Self::Phone,
            SmsVariableKind::Email => Self::Email,
        }
    }
}

/// A place of a registered text that is filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsVariable {
    /// What it is called.
    pub name: String,
    /// What may be filled in.
    pub kind: SmsVariableKind,
}

/// The places of a registered text, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(transparent)]
pub struct SmsVariables(pub Vec<SmsVariable>);

impl FromSql<Jsonb, Pg> for SmsVariables {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(serde_json::from_value(json)?)
    }
}

impl ToSql<Jsonb, Pg> for SmsVariables {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(self)?;
        <serde_json::Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}

/// The identifier of an SMS template.
pub type SmsTemplateId = Id<SmsTemplate>;

/// An SMS template as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = sms_templates, check_for_backend(diesel::pg::Pg))]
pub struct SmsTemplate {
    /// The row's id.
    pub id: Uuid,
    /// What it is called.
    pub name: Col<String>,
    /// The id of its registration.
    pub dlt_template_id: Col<String>,
    /// The id of the business that registered it.
    pub dlt_entity_id: Col<String>,
    /// The registered sender.
    pub header: Col<String>,
    /// The text with its tags.
    pub body: Col<String>,
    /// The places that are filled.
    pub variables: Col<SmsVariables>,
    /// What MSG91 calls it.
    pub msg91_template_id: Col<Option<String>>,
    /// What Fast2SMS calls it.
    pub fast2sms_message_id: Col<Option<String>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl SmsTemplate {
    /// What the providers are sent; the row must have been read whole.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when a column was not read.
    pub fn registered(&self) -> Result<DltTemplate> {
        Ok(DltTemplate {
            id: self.dlt_template_id.get()?.clone(),
            header: self.header.get()?.clone(),
            entity: self.dlt_entity_id.get()?.clone(),
            body: self.body.get()?.clone(),
            variables: self.variables.get()?.0.iter().map(|variable| (variable.name.clone(), variable.kind.into())).collect(),
            msg91: self.msg91_template_id.get()?.clone(),
            fast2sms: self.fast2sms_message_id.get()?.clone(),
        })
    }
}

impl Noun for SmsTemplate {
    const PREFIX: &'static str = "smstemplate";
}

impl ReadShape for SmsTemplate {
    const TYPE: &'static str = "SmsTemplate";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[];
}

/// An SMS template to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = sms_templates)]
pub struct NewSmsTemplate {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// The id of its registration.
    pub dlt_template_id: String,
    /// The id of the business that registered it.
    pub dlt_entity_id: String,
    /// The registered sender.
    pub header: String,
    /// The text with its tags.
    pub body: String,
    /// The places that are filled.
    pub variables: SmsVariables,
    /// What MSG91 calls it.
    pub msg91_template_id: Option<String>,
    /// What Fast2SMS calls it.
    pub fast2sms_message_id: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of an SMS template: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = sms_templates)]
pub struct SmsTemplateChanges {
    /// What it is called.
    pub name: Option<String>,
    /// The id of its registration.
    pub dlt_template_id: Option<String>,
    /// The id of the business that registered it.
    pub dlt_entity_id: Option<String>,
    /// The registered sender.
    pub header: Option<String>,
    /// The text with its tags.
    pub body: Option<String>,
    /// The places that are filled.
    pub variables: Option<SmsVariables>,
    /// What MSG91 calls it.
    pub msg91_template_id: Option<Option<String>>,
    /// What Fast2SMS calls it.
    pub fast2sms_message_id: Option<Option<String>>,
}
