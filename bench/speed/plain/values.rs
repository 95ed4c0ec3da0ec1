//! The values of the database and how they look in answers.

use std::error::Error;

use anyhow::Context;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use payaid::base::money::{Currency, Money};
use payaid::base::{Id, Noun};
use serde::Serialize;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

type Failure = Box<dyn Error + Sync + Send>;

/// A uuid of the database.
#[derive(Debug, Clone, Copy)]
pub struct Key(pub Uuid);

impl Key {
    /// As it stands in answers.
    pub fn of<N: Noun>(self) -> String {
        Id::<N>::new(self.0).to_string()
    }
}

impl<'a> FromSql<'a> for Key {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(Uuid::from_slice(raw)?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }
}

impl ToSql for Key {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }

    to_sql_checked!();
}

/// The beginning of PostgreSQL's time, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// An instant of the database.
#[derive(Debug, Clone, Copy)]
pub struct At(pub DateTime<Utc>);

impl At {
    /// As it stands in answers.
    pub fn text(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

impl<'a> FromSql<'a> for At {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(DateTime::from_timestamp_micros(micros + EPOCH).ok_or("out of range")?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }
}

impl ToSql for At {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.put_i64(self.0.timestamp_micros() - EPOCH);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// A day of the database.
#[derive(Debug, Clone, Copy)]
pub struct Day(pub NaiveDate);

impl<'a> FromSql<'a> for Day {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let days = i32::from_be_bytes(raw.try_into()?);
        let beginning = NaiveDate::from_ymd_opt(2000, 1, 1).ok_or("out of range")?;
        Ok(Self(beginning.checked_add_signed(TimeDelta::days(days.into())).ok_or("out of range")?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::DATE
    }
}

/// A JSON document to be written.
#[derive(Debug)]
pub struct Json(pub Vec<u8>);

impl ToSql for Json {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.put_u8(1);
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::JSONB
    }

    to_sql_checked!();
}

/// An amount as it stands in answers.
#[derive(Debug, Serialize)]
pub struct Amount {
    amount: String,
    currency: String,
}

impl Amount {
    pub fn new(minor: i64, currency: &str) -> anyhow::Result<Self> {
        let money = Money::from_minor(minor, code(currency)?);
        Ok(Self { amount: money.amount.to_string(), currency: currency.to_owned() })
    }

    pub fn of_sum(minor: &str, currency: &str) -> anyhow::Result<Self> {
        let money = Money::from_sum(minor, code(currency)?).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(Self { amount: money.amount.to_string(), currency: currency.to_owned() })
    }
}

fn code(currency: &str) -> anyhow::Result<Currency> {
    Currency::ALL.iter().copied().find(|known| known.as_str() == currency).context("an unknown currency")
}
