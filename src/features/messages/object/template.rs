//! What the schema shows of an SMS template.

use async_graphql::Object;

use crate::access::writer::{Writable, WrittenList};
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::base::directives::cost;
use crate::base::scalars::DateTime;
use crate::features::messages::model::templates as model;
use crate::features::messages::model::templates::{SmsTemplateId, SmsVariableKind};
use crate::features::messages::queries::templates::SmsTemplateOrderField;
use crate::object;
use crate::plain;

object! {
    /// A text that is registered with the telecom operators (DLT), from which text messages are made.
    SmsTemplate of model::SmsTemplate, ordered by SmsTemplateOrderField, seen with MessagesRead;
    /// A page of SMS templates.
    SmsTemplateConnection;
    plain id, name, dlt_template_id, dlt_entity_id, header, body, variables, msg91_template_id, fast2sms_message_id, created_at, updated_at,
        version
}

/// A text that is registered with the telecom operators (DLT), from which text messages are made.
#[Object(guard = "Can(Permission::MessagesRead)")]
impl SmsTemplate {
    /// The identifier.
    pub async fn id(&self) -> SmsTemplateId {
        SmsTemplateId::new(self.0.id)
    }

    /// What it is called.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// The id of its registration.
    async fn dlt_template_id(&self) -> Result<&str> {
        self.0.dlt_template_id.text()
    }

    /// The id of the business that registered it.
    async fn dlt_entity_id(&self) -> Result<&str> {
        self.0.dlt_entity_id.text()
    }

    /// The registered sender.
    async fn header(&self) -> Result<&str> {
        self.0.header.text()
    }

    /// The text as it is registered, with its tags.
    async fn body(&self) -> Result<&str> {
        self.0.body.text()
    }

    /// The variables that fill the tags, in their order.
    async fn variables(&self) -> Result<WrittenList<Vec<SmsVariable<'_>>>> {
        Ok(self.0.variables.get()?.0.iter().map(SmsVariable).collect())
    }

    /// What MSG91 calls the template; null when it is called as in the registration.
    #[graphql(name = "msg91TemplateId")]
    async fn msg91_template_id(&self) -> Result<Option<&str>> {
        self.0.msg91_template_id.text()
    }

    /// What Fast2SMS calls the template; null when it is called as in the registration.
    #[graphql(name = "fast2smsMessageId")]
    async fn fast2sms_message_id(&self) -> Result<Option<&str>> {
        self.0.fast2sms_message_id.text()
    }

    /// When the template was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the template was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// A place of a registered text that is filled.
pub struct SmsVariable<'a>(&'a model::SmsVariable);

impl Writable for SmsVariable<'_> {
    plain!(name, kind);
}

/// A place of a registered text that is filled.
#[Object(guard = "Can(Permission::MessagesRead)", directive = cost::apply("0".into()))]
impl SmsVariable<'_> {
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What may be filled in.
    async fn kind(&self) -> SmsVariableKind {
        self.0.kind
    }
}
