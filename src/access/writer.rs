//! Objects and lists that write their answer as JSON, field after field, into one text.
//!
//! The executor alone makes a future, a path and a value of every field of every row. Most fields are there already when they are asked for: those
//! are written at once, and only those that wait for something are kept, side by side, so that their loaders batch. What must hold:
//! - The answer is the one that the executor gives: keys in the order of the selection, fragments where they stand, and the error of a nullable
//!   field kept to that field.
//! - What cannot be written without being put together with something else, two selections under one response key, is left to the executor.
//! - A field may be begun twice, with all that is below it: once to see whether it waits. So only what reads is written in this way, and no mutation,
//!   and what a field that waits noted the first time is forgotten.

use std::borrow::Cow;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_list};
use async_graphql::{Context, ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::access::execution;
use crate::access::operation::Operation;
use crate::access::plan::{Entry, Plan};
use crate::base::json;

/// An object that writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<T>(pub T);

/// A list, of which no entry is null, that writes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenList<L>(pub L);

impl<T: ContainerType> OutputType for Written<T> {
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
        match planned::<T>(ctx) {
            // In boxes, so that the futures around stay small: each is moved to where it waits.
            Some((operation, plan)) => Draft::of(std::slice::from_ref(&self.0), false, ctx, operation, &plan).boxed().await,
            None => self.0.resolve(ctx, field).boxed().await,
        }
    }
}

impl<L, T> OutputType for WrittenList<L>
where
    L: Deref<Target = [T]> + Send + Sync,
    T: ContainerType,
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
        match planned::<T>(ctx) {
            Some((operation, plan)) => Draft::of(&self.0, true, ctx, operation, &plan).boxed().await,
            None => resolve_list(ctx, field, self.0.iter(), Some(self.0.len())).boxed().await,
        }
    }
}

/// The operation and what it selects of `T` here, where that can be written.
fn planned<'a, T: OutputType>(ctx: &ContextSelectionSet<'a>) -> Option<(&'a Operation, Arc<Plan>)> {
    let operation = ctx.data_opt::<Operation>()?;
    Some((operation, operation.plan(ctx, T::type_name)?))
}

/// A text with gaps for the fields that wait.
#[derive(Default)]
struct Draft<'a> {
    text: Vec<u8>,
    gaps: Vec<usize>,
    waiting: Vec<BoxFuture<'a, ServerResult<Value>>>,
}

impl<'a> Draft<'a> {
    /// The JSON of objects: a list of them, or the only one.
    async fn of<T: ContainerType>(
        objects: &'a [T],
        list: bool,
        ctx: &'a ContextSelectionSet<'a>,
        operation: &'a Operation,
        plan: &'a Plan,
    ) -> ServerResult<Value> {
        let mut draft = Self::default();
        let mut waits = vec![false; plan.entries.len()];
        for (index, object) in objects.iter().enumerate() {
            operation.turns().begin_all(plan.entries.len()).await;
            if list {
                draft.text.push(if index == 0 { b'[' } else { b',' });
            }
            draft.text.push(b'{');
            let place = Place { ctx, operation, index: list.then_some(index) };
            for (entry, waits) in plan.entries.iter().zip(&mut waits) {
                draft.field(object, entry, waits, place)?;
            }
            draft.text.push(b'}');
        }
        if list {
            draft.text.extend_from_slice(if objects.is_empty() { b"[]" } else { b"]" });
        }
        draft.finish().await
    }

    fn field<T: ContainerType>(&mut self, object: &'a T, entry: &'a Entry, waits: &mut bool, place: Place<'a>) -> ServerResult<()> {
        self.text.extend_from_slice(&entry.key);
        if entry.is_type_name {
            json::put_text(&mut self.text, &object.introspection_type_name());
            return Ok(());
        }
        if !*waits {
            match place.with(entry, |ctx| begun(object, entry, ctx, place.operation)) {
                Poll::Ready(value) => {
                    json::put(&mut self.text, &value?);
                    return Ok(());
                }
                Poll::Pending => *waits = true,
            }
        }
        self.gaps.push(self.text.len());
        self.waiting.push(later(object, entry, place).boxed());
        Ok(())
    }

    /// Waits for what is missing and puts it in.
    async fn finish(self) -> ServerResult<Value> {
        let Self { text, gaps, waiting } = self;
        if gaps.is_empty() {
            return Ok(Value::Binary(text.into()));
        }
        let values = join_all(waiting).await;
        let mut whole = Vec::with_capacity(text.len() * 2);
        let mut from = 0;
        for (gap, value) in gaps.into_iter().zip(values) {
            whole.extend_from_slice(text.get(from..gap).unwrap_or_default());
            json::put(&mut whole, &value?);
            from = gap;
        }
        whole.extend_from_slice(text.get(from..).unwrap_or_default());
        Ok(Value::Binary(whole.into()))
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

impl Place<'_> {
    /// Gives work the context of a field.
    fn with<T>(self, entry: &Entry, work: impl FnOnce(&Context<'_>) -> T) -> T {
        match self.index {
            Some(index) => work(&self.ctx.with_index(index).with_field(&entry.field)),
            None => work(&self.ctx.with_field(&entry.field)),
        }
    }
}

/// Begins a field, and gives it up again where it waits.
fn begun<T: ContainerType>(object: &T, entry: &Entry, ctx: &Context<'_>, operation: &Operation) -> Poll<ServerResult<Value>> {
    // A leaf has nothing below it that could note an error.
    let is_leaf = entry.field.node.selection_set.node.items.is_empty();
    let noted = (!is_leaf).then(|| operation.noted_errors(ctx));
    let field = pin!(object.resolve_field(ctx));
    let outcome = field.poll(&mut std::task::Context::from_waker(Waker::noop())).map(|outcome| settle(outcome, entry, ctx, operation));
    if let (Poll::Pending, Some(noted)) = (&outcome, noted) {
        // What failed at once below it fails again.
        operation.forget_errors(ctx, noted);
    }
    outcome
}

async fn later<T: ContainerType>(object: &T, entry: &Entry, place: Place<'_>) -> ServerResult<Value> {
    let row;
    let ctx = match place.index {
        Some(index) => {
            row = place.ctx.with_index(index);
            row.with_field(&entry.field)
        }
        None => place.ctx.with_field(&entry.field),
    };
    settle(object.resolve_field(&ctx).await, entry, &ctx, place.operation)
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
