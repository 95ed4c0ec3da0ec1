//! What async-graphql is told to do otherwise, as an extension of it, and where what fails belongs.
//!
//! Its executor is left what operations ask of the schema itself; each field of that begins its turn here. The error of a field that cannot be null goes
//! up to the nearest that can be (GraphQL specification, 6.4.4 "Handling Execution Errors"). It keeps its path, over which async-graphql 7 writes that of
//! the item in every list on the way.

use std::sync::{Arc, OnceLock};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextRequest, NextResolve, NextValidation, ResolveInfo};
use async_graphql::{
    CacheControl, Context, PathSegment, QueryPathNode, QueryPathSegment, Response, SchemaEnv, ServerError, ServerResult, ValidationResult, Value,
    from_value, to_value,
};

use crate::access::operation::Operation;
use crate::base::Error;

/// What an error keeps its path under on its way up.
const CAME_FROM: &str = "path";

/// Shows the schema's environment, checks what is to be checked and no more, and lets fields take turns.
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
        if let Some(operation) = ctx.data_opt::<Operation>() {
            operation.turns().begin().await;
        }
        next.run(ctx, info).await
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
