//! Rows from which columns were left out: what stands where in the struct is found by which columns were read.

use diesel::deserialize::{self, FromSql};
use diesel::pg::Pg;
use diesel::row::{Field, Row};

/// The fields of a struct, of whose columns a row may have only some. Written for tuples, as which Diesel reads structs: its own way of reading one
/// asks for each column several times over, also for those that are not there.
pub trait FromSparse<ST>: Sized {
    /// Reads a row that has the columns whose bit is set in `read`, in their order; the others are null.
    ///
    /// # Errors
    /// When a value is not of its field's type, and names its column by its number in the struct.
    fn from_sparse<'a, R: Row<'a, Pg>>(row: &R, read: u64) -> deserialize::Result<Self>;
}

fn value<'a, T: FromSql<ST, Pg>, ST, R: Row<'a, Pg>>(row: &R, place: Option<usize>) -> deserialize::Result<T> {
    match place {
        Some(place) => T::from_nullable_sql(row.get(place).ok_or("the row has fewer columns than were to be read")?.value()),
        None => T::from_nullable_sql(None),
    }
}

macro_rules! from_sparse {
    ($($value:ident $kind:ident)+) => {
        impl<$($value, $kind),+> FromSparse<($($kind,)+)> for ($($value,)+)
        where
            $($value: FromSql<$kind, Pg>),+
        {
            fn from_sparse<'a, R: Row<'a, Pg>>(row: &R, read: u64) -> deserialize::Result<Self> {
                let (mut column, mut next) = (0_u32, 0_usize);
                let values = ($({
                    let place = (read.checked_shr(column).unwrap_or_default() & 1 == 1).then_some(next);
                    let value: $value = value::<$value, $kind, R>(row, place).map_err(|error| format!("column {column}: {error}"))?;
                    column += 1;
                    next += usize::from(place.is_some());
                    value
                },)+);
                let _ = (column, next);
                Ok(values)
            }
        }
    };
}

macro_rules! from_sparse_up_to {
    ($value:ident $kind:ident) => { from_sparse!($value $kind); };
    ($value:ident $kind:ident $($rest:ident)+) => { from_sparse!($value $kind $($rest)+); from_sparse_up_to!($($rest)+); };
}

from_sparse_up_to!(
    T1 S1 T2 S2 T3 S3 T4 S4 T5 S5 T6 S6 T7 S7 T8 S8 T9 S9 T10 S10 T11 S11 T12 S12 T13 S13 T14 S14 T15 S15 T16 S16 T17 S17 T18 S18 T19 S19 T20 S20 T21
    S21 T22 S22 T23 S23 T24 S24 T25 S25 T26 S26 T27 S27 T28 S28 T29 S29 T30 S30 T31 S31 T32 S32
);
