//! Runs operations: answers are written field by field, by the writer. What they ask of the schema itself is answered by async-graphql's executor.
//!
//! A document is checked against the rules of validation once. They look at the document alone, but for one, which looks at the
//! values of variables: those are compared with their types, and where that leaves a doubt, the rules have their say again.

mod introspection;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use async_graphql::parser::types::{OperationDefinition, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, Data, EmptyMutation, EmptySubscription, IntrospectionMode, Object, ObjectType, Pos, Positioned, QueryEnv,
    QueryEnvInner, Request, Response, Schema, SchemaEnv, ServerError, ServerResult, SubscriptionType, Value, Variables, extensions::Extensions,
};
use futures_util::{FutureExt, Stream};

use crate::access::cost::PriceList;
use crate::access::document::merging::Conflict;
use crate::access::document::{Kind, Selection};
use crate::access::execution::{Execution, KnownValid, ValidityAlone};
use crate::access::operation::Operation;
use crate::access::writer::{self, Writable};
use crate::base::Error;
use introspection::WithSchema;

/// A schema and what runs its operations.
pub struct Executor<Q, M, S> {
    schema: Schema<Q, M, Subscribed<S>>,
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
        Ok(Self { schema, query: Q::default(), mutation: M::default(), subscription: S::default(), environment, extensions, nothing: Arc::default() })
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
        let Some(definition) = selection.definition() else {
            let error = Error::internal("an operation that is not in its document");
            return Response::from_errors(vec![async_graphql::Error::from(error).into_server_error(Pos::default())]);
        };
        let mut response = operation.turns().run(self.write(operation, definition, variables)).await;
        response.errors.extend(operation.take_errors());
        response
    }

    /// Runs a subscription for the event that its operation has, or, where it has none, only finds out whether it could be run; `None` when the event
    /// is let pass.
    pub async fn answer(&self, operation: &Operation, variables: Variables) -> Option<Response> {
        let response = self.run(operation, variables).await;
        (!operation.watch().was_let_pass()).then_some(response)
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
        metrics::counter!("documents_validated_total").increment(1);
        let found = self.schema.execute(request(selection, variables.clone()).data(ValidityAlone)).boxed().await;
        if !found.errors.is_empty() {
            return Err(found.errors);
        }
        if let Some(Conflict { message, at }) = selection.conflict() {
            let mut error = ServerError::new(message, None);
            error.locations = at.to_vec();
            return Err(vec![error]);
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
            // What is done seldom is kept in boxes, out of the way of what is done always.
            Kind::Query if operation.selection().asks_for_schema() => self.with_schema(operation, ctx).boxed().await,
            Kind::Query => writer::write(&self.query, ctx).await,
            Kind::Mutation => writer::in_turn(&self.mutation, ctx).await,
            Kind::Subscription => writer::write(&self.subscription, ctx).await,
        }
    }

    /// The answer to a query that asks for the schema itself, and perhaps for more.
    async fn with_schema(&self, operation: &Operation, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
        let mut request = request(operation.selection(), ctx.query_env.variables.clone()).data(operation.clone()).data(KnownValid);
        request.set_parsed_query(introspection::alone(operation.selection(), ctx.item));
        let mut told = self.schema.execute(request).await;
        if !told.errors.is_empty() {
            return Err(told.errors.swap_remove(0));
        }
        let Value::Object(told) = told.data else { return Ok(told.data) };
        writer::write(&WithSchema { root: &self.query, told }, ctx).await
    }
}

fn request(selection: &Selection, variables: Variables) -> Request {
    let mut request = Request::new(String::new()).variables(variables);
    request.operation_name = selection.name();
    request.set_parsed_query(selection.document().clone());
    request
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
