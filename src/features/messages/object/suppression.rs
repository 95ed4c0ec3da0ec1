//! What the schema shows of a suppression.

use async_graphql::{Context, Object};

use super::Message;
use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::scalars::DateTime;
use crate::features::messages::model::{self, MessageChannel, SuppressionId, SuppressionReason};
use crate::features::messages::queries::suppressions::SuppressionOrderField;
use crate::object;

object! {
    /// An address that nothing more is sent to, or nothing but what is transactional.
    Suppression of model::Suppression, ordered by SuppressionOrderField, seen with MessagesRead;
    /// A page of suppressions.
    SuppressionConnection;
    plain id, channel, address, reason, detail, created_at
}

/// An address that nothing more is sent to, or nothing but what is transactional.
#[Object(guard = "Can(Permission::MessagesRead)")]
impl Suppression {
    /// The identifier.
    pub async fn id(&self) -> SuppressionId {
        SuppressionId::new(self.0.id)
    }

    /// What is not sent there any more.
    async fn channel(&self) -> Result<MessageChannel> {
        self.0.channel.value()
    }

    /// The e-mail address, or the telephone number in E.164.
    async fn address(&self) -> Result<&str> {
        self.0.address.text()
    }

    /// Why nothing more is sent there.
    async fn reason(&self) -> Result<SuppressionReason> {
        self.0.reason.value()
    }

    /// What was said about it, such as the answer of a mail server; null when nothing was.
    async fn detail(&self) -> Result<Option<&str>> {
        self.0.detail.text()
    }

    /// The message that led to it; null when none did, or it was deleted since. Null when it fails; the errors say why.
    async fn message(&self, ctx: &Context<'_>) -> Result<Option<Written<Message>>> {
        Message::load_if(ctx, self.0.message_id.value()?).await
    }

    /// When it was written down.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }
}
