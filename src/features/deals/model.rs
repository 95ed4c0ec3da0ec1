//! The rows of deals and of their moves.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::money::{Currency, StoredCurrency};
use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::{deal_stage_changes, deals};
use crate::text_enum;

text_enum! {
    /// How a deal stands. It follows from the stage.
    pub enum DealStatus {
        /// Is being worked on.
        Open = "OPEN",
        /// Was won.
        Won = "WON",
        /// Was lost.
        Lost = "LOST",
    }
}

/// The identifier of a deal.
pub type DealId = Id<Deal>;

/// A deal as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = deals, check_for_backend(diesel::pg::Pg))]
pub struct Deal {
    /// The row's id.
    pub id: Uuid,
    /// What it is about.
    pub title: Col<String>,
    /// The pipeline it goes through.
    pub pipeline_id: Col<Uuid>,
    /// The stage it stands in.
    pub stage_id: Col<Uuid>,
    /// How it stands.
    pub status: Col<DealStatus>,
    /// With whom.
    pub contact_id: Col<Option<Uuid>>,
    /// With which company.
    pub company_id: Col<Option<Uuid>>,
    /// The member who looks after it.
    pub owner_id: Col<Option<Uuid>>,
    /// What it is worth, in minor units of the currency.
    pub value_minor: Col<i64>,
    /// The currency.
    pub currency: Col<StoredCurrency>,
    /// How likely it is won, in percent.
    pub probability: Col<i32>,
    /// The day by which it should be closed.
    pub expected_close: Col<Option<NaiveDate>>,
    /// When it was won or lost.
    pub closed_at: Col<Option<DateTime<Utc>>>,
    /// Why it was won or lost.
    pub closed_reason: Col<Option<String>>,
    /// Free text.
    pub notes: Col<Option<String>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Deal {
    const PREFIX: &'static str = "deal";
}

impl ReadShape for Deal {
    const TYPE: &'static str = "Deal";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] = &[
        ("pipeline", &["pipeline_id"]),
        ("stage", &["stage_id"]),
        ("contact", &["contact_id"]),
        ("company", &["company_id"]),
        ("owner", &["owner_id"]),
        ("value", &["value_minor", "currency"]),
        ("weighted_value", &["value_minor", "currency", "probability"]),
    ];
}

/// A deal to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = deals)]
pub struct NewDeal {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What it is about.
    pub title: String,
    /// The pipeline it goes through.
    pub pipeline_id: Uuid,
    /// The stage it stands in.
    pub stage_id: Uuid,
    /// How it stands.
    pub status: DealStatus,
    /// With whom.
    pub contact_id: Option<Uuid>,
    /// With which company.
    pub company_id: Option<Uuid>,
    /// The member who looks after it.
    pub owner_id: Option<Uuid>,
    /// What it is worth, in minor units of the currency.
    pub value_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// How likely it is won, in percent.
    pub probability: i32,
    /// The day by which it should be closed.
    pub expected_close: Option<NaiveDate>,
    /// Free text.
    pub notes: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a deal: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = deals)]
pub struct DealChanges {
    /// What it is about.
    pub title: Option<String>,
    /// The stage it stands in.
    pub stage_id: Option<Uuid>,
    /// How it stands.
    pub status: Option<DealStatus>,
    /// With whom.
    pub contact_id: Option<Option<Uuid>>,
    /// With which company.
    pub company_id: Option<Option<Uuid>>,
    /// The member who looks after it.
    pub owner_id: Option<Option<Uuid>>,
    /// What it is worth, in minor units of the currency.
    pub value_minor: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// How likely it is won, in percent.
    pub probability: Option<i32>,
    /// The day by which it should be closed.
    pub expected_close: Option<Option<NaiveDate>>,
    /// When it was won or lost.
    pub closed_at: Option<Option<DateTime<Utc>>>,
    /// Why it was won or lost.
    pub closed_reason: Option<Option<String>>,
    /// Free text.
    pub notes: Option<Option<String>>,
}

/// A move of a deal as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = deal_stage_changes, check_for_backend(diesel::pg::Pg))]
pub struct DealStageChange {
    /// The deal.
    pub deal_id: Uuid,
    /// Where it stood; nothing when it was created.
    pub from_stage_id: Col<Option<Uuid>>,
    /// Where it went.
    pub to_stage_id: Col<Uuid>,
    /// Who moved it.
    pub actor_id: Col<Option<Uuid>>,
    /// When.
    pub at: Col<DateTime<Utc>>,
}

impl ReadShape for DealStageChange {
    const TYPE: &'static str = "DealStageChange";
    const ALWAYS: &'static [&'static str] = &["deal_id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] =
        &[("from", &["from_stage_id"]), ("to", &["to_stage_id"]), ("actor", &["actor_id"])];
}

/// A move of a deal to be written down.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = deal_stage_changes)]
pub struct NewStageChange {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// The deal.
    pub deal_id: Uuid,
    /// Where it stood; nothing when it is created.
    pub from_stage_id: Option<Uuid>,
    /// Where it goes.
    pub to_stage_id: Uuid,
    /// Who moves it.
    pub actor_id: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}
