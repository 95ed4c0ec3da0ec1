//! Identifiers: a UUID version 7 inside, `contact_01h455vb4pex5vsknk084sn02q` outside.
//!
//! The outer form is a TypeID (<https://github.com/jetify-com/typeid>, specification 0.3): the noun, an underscore, and the 128 bits in Crockford's
//! base32, lower case, most significant digit first. The noun is checked, so that an identifier of another kind cannot be used by mistake.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, ID, InputType, InputValueError, InputValueResult, OutputType, Positioned, ServerResult, Value};
use uuid::{NoContext, Timestamp, Uuid};

use crate::base::clock::Clock;
use crate::base::error::{Code, Error, Result};
use crate::base::json::Plain;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// What an identifier is of.
pub trait Noun: 'static {
    /// The word before the underscore: lower-case ASCII letters.
    const PREFIX: &'static str;
}

/// The identifier of an `N`.
pub struct Id<N> {
    uuid: Uuid,
    noun: PhantomData<fn() -> N>,
}

impl<N: Noun> Id<N> {
    /// The identifier around a UUID.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self { uuid, noun: PhantomData }
    }

    /// The UUID inside.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }

    /// Reads the outer form.
    ///
    /// # Errors
    /// `INVALID_ID` when the text is no identifier, or one of another noun.
    pub fn parse(text: &str) -> Result<Self> {
        let any = AnyId::parse(text)?;
        if any.prefix != N::PREFIX {
            let message = format!("`{}` is the identifier of a {}, and this takes one of a {}.", printable(text), any.prefix, N::PREFIX);
            return Err(Error::new(Code::InvalidId, message));
        }
        Ok(Self::new(any.uuid))
    }
}

/// An identifier of a noun that is only known at run time, as `node` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyId {
    /// The word before the underscore.
    pub prefix: String,
    /// The UUID inside.
    pub uuid: Uuid,
}

impl AnyId {
    /// Reads the outer form of any noun.
    ///
    /// # Errors
    /// `INVALID_ID` when the text is no identifier.
    pub fn parse(text: &str) -> Result<Self> {
        let broken = || Error::new(Code::InvalidId, format!("`{}` is not an identifier of this server.", printable(text)));
        let (prefix, digits) = text.rsplit_once('_').ok_or_else(broken)?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(broken());
        }
        let uuid = decode(digits).ok_or_else(broken)?;
        Ok(Self { prefix: prefix.to_owned(), uuid })
    }
}

impl fmt::Display for AnyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&outer(&self.prefix, self.uuid))
    }
}

/// A fresh version 7 UUID: ordered by time, so that inserts stay at the end of their index.
pub fn fresh(clock: &dyn Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

fn outer(prefix: &str, uuid: Uuid) -> String {
    let mut text = Vec::with_capacity(prefix.len() + 1 + DIGITS);
    put_outer(&mut text, prefix, uuid);
    String::from_utf8(text).unwrap_or_default()
}

fn put_outer(text: &mut Vec<u8>, prefix: &str, uuid: Uuid) {
    let (high, low) = uuid.as_u64_pair();
    // 26 digits of five bits hold 130: thirteen carry the first 63, one the four on both sides of the middle, twelve the last 60.
    let mut digits = [b'0'; DIGITS];
    let (left, rest) = digits.split_at_mut(13);
    let (middle, right) = rest.split_at_mut(1);
    put_digits(left, high >> 1);
    put_digits(middle, (high << 4) | (low >> 60));
    put_digits(right, low);
    text.extend_from_slice(prefix.as_bytes());
    text.push(b'_');
    text.extend_from_slice(&digits);
}

/// Writes as many digits as there is room for, from the last five bits on.
fn put_digits(digits: &mut [u8], mut bits: u64) {
    for digit in digits.iter_mut().rev() {
        let place = usize::from(bits.to_le_bytes()[0] & 31);
        *digit = ALPHABET.get(place).copied().unwrap_or_default();
        bits >>= 5;
    }
}

fn decode(digits: &str) -> Option<Uuid> {
    // 26 digits hold 130 bits: the first may only be 0 to 7.
    if digits.len() != DIGITS || digits.bytes().next()? > b'7' {
        return None;
    }
    digits
        .bytes()
        .try_fold(0_u128, |value, byte| {
            let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
            Some((value << 5) | u128::try_from(digit).ok()?)
        })
        .map(Uuid::from_u128)
}

/// What of a caller's text may be repeated in a message: short and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl<N> Clone for Id<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N> Copy for Id<N> {}
impl<N> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<N> Eq for Id<N> {}
impl<N> Hash for Id<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<N: Noun> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&outer(N::PREFIX, self.uuid))
    }
}
impl<N: Noun> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<N: Noun> InputType for Id<N> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <ID as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => {
                Self::parse(&text).map_err(|error| InputValueError::custom(error.message).with_extension("code", error.code.as_str()))
            }
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(outer(N::PREFIX, self.uuid))
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }
}

impl<P: ?Sized, N: Noun> Plain<P> for Id<N> {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        out.push(b'"');
        put_outer(out, N::PREFIX, self.uuid);
        out.push(b'"');
        true
    }
}

impl<N: Noun> OutputType for Id<N> {
    fn type_name() -> Cow<'static, str> {
        <ID as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<async_graphql::parser::types::Field>) -> ServerResult<Value> {
        Ok(Value::String(outer(N::PREFIX, self.uuid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Contact {}
    impl Noun for Contact {
        const PREFIX: &'static str = "contact";
    }
    enum Deal {}
    impl Noun for Deal {
        const PREFIX: &'static str = "deal";
    }

    /// The sample of the TypeID specification.
    #[test]
    fn the_outer_form_is_that_of_the_specification() {
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(Id::<Contact>::new(uuid).to_string(), "contact_01h455vb4pex5vsknk084sn02q");
        assert_eq!(Id::<Contact>::parse("contact_01h455vb4pex5vsknk084sn02q").unwrap().uuid(), uuid);
    }

    #[test]
    fn another_noun_and_broken_text_are_refused() {
        let deal = Id::<Deal>::new(Uuid::nil()).to_string();
        let error = Id::<Contact>::parse(&deal).unwrap_err();
        assert_eq!(error.code, Code::InvalidId);
        assert!(error.message.contains("of a deal"), "{}", error.message);
        for broken in [
            "",
            "contact",
            "contact_",
            "_01h455vb4pex5vsknk084sn02q",
            "contact_81h455vb4pex5vsknk084sn02q",
            "contact_01h455vb4pex5vsknk084sn02",
            "contact_01h455vb4pex5vsknk084sn02U",
            "Contact_01h455vb4pex5vsknk084sn02q",
        ] {
            assert_eq!(Id::<Contact>::parse(broken).unwrap_err().code, Code::InvalidId, "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_uuid_survives_the_round_trip(bits: u128) {
            let id = Id::<Contact>::new(Uuid::from_u128(bits));
            proptest::prop_assert_eq!(Id::<Contact>::parse(&id.to_string()).unwrap(), id);
        }
    }
}
