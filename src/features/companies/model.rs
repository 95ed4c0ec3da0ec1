//! The rows of companies.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Jsonb;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::companies;

/// The identifier of a company.
pub type CompanyId = Id<Company>;

/// A postal address, as it is kept in the JSON of `addresses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// What the address is for.
    pub label: Option<String>,
    /// House and street.
    pub line1: String,
    /// Area or landmark.
    pub line2: Option<String>,
    /// Town or city.
    pub city: String,
    /// GST code of the state, in India.
    pub state_code: Option<String>,
    /// Postal code: the six-digit PIN in India.
    pub pin: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: String,
}

/// The addresses of a company, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, AsExpression, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
#[serde(transparent)]
pub struct Addresses(pub Vec<Address>);

impl FromSql<Jsonb, Pg> for Addresses {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let json = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
        Ok(serde_json::from_value(json)?)
    }
}

impl ToSql<Jsonb, Pg> for Addresses {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let json = serde_json::to_value(self)?;
        <serde_json::Value as ToSql<Jsonb, Pg>>::to_sql(&json, &mut out.reborrow())
    }
}

/// A company as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = companies, check_for_backend(diesel::pg::Pg))]
pub struct Company {
    /// The row's id.
    pub id: Uuid,
    /// Name.
    pub name: Col<String>,
    /// GSTIN, verified.
    pub gstin: Col<Option<String>>,
    /// GST code of the state.
    pub state_code: Col<Option<String>>,
    /// Line of business.
    pub industry: Col<Option<String>>,
    /// E-mail address in lower case.
    pub email: Col<Option<String>>,
    /// Telephone number, E.164.
    pub phone: Col<Option<String>>,
    /// Address on the web.
    pub website: Col<Option<String>>,
    /// Postal addresses.
    pub addresses: Col<Addresses>,
    /// Free text.
    pub notes: Col<Option<String>>,
    /// The member who looks after the company.
    pub owner_id: Col<Option<Uuid>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Company {
    const PREFIX: &'static str = "company";
}

impl ReadShape for Company {
    const TYPE: &'static str = "Company";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[("owner", &["owner_id"]), ("state", &["state_code"])];
}

/// A company to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = companies)]
pub struct NewCompany {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// GSTIN.
    pub gstin: Option<String>,
    /// GST code of the state.
    pub state_code: Option<String>,
    /// Line of business.
    pub industry: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Address on the web.
    pub website: Option<String>,
    /// Postal addresses.
    pub addresses: Addresses,
    /// Free text.
    pub notes: Option<String>,
    /// The member who looks after the company.
    pub owner_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a company: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = companies)]
pub struct CompanyChanges {
    /// Name.
    pub name: Option<String>,
    /// GSTIN.
    pub gstin: Option<Option<String>>,
    /// GST code of the state.
    pub state_code: Option<Option<String>>,
    /// Line of business.
    pub industry: Option<Option<String>>,
    /// E-mail address.
    pub email: Option<Option<String>>,
    /// Telephone number.
    pub phone: Option<Option<String>>,
    /// Address on the web.
    pub website: Option<Option<String>>,
    /// Postal addresses.
    pub addresses: Option<Addresses>,
    /// Free text.
    pub notes: Option<Option<String>>,
    /// The member who looks after the company.
    pub owner_id: Option<Option<Uuid>>,
}
