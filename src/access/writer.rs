//! Objects and lists that write their answer as JSON, field after field, into one text.
//!
//! The executor alone makes a future, a path and a value of every field of every row. Most fields are there already when they are asked for: those
//! are written at once, and only those that wait for something are kept, side by side, so that their loaders batch. What must hold:
//! - The answer is the one that the executor gives: keys in the order of the selection, fragments where they stand, and the error of a nullable
//!   field kept to that field.
//! - What cannot be written without being put together with something else, two selections under one response key, is left to the executor.
//! - A field that had its answer at once so far, in this operation or an earlier one of the document, is begun without more ado. Should it wait after
//!   all, it is begun again with all that is below it, and what was noted the first time is forgotten. So fields that change something are written
//!   [`in_turn`].
//! - A list that each of many parents has is looked at in full for one of them, its guard and its arguments; the others are asked for
//!   [`Again`].

use std::borrow::Cow;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_list};
use async_graphql::{Context, ContextSelectionSet, EmptyMutation, OutputType, Positioned, ServerResult, Value};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use uuid::Uuid;

use crate::access::execution;
use crate::access::operation::Operation;
use crate::access::plan::{Entry, Plan, Seen};
use crate::base::money::Money;
use crate::base::{Error, Result, json};

/// What a field answers with for another parent, after it was looked at in full for one: it has the same guard and the same arguments.
pub type Again = Arc<dyn for<'a> Fn(&'a Context<'a>, Uuid) -> BoxFuture<'a, ServerResult<Option<Value>>> + Send + Sync>;

/// An object that can be written.
pub trait Writable: ContainerType {
    /// What its own lists are found by, where it has lists.
    fn parent_id(&self) -> Option<Uuid> {
        None
    }
}

impl Writable for Money {}
impl Writable for EmptyMutation {}
impl<T: Writable> Writable for &T {
    fn parent_id(&self) -> Option<Uuid> {
        T::parent_id(self)
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

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        // In boxes, so that the futures around stay small: each is moved to where it waits.
        if ctx.execute_data.is_some() { write(&self.0, ctx).boxed().await } else { self.0.resolve(ctx, field).boxed().await }
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

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        if ctx.execute_data.is_none() {
            return resolve_list(ctx, field, self.0.iter(), Some(self.0.len())).boxed().await;
        }
        let (operation, plan) = planned::<T>(ctx)?;
        Draft::of(&self.0, true, ctx, operation, &plan).boxed().await
    }
}

/// The answer of an object.
///
/// # Errors
/// What a field that cannot be null failed with.
pub async fn write<T: Writable>(object: &T, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
    let (operation, plan) = planned::<T>(ctx)?;
    Draft::of(std::slice::from_ref(object), false, ctx, operation, &plan).await
}

/// The answer of an object whose fields change something: one is done before the next begins.
///
/// # Errors
/// As [`write()`].
pub async fn in_turn<T: Writable>(object: &T, ctx: &ContextSelectionSet<'_>) -> ServerResult<Value> {
    let (operation, plan) = planned::<T>(ctx)?;
    let mut text = vec![b'{'];
    operation.spend(plan.points(&ctx.query_env.variables), 1);
    for entry in plan.entries.iter().filter(|entry| entry.is_there(&ctx.query_env.variables)) {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(&entry.key);
        if entry.is_type_name {
            json::put_text(&mut text, &object.introspection_type_name());
        } else {
            operation.turns().begin().await;
            json::put(&mut text, &later(object, entry, Place { ctx, operation, index: None }).boxed().await?);
        }
    }
    text.push(b'}');
    Ok(Value::Binary(text.into()))
}

/// The operation and what it selects of `T` here.
fn planned<'a, T: OutputType>(ctx: &ContextSelectionSet<'a>) -> ServerResult<(&'a Operation, Arc<Plan>)> {
    let failed = |error: Error| async_graphql::Error::from(error).into_server_error(ctx.item.pos);
    let operation = ctx.data_opt::<Operation>().ok_or_else(|| failed(Error::internal("an answer was written without an operation")))?;
    let plan = operation.plan::<T>(ctx).ok_or_else(|| failed(Error::internal("a document that is not valid was executed")))?;
    Ok((operation, plan))
}

/// A text with gaps for the fields that wait.
#[derive(Default)]
struct Draft<'a> {
    text: Vec<u8>,
    gaps: Vec<usize>,
    waiting: Vec<BoxFuture<'a, ServerResult<Value>>>,
    /// By the addresses of fields.
    again: Vec<(usize, Again)>,
}

impl<'a> Draft<'a> {
    /// The JSON of objects: a list of them, or the only one.
    async fn of<T: Writable>(
        objects: &'a [T],
        list: bool,
        ctx: &'a ContextSelectionSet<'a>,
        operation: &'a Operation,
        plan: &'a Plan,
    ) -> ServerResult<Value> {
        let mut draft = Self { text: Vec::with_capacity(plan.length(objects.len())), ..Self::default() };
        operation.spend(plan.points(&ctx.query_env.variables), objects.len());
        for (index, object) in objects.iter().enumerate() {
            operation.turns().begin_all(plan.entries.len()).await;
            if list {
                draft.text.push(if index == 0 { b'[' } else { b',' });
            }
            draft.text.push(b'{');
            let place = Place { ctx, operation, index: list.then_some(index) };
            let begun = draft.text.len();
            for entry in plan.entries.iter().filter(|entry| entry.is_there(&ctx.query_env.variables)) {
                if draft.text.len() > begun {
                    draft.text.push(b',');
                }
                draft.field(object, entry, place)?;
            }
            draft.text.push(b'}');
        }
        if list {
            draft.text.extend_from_slice(if objects.is_empty() { b"[]" } else { b"]" });
        }
        let text = draft.finish().await?;
        plan.note_length(text.len(), objects.len());
        Ok(Value::Binary(text.into()))
    }

    fn field<T: Writable>(&mut self, object: &'a T, entry: &'a Entry, place: Place<'a>) -> ServerResult<()> {
        self.text.extend_from_slice(&entry.key);
        if entry.is_type_name {
            json::put_text(&mut self.text, &object.introspection_type_name());
            return Ok(());
        }
        let seen = entry.seen();
        if seen == Some(Seen::AtOnce) {
            match place.with(entry, |ctx| begun(object, entry, ctx, place.operation)) {
                Poll::Ready(value) => {
                    json::put(&mut self.text, &value?);
                    return Ok(());
                }
                Poll::Pending => entry.note(Seen::Waiting),
            }
        }
        let parent = if entry.is_leaf() { None } else { object.parent_id() };
        let again = parent.and_then(|parent| Some((self.again(entry, place.operation)?, parent)));
        // Of many parents the first is to say how the others are asked for.
        let is_first = parent.is_some() && again.is_none() && place.index.is_none_or(|index| index == 0);
        let mut later = match again {
            Some((again, parent)) => once_more(again, parent, entry, place).boxed(),
            None => later(object, entry, place).boxed(),
        };
        if seen.is_none() || is_first {
            match later.poll_unpin(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => {
                    entry.note(Seen::AtOnce);
                    json::put(&mut self.text, &value?);
                    return Ok(());
                }
                Poll::Pending => entry.note(Seen::Waiting),
            }
        }
        self.gaps.push(self.text.len());
        self.waiting.push(later);
        Ok(())
    }

    /// How a field is asked for again, once that is known.
    fn again(&mut self, entry: &Entry, operation: &Operation) -> Option<Again> {
        let address = std::ptr::from_ref(entry).addr();
        if let Some((_, again)) = self.again.iter().find(|(known, _)| *known == address) {
            return Some(Arc::clone(again));
        }
        let again = operation.again(&entry.field)?;
        self.again.push((address, Arc::clone(&again)));
        Some(again)
    }

    /// Waits for what is missing and puts it in.
    async fn finish(self) -> ServerResult<Vec<u8>> {
        let Self { text, gaps, waiting, .. } = self;
        if gaps.is_empty() {
            return Ok(text);
        }
        let values: Vec<Value> = join_all(waiting).await.into_iter().collect::<ServerResult<_>>()?;
        let mut whole = Vec::with_capacity(text.len() + values.iter().map(json::length).sum::<usize>());
        let mut from = 0;
        for (gap, value) in gaps.into_iter().zip(&values) {
            whole.extend_from_slice(text.get(from..gap).unwrap_or_default());
            json::put(&mut whole, value);
            from = gap;
        }
        whole.extend_from_slice(text.get(from..).unwrap_or_default());
        Ok(whole)
    }
}

/// Where fields are resolved.
#[derive(Clone, Copy)]
struct Place<'a> {
    ctx: &'a ContextSelectionSet<'a>,
    operation: &'a Operation,
    /// The object's place in its list; `None` when it is the only one.
    index: Option<usize>,
}

impl<'a> Place<'a> {
    /// The context of the object.
    fn row(self) -> ContextSelectionSet<'a> {
        self.index.map_or_else(|| self.ctx.clone(), |index| self.ctx.with_index(index))
    }

    /// Gives work the context of a field.
    fn with<T>(self, entry: &Entry, work: impl FnOnce(&Context<'_>) -> T) -> T {
        work(&self.row().with_field(&entry.field))
    }
}

/// Begins a field, and gives it up again where it waits.
fn begun<T: ContainerType>(object: &T, entry: &Entry, ctx: &Context<'_>, operation: &Operation) -> Poll<ServerResult<Value>> {
    // A leaf has nothing below it that could note an error.
    let noted = (!entry.is_leaf()).then(|| operation.noted(ctx));
    let field = pin!(object.resolve_field(ctx));
    let outcome = field.poll(&mut std::task::Context::from_waker(Waker::noop())).map(|outcome| settle(outcome, entry, ctx, operation));
    if let (Poll::Pending, Some(noted)) = (&outcome, noted) {
        // What failed at once below it fails again.
        operation.forget(ctx, noted);
    }
    outcome
}

async fn later<T: ContainerType>(object: &T, entry: &Entry, place: Place<'_>) -> ServerResult<Value> {
    let row = place.row();
    let ctx = row.with_field(&entry.field);
    settle(object.resolve_field(&ctx).await, entry, &ctx, place.operation)
}

async fn once_more(again: Again, parent: Uuid, entry: &Entry, place: Place<'_>) -> ServerResult<Value> {
    let row = place.row();
    let ctx = row.with_field(&entry.field);
    settle(again(&ctx, parent).await, entry, &ctx, place.operation)
}

/// What a field answers with, as a resolver's outcome becomes its answer.
///
/// # Errors
/// What the resolver, or a field below that cannot be null, failed with.
pub async fn answer<T: OutputType>(outcome: Result<T>, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
    let value = outcome.map_err(|error| async_graphql::Error::from(error).into_server_error(ctx.item.pos))?;
    let below = ctx.with_selection_set(&ctx.item.node.selection_set);
    value.resolve(&below, ctx.item).await.map(Some)
}

/// The value of a field; a nullable one that failed is null by itself.
fn settle(outcome: ServerResult<Option<Value>>, entry: &Entry, ctx: &Context<'_>, operation: &Operation) -> ServerResult<Value> {
    outcome.map(Option::unwrap_or_default).or_else(|error| {
        let error = match &ctx.path_node {
            Some(node) => execution::at(node, error),
            None => error,
        };
        if !entry.nullable {
            return Err(execution::kept(error));
        }
        operation.note_error(error);
        Ok(Value::Null)
    })
}
