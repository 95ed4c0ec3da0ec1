//! Answers as JSON text, of which parts may be text already: they stand in values as [`Value::Binary`], which nothing else in the schema is.

use std::io::{self, Write};

use async_graphql::resolver_utils::EnumType;
use async_graphql::{ID, Value};
use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Writes bytes as they are.
struct Raw;

impl Formatter for Raw {
    fn write_byte_array<W: ?Sized + Write>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        writer.write_all(value)
    }
}

/// The JSON of an answer.
///
/// # Errors
/// When a map in it has keys that are no strings.
pub fn to_vec<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    value.serialize(&mut Serializer::with_formatter(&mut out, Raw))?;
    Ok(out)
}

/// Adds the JSON of a value to a text.
pub fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Binary(json) => out.extend_from_slice(json),
        Value::String(text) => put_text(out, text),
        Value::Enum(name) => put_text(out, name),
        other => {
            // Writing to memory does not fail, and the keys of such values are strings.
            let _ = other.serialize(&mut Serializer::with_formatter(out, Raw));
        }
    }
}

/// About how many bytes [`put`] adds for a value.
#[must_use]
pub fn length(value: &Value) -> usize {
    match value {
        Value::Binary(json) => json.len(),
        Value::String(text) => text.len() + 2,
        _ => 16,
    }
}

/// How much more than itself a text has room for, so that what is put around it finds a place there.
pub const ROOM: usize = 256;

/// The JSON of a value with these around it: in the same place, where it is text that nobody else holds. An answer goes through several such steps, and
/// may be large.
#[must_use]
pub fn within(head: &[u8], value: Value, tail: &[u8]) -> Bytes {
    let alone = if let Value::Binary(text) = value { text.try_into_mut().map_err(Value::Binary) } else { Err(value) };
    let mut whole = match alone {
        Ok(text) => text,
        Err(value) => {
            let mut whole = Vec::with_capacity(head.len() + length(&value) + tail.len() + ROOM);
            whole.extend_from_slice(head);
            put(&mut whole, &value);
            whole.extend_from_slice(tail);
            return whole.into();
        }
    };
    let length = whole.len();
    whole.resize(length + head.len(), 0);
    whole.copy_within(..length, head.len());
    whole.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
    whole.extend_from_slice(tail);
    whole.freeze()
}

/// What a field can answer with that is written straight into the answer, at a place of which values need to know nothing. Objects note what fails and
/// what they cost, so that only they themselves may hold others: a `Vec` is one of scalars.
pub trait Plain<P: ?Sized> {
    /// Adds the JSON to a text; whether that was possible. If not, what was added is of no use.
    fn put(&self, place: &P, out: &mut Vec<u8>) -> bool;
}

impl<P: ?Sized> Plain<P> for str {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        put_text(out, self);
        true
    }
}
impl<P: ?Sized> Plain<P> for String {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        put_text(out, self);
        true
    }
}
impl<P: ?Sized> Plain<P> for ID {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        put_text(out, self);
        true
    }
}
impl<P: ?Sized, T: Plain<P> + ?Sized> Plain<P> for &T {
    fn put(&self, place: &P, out: &mut Vec<u8>) -> bool {
        T::put(self, place, out)
    }
}
impl<P: ?Sized, T: Plain<P>> Plain<P> for Option<T> {
    fn put(&self, place: &P, out: &mut Vec<u8>) -> bool {
        match self {
            Some(value) => value.put(place, out),
            None => {
                out.extend_from_slice(b"null");
                true
            }
        }
    }
}
impl<P: ?Sized, T: Plain<P>, E> Plain<P> for Result<T, E> {
    fn put(&self, place: &P, out: &mut Vec<u8>) -> bool {
        self.as_ref().is_ok_and(|value| value.put(place, out))
    }
}
impl<P: ?Sized, T: Plain<P>> Plain<P> for Vec<T> {
    fn put(&self, place: &P, out: &mut Vec<u8>) -> bool {
        out.push(b'[');
        let are_written = self.iter().enumerate().all(|(index, value)| {
            if index > 0 {
                out.push(b',');
            }
            value.put(place, out)
        });
        out.push(b']');
        are_written
    }
}

macro_rules! as_serde_does {
    ($($kind:ty),+) => {
        $(impl<P: ?Sized> Plain<P> for $kind {
            fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
                self.serialize(&mut Serializer::new(out)).is_ok()
            }
        })+
    };
}
as_serde_does!(bool, i32, i64);

/// Adds a value of an enum to a text, by its name in the schema; whether it has one.
pub fn put_enum<T: EnumType>(out: &mut Vec<u8>, value: &T) -> bool {
    let item = T::items().iter().find(|item| item.value == *value);
    item.is_some_and(|item| {
        put_text(out, item.name);
        true
    })
}

/// Writes values of these enums straight into answers.
#[macro_export]
macro_rules! plain_enums {
    ($($name:ty),+ $(,)?) => {
        $(impl<P: ?Sized> $crate::base::json::Plain<P> for $name {
            fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
                $crate::base::json::put_enum(out, self)
            }
        })+
    };
}

/// Adds a JSON string to a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    // Looked at all together, which takes a fraction of looking at each and stopping at the first.
    let plain = text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if plain {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to memory does not fail.
        let _ = text.serialize(&mut Serializer::new(out));
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, value};

    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_are_written_as_by_serde(text in "[ -~\\PC\\x00-\\x1f\"\\\\]{0,40}") {
            let mut out = Vec::new();
            put_text(&mut out, &text);
            proptest::prop_assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn a_text_is_put_within_others_wherever_it_stands() {
        let roomy = || {
            let mut text = Vec::with_capacity(3 + ROOM);
            text.extend_from_slice(b"[1]");
            Bytes::from(text)
        };
        let held = roomy();
        let texts = [roomy(), Bytes::from(b"[1]".to_vec()), Bytes::from_static(b"[1]"), held.clone(), Bytes::from(b"{[1]}".to_vec()).slice(1..4)];
        for text in texts {
            assert_eq!(within(b"", Value::Binary(text.clone()), b""), "[1]");
            assert_eq!(within(b"{\"data\":", Value::Binary(text), b"}"), "{\"data\":[1]}");
        }
        assert_eq!(held, "[1]");
        assert_eq!(within(b"{\"a\":", Value::String("\"".into()), b"}"), r#"{"a":"\""}"#);
        let alone = roomy();
        let at = alone.as_ptr();
        assert_eq!(within(b"a", Value::Binary(alone), b"b").as_ptr(), at, "not in the same place");
    }

    #[test]
    fn parts_that_are_json_already_stay_as_they_are() {
        let list = Value::Binary(b"[{\"a\":1}]".as_slice().into());
        let whole = value!({"text": "Asha \"A\" \u{1F600}\n", "none": null, "flags": [true, false], "number": 1.5});
        let Value::Object(mut whole) = whole else { panic!("an object") };
        whole.insert(Name::new("list"), list.clone());
        whole.insert(Name::new("stage"), Value::Enum(Name::new("LEAD")));
        let whole = Value::Object(whole);
        let expected = r#"{"text":"Asha \"A\" 😀\n","none":null,"flags":[true,false],"number":1.5,"list":[{"a":1}],"stage":"LEAD"}"#;
        assert_eq!(String::from_utf8(to_vec(&whole).unwrap()).unwrap(), expected);
        let mut put_out = Vec::new();
        put(&mut put_out, &whole);
        assert_eq!(String::from_utf8(put_out).unwrap(), expected);
        assert_eq!(to_vec(&[list]).unwrap(), b"[[{\"a\":1}]]");
    }
}
