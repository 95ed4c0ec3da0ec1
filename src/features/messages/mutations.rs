//! The mutations of messages, SMS templates and suppressions.

use async_graphql::{Context, InputObject, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::messages::actions::templates::{self, SmsTemplateCreateInput, SmsTemplateDeleteInput, SmsTemplateUpdateInput};
use crate::features::messages::actions::{self, MessageRetryInput, MessageSendInput, SuppressionCreateInput};
use crate::features::messages::model::SuppressionId;
use crate::features::messages::model::templates::SmsTemplateId;
use crate::features::messages::object::{Message, SmsTemplate, Suppression};
use crate::features::rows;
use crate::{deletion, payload};

payload!(
    /// What came of writing a message.
    MessageSendPayload {
        /// The message, which waits to be sent; null when there are user errors.
        message: Message
    }
);
payload!(
    /// What came of giving a message another try.
    MessageRetryPayload {
        /// The message, which waits to be sent again; null when there are user errors.
        message: Message
    }
);
payload!(
    /// What came of creating the SMS template.
    SmsTemplateCreatePayload {
        /// The SMS template that was created; null when there are user errors.
        sms_template: SmsTemplate
    }
);
payload!(
    /// What came of changing the SMS template.
    SmsTemplateUpdatePayload {
        /// The SMS template as it is now; null when there are user errors.
        sms_template: SmsTemplate
    }
);
payload!(
    /// What came of suppressing an address.
    SuppressionCreatePayload {
        /// The suppression; null when there are user errors.
        suppression: Suppression
    }
);
deletion!("an SMS template": SmsTemplateId; SmsTemplateDeletePayload);
deletion!("a suppression": SuppressionId; SuppressionDeletePayload);

/// Which suppression to delete.
#[derive(Debug, Clone, InputObject)]
pub struct SuppressionDeleteInput {
    /// The suppression.
    pub id: SuppressionId,
}

/// The mutations of messages, SMS templates and suppressions.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "MessageMutations")]
impl Mutations {
    /// Writes a message and has it sent. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesSend)")]
    async fn message_send(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: MessageSendInput,
    ) -> Result<Option<Written<MessageSendPayload>>> {
        MessageSendPayload::of(Operation::of(ctx)?.write(|act| async move { actions::send(&act, input).await }).await)
    }

    /// Gives a message another try that failed or came back. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesSend)")]
    async fn message_retry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which message.")] input: MessageRetryInput,
    ) -> Result<Option<Written<MessageRetryPayload>>> {
        MessageRetryPayload::of(Operation::of(ctx)?.write(|act| async move { actions::retry(&act, input).await }).await)
    }

    /// Creates an SMS template. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesManage)")]
    async fn sms_template_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The SMS template.")] input: SmsTemplateCreateInput,
    ) -> Result<Option<Written<SmsTemplateCreatePayload>>> {
        SmsTemplateCreatePayload::of(Operation::of(ctx)?.write(|act| async move { templates::create(&act, input).await }).await)
    }

    /// Changes an SMS template. What waits to be sent from it is sent as it is then. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesManage)")]
    async fn sms_template_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SmsTemplateUpdateInput,
    ) -> Result<Option<Written<SmsTemplateUpdatePayload>>> {
        SmsTemplateUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { templates::update(&act, input).await }).await)
    }

    /// Deletes an SMS template. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesManage)")]
    async fn sms_template_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which SMS template.")] input: SmsTemplateDeleteInput,
    ) -> Result<Option<Written<SmsTemplateDeletePayload>>> {
        SmsTemplateDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Writes down that a person wants no more offers: nothing but what is transactional goes to the address. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesSend)")]
    async fn suppression_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which address.")] input: SuppressionCreateInput,
    ) -> Result<Option<Written<SuppressionCreatePayload>>> {
        SuppressionCreatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::suppress(&act, input).await }).await)
    }

    /// Deletes a suppression, so that messages go to its address again: only where that works again, or the person has asked for it. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesManage)")]
    async fn suppression_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which suppression.")] input: SuppressionDeleteInput,
    ) -> Result<Option<Written<SuppressionDeletePayload>>> {
        SuppressionDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }
}
