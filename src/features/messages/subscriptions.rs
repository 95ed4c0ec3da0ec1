//! What is told of messages as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::messages::model::MessageId;
use crate::features::messages::object::Message;
use crate::features::messages::queries::MessageFilter;
use crate::features::told;
use crate::told;

told!("a message", "message": Message; MessageChange { message_id: MessageId, message });

/// What is told of messages.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "MessageSubscriptions")]
impl Subscriptions {
    /// Each change of a message that was committed: sent, delivered, bounced. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::MessagesRead)")]
    async fn message_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only messages that are like this after the change; what was deleted is told of all.")] filter: Option<MessageFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<MessageChange>>> {
        MessageChange::of(ctx, told::of_list::<Message>(ctx, filter, since).await?)
    }
}
