//! The text of objects: written at once where all of it is there, and with gaps for the fields that wait.

use std::pin::pin;
use std::task::{Poll, Waker, ready};

use async_graphql::resolver_utils::ContainerType;
use async_graphql::{Context, ContextSelectionSet, ServerResult, Value};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};

use crate::access::execution;
use crate::access::operation::{Noted, Operation};
use crate::access::plan::{Entry, Plan, Seen};
use crate::access::writer::siblings::{Again, Siblings};
use crate::access::writer::{At, Writable};
use crate::base::json;

/// Objects that are written together: a list of them, or the only one.
pub struct Objects<'a, T> {
    /// What is written.
    pub all: &'a [T],
    /// Whether it is a list.
    pub list: bool,
    /// The context of the object or the list.
    pub ctx: &'a ContextSelectionSet<'a>,
    /// What they belong to.
    pub operation: &'a Operation,
    /// What is selected of each.
    pub plan: &'a Plan,
}

impl<'a, T: Writable> Objects<'a, T> {
    /// Their JSON.
    ///
    /// # Errors
    /// What a field that cannot be null failed with.
    pub async fn write(self) -> ServerResult<Value> {
        let mut text = Vec::new();
        match self.write_at_once(&mut text) {
            Poll::Ready(written) => written.map(|()| Value::Binary(text.into())),
            // In a box, so that the futures around stay small: each is moved to where it waits.
            Poll::Pending => Draft::of(self).boxed().await,
        }
    }

    /// Adds their JSON to a text if all of their fields had their answers at once so far. Where one waits all the same, and where one that cannot be
    /// null fails, the text holds a part that is of no use.
    pub fn write_at_once(&self, text: &mut Vec<u8>) -> Poll<ServerResult<()>> {
        self.write_at_once_since(self.operation.noted(self.ctx.query_env), text)
    }

    /// As [`Objects::write_at_once`], after this was noted.
    pub fn write_at_once_since(&self, noted: Noted, text: &mut Vec<u8>) -> Poll<ServerResult<()>> {
        let Self { all, list, ctx, operation, plan } = *self;
        if !plan.is_there_at_once(&ctx.query_env.variables) {
            return Poll::Pending;
        }
        let from = text.len();
        text.reserve(plan.length(all.len()));
        operation.spend(plan.points(&ctx.query_env.variables), all.len());
        operation.turns().count(plan.entries.len().saturating_mul(all.len()));
        let mut plainly = plan.is_plain && operation.is_proven(plan);
        for (index, object) in all.iter().enumerate() {
            open(index, list, text);
            let place = Place { ctx, operation, index: list.then_some(index) };
            let written = place.with(|set| {
                for (number, entry) in plan.there(&ctx.query_env.variables).enumerate() {
                    put_key(number, entry, text);
                    ready!(field_at_once(object, entry, set, (operation, plainly), text))?;
                }
                Poll::Ready(ServerResult::Ok(()))
            });
            if written.is_pending() {
                // What failed at once fails again.
                operation.forget(ctx.query_env, noted);
            }
            ready!(written)?;
            text.push(b'}');
            if !plainly && plan.is_plain && !operation.has_failed_since(ctx.query_env, noted) {
                operation.note_proven(plan);
                plainly = true;
            }
        }
        close(all.len(), list, text);
        plan.note_length(text.len().saturating_sub(from), all.len());
        Poll::Ready(Ok(()))
    }
}

fn open(index: usize, list: bool, text: &mut Vec<u8>) {
    if list {
        text.push(if index == 0 { b'[' } else { b',' });
    }
    text.push(b'{');
}

fn close(objects: usize, list: bool, text: &mut Vec<u8>) {
    if list {
        text.extend_from_slice(if objects == 0 { b"[]" } else { b"]" });
    }
}

fn put_key(number: usize, entry: &Entry, text: &mut Vec<u8>) {
    if number > 0 {
        text.push(b',');
    }
    text.extend_from_slice(&entry.key);
}

/// A text with gaps for the fields that wait.
#[derive(Default)]
struct Draft<'a> {
    text: Vec<u8>,
    gaps: Vec<(usize, Source)>,
    waiting: Vec<BoxFuture<'a, ServerResult<Value>>>,
    siblings: Vec<(Again, Siblings<'a>)>,
}

/// Where what belongs into a gap comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A field that waits by itself.
    Waiting(usize),
    /// One of siblings that are asked for together.
    Siblings(usize, usize),
}

impl<'a> Draft<'a> {
    async fn of<T: Writable>(objects: Objects<'a, T>) -> ServerResult<Value> {
        let Objects { all, list, ctx, operation, plan } = objects;
        let mut draft = Self { text: Vec::with_capacity(plan.length(all.len())), ..Self::default() };
        operation.spend(plan.points(&ctx.query_env.variables), all.len());
        let mut plainly = plan.is_plain && operation.is_proven(plan);
        for (index, object) in all.iter().enumerate() {
            operation.turns().begin_all(plan.entries.len()).await;
            open(index, list, &mut draft.text);
            let noted = operation.noted(ctx.query_env);
            let place = Place { ctx, operation, index: list.then_some(index) };
            let plain_ones_wait = place.with(|set| {
                let mut fields = plan.there(&ctx.query_env.variables).enumerate();
                fields.try_fold(false, |wait, (number, entry)| {
                    put_key(number, entry, &mut draft.text);
                    let waits = draft.field(object, entry, (place, plainly), set)?;
                    ServerResult::Ok(wait || (waits && entry.plain.is_some()))
                })
            })?;
            draft.text.push(b'}');
            if !plainly && plan.is_plain && !plain_ones_wait && !operation.has_failed_since(ctx.query_env, noted) {
                operation.note_proven(plan);
                plainly = true;
            }
        }
        close(all.len(), list, &mut draft.text);
        let text = draft.finish().await?;
        plan.note_length(text.len(), all.len());
        Ok(Value::Binary(text))
    }

    /// Adds a field to the text, or a gap for it; whether it waits.
    fn field<T: Writable>(
        &mut self,
        object: &'a T,
        entry: &'a Entry,
        (place, plainly): (Place<'a>, bool),
        set: &ContextSelectionSet<'_>,
    ) -> ServerResult<bool> {
        let seen = entry.seen();
        if (seen == Some(Seen::AtOnce) || entry.is_type_name)
            && let Poll::Ready(written) = field_at_once(object, entry, set, (place.operation, plainly), &mut self.text)
        {
            return written.map(|()| false);
        }
        let parent = if entry.is_leaf() { None } else { object.parent_id() };
        let siblings = parent.and_then(|parent| Some((self.siblings_of(entry, place)?, parent)));
        if let Some((number, parent)) = siblings {
            if let Some((_, siblings)) = self.siblings.get_mut(number) {
                self.gaps.push((self.text.len(), Source::Siblings(number, siblings.add(place.index, parent))));
            }
            return Ok(true);
        }
        let mut later = later(object, entry, place).boxed();
        // Of many parents the first is to say how the others are asked for.
        if seen.is_none() || (parent.is_some() && place.index.is_none_or(|index| index == 0)) {
            match later.poll_unpin(&mut std::task::Context::from_waker(Waker::noop())) {
                Poll::Ready(value) => {
                    entry.note(Seen::AtOnce);
                    json::put(&mut self.text, &value?);
                    return Ok(false);
                }
                Poll::Pending => entry.note(Seen::Waiting),
            }
        }
        self.gaps.push((self.text.len(), Source::Waiting(self.waiting.len())));
        self.waiting.push(later);
        Ok(true)
    }

    /// The number of the siblings that a field is asked for with; `None` while it is not known how.
    fn siblings_of(&mut self, entry: &'a Entry, place: Place<'a>) -> Option<usize> {
        if let Some(known) = self.siblings.iter().position(|(_, siblings)| std::ptr::eq(siblings.entry(), entry)) {
            return Some(known);
        }
        let again = place.operation.again(&entry.field)?;
        self.siblings.push((again, Siblings::new(place.ctx, place.operation, entry)));
        self.siblings.len().checked_sub(1)
    }

    /// Waits for what is missing and puts it in.
    async fn finish(self) -> ServerResult<Bytes> {
        let Self { text, gaps, mut waiting, siblings } = self;
        if let &[(gap, Source::Waiting(_))] = gaps.as_slice()
            && let Some((head, tail)) = text.split_at_checked(gap)
            && let Some(only) = waiting.pop()
        {
            return Ok(json::within(head, only.await?, tail));
        }
        if gaps.is_empty() {
            return Ok(text.into());
        }
        let together = siblings.into_iter().map(|(again, siblings)| again(siblings));
        let (waited, together) = join(join_all(waiting), join_all(together)).await;
        let waited: Vec<Value> = waited.into_iter().collect::<ServerResult<_>>()?;
        let together: Vec<Vec<Value>> = together.into_iter().collect::<ServerResult<_>>()?;
        let lengths = waited.iter().chain(together.iter().flatten()).map(json::length);
        let mut whole = Vec::with_capacity(text.len() + lengths.sum::<usize>() + json::ROOM);
        let mut from = 0;
        for (gap, source) in gaps {
            whole.extend_from_slice(text.get(from..gap).unwrap_or_default());
            let value = match source {
                Source::Waiting(number) => waited.get(number),
                Source::Siblings(group, number) => together.get(group).and_then(|values| values.get(number)),
            };
            json::put(&mut whole, value.unwrap_or(&Value::Null));
            from = gap;
        }
        whole.extend_from_slice(text.get(from..).unwrap_or_default());
        Ok(whole.into())
    }
}

/// Where fields are resolved.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The context of the object, or of the list that it is in.
    pub ctx: &'a ContextSelectionSet<'a>,
    /// What they belong to.
    pub operation: &'a Operation,
    /// The object's place in its list; `None` when it is the only one.
    pub index: Option<usize>,
}

impl Place<'_> {
    /// The context of the object.
    pub fn row(&self) -> ContextSelectionSet<'_> {
        self.index.map_or_else(|| self.ctx.clone(), |index| self.ctx.with_index(index))
    }

    /// Gives work the context of the object.
    fn with<T>(self, work: impl FnOnce(&ContextSelectionSet<'_>) -> T) -> T {
        work(&self.row())
    }
}

/// Adds the value of a field that is expected to have its answer at once: plainly where it can be, and otherwise in full.
fn field_at_once<T: Writable>(
    object: &T,
    entry: &Entry,
    set: &ContextSelectionSet<'_>,
    (operation, plainly): (&Operation, bool),
    text: &mut Vec<u8>,
) -> Poll<ServerResult<()>> {
    if entry.is_type_name {
        json::put_text(text, &object.introspection_type_name());
        return Poll::Ready(Ok(()));
    }
    let (ctx, from) = (set.with_field(&entry.field), text.len());
    if let Some(number) = entry.plain.filter(|_| plainly) {
        if object.put_plain(number, &At { ctx: &ctx, operation, entry }, text) {
            return Poll::Ready(Ok(()));
        }
        text.truncate(from);
    }
    let value = ready!(begun(object, entry, &ctx, operation))?;
    json::put(text, &value);
    Poll::Ready(Ok(()))
}

/// Begins a field, and gives it up again where it waits.
fn begun<T: ContainerType>(object: &T, entry: &Entry, ctx: &Context<'_>, operation: &Operation) -> Poll<ServerResult<Value>> {
    // A leaf has nothing below it that could note an error.
    let noted = (!entry.is_leaf()).then(|| operation.noted(ctx.query_env));
    let field = pin!(object.resolve_field(ctx));
    let outcome = field.poll(&mut std::task::Context::from_waker(Waker::noop())).map(|outcome| settle(outcome, entry, ctx, operation));
    if outcome.is_pending() {
        entry.note(Seen::Waiting);
        if let Some(noted) = noted {
            // What failed at once below it fails again.
            operation.forget(ctx.query_env, noted);
        }
    }
    outcome
}

/// A field that waits.
///
/// # Errors
/// What it failed with, when it cannot be null.
pub async fn later<T: ContainerType>(object: &T, entry: &Entry, place: Place<'_>) -> ServerResult<Value> {
    let row = place.row();
    let ctx = row.with_field(&entry.field);
    settle(object.resolve_field(&ctx).await, entry, &ctx, place.operation)
}

/// The value of a field; a nullable one that failed is null by itself.
///
/// # Errors
/// What it failed with, when it cannot be null.
pub fn settle(outcome: ServerResult<Option<Value>>, entry: &Entry, ctx: &Context<'_>, operation: &Operation) -> ServerResult<Value> {
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
