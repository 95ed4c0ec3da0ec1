//! The registration list: one line a feature. Everything that a noun hooks into follows from its line or from an attribute of its fields.

pub mod bulk;
pub mod changes;
pub mod lists;
pub mod rows;
pub mod shapes;
pub mod told;

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{Context, ContextSelectionSet, ID, Interface, MergedObject, Object, OutputType, Positioned, ServerResult, Value};
use futures_util::FutureExt;

use crate::access::execution;
use crate::access::executor::Executor;
use crate::access::inbound::Inbox;
use crate::access::jobs as access_jobs;
use crate::access::writer::{self, Writable};
use crate::access::{NodeObject, Operation, SignedIn, events};
use crate::base::id::AnyId;
use crate::base::page::{MAX_SIZE, argument};
use crate::base::{Code, Error, Noun, Result};

/// Lists the features: each brings `Roots` and `Mutations`, and the objects that `node` can find by their identifier's noun; with `=> jobs` what it has
/// done in the background. After `+` stands the module whose `Subscriptions` tell of changes, and of which objects, by which fields.
///
/// The first is looked into last, at the end of a chain of futures that all others lengthen: a feature whose own are large stands further down.
macro_rules! features {
    ($($feature:ident { $($object:ident),* $(,)? } $(=> $work:ident)? $(+ $told:ident { $($watched:ident as $field:literal),+ })?)+) => {
        $(pub mod $feature;)+

        /// Everything that can be read.
        #[derive(MergedObject, Default)]
        pub struct Query(Nodes, changes::Roots, $($feature::Roots),+);

        /// What is told as it happens. A subscription selects one field, and is answered anew for each change that was committed.
        #[derive(MergedObject, Default)]
        pub struct Subscription(changes::Subscriptions, $($($feature::$told::Subscriptions,)?)+);

        /// The kinds of objects whose changes are told.
        pub const NOUNS: &[events::Noun] = &[$($($(events::Noun {
            prefix: <<$feature::object::$watched as NodeObject>::Row as Noun>::PREFIX,
            field: $field,
            read: $feature::object::$watched::READ,
        },)+)?)+];

        /// Everything that can be changed. The fields of one operation run one after another, each in a transaction of its own.
        #[derive(MergedObject, Default)]
        pub struct Mutation($($feature::Mutations),+);

        /// The derived `id` method has no place for a documentation comment of its own.
        #[allow(missing_docs)]
        mod interface {
            use super::*;

            /// An object with an identifier of its own.
            #[derive(Interface)]
            #[graphql(field(name = "id", ty = "ID", desc = "The identifier."))]
            pub enum Node {
                $($($object($feature::object::$object),)*)+
            }
        }
        pub use interface::Node;

        /// The kinds of jobs, errands and periodic work.
        #[must_use]
        pub fn registry() -> access_jobs::Registry {
            let mut registry = access_jobs::Registry::default();
            $($($feature::$work::register(&mut registry);)?)+
            inbox().register(&mut registry);
            registry
        }

        impl Node {
            async fn write(&self, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
                match self {
                    $($(Self::$object(object) => writer::write(object, ctx).await,)*)+
                }
            }
        }

        async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
            find_any(ctx, AnyId::parse(id)?).await
        }

        async fn find_any(ctx: &Context<'_>, id: AnyId) -> Result<Option<Node>> {
            $($(
                if id.prefix == <<$feature::object::$object as NodeObject>::Row as Noun>::PREFIX {
                    Operation::of(ctx)?.scope()?.require($feature::object::$object::READ)?;
                    return Ok($feature::object::$object::find(ctx, id.uuid).await?.map(Node::from));
                }
            )*)+
            Err(Error::new(Code::InvalidId, format!("There are no objects of the kind `{}`.", id.prefix)))
        }
    };
}

features! {
    invitations {}
    accounts { Organization, User, Member, Invitation } => jobs
    api_keys { ApiKey }
    audit_log { AuditEntry }
    companies { Company } + subscriptions { Company as "companyChanged" }
    contacts { Contact } + subscriptions { Contact as "contactChanged" }
    pipelines { Pipeline, PipelineStage } + subscriptions { Pipeline as "pipelineChanged", PipelineStage as "pipelineStageChanged" }
    deals { Deal } + subscriptions { Deal as "dealChanged" }
    tasks { Task } + subscriptions { Task as "taskChanged" }
    activities { Activity } + subscriptions { Activity as "activityChanged" }
    messages { Message, SmsTemplate, Suppression } => jobs + subscriptions { Message as "messageChanged" }
    dashboard {}
    jobs { Job } => upkeep + subscriptions { Job as "jobChanged" }
    rate_limit {}
    webhooks { WebhookEndpoint, WebhookDelivery } => jobs
}

/// Who tells the server of events by webhooks.
#[must_use]
pub fn inbox() -> Inbox {
    let mut inbox = Inbox::default();
    inbox.add::<webhooks::inbound::Standard>();
    inbox.add::<messages::inbound::SendGrid>();
    inbox.add::<messages::inbound::sms::Msg91>();
    inbox.add::<messages::inbound::sms::Fast2Sms>();
    inbox.add::<messages::inbound::sms::Exotel>();
    inbox.add::<messages::inbound::sms::Twilio>();
    inbox
}

/// The fields that find objects of any kind.
#[derive(Default)]
pub struct Nodes;

#[Object]
impl Nodes {
    /// The object of an identifier, whatever its kind; null when there is no such object in this organization.
    /// Null when it fails; the errors say why.
    #[graphql(guard = "SignedIn")]
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "The identifier.")] id: ID) -> Result<Option<AnyNode>> {
        Ok(find(ctx, &id).await?.map(AnyNode))
    }

    /// The objects of up to 100 identifiers, in their order; null in the place of each that is not there,
    /// or that fails. Null when it fails; the errors say why.
    #[graphql(guard = "SignedIn")]
    async fn nodes(&self, ctx: &Context<'_>, #[graphql(desc = "The identifiers.")] ids: Vec<ID>) -> Result<Option<Vec<Option<AnyNode>>>> {
        if i64::try_from(ids.len()).unwrap_or(i64::MAX) > MAX_SIZE {
            return Err(argument("ids", &format!("`ids` takes at most {MAX_SIZE} identifiers.")));
        }
        let operation = Operation::of(ctx)?;
        let place = async |(index, id): (usize, &ID)| match find(ctx, id).await {
            Ok(node) => node.map(AnyNode),
            Err(error) => {
                operation.note_error(execution::at_item(ctx, index, error));
                None
            }
        };
        Ok(Some(futures_util::future::join_all(ids.iter().enumerate().map(place)).await))
    }
}

impl Writable for Query {}
impl Writable for Mutation {}
impl Writable for Subscription {}

/// A [`Node`] that writes itself as the object that it is.
pub struct AnyNode(Node);

impl OutputType for AnyNode {
    fn type_name() -> Cow<'static, str> {
        Node::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Node::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        self.0.write(ctx).boxed().await
    }
}

/// The executable schema.
pub type Api = Executor<Query, Mutation, Subscription>;

/// The deepest nesting of fields and fragments together; fields alone have a limit of their own in [`crate::access::document`].
const MAX_NESTING: usize = 64;

/// Builds the schema.
///
/// # Errors
/// As [`Executor::build`].
pub fn build() -> anyhow::Result<Api> {
    Executor::build(|schema| schema.limit_recursive_depth(MAX_NESTING))
}

#[cfg(test)]
mod tests {
    use async_graphql::ContainerType;

    use super::*;

    /// The bytes of the future of any field of an object.
    fn size<'a, T: 'a, F: Future>(_: fn(&'a T, &'a Context<'a>) -> F) -> usize {
        size_of::<F>()
    }

    /// It is moved several times for each operation, whichever field is asked for: what makes it large belongs into a box.
    #[test]
    fn the_futures_of_fields_are_small() {
        let sizes = [
            size(|query: &Query, ctx| query.resolve_field(ctx)),
            size(|mutation: &Mutation, ctx| mutation.resolve_field(ctx)),
            size(|subscription: &Subscription, ctx| subscription.resolve_field(ctx)),
        ];
        assert!(sizes.iter().all(|size| *size <= 4_096), "{sizes:?}");
    }
}
