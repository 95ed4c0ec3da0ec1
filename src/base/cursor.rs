//! Cursors: opaque to the caller, inside the ordering they belong to, the row's key in it and the row's id.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::base::error::{Error, Result};
use crate::base::page::{Direction, Order, OrderField, argument};

/// A row's key in an ordering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An instant, in microseconds since 1970.
    Micros(i64),
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
}

impl Key {
    /// The key of an instant.
    #[must_use]
    pub fn instant(at: DateTime<Utc>) -> Self {
        Self::Micros(at.timestamp_micros())
    }

    /// The instant, when this is one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the cursor holds another kind of key.
    pub fn as_instant(&self) -> Result<DateTime<Utc>> {
        match self {
            // What no DateTime of the schema can be, PostgreSQL need not be asked for.
            Self::Micros(micros) => {
                DateTime::from_timestamp_micros(*micros).filter(|at| (1900..=10_000).contains(&chrono::Datelike::year(at))).ok_or_else(broken)
            }
            _ => Err(broken()),
        }
    }

    /// The text, when this is one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the cursor holds another kind of key.
    pub fn as_text(&self) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            _ => Err(broken()),
        }
    }

    /// The whole number, when this is one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the cursor holds another kind of key.
    pub fn as_int(&self) -> Result<i64> {
        match self {
            Self::Int(number) => Ok(*number),
            _ => Err(broken()),
        }
    }
}

/// A column's value as a key.
pub trait CursorKey: Sized {
    /// The key of this value.
    fn to_key(&self) -> Key;

    /// The value of a key.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the cursor holds another kind of key.
    fn of_key(key: &Key) -> Result<Self>;
}

impl CursorKey for DateTime<Utc> {
    fn to_key(&self) -> Key {
        Key::instant(*self)
    }

    fn of_key(key: &Key) -> Result<Self> {
        key.as_instant()
    }
}

impl CursorKey for String {
    fn to_key(&self) -> Key {
        Key::Text(self.clone())
    }

    fn of_key(key: &Key) -> Result<Self> {
        key.as_text()
    }
}

impl CursorKey for i64 {
    fn to_key(&self) -> Key {
        Key::Int(*self)
    }

    fn of_key(key: &Key) -> Result<Self> {
        key.as_int()
    }
}

/// Where a row stands in an ordering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The row's key.
    pub key: Key,
    /// The row's id, which decides between equal keys.
    pub id: Uuid,
}

impl Cursor {
    /// The cursor as the caller gets it.
    pub fn encode<F: OrderField>(&self, order: Order<F>) -> String {
        let (kind, key) = match &self.key {
            Key::Micros(micros) => ('t', micros.to_string()),
            Key::Text(text) => ('s', text.clone()),
            Key::Int(number) => ('i', number.to_string()),
        };
        let plain = format!("{}|{}|{}|{kind}{key}", order.field.name(), letter(order.direction), self.id.simple());
        BASE64URL_NOPAD.encode(plain.as_bytes())
    }

    /// Reads a cursor that must belong to `order`; `name` is the argument that it came in.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is broken or belongs to another ordering.
    pub fn parse<F: OrderField>(text: &str, order: Order<F>, name: &str) -> Result<Self> {
        let unreadable = || argument(name, &format!("`{name}` is not a cursor of this server; take it from `pageInfo` or an edge."));
        let bytes = if text.len() <= 2048 { BASE64URL_NOPAD.decode(text.as_bytes()).ok() } else { None };
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|plain| !plain.contains('\0')).ok_or_else(unreadable)?;
        let mut parts = plain.splitn(4, '|');
        let (Some(field), Some(direction), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(unreadable());
        };
        if field != order.field.name() || direction != letter(order.direction) {
            return Err(argument(
                name,
                &format!("`{name}` is a cursor of another ordering; start again without it, or send the `orderBy` it came from."),
            ));
        }
        let id = Uuid::try_parse(id).map_err(|_| unreadable())?;
        let key = parse_key(key).ok_or_else(unreadable)?;
        Ok(Self { key, id })
    }
}

fn parse_key(text: &str) -> Option<Key> {
    let mut letters = text.chars();
    let kind = letters.next()?;
    let rest = letters.as_str();
    match kind {
        't' => rest.parse().ok().map(Key::Micros),
        's' => Some(Key::Text(rest.to_owned())),
        'i' => rest.parse().ok().map(Key::Int),
        _ => None,
    }
}

const fn letter(direction: Direction) -> &'static str {
    match direction {
        Direction::Asc => "a",
        Direction::Desc => "d",
    }
}

fn broken() -> Error {
    Error::new(crate::base::Code::ValidationError, "This cursor does not fit the ordering; start again without it.")
}
