//! Fields that need nothing but the object they are of: written straight into the answer, for every object of an operation but the first.
//!
//! async-graphql resolves a field by its name, by its guard, in a future and to a value of its own, which for a list of a hundred rows is most of the
//! work. The guard of a field looks at who asks and never at the row. So the first object that an operation has at a place is resolved in full; once
//! that went without an error, the others are written from the [`plain!`](crate::plain) fields of their type. What is not written this way, such as
//! a value that fails, is resolved in full.

use std::ops::Deref;
use std::task::Poll;

use async_graphql::Context;

use crate::access::writer::draft::Objects;
use crate::access::writer::{Writable, Written, WrittenList, planned};
use crate::base::json::Plain;

impl<T: Writable> Plain for Written<T> {
    fn put(&self, ctx: &Context<'_>, out: &mut Vec<u8>) -> bool {
        put_all(std::slice::from_ref(&self.0), false, ctx, out)
    }
}

impl<L, T> Plain for WrittenList<L>
where
    L: Deref<Target = [T]>,
    T: Writable,
{
    fn put(&self, ctx: &Context<'_>, out: &mut Vec<u8>) -> bool {
        put_all(&self.0, true, ctx, out)
    }
}

fn put_all<T: Writable>(objects: &[T], list: bool, ctx: &Context<'_>, out: &mut Vec<u8>) -> bool {
    let set = ctx.with_selection_set(&ctx.item.node.selection_set);
    let Ok((operation, plan)) = planned::<T>(&set) else { return false };
    let noted = operation.noted(ctx.query_env);
    let objects = Objects { all: objects, list, ctx: &set, operation, plan: &plan };
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

        fn put_plain(&self, number: usize, ctx: &async_graphql::Context<'_>, out: &mut Vec<u8>) -> bool {
            let fields = [$(|this: &Self, ctx: &async_graphql::Context<'_>, out: &mut Vec<u8>| {
                let value = futures_util::FutureExt::now_or_never(this.$field(ctx));
                value.is_some_and(|value| $crate::base::json::Plain::put(&value, ctx, out))
            }),+];
            fields.get(number).is_some_and(|put| put(self, ctx, out))
        }
    };
}
