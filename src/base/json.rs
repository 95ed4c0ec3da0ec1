//! Answers as JSON text, of which parts may be text already: they stand in values as [`Value::Binary`], which nothing else in the schema is.

use std::io::{self, Write};

use async_graphql::Value;
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
