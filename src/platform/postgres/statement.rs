//! Statements that Diesel's builder has no words for: literal limits, a list for each of many parents, and plain SQL that is prepared once.
//!
//! All of them are prepared once on each connection, by their text: [`ByText`] says so of every statement of the server.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types;
use uuid::Uuid;

macro_rules! cached_by_text {
    ($name:ident<$($parameter:ident),+>) => {
        impl<$($parameter),+> QueryId for $name<$($parameter),+> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}

/// A statement that is prepared once on each connection.
///
/// Diesel has statements prepared anew each time in which a literal stands or a column is left out, for fear of too many texts; of ours there are
/// only so many, and connections on which there are too many are replaced.
#[derive(Debug, Clone, Copy)]
pub struct ByText<Q>(pub Q);

// By its text and never by its type, for which a column that is left out is the same as one that is not.
cached_by_text!(ByText<Q>);
impl<Q: Query> Query for ByText<Q> {
    type SqlType = Q::SqlType;
}
impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for ByText<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

/// A query with a literal limit: the planner sees the number, which a bound one hides from it.
#[derive(Debug, Clone, Copy)]
pub struct Limited<Q> {
    /// The query, without a limit of its own.
    pub query: Q,
    /// At most so many rows.
    pub limit: i64,
}

cached_by_text!(Limited<Q>);
impl<Q: Query> Query for Limited<Q> {
    type SqlType = Q::SqlType;
}
impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Limited<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_sql(&self.limit.to_string());
        Ok(())
    }
}

/// One row by the organization and its id, by a text that was written before: writing it takes longer than all else before it is handed to the driver.
#[derive(Debug, Clone)]
pub struct OneRow<ST> {
    text: Arc<str>,
    organization: Uuid,
    id: Uuid,
    columns: PhantomData<fn() -> ST>,
}

impl<ST> OneRow<ST> {
    /// The text binds first the organization and then the id.
    pub(super) const fn new(text: Arc<str>, organization: Uuid, id: Uuid) -> Self {
        Self { text, organization, id, columns: PhantomData }
    }

    /// The text, and what it binds.
    pub(super) const fn parts(&self) -> (&Arc<str>, [Uuid; 2]) {
        (&self.text, [self.organization, self.id])
    }
}

cached_by_text!(OneRow<ST>);
impl<ST> Query for OneRow<ST> {
    type SqlType = ST;
}
impl<ST> QueryFragment<Pg> for OneRow<ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&self.text);
        // In the text they have their places.
        out.push_bind_param_value_only::<sql_types::Uuid, _>(&self.organization)?;
        out.push_bind_param_value_only::<sql_types::Uuid, _>(&self.id)
    }
}

/// The parent's id inside a [`ForEachParent`]: compare the child's foreign key with it.
pub fn parent_id() -> SqlLiteral<sql_types::Uuid> {
    diesel::dsl::sql("parent.id")
}

/// The parent's id and a count, to select inside a [`ForEachParent`].
pub fn count_for_parent() -> SqlLiteral<(sql_types::Uuid, sql_types::BigInt)> {
    diesel::dsl::sql("parent.id, count(*)")
}

/// The same query for each of many parents, each with a limit of its own, in one statement.
///
/// The query names its parent by [`parent_id`], and reads the foreign key along, by which its rows are then told apart.
#[derive(Debug, Clone)]
pub struct ForEachParent<Q> {
    /// The parents' ids.
    pub parents: Vec<Uuid>,
    /// The query for one parent, without a limit of its own.
    pub query: Q,
    /// At most so many rows for each parent.
    pub limit: i64,
}

cached_by_text!(ForEachParent<Q>);
impl<Q: Query> Query for ForEachParent<Q> {
    type SqlType = Q::SqlType;
}
impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for ForEachParent<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT child.* FROM unnest(");
        out.push_bind_param::<sql_types::Array<sql_types::Uuid>, _>(&self.parents)?;
        out.push_sql(") AS parent (id) CROSS JOIN LATERAL (");
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_sql(&self.limit.to_string());
        out.push_sql(") AS child");
        Ok(())
    }
}

/// A value bound to a `?` of [`Sql`].
#[derive(Debug, Clone)]
pub enum Bind {
    /// An identifier.
    Uuid(Uuid),
    /// Several identifiers.
    Uuids(Vec<Uuid>),
    /// A text.
    Text(String),
    /// A whole number.
    Int(i32),
    /// A large whole number.
    BigInt(i64),
    /// An instant.
    Instant(DateTime<Utc>),
    /// Several instants.
    Instants(Vec<DateTime<Utc>>),
    /// A day.
    Date(NaiveDate),
    /// A text, or NULL.
    MaybeText(Option<String>),
    /// An instant, or NULL.
    MaybeInstant(Option<DateTime<Utc>>),
}

/// A statement written out, with `?` for each bound value and `ST` the SQL types of its columns.
#[derive(Debug, Clone)]
pub struct Sql<ST> {
    text: &'static str,
    binds: Vec<Bind>,
    columns: PhantomData<fn() -> ST>,
}

impl<ST> Sql<ST> {
    /// The statement and the values of its `?`, in their order.
    #[must_use]
    pub const fn new(text: &'static str, binds: Vec<Bind>) -> Self {
        Self { text, binds, columns: PhantomData }
    }
}

cached_by_text!(Sql<ST>);
impl<ST> Query for Sql<ST> {
    type SqlType = ST;
}
impl<ST> QueryFragment<Pg> for Sql<ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut parts = self.text.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (part, bind) in parts.zip(&self.binds) {
            match bind {
                Bind::Uuid(value) => out.push_bind_param::<sql_types::Uuid, _>(value)?,
                Bind::Uuids(value) => out.push_bind_param::<sql_types::Array<sql_types::Uuid>, _>(value)?,
                Bind::Text(value) => out.push_bind_param::<sql_types::Text, _>(value)?,
                Bind::Int(value) => out.push_bind_param::<sql_types::Integer, _>(value)?,
                Bind::BigInt(value) => out.push_bind_param::<sql_types::BigInt, _>(value)?,
                Bind::Instant(value) => out.push_bind_param::<sql_types::Timestamptz, _>(value)?,
                Bind::Instants(value) => out.push_bind_param::<sql_types::Array<sql_types::Timestamptz>, _>(value)?,
                Bind::Date(value) => out.push_bind_param::<sql_types::Date, _>(value)?,
                Bind::MaybeText(value) => out.push_bind_param::<sql_types::Nullable<sql_types::Text>, _>(value)?,
                Bind::MaybeInstant(value) => out.push_bind_param::<sql_types::Nullable<sql_types::Timestamptz>, _>(value)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

/// Orders a boxed query by a column and the id, in the direction in which `window` reads, and keeps only what its cursors leave.
///
/// `key` reads the column's type from a cursor's key. The comparison `column <= key AND (column < key OR id < cursor)` says the same as a row
/// comparison and lets the index begin at the key.
#[macro_export]
macro_rules! keyset {
    ($query:expr, $window:expr, $column:expr, $id:expr, $key:expr) => {{
        use diesel::prelude::*;
        use $crate::base::page::Direction;
        let mut query = $query;
        let ascending = $window.order.direction == Direction::Asc;
        for (cursor, later) in [(&$window.after, ascending), (&$window.before, !ascending)] {
            if let Some(cursor) = cursor {
                let key = $key(&cursor.key)?;
                query = if later {
                    query.filter($column.ge(key.clone()).and($column.gt(key).or($id.gt(cursor.id))))
                } else {
                    query.filter($column.le(key.clone()).and($column.lt(key).or($id.lt(cursor.id))))
                };
            }
        }
        match $window.reading() {
            Direction::Asc => query.order(($column.asc(), $id.asc())),
            Direction::Desc => query.order(($column.desc(), $id.desc())),
        }
    }};
}
