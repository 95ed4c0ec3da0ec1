//! Every statement about deals. Each names its organization; row level security stands behind it.

use std::sync::Arc;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::page::{MAX_SIZE, rows_to_read};
use crate::base::Result;
use crate::base::filter::{DateFilter, DateTimeFilter, MoneyFilter};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::{Deal, DealChanges, DealStageChange, DealStatus, NewDeal, NewStageChange};
use crate::features::lists::Filter;
use crate::features::pipelines::model::{PipelineId, StageId};
use crate::platform::postgres::statement::{ForEachParent, parent_id};
use crate::schema::{deal_stage_changes, deals};
use crate::{lists, narrow_any, narrow_id, narrow_instant, operators, stored};


stored! {
    deals of Deal, NewDeal, DealChanges;
    Missing("deals_organization_id_contact_id_fkey", "contactId", "contact"),
    Missing("deals_organization_id_company_id_fkey", "companyId", "company"),
    Missing("deals_organization_id_owner_id_fkey", "ownerId", "member"),
}

lists! {
    deals of Deal, narrowed by DealFilter, usually CreatedAt Desc;

    /// How to order deals.
    pub struct DealOrder;

    /// What deals can be ordered by.
    pub enum DealOrderField {
        /// When they were created.
        CreatedAt = created_at: DateTime<Utc>,
        /// When they were last changed.
        UpdatedAt = updated_at: DateTime<Utc>,
        /// Their value in minor units. Currencies are not converted: to compare like with like, narrow the list to one.
        Value = value_minor: i64,
    }

    /// Whose deals a list holds.
    pub enum DealParent {
        /// Those with a contact.
        Contact = contact_id,
        /// Those with a company.
        Company = company_id,
        /// Those that a member looks after.
        Owner = owner_id,
        /// Those that stand in a stage.
        Stage = stage_id,
    }
}

operators!(
    /// Compares a status.
    DealStatusFilter,
    DealStatus
);

/// Narrows a list of deals; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct DealFilter {
    /// By status.
    pub status: Option<DealStatusFilter>,
    /// Only those in this stage.
    pub stage_id: Option<StageId>,
    /// Only those of this pipeline.
    pub pipeline_id: Option<PipelineId>,
    /// Only those with this contact.
    pub contact_id: Option<ContactId>,
    /// Only those with this company.
    pub company_id: Option<CompanyId>,
    /// Only those that this member looks after.
    pub owner_id: Option<UserId>,
    /// By value, in one currency.
    pub value: Option<MoneyFilter>,
    /// By the day of the expected close; deals without one are left out.
    pub expected_close: Option<DateFilter>,
    /// By the instant of closing; open deals are left out.
    pub closed_at: Option<DateTimeFilter>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
    /// By the instant of the last change.
    pub updated_at: Option<DateTimeFilter>,
}

impl Filter for DealFilter {
    fn check(&self) -> Result<()> {
        self.value.as_ref().map(|range| range.bounds("filter.value")).transpose()?;
        Ok(())
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &DealFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.status, deals::status);
    query = narrow_id!(query, filter.stage_id, deals::stage_id);
    query = narrow_id!(query, filter.pipeline_id, deals::pipeline_id);
    query = narrow_id!(query, filter.contact_id, deals::contact_id);
    query = narrow_id!(query, filter.company_id, deals::company_id);
    query = narrow_id!(query, filter.owner_id, deals::owner_id);
    query = narrow_instant!(query, filter.closed_at, deals::closed_at);
    query = narrow_instant!(query, filter.created_at, deals::created_at);
    query = narrow_instant!(query, filter.updated_at, deals::updated_at);
    if let Some(day) = filter.expected_close.as_ref().and_then(|days| days.gte) {
        query = query.filter(deals::expected_close.ge(day.0));
    }
    if let Some(day) = filter.expected_close.as_ref().and_then(|days| days.lte) {
        query = query.filter(deals::expected_close.le(day.0));
    }
    let Some(range) = &filter.value else { return query };
    query = query.filter(deals::currency.eq(range.currency));
    // The filter's check has refused amounts without bounds in the currency.
    let (least, most) = range.bounds("filter.value").unwrap_or_default();
    if let Some(least) = least {
        query = query.filter(deals::value_minor.ge(least));
    }
    if let Some(most) = most {
        query = query.filter(deals::value_minor.le(most));
    }
    query
}

/// The moves of these deals, newest first, so many of each or more.
///
/// # Errors
/// As the database fails.
pub async fn moves_by_deals(reader: &Reader, deals: Vec<Uuid>, most: usize) -> Result<Vec<Arc<DealStageChange>>> {
    let columns = reader.columns::<DealStageChange>(&[]);
    let query = deal_stage_changes::table.select(columns);
    let query = query.filter(deal_stage_changes::organization_id.eq(reader.organization())).filter(deal_stage_changes::deal_id.eq(parent_id()));
    let query = query.order((deal_stage_changes::at.desc(), deal_stage_changes::id.desc()));
    reader.db.load_columns(columns, ForEachParent { parents: deals, query, limit: rows_to_read(i64::try_from(most).unwrap_or(MAX_SIZE)) }).await
}

/// Writes moves down.
///
/// # Errors
/// As the database fails.
pub async fn insert_moves(act: &Act, new: Vec<NewStageChange>) -> Result<usize> {
    act.db.execute(diesel::insert_into(deal_stage_changes::table).values(new)).await
}
