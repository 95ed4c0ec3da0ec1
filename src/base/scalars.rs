//! The schema's own scalars for dates, instants and exact numbers. Each names the specification of its text.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, NaiveDate, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Serialize};

use crate::base::json::{self, Plain};

/// A calendar day without a time of day, as `2026-04-01` (ISO 8601). Which zone it is meant in is said by the field.
#[derive(async_graphql::Description, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Date(pub NaiveDate);

#[Scalar(name = "Date", use_type_description, specified_by_url = "https://scalars.graphql.org/andimarek/local-date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        if text.len() != 10 {
            return Err(InputValueError::custom("a date is written as 2026-04-01"));
        }
        let date = NaiveDate::from_str(text).map_err(|_| InputValueError::custom("a date is written as 2026-04-01"))?;
        if !(1900..=9999).contains(&chrono::Datelike::year(&date)) {
            return Err(InputValueError::custom("a date lies between the years 1900 and 9999"));
        }
        Ok(Self(date))
    }

    fn to_value(&self) -> Value {
        let mut text = Vec::with_capacity(10);
        put_date(&mut text, self.0);
        Value::String(String::from_utf8(text).unwrap_or_default())
    }
}

/// An instant as `2026-04-01T09:30:00.000000Z` (RFC 3339). Answers are in UTC; inputs may carry any offset and are kept to the microsecond.
#[derive(async_graphql::Description, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DateTime(pub chrono::DateTime<Utc>);

#[Scalar(name = "DateTime", use_type_description, specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let parsed = chrono::DateTime::parse_from_rfc3339(text);
        let instant = parsed.map_err(|_| InputValueError::custom("an instant is written as 2026-04-01T09:30:00Z"))?;
        let utc = instant.with_timezone(&Utc).trunc_subsecs(6);
        // PostgreSQL holds years to 294276, chrono to 262142, and no business reaches either.
        let year = chrono::Datelike::year(&utc);
        if !(1900..=9999).contains(&year) {
            return Err(InputValueError::custom("an instant lies between the years 1900 and 9999"));
        }
        Ok(Self(utc))
    }

    fn to_value(&self) -> Value {
        Value::String(self.text())
    }
}

impl DateTime {
    /// The instant as answers have it.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = Vec::with_capacity(27);
        self.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn put_json(self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.write(out);
        out.push(b'"');
    }

    fn write(self, text: &mut Vec<u8>) {
        let time = self.0.time();
        put_date(text, self.0.date_naive());
        for (before, value) in [(b'T', time.hour()), (b':', time.minute()), (b':', time.second())] {
            text.push(before);
            put_digits::<2>(text, value);
        }
        text.push(b'.');
        put_digits::<6>(text, time.nanosecond() / 1000);
        text.push(b'Z');
    }
}

/// Writes a day of the years 0 to 9999. Lists are full of dates, and chrono's own formatting is made for any pattern.
fn put_date(text: &mut Vec<u8>, date: NaiveDate) {
    put_digits::<4>(text, date.year().unsigned_abs());
    text.push(b'-');
    put_digits::<2>(text, date.month());
    text.push(b'-');
    put_digits::<2>(text, date.day());
}

fn put_digits<const COUNT: usize>(text: &mut Vec<u8>, value: u32) {
    let mut digits = [b'0'; COUNT];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    text.extend_from_slice(&digits);
}

impl Date {
    fn put_json(self, out: &mut Vec<u8>) {
        out.push(b'"');
        put_date(out, self.0);
        out.push(b'"');
    }
}

impl<P: ?Sized> Plain<P> for Date {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        self.put_json(out);
        true
    }
}

impl<P: ?Sized> Plain<P> for DateTime {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        self.put_json(out);
        true
    }
}

impl<P: ?Sized> Plain<P> for Decimal {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        write!(out, "\"{}\"", self.0).is_ok()
    }
}

impl<P: ?Sized> Plain<P> for Json {
    fn put(&self, _: &P, out: &mut Vec<u8>) -> bool {
        json::put(out, &self.to_value());
        true
    }
}

/// An exact decimal number, sent and received as a string such as `"1250.50"`. JSON integers are accepted too; JSON numbers with a fraction are
/// refused, because they pass through a binary floating-point number on their way.
#[derive(async_graphql::Description, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub rust_decimal::Decimal);

#[Scalar(name = "Decimal", use_type_description, specified_by_url = "https://en.wikipedia.org/wiki/Decimal_representation")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) if text.len() <= 40 => {
                rust_decimal::Decimal::from_str_exact(text).map(Self).map_err(|_| InputValueError::custom("a decimal is written as \"1250.50\""))
            }
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Ok(Self(whole.into())),
                None => Err(InputValueError::custom("send a decimal with a fraction as a string, such as \"1250.50\", so that no digit is lost")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Any JSON value, such as an object with the columns that an action changed.
#[derive(async_graphql::Description, Debug, Clone, PartialEq, Eq)]
pub struct Json(pub serde_json::Value);

#[Scalar(name = "JSON", use_type_description, specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(|_| InputValueError::custom("this is not a JSON value"))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn instants_and_days_are_written_as_by_chrono(micros in -2_208_988_800_000_000_i64..=253_402_300_799_999_999) {
            let instant = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            proptest::prop_assert_eq!(DateTime(instant).to_value(), Value::String(instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)));
            proptest::prop_assert_eq!(Date(instant.date_naive()).to_value(), Value::String(instant.date_naive().to_string()));
            let (mut as_values, mut as_plain) = (Vec::new(), Vec::new());
            json::put(&mut as_values, &DateTime(instant).to_value());
            json::put(&mut as_values, &Date(instant.date_naive()).to_value());
            DateTime(instant).put_json(&mut as_plain);
            Date(instant.date_naive()).put_json(&mut as_plain);
            proptest::prop_assert_eq!(as_values, as_plain);
        }
    }
}
