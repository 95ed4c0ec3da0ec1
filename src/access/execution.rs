//! What async-graphql's executor is told to do otherwise, as an extension of it.
//!
//! A nullable field that fails is null by itself, as the GraphQL specification has it (section 6.4.4, "Handling Execution Errors"). The executor alone
//! hands the error of a resolver or guard to the parent even where the field could be null, so that one refused field would take its siblings along.
//! Here it is stopped at the field and noted with the operation, which adds it to the answer's errors. This is also where each field begins its turn.
//!
//! Two selections under one response key are executed by themselves and then put together, where async-graphql 7 keeps an object although the
//! next part came to null, and of a field without a selection the first value. What came to null or failed in one of them is null as a whole, which is
//! seen to afterwards ([`Nulls`]); and what failed in each of them is told once ([`tell_once`]).
//!
//! The error of a field that cannot be null goes up to the nearest that can be. It keeps its path, over which async-graphql 7 writes that of the item
//! in every list on the way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextRequest, NextResolve, NextValidation, ResolveInfo};
use async_graphql::registry::MetaTypeName;
use async_graphql::{
    CacheControl, Context, PathSegment, QueryPathNode, QueryPathSegment, Response, SchemaEnv, ServerError, ServerResult, ValidationResult, Value,
    Variables, from_value, to_value,
};

use crate::access::cost::spent::{OwnPrice, of_object};
use crate::access::operation::Operation;
use crate::base::Error;

/// What an error keeps its path under on its way up.
const CAME_FROM: &str = "path";

/// Keeps the error of a nullable field to that field.
#[derive(Clone)]
pub struct Execution {
    /// Where the schema's environment is shown.
    pub schema: Arc<OnceLock<SchemaEnv>>,
}

/// Among the data of a request: nothing is to be run.
#[derive(Debug, Clone, Copy)]
pub struct ValidityAlone;

/// Among the data of a request: its document is known to be valid with its variables.
#[derive(Debug, Clone, Copy)]
pub struct KnownValid;

/// Among the data of a request: the places that are null where an object or a list of objects could be, or because they failed.
#[derive(Debug, Default)]
pub struct Nulls(Mutex<Vec<Vec<PathSegment>>>);

impl Nulls {
    fn note(&self, place: Vec<PathSegment>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Puts null in these places of an answer, as far as they are there.
    pub fn put(&self, data: &mut Value) {
        for place in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            put_null(data, place);
        }
    }
}

fn put_null(value: &mut Value, place: &[PathSegment]) {
    let Some((first, rest)) = place.split_first() else {
        *value = Value::Null;
        return;
    };
    let below = match (value, first) {
        (Value::Object(fields), PathSegment::Field(key)) => fields.get_mut(key.as_str()),
        (Value::List(items), PathSegment::Index(index)) => items.get_mut(*index),
        _ => None,
    };
    if let Some(below) = below {
        put_null(below, rest);
    }
}

impl ExtensionFactory for Execution {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for Execution {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        self.schema.get_or_init(|| ctx.schema_env.clone());
        next.run(ctx).await
    }

    async fn validation(&self, ctx: &ExtensionContext<'_>, next: NextValidation<'_>) -> Result<ValidationResult, Vec<ServerError>> {
        if ctx.data_opt::<KnownValid>().is_some() {
            return Ok(ValidationResult { cache_control: CacheControl::default(), complexity: 0, depth: 0 });
        }
        next.run(ctx).await
    }

    async fn execute(&self, ctx: &ExtensionContext<'_>, name: Option<&str>, next: NextExecute<'_>) -> Response {
        if ctx.data_opt::<ValidityAlone>().is_some() {
            return Response::new(Value::Null);
        }
        next.run(ctx, name).await
    }

    async fn resolve(&self, ctx: &ExtensionContext<'_>, info: ResolveInfo<'_>, next: NextResolve<'_>) -> ServerResult<Option<Value>> {
        let operation = ctx.data_opt::<Operation>();
        if let Some(operation) = operation {
            operation.turns().begin().await;
        }
        let nullable = !info.return_type.ends_with('!');
        let (node, registry) = (info.path_node, &ctx.schema_env.registry);
        let nothing = Variables::default();
        let variables = ctx.data_opt::<Variables>().unwrap_or(&nothing);
        let own = if info.is_for_introspection { 0 } else { OwnPrice::of(registry, info.parent_type, info.field).points(variables) };
        // A list is counted by its entries, which come this way as well.
        let each = match MetaTypeName::create(info.return_type.trim_end_matches('!')) {
            MetaTypeName::Named(name) => of_object(registry, name),
            _ => 0,
        };
        let nulls = ctx.data_opt::<Arc<Nulls>>();
        let is_leaf = info.field.selection_set.node.items.is_empty();
        let outcome = next.run(ctx, info).await;
        let is_null = match &outcome {
            Ok(value) => value.as_ref().is_none_or(|value| *value == Value::Null),
            Err(_) => nullable,
        };
        if let Some(nulls) = nulls.filter(|_| is_null && (!is_leaf || outcome.is_err())) {
            nulls.note(path(node));
        }
        if let Some(operation) = operation {
            operation.spend(own, 1);
            operation.spend(if outcome.is_ok() && !is_null { each } else { 0 }, 1);
        }
        match (outcome, operation) {
            (Err(error), Some(operation)) if nullable => {
                operation.note_error(at(node, error));
                Ok(None)
            }
            (outcome, _) => outcome.map_err(|error| kept(at(node, error))),
        }
    }
}

/// The error of an item of the list that is being resolved, for items that are null by themselves.
#[must_use]
pub fn at_item(ctx: &Context<'_>, index: usize, error: Error) -> ServerError {
    let error = async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    match &ctx.path_node {
        Some(list) => at(&QueryPathNode { parent: Some(list), segment: QueryPathSegment::Index(index) }, error),
        None => error,
    }
}

/// The error with the path of its field, unless it came from further below and has one.
#[must_use]
pub fn at(node: &QueryPathNode<'_>, error: ServerError) -> ServerError {
    if error.path.is_empty() { error.with_path(path(node)) } else { error }
}

/// The path of a field or item from the root.
fn path(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let nodes = std::iter::successors(Some(node), |node| node.parent);
    let mut path: Vec<PathSegment> = nodes
        .map(|node| match node.segment {
            QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
            QueryPathSegment::Index(index) => PathSegment::Index(index),
        })
        .collect();
    path.reverse();
    path
}

/// The error of a field that cannot be null, which keeps its path on its way up.
#[must_use]
pub fn kept(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if let (None, Ok(path)) = (extensions.get(CAME_FROM), to_value(&error.path)) {
        extensions.set(CAME_FROM, path);
    }
    error
}

/// The path of the field that an error came from.
#[must_use]
pub fn came_from(error: &ServerError) -> Vec<PathSegment> {
    let kept = error.extensions.as_ref().and_then(|extensions| extensions.get(CAME_FROM)).cloned();
    kept.and_then(|path| from_value(path).ok()).unwrap_or_else(|| error.path.clone())
}

/// Leaves one error of each place. Those that are of no place all stay.
pub fn tell_once(errors: &mut Vec<ServerError>) {
    let mut told = HashSet::new();
    errors.retain(|error| {
        let place = came_from(error);
        place.is_empty() || told.insert(place.iter().map(segment).collect::<Vec<_>>())
    });
}

/// As text, in which no name is like a number.
fn segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    }
}
