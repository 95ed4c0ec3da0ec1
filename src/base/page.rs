//! Pages of a list: what a caller may ask for, and the window of rows that follows from it.
//!
//! Lists are paged by key, not by offset: a cursor names the last row's key in the ordering, so that rows that come or go meanwhile neither repeat
//! nor hide others. Every ordering ends with the id, so that it is total.

use async_graphql::Enum;

use crate::base::cursor::{Cursor, Key};
use crate::base::error::{Error, Result};

/// The page size when none is asked for.
pub const DEFAULT_SIZE: i64 = 20;
/// The largest page size.
pub const MAX_SIZE: i64 = 100;

/// Which way an ordering runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "OrderDirection")]
pub enum Direction {
    /// Smallest, earliest or A first.
    #[default]
    Asc,
    /// Largest, latest or Z first.
    Desc,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

/// The orderings that a list offers: an enum of the schema.
pub trait OrderField: async_graphql::resolver_utils::EnumType + std::fmt::Debug + std::hash::Hash + Copy + Eq + Send + Sync + 'static {
    /// The name in the schema, such as `CREATED_AT`: it is kept in cursors.
    fn name(self) -> &'static str {
        Self::items().iter().find(|item| item.value == self).map_or("", |item| item.name)
    }
}

impl<T> OrderField for T where T: async_graphql::resolver_utils::EnumType + std::fmt::Debug + std::hash::Hash + Copy + Eq + Send + Sync + 'static {}

/// An ordering and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order<F> {
    /// What the rows are ordered by.
    pub field: F,
    /// Which way.
    pub direction: Direction,
}

/// The four paging arguments of a connection, as they came.
#[derive(Debug, Clone, Default)]
pub struct PageArgs {
    /// At most so many from the start.
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// At most so many from the end.
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

/// A checked page: which rows, in which order, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window<F> {
    /// The ordering that the caller sees.
    pub order: Order<F>,
    /// At most so many rows: 0 to [`MAX_SIZE`].
    pub size: i64,
    /// Whether the rows are counted from the end.
    pub backward: bool,
    /// Only rows after this one.
    pub after: Option<Cursor>,
    /// Only rows before this one.
    pub before: Option<Cursor>,
}

impl<F: OrderField> Window<F> {
    /// Checks the paging arguments against an ordering.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a size outside 0 to 100, `first` together with `last`, or a cursor that is broken or of another ordering.
    pub fn new(args: &PageArgs, order: Order<F>) -> Result<Self> {
        let (size, backward) = match (args.first, args.last) {
            (Some(_), Some(_)) => return Err(argument("first", "Send `first` or `last`, not both.")),
            (None, Some(last)) => (checked_size("last", last)?, true),
            (Some(first), None) => (checked_size("first", first)?, false),
            (None, None) => (DEFAULT_SIZE, false),
        };
        let cursor = |name: &str, text: &Option<String>| text.as_deref().map(|text| Cursor::parse(text, order, name)).transpose();
        Ok(Self { order, size, backward, after: cursor("after", &args.after)?, before: cursor("before", &args.before)? })
    }

    /// The direction in which the database reads: reversed when counting from the end.
    #[must_use]
    pub const fn reading(&self) -> Direction {
        if self.backward { self.order.direction.reversed() } else { self.order.direction }
    }

    /// How many rows to read: one more than asked for, to know whether there are more; [`Window::page`] leaves out what was not asked for.
    #[must_use]
    pub fn limit(&self) -> i64 {
        rows_to_read(self.size + 1)
    }

    /// The rows that were read as the page that was asked for.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let size = usize::try_from(self.size).unwrap_or_default();
        let more = rows.len() > size;
        rows.truncate(size);
        if self.backward {
            rows.reverse();
            return Page { rows, has_previous: more, has_next: self.before.is_some() };
        }
        Page { rows, has_previous: self.after.is_some(), has_next: more }
    }
}

/// The argument `first` of a list without pages.
///
/// # Errors
/// `VALIDATION_ERROR` outside of 0 to [`MAX_SIZE`].
pub fn at_most(first: i32) -> Result<usize> {
    checked_size("first", first).map(|size| usize::try_from(size).unwrap_or_default())
}

/// How many rows to read for so many that are wanted: as many, or up to twice as many.
///
/// The number stands in the statement's text, and each text is prepared on each connection, so there are only a few.
#[must_use]
pub fn rows_to_read(wanted: i64) -> i64 {
    [1, 2, 3, 6, 11, 21, 31, 51, MAX_SIZE + 1].into_iter().find(|size| wanted <= *size).unwrap_or(wanted)
}

/// The rows of a page and whether there are others on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows in the caller's order.
    pub rows: Vec<T>,
    /// Whether there are rows before these.
    pub has_previous: bool,
    /// Whether there are rows after these.
    pub has_next: bool,
}

/// A row that can say where it stands in an ordering.
pub trait Keyed<F> {
    /// The row's identifier.
    fn row_id(&self) -> uuid::Uuid;

    /// The row's key in the ordering.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the key's column was not read.
    fn key(&self, field: F) -> Result<Key>;
}

fn checked_size(name: &str, size: i32) -> Result<i64> {
    let size = i64::from(size);
    if (0..=MAX_SIZE).contains(&size) {
        return Ok(size);
    }
    Err(argument(name, &format!("`{name}` is {size}; a page has 0 to {MAX_SIZE} entries.")))
}

/// An error about an argument of a field.
pub(crate) fn argument(name: &str, message: &str) -> Error {
    let mut error = Error::new(crate::base::Code::ValidationError, message);
    error.problems = vec![crate::base::error::Problem { code: error.code, field: vec![name.to_owned()], message: error.message.clone() }];
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
    enum By {
        CreatedAt,
        Name,
    }

    const ORDER: Order<By> = Order { field: By::CreatedAt, direction: Direction::Desc };

    fn window(args: PageArgs) -> Result<Window<By>> {
        Window::new(&args, ORDER)
    }

    #[test]
    fn sizes_outside_their_bounds_are_refused() {
        for size in [-1, 101, 1000, i32::MIN, i32::MAX] {
            assert!(window(PageArgs { first: Some(size), ..PageArgs::default() }).is_err(), "{size}");
            assert!(window(PageArgs { last: Some(size), ..PageArgs::default() }).is_err(), "{size}");
        }
        assert!(window(PageArgs { first: Some(1), last: Some(1), ..PageArgs::default() }).is_err());
        assert_eq!(window(PageArgs::default()).unwrap().limit(), 21);
    }

    #[test]
    fn pages_of_all_sizes_are_read_by_few_statements() {
        let limits: std::collections::BTreeSet<i64> = (1..=MAX_SIZE + 1).map(rows_to_read).collect();
        assert!(limits.len() < 10, "{limits:?}");
        assert!((1..=MAX_SIZE + 1).all(|wanted| (wanted..=2 * wanted).contains(&rows_to_read(wanted))));
    }

    #[test]
    fn a_cursor_of_another_ordering_is_refused() {
        let id = uuid::Uuid::nil();
        let other = Cursor { key: Key::Text("Asha".into()), id }.encode(Order { field: By::Name, direction: Direction::Asc });
        let error = window(PageArgs { after: Some(other), ..PageArgs::default() }).unwrap_err();
        assert!(error.message.contains("another ordering"), "{}", error.message);
        let turned = Cursor { key: Key::Micros(1), id }.encode(Order { direction: Direction::Asc, ..ORDER });
        assert!(window(PageArgs { after: Some(turned), ..PageArgs::default() }).is_err());
        assert!(window(PageArgs { after: Some("rubbish".into()), ..PageArgs::default() }).is_err());
    }

    #[test]
    fn the_extra_row_tells_that_there_are_more() {
        let forward = window(PageArgs { first: Some(2), ..PageArgs::default() }).unwrap();
        assert_eq!(forward.page(vec![1, 2, 3]), Page { rows: vec![1, 2], has_previous: false, has_next: true });
        let backward = window(PageArgs { last: Some(2), ..PageArgs::default() }).unwrap();
        assert_eq!(backward.page(vec![9, 8, 7]), Page { rows: vec![8, 9], has_previous: true, has_next: false });
    }
}
