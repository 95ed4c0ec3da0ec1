//! Rows, as every noun keeps them: found by their ids, created, changed and deleted, each change with its entry in the audit log.
//!
//! A noun says in its `queries.rs` which table and structs it has and what the violation of a constraint means ([`stored!`](crate::stored)); from
//! that follow the statements. Its `actions.rs` checks the input and hands over to [`create`], [`update`], [`update_all`], [`delete`] and [`delete_all`].

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::access::audit::{self, Changed};
use crate::access::{Act, Batch, Reader};
use crate::base::{Code, Error, Id, Map, Noun, Result};
use crate::features::bulk;
use crate::platform::postgres::failure::violated;

/// What the violation of a constraint means to the caller. The field is named as in the schema, without `changes.`.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// Constraint, field, message: the value belongs to another row.
    Taken(&'static str, &'static str, &'static str),
    /// Constraint, field, noun: what the field refers to is not there.
    Missing(&'static str, &'static str, &'static str),
}

/// A row with an id and a version. [`stored!`](crate::stored) writes the implementation.
pub trait Stored: Noun + Serialize + Send + Sync + Sized {
    /// A row to be created.
    type New: Send;
    /// What changes of a row.
    type Changes: PartialEq + Send;
    /// What the violation of a constraint means.
    const REFUSALS: &'static [Refusal];

    /// The row's id.
    fn id(&self) -> Uuid;

    /// How often the row was changed.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the version was not read.
    fn version(&self) -> Result<i32>;

    /// The rows of these ids, with the columns that the operation selects.
    fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> impl Future<Output = Result<Vec<Arc<Self>>>> + Send;

    /// The rows of these ids, whole, locked against other writers until the transaction ends.
    fn lock(act: &Act, ids: &[Uuid]) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// Stores a new row.
    fn insert(act: &Act, new: Self::New) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// Changes rows and counts their version up.
    fn update(act: &Act, ids: &[Uuid], changes: Self::Changes) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// Deletes rows and says how many there were.
    fn delete(act: &Act, ids: &[Uuid]) -> impl Future<Output = Result<usize>> + Send;
}

/// Rows by their ids.
pub struct ById<R>(PhantomData<fn() -> R>);

impl<R: Stored> Batch for ById<R> {
    type Key = Uuid;
    type Value = Arc<R>;

    async fn load(reader: Reader, keys: Vec<Uuid>) -> Result<Map<Uuid, Arc<R>>> {
        let rows = R::by_ids(&reader, keys).await?;
        Ok(rows.into_iter().map(|row| (row.id(), row)).collect())
    }
}

/// Stores a new row.
///
/// # Errors
/// What [`Stored::REFUSALS`] says, and as the database fails.
pub async fn create<R: Stored>(act: &Act, new: R::New) -> Result<R> {
    let created = R::insert(act, new).await.map_err(|error| explain::<R>(error, ""))?;
    let row = created.into_iter().next().ok_or_else(|| Error::internal(format!("an inserted {} was not returned", R::PREFIX)))?;
    audit::record(act, &action::<R>("create"), &[Changed { id: row.id(), before: None, after: Some(&row) }]).await?;
    Ok(row)
}

/// Changes one row; `change` says what becomes of the row as it was.
///
/// # Errors
/// `NOT_FOUND` when it is not there, `CONFLICT` when somebody else changed it first, what `change` fails with, and what [`Stored::REFUSALS`] says.
pub async fn update<R: Stored>(act: &Act, id: Id<R>, version: i32, change: impl Fn(&R) -> Result<R::Changes> + Send) -> Result<R> {
    let before = lock_one(act, id, version).await?;
    let after = apply(act, "update", &[before], change).await?;
    after.into_iter().next().ok_or_else(|| Error::internal(format!("an updated {} was not returned", R::PREFIX)))
}

/// Changes up to 100 rows: all of them, or none when one is not there. They come back in the order of their ids in `ids`.
///
/// # Errors
/// As [`update`], but for the version, which is not looked at.
pub async fn update_all<R: Stored>(act: &Act, ids: &[Id<R>], change: impl Fn(&R) -> Result<R::Changes> + Send) -> Result<Vec<R>> {
    let before = lock_all(act, ids).await?;
    apply(act, "update", &before, change).await
}

/// Deletes one row.
///
/// # Errors
/// `NOT_FOUND` when it is not there.
pub async fn delete<R: Stored>(act: &Act, id: Id<R>) -> Result<Vec<Id<R>>> {
    let before = R::lock(act, &[id.uuid()]).await?;
    if before.is_empty() {
        return Err(Error::field_not_found("id", R::PREFIX));
    }
    remove(act, &before).await
}

/// Deletes up to 100 rows: all of them, or none when one is not there.
///
/// # Errors
/// `NOT_FOUND` when one is not there.
pub async fn delete_all<R: Stored>(act: &Act, ids: &[Id<R>]) -> Result<Vec<Id<R>>> {
    let before = lock_all(act, ids).await?;
    remove(act, &before).await
}

async fn remove<R: Stored>(act: &Act, rows: &[R]) -> Result<Vec<Id<R>>> {
    let ids: Vec<Uuid> = rows.iter().map(Stored::id).collect();
    R::delete(act, &ids).await?;
    let changes: Vec<_> = rows.iter().map(|row| Changed { id: row.id(), before: Some(row), after: None }).collect();
    audit::record(act, &action::<R>("delete"), &changes).await?;
    Ok(ids.into_iter().map(Id::new).collect())
}

/// One row, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// `NOT_FOUND` when it is not there, `CONFLICT` when it is not at this version.
pub async fn lock_one<R: Stored>(act: &Act, id: Id<R>, version: i32) -> Result<R> {
    let row = R::lock(act, &[id.uuid()]).await?.into_iter().next().ok_or_else(|| Error::field_not_found("id", R::PREFIX))?;
    let found = row.version()?;
    if found != version {
        return Err(Error::version_conflict(R::PREFIX, version, found));
    }
    Ok(row)
}

/// Up to 100 rows, whole, locked against other writers until the transaction ends, in the order of their ids in `ids`.
///
/// # Errors
/// `NOT_FOUND` when one is not there, `VALIDATION_ERROR` for none or too many.
pub async fn lock_all<R: Stored>(act: &Act, ids: &[Id<R>]) -> Result<Vec<R>> {
    let ids = bulk::distinct(ids)?;
    let mut rows: HashMap<Uuid, R> = R::lock(act, &ids).await?.into_iter().map(|row| (row.id(), row)).collect();
    bulk::all_there::<R>(&ids, rows.keys().copied())?;
    Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
}

/// Changes rows that are locked; `verb` is what the audit log calls it. One statement for all rows whose changes are the same, which are all of
/// them unless a change depends on what a row was.
///
/// # Errors
/// What `change` fails with, and what [`Stored::REFUSALS`] says.
pub async fn apply<R: Stored>(act: &Act, verb: &str, before: &[R], change: impl Fn(&R) -> Result<R::Changes> + Send) -> Result<Vec<R>> {
    let mut groups: Vec<(R::Changes, Vec<Uuid>)> = Vec::new();
    for row in before {
        let changes = change(row)?;
        match groups.iter_mut().find(|(known, _)| *known == changes) {
            Some((_, ids)) => ids.push(row.id()),
            None => groups.push((changes, vec![row.id()])),
        }
    }
    let mut updated: HashMap<Uuid, R> = HashMap::new();
    for (changes, ids) in groups {
        let rows = R::update(act, &ids, changes).await.map_err(|error| explain::<R>(error, "changes."))?;
        updated.extend(rows.into_iter().map(|row| (row.id(), row)));
    }
    let changed: Vec<_> = before.iter().map(|row| Changed { id: row.id(), before: Some(row), after: updated.get(&row.id()) }).collect();
    audit::record(act, &action::<R>(verb), &changed).await?;
    Ok(before.iter().filter_map(|row| updated.remove(&row.id())).collect())
}

fn action<R: Noun>(verb: &str) -> String {
    format!("{}.{verb}", R::PREFIX)
}

/// Names the field that a violated constraint is about.
fn explain<R: Stored>(error: Error, under: &str) -> Error {
    for refusal in R::REFUSALS {
        match refusal {
            Refusal::Taken(constraint, field, message) if violated(&error, constraint) => {
                return Error::on_field(Code::Conflict, &format!("{under}{field}"), *message);
            }
            Refusal::Missing(constraint, field, noun) if violated(&error, constraint) => {
                return Error::field_not_found(&format!("{under}{field}"), noun);
            }
            _ => {}
        }
    }
    error
}

/// Writes the statements that find, store, change and delete a noun's rows by their ids, each within the organization.
///
/// ```text
/// stored! {
///     contacts of Contact, NewContact, ContactChanges;
///     Taken("contacts_email", "email", "Another contact has this e-mail address."),
///     Missing("contacts_organization_id_owner_id_fkey", "ownerId", "member"),
/// }
/// ```
///
/// names the table, its row, what is inserted and what is changed, and then what the violation of each constraint means ([`Refusal`]).
#[macro_export]
macro_rules! stored {
    ($table:ident of $row:ident, $new:ident, $changes:ident; $($refusal:ident($($text:literal),+)),* $(,)?) => {
        impl $crate::features::rows::Stored for $row {
            type New = $new;
            type Changes = $changes;
            const REFUSALS: &'static [$crate::features::rows::Refusal] = &[$($crate::features::rows::Refusal::$refusal($($text),+)),*];

            fn id(&self) -> uuid::Uuid {
                self.id
            }

            fn version(&self) -> $crate::base::Result<i32> {
                self.version.value()
            }

            async fn by_ids(reader: &$crate::access::Reader, ids: Vec<uuid::Uuid>) -> $crate::base::Result<Vec<std::sync::Arc<Self>>> {
                let need = reader.need::<Self>();
                let columns = need.columns::<Self>(&[]);
                let query = || $table::table.select(columns).filter($table::organization_id.eq(reader.organization()));
                match ids.as_slice() {
                    // Planned once for all ids, which the planner does not do for a list of unknown length.
                    [id] => {
                        let one = need.one_row(|| query().filter($table::id.eq(*id)), reader.organization(), *id)?;
                        reader.db.load_row(columns, one).await
                    }
                    _ => reader.db.load_columns(columns, query().filter($table::id.eq_any(ids))).await,
                }
            }

            async fn lock(act: &$crate::access::Act, ids: &[uuid::Uuid]) -> $crate::base::Result<Vec<Self>> {
                let query = $table::table.select(Self::as_select()).filter($table::organization_id.eq(act.organization()));
                act.db.load(query.filter($table::id.eq_any(ids.to_vec())).order($table::id).for_update()).await
            }

            async fn insert(act: &$crate::access::Act, new: $new) -> $crate::base::Result<Vec<Self>> {
                act.db.load(diesel::insert_into($table::table).values(new).returning(Self::as_returning())).await
            }

            async fn update(act: &$crate::access::Act, ids: &[uuid::Uuid], changes: $changes) -> $crate::base::Result<Vec<Self>> {
                let target = $table::table.filter($table::organization_id.eq(act.organization())).filter($table::id.eq_any(ids.to_vec()));
                let stamped = (changes, $table::updated_at.eq(act.now()), $table::version.eq($table::version + 1));
                act.db.load(diesel::update(target).set(stamped).returning(Self::as_returning())).await
            }

            async fn delete(act: &$crate::access::Act, ids: &[uuid::Uuid]) -> $crate::base::Result<usize> {
                let target = $table::table.filter($table::organization_id.eq(act.organization())).filter($table::id.eq_any(ids.to_vec()));
                act.db.execute(diesel::delete(target)).await
            }
        }
    };
}
