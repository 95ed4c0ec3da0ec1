//! A schema with every shape that a field can have, in which each fails where it is told to: at once or after it has waited, alone or among others.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{Context, ContextSelectionSet, EmptyMutation, Interface, Object, OutputType, Positioned, ServerResult, Value, Variables};
use futures_util::FutureExt;
use payaid::access::document::{Document, TypeMap};
use payaid::access::executor::Executor;
use payaid::access::writer::{self, Writable, Written, WrittenList};
use payaid::access::{ClientInfo, Operation, Services};
use payaid::base::clock::SystemClock;
use payaid::base::{Code, Error, Result};
use payaid::plain;
use payaid::web::errors::Body;

use crate::harness::app::{config, documents};
use crate::harness::schema::Schema;

/// The paths of the fields that fail.
type Failing = Arc<BTreeSet<String>>;

#[derive(Default)]
pub struct Query;

impl Writable for Query {}

#[Object]
impl Query {
    async fn thing(&self, ctx: &Context<'_>, fails: Vec<String>) -> Result<Option<Written<Thing>>> {
        Ok(Some(Thing::new(fails).below(ctx)?))
    }

    async fn sure(&self, ctx: &Context<'_>, fails: Vec<String>) -> Result<Written<Thing>> {
        Thing::new(fails).below(ctx)
    }
}

#[derive(Default)]
pub struct Told;

impl Writable for Told {}

#[Object(name = "Subscription")]
impl Told {
    async fn happened(&self, ctx: &Context<'_>, fails: Vec<String>) -> Result<Option<Written<Thing>>> {
        Ok(Some(Thing::new(fails).below(ctx)?))
    }
}

pub struct Thing {
    failing: Failing,
}

impl Thing {
    fn new(fails: Vec<String>) -> Self {
        Self { failing: Arc::new(fails.into_iter().collect()) }
    }

    /// What a field answers with that does not fail.
    fn ok<T>(&self, ctx: &Context<'_>, value: T) -> Result<T> {
        let path = ctx.path_node.unwrap().to_string();
        if self.failing.contains(&path) { Err(Error::new(Code::Conflict, path)) } else { Ok(value) }
    }

    fn copy(&self) -> Self {
        Self { failing: Arc::clone(&self.failing) }
    }

    fn below(&self, ctx: &Context<'_>) -> Result<Written<Self>> {
        self.ok(ctx, Written(self.copy()))
    }

    fn two(&self) -> WrittenList<Vec<Self>> {
        [self.copy(), self.copy()].into_iter().collect()
    }
}

impl Writable for Thing {
    plain!(may, must, child, sure, some, all);
}

#[Object]
impl Thing {
    async fn may(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        self.ok(ctx, Some(1))
    }

    async fn must(&self, ctx: &Context<'_>) -> Result<i32> {
        self.ok(ctx, 2)
    }

    async fn late(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        tokio::task::yield_now().await;
        self.ok(ctx, Some(3))
    }

    async fn late_must(&self, ctx: &Context<'_>) -> Result<i32> {
        tokio::task::yield_now().await;
        self.ok(ctx, 4)
    }

    async fn many(&self, ctx: &Context<'_>) -> Result<Vec<i32>> {
        self.ok(ctx, vec![5, 6])
    }

    async fn child(&self, ctx: &Context<'_>) -> Result<Option<Written<Self>>> {
        self.below(ctx).map(Some)
    }

    async fn sure(&self, ctx: &Context<'_>) -> Result<Written<Self>> {
        self.below(ctx)
    }

    async fn late_child(&self, ctx: &Context<'_>) -> Result<Option<Written<Self>>> {
        tokio::task::yield_now().await;
        self.below(ctx).map(Some)
    }

    async fn late_sure(&self, ctx: &Context<'_>) -> Result<Written<Self>> {
        tokio::task::yield_now().await;
        self.below(ctx)
    }

    async fn some(&self, ctx: &Context<'_>) -> Result<Option<WrittenList<Vec<Self>>>> {
        self.ok(ctx, Some(self.two()))
    }

    async fn all(&self, ctx: &Context<'_>) -> Result<WrittenList<Vec<Self>>> {
        self.ok(ctx, self.two())
    }

    async fn late_all(&self, ctx: &Context<'_>) -> Result<WrittenList<Vec<Self>>> {
        tokio::task::yield_now().await;
        self.ok(ctx, self.two())
    }

    async fn each(&self, ctx: &Context<'_>) -> Result<Vec<Option<Written<Self>>>> {
        self.ok(ctx, vec![Some(Written(self.copy())), None, Some(Written(self.copy()))])
    }

    async fn any(&self, ctx: &Context<'_>) -> Result<Option<AnyThing>> {
        self.ok(ctx, Some(AnyThing(Any::Thing(self.copy()))))
    }

    /// A field whose keys come in an order of their own.
    async fn backwards(&self) -> Backwards {
        Backwards(self.copy())
    }
}

pub struct Other;

impl Writable for Other {}

#[Object]
impl Other {
    async fn may(&self) -> Option<i32> {
        None
    }
}

#[derive(Interface)]
#[graphql(field(name = "may", ty = "Option<i32>"))]
enum Any {
    Thing(Thing),
    #[allow(dead_code, reason = "an interface is of more than one")]
    Other(Other),
}

/// As the nodes of the schema that is served write themselves.
struct AnyThing(Any);

impl OutputType for AnyThing {
    fn type_name() -> Cow<'static, str> {
        Any::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Any::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match &self.0 {
            Any::Thing(thing) => writer::write(thing, ctx).boxed().await,
            any => any.resolve(ctx, field).boxed().await,
        }
    }
}

/// Writes the keys of an object from the last to the first.
struct Backwards(Thing);

impl OutputType for Backwards {
    fn type_name() -> Cow<'static, str> {
        Thing::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Thing::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match self.0.resolve(ctx, field).boxed().await? {
            Value::Object(fields) => Ok(Value::Object(fields.into_iter().rev().collect())),
            other => Ok(other),
        }
    }
}

type Api = Executor<Query, EmptyMutation, Told>;

/// The schema as it is served, without a database behind it.
pub struct Shapes {
    api: Api,
    types: TypeMap,
    services: Services,
    pub schema: Schema,
}

impl Shapes {
    pub fn build() -> Self {
        let api = Api::build(|schema| schema).unwrap();
        let sdl = api.schema().sdl();
        let services = Services::new(&config("postgres://nobody@nowhere.invalid/none"), Arc::new(SystemClock)).unwrap();
        Self { types: TypeMap::from_sdl(&sdl).unwrap(), schema: Schema::read(&sdl), services, api }
    }

    pub fn prepare(&self, document: &str) -> Document {
        Document::prepare(document, &self.types, &documents()).unwrap()
    }

    /// The answer when the fields of these paths fail as it is sent.
    pub async fn answer(&self, document: &Document, fails: &BTreeSet<String>) -> String {
        let request_id: Arc<str> = "shapes".into();
        let client = ClientInfo { ip: None, request_id: Arc::clone(&request_id) };
        let operation = Operation::new(self.services.clone(), None, document.selection(None).unwrap(), client);
        let response = self.api.run(&operation, Variables::from_json(serde_json::json!({"fails": fails}))).await;
        String::from_utf8(Body::of(response, &request_id, usize::MAX, true).into_json().into()).unwrap()
    }
}
