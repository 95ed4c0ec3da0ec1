//! What every noun's subscription has: a field that is asked for each event, and the payload that it answers with.
//!
//! What must hold: an event is told only to whom the field's guard lets through at that moment, and only when the row is there in the snapshot that the
//! answer is read from, or was deleted; of a row that has gone since, its deletion is told by an event of its own.

use std::sync::Arc;

use async_graphql::Context;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::access::events::cursor::EventCursor;
use crate::access::events::watch::Interest;
use crate::access::events::{ChangeKind, Event, EventPosition};
use crate::access::operation::Reads;
use crate::access::{NodeObject, Operation};
use crate::base::{Noun, Result};
use crate::features::lists::{Filter, InLists};

/// An event that is told, and the object as it is now; `None` when it was deleted.
pub type Told<T> = (Arc<Event>, Option<T>);

/// A cursor of the caller at a position, with what she may see now.
///
/// # Errors
/// `DATABASE_UNAVAILABLE` when it is not known which database this is.
pub fn cursor(operation: &Operation, position: EventPosition) -> Result<String> {
    operation.services().event_cursor(&operation.scope()?, position)
}

/// What a cursor says that this caller was given.
///
/// # Errors
/// As [`EventCursor::decode`].
pub fn since(operation: &Operation, text: &str) -> Result<EventCursor> {
    EventCursor::decode(text, &operation.scope()?, operation.services().line()?)
}

/// The operation's event, when it is one of these kinds of objects; `None` when it is not, or there is none yet.
///
/// # Errors
/// `VALIDATION_ERROR` for a cursor that is none of the caller's.
pub fn event<'a>(operation: &'a Operation, nouns: Vec<&'static str>, since: Option<&str>) -> Result<Option<&'a Arc<Event>>> {
    let Some(event) = operation.watch().event() else {
        let since = since.map(|text| self::since(operation, text)).transpose()?.map(|cursor| cursor.position);
        operation.watch().note_interest(Interest { nouns, since });
        return Ok(None);
    };
    if nouns.contains(&event.noun.as_str()) {
        return Ok(Some(event));
    }
    operation.watch().let_pass();
    Ok(None)
}

/// Whether the operation's event is about another row, and so none of those that are told.
///
/// # Errors
/// As [`Operation::of`].
pub fn is_of_another(ctx: &Context<'_>, row: Uuid) -> Result<bool> {
    let operation = Operation::of(ctx)?;
    let another = operation.watch().event().is_some_and(|event| event.row != row);
    if another {
        operation.watch().let_pass();
    }
    Ok(another)
}

/// The operation's event about a `T` that the filter leaves in.
///
/// # Errors
/// `VALIDATION_ERROR` for arguments that cannot be, and as the database fails.
pub async fn of_list<T>(ctx: &Context<'_>, filter: Option<<T::Row as InLists>::Filter>, since: Option<String>) -> Result<Option<Told<T>>>
where
    T: NodeObject,
    T::Row: InLists,
{
    let filter = filter.unwrap_or_default();
    filter.check()?;
    if filter == <T::Row as InLists>::Filter::default() {
        return of::<T>(ctx, since, None).await;
    }
    let fits: Fits = Box::new(move |reads, event| Box::pin(async move { T::Row::fits(&reads.reader, event.row, &filter).await }));
    of::<T>(ctx, since, Some(fits)).await
}

/// Whether a filter leaves in the row of an event.
type Fits = Box<dyn FnOnce(Arc<Reads>, Arc<Event>) -> BoxFuture<'static, Result<bool>> + Send>;

/// The operation's event about a `T`.
///
/// # Errors
/// As [`of_list`].
pub async fn of<T: NodeObject>(ctx: &Context<'_>, since: Option<String>, fits: Option<Fits>) -> Result<Option<Told<T>>> {
    let operation = Operation::of(ctx)?;
    operation.require(T::READ)?;
    let Some(event) = event(operation, vec![T::Row::PREFIX], since.as_deref())? else { return Ok(None) };
    if event.kind == ChangeKind::Deleted {
        return Ok(Some((Arc::clone(event), None)));
    }
    let (reads, about) = (operation.reads()?, Arc::clone(event));
    let fits = async {
        match fits {
            Some(fits) => fits(reads, about).await,
            None => Ok(true),
        }
    };
    let (fits, found) = futures_util::try_join!(fits, T::find(ctx, event.row))?;
    match found {
        Some(found) if fits => Ok(Some((Arc::clone(event), Some(found)))),
        _ => {
            operation.watch().let_pass();
            Ok(None)
        }
    }
}

/// The payload of a noun's subscription.
///
/// ```text
/// told!("a contact", "contact": Contact; ContactChange { contact_id: ContactId, contact });
/// ```
#[macro_export]
macro_rules! told {
    ($a:literal, $one:literal: $object:ident; $change:ident { $id:ident: $id_type:ty, $field:ident }) => {
        #[doc = concat!("A change of ", $a, ".")]
        #[derive(Clone, async_graphql::SimpleObject)]
        pub struct $change {
            #[doc = concat!("What became of the ", $one, ".")]
            pub kind: $crate::access::events::ChangeKind,
            #[doc = concat!("The identifier of the ", $one, ".")]
            pub $id: $id_type,
            /// When it happened.
            pub at: $crate::base::scalars::DateTime,
            /// Where it stands among all changes: send it as `since` to go on after it.
            pub position: String,
            #[doc = concat!("The ", $one, " as it is now; null when it was deleted.")]
            pub $field: Option<$crate::access::writer::Written<$object>>,
        }

        impl $crate::access::writer::Writable for $change {}

        impl $change {
            fn of(
                ctx: &async_graphql::Context<'_>,
                told: Option<$crate::features::told::Told<$object>>,
            ) -> $crate::base::Result<Option<$crate::access::writer::Written<Self>>> {
                let Some((event, object)) = told else { return Ok(None) };
                let position = $crate::features::told::cursor($crate::access::Operation::of(ctx)?, event.position)?;
                let at = $crate::base::scalars::DateTime(event.at);
                let $field = object.map($crate::access::writer::Written);
                Ok(Some($crate::access::writer::Written(Self { kind: event.kind, $id: <$id_type>::new(event.row), at, position, $field })))
            }
        }
    };
}
