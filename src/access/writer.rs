//! Objects and lists that write their answer as JSON, field after field, into one text.
//!
//! async-graphql's executor makes a future, a path and a value of every field of every row. Most fields are there already when they are asked for: those
//! are written at once, and only those that wait for something are kept, side by side, so that their loaders batch. What must hold:
//! - The answer is the one of the specification: keys in the order of the selection, fragments where they stand, selections under one key put together,
//!   and the error of a nullable field kept to that field.
//! - A field that had its answer at once so far, in this operation or an earlier one of the document, is begun without more ado. Should it wait after
//!   all, it is begun again with all that is below it, and what was noted the first time is forgotten. So fields that change something are written
//!   [`in_turn`].
//! - A list that each of many parents has is looked at in full for one of them, its guard and its arguments; the others are asked for
//!   [`Again`].

mod draft;
mod plain;
mod siblings;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::ContainerType;
use async_graphql::{ContextSelectionSet, EmptyMutation, OutputType, Positioned, ServerResult, Value};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::access::operation::Operation;
use crate::access::plan::Plan;
use crate::base::money::Money;
use crate::base::{Error, json};
use crate::plain;

use draft::Objects;
pub use plain::At;
pub use siblings::{Again, Siblings};

/// An object that can be written.
pub trait Writable: ContainerType {
    /// Its plain fields, in snake case.
    const PLAIN: &'static [&'static str] = &[];

    /// What its own lists are found by, where it has lists.
    fn parent_id(&self) -> Option<Uuid> {
        None
    }

    /// Adds the JSON of a plain field, by its place in [`Writable::PLAIN`], to a text; whether that was possible. If not, what was added is of no use.
    fn put_plain(&self, _: usize, _: &At<'_>, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Writable for Money {
    plain!(amount, currency);
}
impl Writable for EmptyMutation {}
impl<T: Writable> Writable for &T {
    const PLAIN: &'static [&'static str] = T::PLAIN;

    fn parent_id(&self) -> Option<Uuid> {
        T::parent_id(self)
    }

    fn put_plain(&self, number: usize, at: &At<'_>, out: &mut Vec<u8>) -> bool {
        T::put_plain(self, number, at, out)
    }
}

/// An object that writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<T>(pub T);

/// A list, of which no entry is null, that writes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenList<L>(pub L);

impl<T> FromIterator<T> for WrittenList<Vec<T>> {
    fn from_iter<I: IntoIterator<Item = T>>(objects: I) -> Self {
        Self(objects.into_iter().collect())
    }
}

impl<T: Writable> OutputType for Written<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        write(&self.0, ctx).await
    }
}

impl<L, T> OutputType for WrittenList<L>
where
    L: Deref<Target = [T]> + Send + Sync,
    T: Writable,
{
    fn type_name() -> Cow<'static, str> {
        <&[T]>::type_name()
    }

    fn qualified_type_name() -> String {
        <&[T]>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <&[T]>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let (operation, plan) = planned::<T>(ctx)?;
        Objects { all: &self.0, list: true, ctx, operation, plan: &plan }.write().await
    }
}

/// The answer of an object.
///
/// # Errors
/// What a field that cannot be null failed with.
pub async fn write<T: Writable>(object: &T, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
    let (operation, plan) = planned::<T>(ctx)?;
    Objects { all: std::slice::from_ref(object), list: false, ctx, operation, plan: &plan }.write().await
}

/// The answer of an object whose fields change something: one is done before the next begins.
///
/// # Errors
/// As [`write()`].
pub async fn in_turn<T: Writable>(object: &T, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
    let (operation, plan) = planned::<T>(ctx)?;
    let mut text = vec![b'{'];
    operation.spend(plan.points(&ctx.query_env.variables), 1);
    for entry in plan.there(&ctx.query_env.variables) {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(&entry.key);
        if entry.is_type_name {
            json::put_text(&mut text, &object.introspection_type_name());
        } else {
            operation.turns().begin().await;
            json::put(&mut text, &draft::later(object, entry, draft::Place { ctx, operation, index: None }).boxed().await?);
        }
    }
    text.push(b'}');
    Ok(Value::Binary(text.into()))
}

/// The operation and what it selects of `T` here.
fn planned<'a, T: Writable>(ctx: &ContextSelectionSet<'a>) -> ServerResult<(&'a Operation, Arc<Plan>)> {
    let failed = |error: Error| async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    let operation = ctx.data_opt::<Operation>().ok_or_else(|| failed(Error::internal("an answer was written without an operation")))?;
    let plan = operation.plan::<T>(ctx).map_err(failed)?;
    Ok((operation, plan))
}
