//! Runs operations: by the writer where an answer can be written field by field, and by async-graphql's executor where it cannot.
//!
//! A document is checked against the rules of validation once, whichever runs it. They look at the document alone, but for one, which looks at the
//! values of variables: those are compared with their types, and where that leaves a doubt, the rules have their say again.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use async_graphql::parser::types::{DocumentOperations, OperationDefinition, OperationType, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, Data, EmptyMutation, EmptySubscription, IntrospectionMode, Object, ObjectType, Positioned, QueryEnv, QueryEnvInner,
    Request, Response, Schema, SchemaEnv, ServerError, ServerResult, SubscriptionType, Value, Variables, extensions::Extensions,
};
use futures_util::{FutureExt, Stream};

use crate::access::cost::PriceList;
use crate::access::document::{Kind, Selection};
use crate::access::execution::{Execution, KnownValid, Nulls, ValidityAlone, tell_once};
use crate::access::operation::Operation;
use crate::access::writer::{self, Writable};

/// A schema and what runs its operations.
pub struct Executor<Q, M, S> {
    schema: Schema<Q, M, Subscribed<S>>,
    /// The fields of subscriptions as those of a query, for documents that cannot be written field by field. Made when there is one.
    watched: OnceLock<Schema<S, EmptyMutation, EmptySubscription>>,
    query: Q,
    mutation: M,
    subscription: S,
    environment: SchemaEnv,
    extensions: Extensions,
    nothing: Arc<Data>,
}

/// The type of subscriptions, as the schema knows it. Nothing is run by it: an operation is run anew for each event, by [`Executor::answer`].
pub struct Subscribed<S>(PhantomData<fn() -> S>);

impl<S: ObjectType> SubscriptionType for Subscribed<S> {
    fn type_name() -> Cow<'static, str> {
        S::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        S::create_type_info(registry)
    }

    fn create_field_stream<'a>(&'a self, _: &'a Context<'_>) -> Option<Pin<Box<dyn Stream<Item = Response> + Send + 'a>>> {
        None
    }
}

impl<Q, M, S> Executor<Q, M, S>
where
    Q: ObjectType + Writable + Default + 'static,
    M: ObjectType + Writable + Default + 'static,
    S: ObjectType + Writable + Default + 'static,
{
    /// Builds the schema; `limit` sets its limits.
    ///
    /// # Errors
    /// When async-graphql does not let itself be looked into, which would be a fault of the build.
    pub fn build(
        limit: impl FnOnce(async_graphql::SchemaBuilder<Q, M, Subscribed<S>>) -> async_graphql::SchemaBuilder<Q, M, Subscribed<S>>,
    ) -> anyhow::Result<Self> {
        let seen = Arc::new(OnceLock::new());
        let builder = Schema::build(Q::default(), M::default(), Subscribed(PhantomData))
            .register_output_type::<PriceList>()
            .extension(Execution { schema: Arc::clone(&seen) });
        let schema = limit(builder).finish();
        let _ = schema.execute("{ __typename }").now_or_never();
        let environment = seen.get().cloned().ok_or_else(|| anyhow::anyhow!("the schema's environment was not seen"))?;
        let extensions = no_extensions().ok_or_else(|| anyhow::anyhow!("an empty list of extensions was not seen"))?;
        Ok(Self {
            schema,
            watched: OnceLock::new(),
            query: Q::default(),
            mutation: M::default(),
            subscription: S::default(),
            environment,
            extensions,
            nothing: Arc::default(),
        })
    }

    /// The schema.
    #[must_use]
    pub const fn schema(&self) -> &Schema<Q, M, Subscribed<S>> {
        &self.schema
    }

    /// Runs an operation. Variables without a value have got their defaults.
    pub async fn run(&self, operation: &Operation, variables: Variables) -> Response {
        let selection = operation.selection();
        if let Err(errors) = self.check(selection, &variables).await {
            return Response::from_errors(errors);
        }
        let mut response = match selection.definition() {
            Some(definition) if selection.can_be_written() => operation.turns().run(self.write(operation, definition, variables)).await,
            // What is done seldom is kept in boxes, out of the way of what is done always.
            _ if selection.is_subscription() => operation.turns().run(self.watched(operation, variables).boxed()).await,
            _ => operation.turns().run(executed(&self.schema, prepared(operation, variables)).boxed()).await,
        };
        response.errors.extend(operation.take_errors());
        if !selection.can_be_written() {
            tell_once(&mut response.errors);
        }
        response
    }

    /// Runs a subscription for the event that its operation has, or, where it has none, only finds out whether it could be run; `None` when the event
    /// is let pass.
    pub async fn answer(&self, operation: &Operation, variables: Variables) -> Option<Response> {
        let response = self.run(operation, variables).await;
        (!operation.watch().was_let_pass()).then_some(response)
    }

    /// Runs a subscription that cannot be written field by field, as if it were a query.
    async fn watched(&self, operation: &Operation, variables: Variables) -> Response {
        let schema = self.watched.get_or_init(|| {
            let execution = Execution { schema: Arc::default() };
            Schema::build(S::default(), EmptyMutation, EmptySubscription).register_output_type::<PriceList>().extension(execution).finish()
        });
        let mut request = prepared(operation, variables);
        let mut document = operation.selection().document().clone();
        match &mut document.operations {
            DocumentOperations::Single(one) => one.node.ty = OperationType::Query,
            DocumentOperations::Multiple(all) => all.values_mut().for_each(|one| one.node.ty = OperationType::Query),
        }
        request.set_parsed_query(document);
        executed(schema, request).await
    }

    /// What is wrong with an operation's document, whatever values its variables get.
    pub async fn validate(&self, selection: &Selection) -> Vec<ServerError> {
        self.check(selection, &Variables::default()).await.err().unwrap_or_default()
    }

    /// Refuses a document that is not valid with these variables.
    async fn check(&self, selection: &Selection, variables: &Variables) -> Result<(), Vec<ServerError>> {
        let absent = selection.absent(variables);
        let known = absent.is_some_and(|absent| selection.is_valid_without(absent));
        if known && selection.fits(&self.environment.registry, variables) {
            return Ok(());
        }
        let found = self.schema.execute(request(selection, variables.clone()).data(ValidityAlone)).boxed().await;
        if !found.errors.is_empty() {
            return Err(found.errors);
        }
        if let Some(absent) = absent {
            selection.note_valid_without(absent);
        }
        Ok(())
    }

    async fn write(&self, operation: &Operation, definition: &Positioned<OperationDefinition>, variables: Variables) -> Response {
        let environment = QueryEnv::new(QueryEnvInner {
            extensions: self.extensions.clone(),
            variables,
            operation_name: operation.selection().name(),
            operation: head(definition),
            // Fragments are looked up in the document.
            fragments: Default::default(),
            uploads: Vec::new(),
            session_data: Arc::clone(&self.nothing),
            query_data: Arc::clone(&self.nothing),
            http_headers: Default::default(),
            introspection_mode: IntrospectionMode::Enabled,
            errors: Default::default(),
        });
        let mut data = Data::default();
        data.insert(operation.clone());
        let ctx = environment.create_context(&self.environment, None, &definition.node.selection_set, Some(&data));
        let written = self.root(operation, &ctx).await;
        let mut response = written.map_or_else(|error| Response::from_errors(vec![error]), Response::new);
        response.errors.append(&mut environment.errors.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        response
    }

    async fn root(&self, operation: &Operation, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
        match operation.selection().kind() {
            Kind::Query => writer::write(&self.query, ctx).await,
            Kind::Mutation => writer::in_turn(&self.mutation, ctx).await,
            Kind::Subscription => writer::write(&self.subscription, ctx).await,
        }
    }
}

fn request(selection: &Selection, variables: Variables) -> Request {
    let mut request = Request::new(String::new()).variables(variables);
    request.operation_name = selection.name();
    request.set_parsed_query(selection.document().clone());
    request
}

/// The request of an operation whose document was checked.
fn prepared(operation: &Operation, variables: Variables) -> Request {
    request(operation.selection(), variables.clone()).data(operation.clone()).data(variables).data(KnownValid)
}

/// The answer of async-graphql's executor.
async fn executed<Q, M, S>(schema: &Schema<Q, M, S>, request: Request) -> Response
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let nulls = Arc::new(Nulls::default());
    let mut response = schema.execute(request.data(Arc::clone(&nulls))).await;
    nulls.put(&mut response.data);
    response
}

/// An operation without what it selects, which the executor looks at for the types and defaults of variables.
fn head(definition: &Positioned<OperationDefinition>) -> Positioned<OperationDefinition> {
    let OperationDefinition { ty, variable_definitions, .. } = &definition.node;
    let selection_set = Positioned::new(SelectionSet { items: Vec::new() }, definition.pos);
    let node = OperationDefinition { ty: *ty, variable_definitions: variable_definitions.clone(), directives: Vec::new(), selection_set };
    Positioned::new(node, definition.pos)
}

/// A list of no extensions, which async-graphql makes for a schema that has none and for nobody else. With it, what is left to its own resolvers, such
/// as lists of scalars, does not go through a chain of hooks for each value.
fn no_extensions() -> Option<Extensions> {
    struct Probe(Arc<OnceLock<Extensions>>);

    #[Object]
    impl Probe {
        async fn extensions(&self, ctx: &Context<'_>) -> bool {
            self.0.set(ctx.query_env.extensions.clone()).is_ok()
        }
    }

    let seen = Arc::new(OnceLock::new());
    let schema = Schema::new(Probe(Arc::clone(&seen)), EmptyMutation, EmptySubscription);
    let _ = schema.execute("{ extensions }").now_or_never();
    seen.get().cloned()
}

#[cfg(test)]
mod tests;
