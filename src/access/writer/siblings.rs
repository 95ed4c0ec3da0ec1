//! Fields that many parents have, asked for together: what one of them answers with, for all of the others in one go.

use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

use async_graphql::{ContextSelectionSet, ServerResult, Value};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use uuid::Uuid;

use crate::access::operation::Operation;
use crate::access::plan::{Entry, Plan};
use crate::access::writer::draft::{Objects, Place, settle};
use crate::access::writer::{Writable, planned, write};
use crate::base::Result;

/// What a field answers other parents with, in their order, after it was looked at in full for one: it has the same guard and the same arguments.
pub type Again = Arc<dyn for<'a> Fn(Siblings<'a>) -> BoxFuture<'a, ServerResult<Vec<Value>>> + Send + Sync>;

/// A field of several objects that stand beside each other.
pub struct Siblings<'a> {
    ctx: &'a ContextSelectionSet<'a>,
    operation: &'a Operation,
    entry: &'a Entry,
    /// The places of the objects in their list, and what each one's lists are found by.
    parents: Vec<(Option<usize>, Uuid)>,
}

impl<'a> Siblings<'a> {
    pub(super) const fn new(ctx: &'a ContextSelectionSet<'a>, operation: &'a Operation, entry: &'a Entry) -> Self {
        Self { ctx, operation, entry, parents: Vec::new() }
    }

    pub(super) const fn entry(&self) -> &'a Entry {
        self.entry
    }

    /// Adds an object, and says which of the answers will be its own.
    pub(super) fn add(&mut self, index: Option<usize>, id: Uuid) -> usize {
        self.parents.push((index, id));
        self.parents.len().saturating_sub(1)
    }

    /// What the field belongs to.
    #[must_use]
    pub const fn operation(&self) -> &'a Operation {
        self.operation
    }

    /// What the objects' lists are found by.
    #[must_use]
    pub fn parents(&self) -> Arc<[Uuid]> {
        self.parents.iter().map(|(_, id)| *id).collect()
    }

    /// The JSON of the object that the field answers each parent with; what one fails with is that parent's, if the field can be null.
    ///
    /// # Errors
    /// That of a field which cannot be null.
    pub async fn write<T: Writable>(self, object: impl Fn(Uuid) -> Result<T>) -> ServerResult<Vec<Value>> {
        let objects: Vec<Result<T>> = self.parents.iter().map(|(_, id)| object(*id)).collect();
        let Self { ctx, operation, entry, parents } = self;
        let plan = planned::<T>(&ctx.with_field(&entry.field).with_selection_set(&entry.field.node.selection_set))?.1;
        let (mut text, mut answers, mut waiting) = (Vec::with_capacity(plan.length(objects.len())), Vec::with_capacity(objects.len()), Vec::new());
        for (object, (index, _)) in objects.iter().zip(&parents) {
            operation.turns().begin().await;
            let place = Place { ctx, operation, index: *index };
            let from = text.len();
            answers.push(match at_once(object, entry, place, &plan, &mut text)? {
                Poll::Ready(true) => Answer::Here(from..text.len()),
                Poll::Ready(false) => Answer::Null,
                Poll::Pending => {
                    waiting.push(later(object, entry, place).boxed());
                    Answer::Later
                }
            });
            if !matches!(answers.last(), Some(Answer::Here(_))) {
                text.truncate(from);
            }
        }
        let mut waited = join_all(waiting).await.into_iter();
        let text = Bytes::from(text);
        let values = answers.into_iter().map(|answer| match answer {
            Answer::Here(range) => Ok(Value::Binary(text.slice(range))),
            Answer::Null => Ok(Value::Null),
            Answer::Later => waited.next().unwrap_or(Ok(Value::Null)),
        });
        values.collect()
    }
}

/// What one of many is answered with.
enum Answer {
    /// What stands there in the text of all.
    Here(Range<usize>),
    /// Nothing, since it failed.
    Null,
    /// What those who wait are answered with, in their order.
    Later,
}

/// Writes the object of one parent if it is there at once; whether there is one, or else the parent's field is null.
fn at_once<T: Writable>(object: &Result<T>, entry: &Entry, place: Place<'_>, plan: &Plan, text: &mut Vec<u8>) -> ServerResult<Poll<bool>> {
    let row = place.row();
    let ctx = row.with_field(&entry.field);
    let written = match object {
        Ok(object) => {
            let set = ctx.with_selection_set(&entry.field.node.selection_set);
            Objects { all: std::slice::from_ref(object), list: false, ctx: &set, operation: place.operation, plan }.write_at_once(text)
        }
        Err(error) => Poll::Ready(Err(async_graphql::Error::from(error.clone()).into_server_error(ctx.item.pos))),
    };
    Ok(match written {
        Poll::Ready(Err(error)) => settle(Err(error), entry, &ctx, place.operation).map(|_| Poll::Ready(false))?,
        written => written.map(|_| true),
    })
}

async fn later<T: Writable>(object: &Result<T>, entry: &Entry, place: Place<'_>) -> ServerResult<Value> {
    let row = place.row();
    let ctx = row.with_field(&entry.field);
    let outcome = match object {
        Ok(object) => write(object, &ctx.with_selection_set(&entry.field.node.selection_set)).await,
        // It would have been told at once.
        Err(error) => Err(async_graphql::Error::from(error.clone()).into_server_error(ctx.item.pos)),
    };
    settle(outcome.map(Some), entry, &ctx, place.operation)
}
