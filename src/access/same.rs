//! Arguments that many parents of one field share, of which there is one copy in a snapshot: they are read and checked once, and told apart by their
//! place in memory instead of by all that they hold.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::Field;
use async_graphql::{Context, Positioned};

use crate::access::writer::Again;
use crate::base::Map;

/// Arguments that are equal to others of the same snapshot exactly when they are in the same place.
pub struct Same<A>(Arc<A>);

impl<A> Same<A> {
    /// The place in memory.
    #[must_use]
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl<A> Clone for Same<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
impl<A> Deref for Same<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}
impl<A> PartialEq for Same<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl<A> Eq for Same<A> {}
impl<A> Hash for Same<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
impl<A> fmt::Debug for Same<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("arguments")
    }
}

type Kept = Arc<dyn Any + Send + Sync>;

/// What was made of the arguments of fields.
#[derive(Default)]
pub struct SameArguments {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    all: Vec<Kept>,
    /// By the field's address, where it stays as long as the operation runs.
    again: Map<usize, Again>,
}

impl SameArguments {
    /// How a field that was looked at for one parent is asked for again, if that was noted.
    #[must_use]
    pub fn again(&self, field: &Positioned<Field>) -> Option<Again> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).again.get(&std::ptr::from_ref(field).addr()).cloned()
    }

    /// Notes how a field is asked for again.
    pub fn note_again(&self, ctx: &Context<'_>, again: Again) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).again.insert(std::ptr::from_ref(ctx.item).addr(), again);
    }

    /// The one copy of some arguments: fields that ask for the same under several names are read together.
    pub fn only<A: Eq + Send + Sync + 'static>(&self, args: A) -> Same<A> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let equal = known.all.iter().filter_map(|kept| Arc::clone(kept).downcast::<A>().ok()).find(|kept| **kept == args);
        Same(equal.unwrap_or_else(|| {
            let fresh = Arc::new(args);
            known.all.push(Arc::<A>::clone(&fresh));
            fresh
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_arguments_are_one() {
        let known = SameArguments::default();
        let (one, other, another) = (known.only(vec![1, 2]), known.only(vec![1, 2]), known.only(vec![3]));
        assert_eq!(one, other);
        assert_ne!(one, another);
        assert_eq!(*another, vec![3]);
        assert_eq!(known.only("text"), known.only("text"));
    }
}
