//! Reading only the columns that an operation selects.
//!
//! A row struct derives Diesel's `Selectable` as usual, and its fields are [`Col`]s where the column may be left out. [`Columns`] stands in the
//! `SELECT` in place of the full list and writes what is wanted; the rows are then read by `Transaction::load_columns`. A `Col` that was not read answers
//! with an internal error; only in a column that may be empty the two cannot be told apart, which is why a test selects every field alone and looks
//! for its value.

use std::any::TypeId;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::{Pg, PgQueryBuilder, PgValue};
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::{Column, QueryResult, Selectable};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::base::{Error, Map, Result};
use crate::platform::postgres::statement::OneRow;

/// A column's value, or the fact that it was not read.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub struct Col<T>(Option<T>);

impl<T> Col<T> {
    /// A value that was read.
    pub const fn read(value: T) -> Self {
        Self(Some(value))
    }

    /// The value.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the column was not read: the row struct's `NEEDS` lacks an entry.
    pub fn get(&self) -> Result<&T> {
        self.0.as_ref().ok_or_else(|| Error::internal("a column was used that was not read; see ReadShape::NEEDS"))
    }
}

impl<T: Copy> Col<T> {
    /// The value of a small type.
    ///
    /// # Errors
    /// As [`Col::get`].
    pub fn value(&self) -> Result<T> {
        self.get().copied()
    }
}

impl Col<String> {
    /// The text.
    ///
    /// # Errors
    /// As [`Col::get`].
    pub fn text(&self) -> Result<&str> {
        self.get().map(String::as_str)
    }
}

impl Col<Option<String>> {
    /// The text, where there is one.
    ///
    /// # Errors
    /// As [`Col::get`].
    pub fn text(&self) -> Result<Option<&str>> {
        self.get().map(Option::as_deref)
    }
}

impl<T: Serialize> Serialize for Col<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T, ST> FromSql<ST, Pg> for Col<T>
where
    T: FromSql<ST, Pg>,
{
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        T::from_sql(value).map(Self::read)
    }

    /// A column that may be empty reads `NULL` as its empty value; for any other, `NULL` can only mean that it was left out.
    fn from_nullable_sql(value: Option<PgValue<'_>>) -> deserialize::Result<Self> {
        match value {
            Some(value) => Self::from_sql(value),
            None => Ok(Self(T::from_nullable_sql(None).ok())),
        }
    }
}

/// How a row struct relates to the fields of its GraphQL type.
///
/// A column is read when a selected field bears its name (`companyName` reads `company_name`), when [`ReadShape::NEEDS`] says so, or when it is one
/// of [`ReadShape::ALWAYS`].
pub trait ReadShape: Selectable<Pg> {
    /// The GraphQL type.
    const TYPE: &'static str;
    /// Columns that every read brings along: the keys.
    const ALWAYS: &'static [&'static str];
    /// Fields (in snake case) that need columns of another name.
    const NEEDS: &'static [(&'static str, &'static [&'static str])];
}

/// The names of a tuple of columns.
pub trait ColumnNames {
    /// The names, in the tuple's order.
    const NAMES: &'static [&'static str];

    /// Writes the columns whose bit is set.
    ///
    /// # Errors
    /// As Diesel's query building.
    fn write<'b>(&'b self, read: u64, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

/// The columns of `R`, of which only some are read.
#[derive(Debug, Clone, Copy)]
pub struct Columns<S> {
    columns: S,
    read: u64,
}

impl<S: ColumnNames> Columns<S> {
    /// Every column of the row.
    pub fn all<R: ReadShape<SelectExpression = S>>() -> Self {
        let read = (0..S::NAMES.len()).fold(0, |read, index| read | bit(index));
        Self { columns: R::construct_selection(), read }
    }

    /// A bit for each column that is read.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// The columns that these fields need.
    fn of<R: ReadShape<SelectExpression = S>>(fields: Option<&[String]>) -> Self {
        let Some(fields) = fields else { return Self::all::<R>() };
        let needed_by_field =
            |name: &str| R::NEEDS.iter().any(|(field, columns)| columns.contains(&name) && fields.iter().any(|known| known == field));
        let wanted = |name: &str| R::ALWAYS.contains(&name) || fields.iter().any(|field| field == name) || needed_by_field(name);
        Self { columns: R::construct_selection(), read: bits::<S>(wanted) }
    }
}

/// The bits of the columns of these names.
fn bits<S: ColumnNames>(wanted: impl Fn(&str) -> bool) -> u64 {
    S::NAMES.iter().enumerate().filter(|(_, name)| wanted(name)).fold(0, |read, (index, _)| read | bit(index))
}

/// What a document needs of the rows of one type.
#[derive(Debug)]
pub struct Need {
    read: u64,
    by_id: OnceLock<Arc<str>>,
}

impl Need {
    /// The columns, and those named in `also` (an ordering's key).
    pub fn columns<R: ReadShape>(&self, also: &[&str]) -> Columns<R::SelectExpression>
    where
        R::SelectExpression: ColumnNames,
    {
        let also = if also.is_empty() { 0 } else { bits::<R::SelectExpression>(|name| also.contains(&name)) };
        Columns { columns: R::construct_selection(), read: self.read | also }
    }

    /// The statement for one row by its id, with `columns(&[])`. Its text is made the first time, by `query`, which binds the organization and then the
    /// id; so there is one such query for each row struct.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when Diesel cannot write it.
    pub fn one_row<Q: Query + QueryFragment<Pg>>(&self, query: impl FnOnce() -> Q, organization: Uuid, id: Uuid) -> Result<OneRow<Q::SqlType>> {
        let text = match self.by_id.get() {
            Some(text) => Arc::clone(text),
            None => {
                let mut builder = PgQueryBuilder::default();
                query().to_sql(&mut builder, &Pg).map_err(Error::internal)?;
                Arc::clone(self.by_id.get_or_init(|| builder.finish().into()))
            }
        };
        Ok(OneRow::new(text, organization, id))
    }
}

/// What a document needs of rows, found out once for each type and kept with the document.
#[derive(Debug, Default)]
pub struct Needs(RwLock<Map<TypeId, Arc<Need>>>);

impl Needs {
    /// What it needs of the rows of `R`, of whose GraphQL type it selects these fields; all when it selects none.
    pub fn of<R: ReadShape + 'static>(&self, fields: Option<&[String]>) -> Arc<Need>
    where
        R::SelectExpression: ColumnNames,
    {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<R>()) {
            return Arc::clone(known);
        }
        let fresh = || Arc::new(Need { read: Columns::of::<R>(fields).read, by_id: OnceLock::new() });
        Arc::clone(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(TypeId::of::<R>()).or_insert_with(fresh))
    }
}

const fn bit(index: usize) -> u64 {
    if index < 64 { 1 << index } else { 0 }
}

impl<S: Expression> Expression for Columns<S> {
    type SqlType = S::SqlType;
}
impl<S, QS> AppearsOnTable<QS> for Columns<S>
where
    S: AppearsOnTable<QS>,
    Self: Expression,
{
}
impl<S, QS> SelectableExpression<QS> for Columns<S>
where
    S: SelectableExpression<QS>,
    Self: AppearsOnTable<QS>,
{
}
impl<S, GB> ValidGrouping<GB> for Columns<S>
where
    S: ValidGrouping<GB>,
{
    type IsAggregate = S::IsAggregate;
}
impl<S> QueryId for Columns<S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<S: ColumnNames> QueryFragment<Pg> for Columns<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.columns.write(self.read, out)
    }
}

macro_rules! column_names {
    ($($column:ident)+) => {
        impl<$($column),+> ColumnNames for ($($column,)+)
        where
            $($column: Column + QueryFragment<Pg>),+
        {
            const NAMES: &'static [&'static str] = &[$($column::NAME),+];

            fn write<'b>(&'b self, read: u64, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                #[allow(non_snake_case)]
                let ($($column,)+) = self;
                let (mut index, mut comma) = (0, "");
                $(
                    if read & bit(index) != 0 {
                        out.push_sql(comma);
                        $column.walk_ast(out.reborrow())?;
                        comma = ", ";
                    }
                    index += 1;
                )+
                let _ = (index, comma);
                Ok(())
            }
        }
    };
}

macro_rules! column_names_up_to {
    ($first:ident) => { column_names!($first); };
    ($first:ident $($rest:ident)+) => { column_names!($first $($rest)+); column_names_up_to!($($rest)+); };
}

column_names_up_to!(C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27 C28 C29 C30 C31 C32);
