//! Rows as the driver gives them, for Diesel to read: its own are made by its connections alone.

use std::error::Error;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use diesel::pg::{Pg, PgValue};
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};
use tokio_postgres::types::{FromSql, Type};

/// A row, and the types of its columns.
pub struct DriverRow {
    row: tokio_postgres::Row,
    types: Arc<[NonZeroU32]>,
}

impl DriverRow {
    /// A row whose columns have the types of these numbers.
    pub const fn new(row: tokio_postgres::Row, types: Arc<[NonZeroU32]>) -> Self {
        Self { row, types }
    }
}

impl RowSealed for DriverRow {}

impl<'a> Row<'a, Pg> for DriverRow {
    type Field<'f>
        = Column<'f>
    where
        'a: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        self.row.len()
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let index = self.idx(index)?;
        Some(Column { row: &self.row, of: self.types.get(index)?, index })
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self::InnerPartialRow> {
        PartialRow::new(self, range)
    }
}

impl RowIndex<usize> for DriverRow {
    fn idx(&self, index: usize) -> Option<usize> {
        (index < self.row.len()).then_some(index)
    }
}

impl<'a> RowIndex<&'a str> for DriverRow {
    fn idx(&self, name: &'a str) -> Option<usize> {
        self.row.columns().iter().position(|column| column.name() == name)
    }
}

/// A value of a row.
pub struct Column<'a> {
    row: &'a tokio_postgres::Row,
    of: &'a NonZeroU32,
    index: usize,
}

impl<'a> Field<'a, Pg> for Column<'a> {
    fn field_name(&self) -> Option<&str> {
        self.row.columns().get(self.index).map(tokio_postgres::Column::name)
    }

    fn value(&self) -> Option<PgValue<'_>> {
        let Raw(bytes) = self.row.try_get::<_, Option<Raw<'_>>>(self.index).ok().flatten()?;
        Some(PgValue::new(bytes, self.of))
    }
}

/// The bytes of a value, whatever its type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
