//! Money: whole minor units (paise, cents) inside, an exact decimal with its currency outside. Never a binary float.

use async_graphql::{InputObject, SimpleObject};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Text;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize, Serializer};

use crate::base::directives::cost;
use crate::base::error::{Error, Result};
use crate::base::scalars::Decimal;
use crate::text_enum;

/// The most that one amount may be, in minor units: ten trillion rupees. Sums are made as exact decimals, since a few thousand such amounts fill 64
/// bits.
pub const MAX_MINOR: i64 = 1_000_000_000_000_000;

text_enum! {
    /// A currency by its ISO 4217 code.
    #[derive(Deserialize)]
    #[graphql(name = "CurrencyCode")]
    #[serde(rename_all = "UPPERCASE")]
    pub enum Currency {
        /// Indian rupee, of 100 paise.
        Inr = "INR",
        /// United States dollar, of 100 cents.
        Usd = "USD",
        /// Euro, of 100 cents.
        Eur = "EUR",
        /// Pound sterling, of 100 pence.
        Gbp = "GBP",
        /// United Arab Emirates dirham, of 100 fils.
        Aed = "AED",
        /// Singapore dollar, of 100 cents.
        Sgd = "SGD",
        /// Australian dollar, of 100 cents.
        Aud = "AUD",
        /// Japanese yen, without a minor unit.
        Jpy = "JPY",
        /// Kuwaiti dinar, of 1000 fils.
        Kwd = "KWD",
    }
}

impl Currency {
    /// The digits of the minor unit (ISO 4217).
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Kwd => 3,
            _ => 2,
        }
    }
}

/// A currency's code as the database keeps it: any three letters, so that a row with one that this version does not know can be read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub struct StoredCurrency([u8; 3]);

impl StoredCurrency {
    /// The currency.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when this version does not know it.
    pub fn known(self) -> Result<Currency> {
        let known = Currency::ALL.iter().copied().find(|known| known.as_str().as_bytes() == self.0);
        known.ok_or_else(|| Error::internal(format!("unknown currency {} in the database", self.0.escape_ascii())))
    }
}

impl FromSql<Text, Pg> for StoredCurrency {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.as_bytes().try_into()?))
    }
}

impl Serialize for StoredCurrency {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.escape_ascii())
    }
}

/// An amount of money, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct Money {
    /// The amount in the currency's main unit, such as `"1250.50"` rupees.
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// The money of whole minor units.
    #[must_use]
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { amount: Decimal(rust_decimal::Decimal::new(minor, currency.digits())), currency }
    }

    /// The money of a sum of whole minor units as the database writes it, which may be more than 64 bits hold.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the text is no whole number of up to 28 digits.
    pub fn from_sum(minor: &str, currency: Currency) -> Result<Self> {
        let units: i128 = minor.parse().map_err(Error::internal)?;
        let amount = rust_decimal::Decimal::try_from_i128_with_scale(units, currency.digits()).map_err(Error::internal)?;
        Ok(Self { amount: Decimal(amount), currency })
    }
}

/// An amount of money to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, InputObject)]
pub struct MoneyInput {
    /// The amount in the currency's main unit, at most as many decimals as the currency has: `"1250.50"`.
    pub amount: Decimal,
    /// The currency; rupees when left out.
    #[graphql(default_with = "Currency::Inr")]
    pub currency: Currency,
}

impl MoneyInput {
    /// The whole minor units, not negative and at most [`MAX_MINOR`].
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn minor(&self) -> std::result::Result<i64, String> {
        let digits = self.currency.digits();
        let normal = self.amount.0.normalize();
        if normal.scale() > digits {
            return Err(format!("{} has {digits} decimals, and {} has more.", self.currency.as_str(), self.amount));
        }
        if normal.is_sign_negative() && !normal.is_zero() {
            return Err("The amount must not be negative.".to_owned());
        }
        let scale = rust_decimal::Decimal::from(10_i64.pow(digits));
        let minor = normal.checked_mul(scale).and_then(|value| value.to_i64()).filter(|value| *value <= MAX_MINOR);
        minor.ok_or_else(|| "The amount is larger than can be kept.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str, currency: Currency) -> MoneyInput {
        MoneyInput { amount: Decimal(text.parse().unwrap()), currency }
    }

    #[test]
    fn minor_units_follow_the_currency() {
        assert_eq!(input("1250.50", Currency::Inr).minor(), Ok(125_050));
        assert_eq!(input("1250.500", Currency::Inr).minor(), Ok(125_050));
        assert_eq!(input("1250", Currency::Jpy).minor(), Ok(1250));
        assert_eq!(input("1.234", Currency::Kwd).minor(), Ok(1234));
        assert_eq!(Money::from_minor(125_050, Currency::Inr).amount.to_string(), "1250.50");
        assert_eq!(Money::from_minor(5, Currency::Kwd).amount.to_string(), "0.005");
        assert_eq!(Money::from_sum("1000000000000000000050", Currency::Inr).unwrap().amount.to_string(), "10000000000000000000.50");
    }

    #[test]
    fn what_would_lose_a_digit_is_refused() {
        assert!(input("0.001", Currency::Inr).minor().is_err());
        assert!(input("1.5", Currency::Jpy).minor().is_err());
        assert!(input("-1", Currency::Inr).minor().is_err());
        assert!(input("79228162514264337593543950335", Currency::Inr).minor().is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_amount_survives_the_round_trip(minor in 0..=MAX_MINOR) {
            for &currency in Currency::ALL {
                let money = Money::from_minor(minor, currency);
                let back = MoneyInput { amount: money.amount, currency };
                proptest::prop_assert_eq!(back.minor(), Ok(minor));
            }
        }
    }
}
