//! Fields that need nothing but the object they are of: written straight into the answer, for every object of an operation but the first.
//!
//! async-graphql resolves a field by its name, by its guard, in a future and to a value of its own, which for a list of a hundred rows is most of the
//! work. The guard of a field looks at who asks and never at the row. So the first object that an operation has at a place is resolved in full; once
//! that went without an error, the others are written from the [`plain!`](crate::plain) fields of their type. What is not written this way, such as
//! a value that fails, is resolved in full.

use std::ops::Deref;
use std::task::Poll;

use async_graphql::Context;

use crate::access::operation::Operation;
use crate::access::plan::Entry;
use crate::access::writer::draft::Objects;
use crate::access::writer::{Writable, Written, WrittenList};
use crate::base::json::Plain;

/// Where a plain field is written.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The context of the field.
    pub ctx: &'a Context<'a>,
    /// What it belongs to.
    pub operation: &'a Operation,
    /// The field as it is selected.
    pub entry: &'a Entry,
}

impl<T: Writable> Plain<At<'_>> for Written<T> {
    fn put(&self, at: &At<'_>, out: &mut Vec<u8>) -> bool {
        put_all(std::slice::from_ref(&self.0), false, at, out)
    }
}

impl<L, T> Plain<At<'_>> for WrittenList<L>
where
    L: Deref<Target = [T]>,
    T: Writable,
{
    fn put(&self, at: &At<'_>, out: &mut Vec<u8>) -> bool {
        put_all(&self.0, true, at, out)
    }
}

fn put_all<T: Writable>(objects: &[T], list: bool, at: &At<'_>, out: &mut Vec<u8>) -> bool {
    let At { ctx, operation, entry } = *at;
    let set = ctx.with_selection_set(&ctx.item.node.selection_set);
    let found;
    let plan = match entry.below::<T>() {
        Some(plan) => plan,
        None => {
            let Ok(plan) = operation.plan::<T>(&set) else { return false };
            entry.keep_below::<T>(&plan);
            found = plan;
            &found
        }
    };
    let noted = operation.noted(ctx.query_env);
    let objects = Objects { all: objects, list, ctx: &set, operation, plan };
    let is_written = matches!(objects.write_at_once_since(noted, out), Poll::Ready(Ok(())));
    if !is_written {
        // What failed below fails again.
        operation.forget(ctx.query_env, noted);
    }
    is_written
}

/// Within `impl Writable`: the fields of the object that take no arguments and wait for nothing, by the names of their methods.
#[macro_export]
macro_rules! plain {
    ($($field:ident),+ $(,)?) => {
        const PLAIN: &'static [&'static str] = &[$(stringify!($field)),+];

        fn put_plain(&self, number: usize, at: &$crate::access::writer::At<'_>, out: &mut Vec<u8>) -> bool {
            let fields = [$(|this: &Self, at: &$crate::access::writer::At<'_>, out: &mut Vec<u8>| {
                let value = futures_util::FutureExt::now_or_never(this.$field(at.ctx));
                value.is_some_and(|value| $crate::base::json::Plain::put(&value, at, out))
            }),+];
            fields.get(number).is_some_and(|put| put(self, at, out))
        }
    };
}
