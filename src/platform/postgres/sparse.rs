//! Rows from which columns were left out: what stands where in the struct is found by which columns were read.

use std::ops::Range;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::row::{Field, PartialRow, Row, RowIndex, RowSealed};

/// As many columns as have a bit.
const MOST_COLUMNS: usize = 64;

/// A row that has a part of the columns of its struct; the others are null.
pub struct Sparse<'r, R> {
    row: &'r R,
    read: u64,
}

/// A column's value, or that the column was left out.
pub struct MaybeField<F>(Option<F>);

impl<'r, R> Sparse<'r, R> {
    /// The row around one that has the columns whose bit is set in `read`, in their order.
    pub const fn new(row: &'r R, read: u64) -> Self {
        Self { row, read }
    }

    /// Where a column of the struct stands in the row.
    fn place(&self, column: usize) -> Option<usize> {
        let bit = u32::try_from(column).ok().and_then(|column| 1_u64.checked_shl(column))?;
        (self.read & bit != 0).then(|| usize::try_from((self.read & (bit - 1)).count_ones()).unwrap_or_default())
    }
}

impl<R> RowSealed for Sparse<'_, R> {}

impl<'a, 'r, R: Row<'a, Pg>> Row<'a, Pg> for Sparse<'r, R> {
    type Field<'f>
        = MaybeField<R::Field<'f>>
    where
        'a: 'f,
        Self: 'f;
    type InnerPartialRow = Self;

    fn field_count(&self) -> usize {
        MOST_COLUMNS
    }

    fn get<'b, I>(&'b self, index: I) -> Option<Self::Field<'b>>
    where
        'a: 'b,
        Self: RowIndex<I>,
    {
        let column = self.idx(index)?;
        Some(MaybeField(self.place(column).and_then(|place| self.row.get(place))))
    }

    fn partial_row(&self, range: Range<usize>) -> PartialRow<'_, Self::InnerPartialRow> {
        PartialRow::new(self, range)
    }
}

impl<R> RowIndex<usize> for Sparse<'_, R> {
    fn idx(&self, index: usize) -> Option<usize> {
        Some(index)
    }
}

impl<'n, R: RowIndex<&'n str>> RowIndex<&'n str> for Sparse<'_, R> {
    fn idx(&self, name: &'n str) -> Option<usize> {
        let place = self.row.idx(name)?;
        (0..MOST_COLUMNS).filter(|column| self.read & (1 << column) != 0).nth(place)
    }
}

impl<'a, F: Field<'a, Pg>> Field<'a, Pg> for MaybeField<F> {
    fn field_name(&self) -> Option<&str> {
        self.0.as_ref().and_then(F::field_name)
    }

    fn value(&self) -> Option<<Pg as Backend>::RawValue<'_>> {
        self.0.as_ref().and_then(F::value)
    }
}
