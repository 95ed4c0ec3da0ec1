//! What the schema shows of a message; SMS templates and suppressions are in `template` and `suppression`.

mod suppression;
mod template;

use async_graphql::{Context, ID, Object};

use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::directives::cost;
use crate::base::id::AnyId;
use crate::base::scalars::DateTime;
use crate::features::accounts::object::User;
use crate::features::contacts::object::Contact;
use crate::features::messages::model::{self, MessageChannel, MessageId, MessageLanguage, MessageState};
use crate::features::messages::queries::MessageOrderField;
use crate::object;
use crate::plain;

pub use suppression::{Suppression, SuppressionConnection};
pub use template::{SmsTemplate, SmsTemplateConnection};

object! {
    /// A mail or text message that the business sent or is about to send.
    Message of model::Message, ordered by MessageOrderField, seen with MessagesRead;
    /// A page of messages.
    MessageConnection;
    plain id, channel, state, to, to_name, subject, body, template, variables, language, transactional, provider, provider_reference, attempts,
        error, may_have_been_sent, about_id, send_at, sent_at, delivered_at, created_at, updated_at, version
}

/// A mail or text message that the business sent or is about to send.
#[Object(guard = "Can(Permission::MessagesRead)")]
impl Message {
    /// The identifier.
    pub async fn id(&self) -> MessageId {
        MessageId::new(self.0.id)
    }

    /// How it reaches somebody.
    async fn channel(&self) -> Result<MessageChannel> {
        self.0.channel.value()
    }

    /// How far it has come.
    async fn state(&self) -> Result<MessageState> {
        self.0.state.value()
    }

    /// The e-mail address, or the telephone number in E.164.
    async fn to(&self) -> Result<&str> {
        self.0.to_address.text()
    }

    /// The name of whom it goes to; null when it is not known.
    async fn to_name(&self) -> Result<Option<&str>> {
        self.0.to_name.text()
    }

    /// The contact it goes to; null when it goes to an address. Null when it fails; the errors say why.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Written<Contact>>> {
        Contact::load_if(ctx, self.0.contact_id.value()?).await
    }

    /// The subject of a mail; null for a text message, and until a mail of a template is sent.
    async fn subject(&self) -> Result<Option<&str>> {
        self.0.subject.text()
    }

    /// The text; null for a mail of a template, which may have a secret in it.
    async fn body(&self) -> Result<Option<&str>> {
        self.0.body.text()
    }

    /// The server's template that a mail is made from, such as `invitation`; null when a member wrote it.
    async fn template(&self) -> Result<Option<&str>> {
        self.0.template.text()
    }

    /// The registered text that a text message is made from; null for a mail, and when it was deleted since. Null when it fails; the errors say why.
    async fn sms_template(&self, ctx: &Context<'_>) -> Result<Option<Written<SmsTemplate>>> {
        SmsTemplate::load_if(ctx, self.0.sms_template_id.value()?).await
    }

    /// What is filled into the template, without what is secret.
    async fn variables(&self) -> Result<WrittenList<Vec<MessageVariable<'_>>>> {
        Ok(self.0.variables.get()?.0.iter().map(|(name, value)| MessageVariable { name, value }).collect())
    }

    /// The language of what the server adds.
    async fn language(&self) -> Result<MessageLanguage> {
        self.0.language.value()
    }

    /// Whether it is about something that the person has begun; anything else does not go to who has unsubscribed.
    async fn transactional(&self) -> Result<bool> {
        self.0.transactional.value()
    }

    /// Who took it, or was asked last, such as `smtp`, `sendgrid` or `msg91`; null before anybody was asked.
    async fn provider(&self) -> Result<Option<&str>> {
        self.0.provider.text()
    }

    /// What the provider calls it; null until it took the message, and where it calls it nothing.
    async fn provider_reference(&self) -> Result<Option<&str>> {
        self.0.provider_reference.text()
    }

    /// How often sending it was begun.
    async fn attempts(&self) -> Result<i32> {
        self.0.attempts.value()
    }

    /// Why it was not sent yet, or not at all, or came back; null when nothing went wrong.
    async fn error(&self) -> Result<Option<&str>> {
        self.0.error.text()
    }

    /// Whether it may have been sent although no provider has said so: it is being sent now, or an attempt ended without a word.
    async fn may_have_been_sent(&self) -> Result<bool> {
        self.0.uncertain.value()
    }

    /// The identifier of the object it is about, such as the contact or an invitation, which may have been deleted since; null when it is about none.
    async fn about_id(&self) -> Result<Option<ID>> {
        let (noun, row) = (self.0.about_noun.get()?.clone(), self.0.about_id.value()?);
        Ok(noun.zip(row).map(|(prefix, uuid)| ID(AnyId { prefix, uuid }.to_string())))
    }

    /// Not to be sent before; null when it was to be sent at once.
    async fn send_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.send_at.value()?.map(DateTime))
    }

    /// When a provider took it; null before.
    async fn sent_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.sent_at.value()?.map(DateTime))
    }

    /// When it arrived, as the provider reports; null before, and where nothing is reported.
    async fn delivered_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.delivered_at.value()?.map(DateTime))
    }

    /// The member who sent it. Null when it fails; the errors say why.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load(ctx, self.0.created_by.value()?).await
    }

    /// When the message was written.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the message was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with a retry.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// A value that is filled into a template.
pub struct MessageVariable<'a> {
    name: &'a str,
    value: &'a str,
}

impl Writable for MessageVariable<'_> {
    plain!(name, value);
}

/// A value that is filled into a template.
#[Object(guard = "Can(Permission::MessagesRead)", directive = cost::apply("0".into()))]
impl MessageVariable<'_> {
    /// The name of the variable.
    async fn name(&self) -> &str {
        self.name
    }

    /// What is filled in.
    async fn value(&self) -> &str {
        self.value
    }
}
