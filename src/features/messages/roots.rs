//! The query fields of messages.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::lists;
use crate::features::messages::model::MessageId;
use crate::features::messages::model::templates::SmsTemplateId;
use crate::features::messages::object::{Message, MessageConnection, SmsTemplate, SmsTemplateConnection, SuppressionConnection};
use crate::features::messages::queries::suppressions::{SuppressionFilter, SuppressionOrder};
use crate::features::messages::queries::templates::{SmsTemplateFilter, SmsTemplateOrder};
use crate::features::messages::queries::{MessageFilter, MessageOrder};

/// The query fields of messages.
#[derive(Default)]
pub struct Roots;

#[Object(name = "MessageRoots")]
impl Roots {
    /// One message; null when there is no such message in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    async fn message(&self, ctx: &Context<'_>, #[graphql(desc = "The message's identifier.")] id: MessageId) -> Result<Option<Written<Message>>> {
        Message::load(ctx, id.uuid()).await
    }

    /// The organization's messages, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<MessageFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<MessageOrder>,
    ) -> Result<Option<MessageConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }

    /// One SMS template; null when there is no such template in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    async fn sms_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SMS template's identifier.")] id: SmsTemplateId,
    ) -> Result<Option<Written<SmsTemplate>>> {
        SmsTemplate::load(ctx, id.uuid()).await
    }

    /// The organization's SMS templates, by their names unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn sms_templates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<SmsTemplateFilter>,
        #[graphql(desc = "The ordering; by name when left out.")] order_by: Option<SmsTemplateOrder>,
    ) -> Result<Option<SmsTemplateConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }

    /// The addresses that nothing more is sent to, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<SuppressionFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<SuppressionOrder>,
    ) -> Result<Option<SuppressionConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
