//! Every statement about deals. Each names its organization; row level security stands behind it.

use async_graphql::{Enum, InputObject};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::base::cursor::Key;
use crate::base::filter::{DateFilter, DateTimeFilter, MoneyFilter};
use crate::base::page::{Direction, Order, PageArgs, Window};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::{Deal, DealChanges, DealStageChange, DealStatus, NewDeal, NewStageChange};
use crate::features::pipelines::model::{PipelineId, StageId};
use crate::platform::postgres::statement::{ForEachParent, Limited, count_for_parent, parent_id};
use crate::schema::{deal_stage_changes, deals};
use crate::{keyset, narrow_instant, operators};

/// The most moves of one deal that are shown.
const MOST_MOVES: i64 = 100;

/// What deals can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum DealOrderField {
    /// When they were created.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
    /// Their value in minor units. Currencies are not converted: to compare like with like, narrow the list to one.
    Value,
}

/// How to order deals.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct DealOrder {
    /// What to order by.
    pub field: DealOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Asc")]
    pub direction: Direction,
}

impl DealOrder {
    /// The ordering, newest first when none is asked for.
    #[must_use]
    pub fn or_newest(order: Option<Self>) -> Order<DealOrderField> {
        order.map_or(Order { field: DealOrderField::CreatedAt, direction: Direction::Desc }, |order| Order {
            field: order.field,
            direction: order.direction,
        })
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

/// The arguments of a list of deals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DealList {
    /// What to narrow by.
    pub filter: DealFilter,
    /// Which page.
    pub window: Window<DealOrderField>,
}

impl DealList {
    /// The arguments as they came, checked.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub fn new(page: &PageArgs, filter: Option<DealFilter>, order: Option<DealOrder>) -> Result<Self> {
        let filter = filter.unwrap_or_default();
        filter.value.as_ref().map(|range| range.bounds("filter.value")).transpose()?;
        Ok(Self { filter, window: Window::new(page, DealOrder::or_newest(order))? })
    }
}

/// What deals can be listed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DealParent {
    /// A contact.
    Contact,
    /// A company.
    Company,
    /// The member who looks after them.
    Owner,
    /// The stage they stand in.
    Stage,
}

impl DealParent {
    /// The parent that a row belongs to.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when its column was not read.
    pub fn of(self, deal: &Deal) -> Result<Option<Uuid>> {
        match self {
            Self::Contact => deal.contact_id.value(),
            Self::Company => deal.company_id.value(),
            Self::Owner => deal.owner_id.value(),
            Self::Stage => deal.stage_id.value().map(Some),
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::Contact => "contact_id",
            Self::Company => "company_id",
            Self::Owner => "owner_id",
            Self::Stage => "stage_id",
        }
    }
}

/// A page of deals, one row more than the page holds.
///
/// # Errors
/// As the database fails.
pub async fn page(reader: &Reader, list: &DealList) -> Result<Vec<Deal>> {
    let query = deals::table.select(reader.columns::<Deal>(&[key_column(list)])).into_boxed();
    let query = ordered(filtered(query, reader.organization(), list)?, list)?;
    reader.db.load(Limited { query, limit: list.window.limit() }).await
}

/// How many deals the whole list has.
///
/// # Errors
/// As the database fails.
pub async fn count(reader: &Reader, list: &DealList) -> Result<i64> {
    let query = filtered(deals::table.count().into_boxed(), reader.organization(), list)?;
    Ok(reader.db.first(query).await?.unwrap_or_default())
}

/// A page for each of many parents, one row more than the page holds.
///
/// # Errors
/// As the database fails.
pub async fn pages_by_parent(reader: &Reader, parent: DealParent, parents: Vec<Uuid>, list: &DealList) -> Result<Vec<Deal>> {
    let query = deals::table.select(reader.columns::<Deal>(&[key_column(list), parent.column()])).into_boxed();
    let query = of_parent(filtered(query, reader.organization(), list)?, parent);
    reader.db.load(ForEachParent { parents, query: ordered(query, list)?, limit: list.window.limit() }).await
}

/// How many deals each of many parents has.
///
/// # Errors
/// As the database fails.
pub async fn counts_by_parent(reader: &Reader, parent: DealParent, parents: Vec<Uuid>, list: &DealList) -> Result<Vec<(Uuid, i64)>> {
    let query = deals::table.select(count_for_parent()).into_boxed();
    let query = of_parent(filtered(query, reader.organization(), list)?, parent);
    reader.db.load(ForEachParent { parents, query, limit: 1 }).await
}

/// The deals of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Deal>> {
    let query = deals::table.select(reader.columns::<Deal>(&[]));
    reader.db.load(query.filter(deals::organization_id.eq(reader.organization())).filter(deals::id.eq_any(ids))).await
}

/// The moves of these deals, newest first, the newest 100 of each.
///
/// # Errors
/// As the database fails.
pub async fn moves_by_deals(reader: &Reader, deals: Vec<Uuid>) -> Result<Vec<DealStageChange>> {
    let query = deal_stage_changes::table.select(reader.columns::<DealStageChange>(&[]));
    let query = query.filter(deal_stage_changes::organization_id.eq(reader.organization())).filter(deal_stage_changes::deal_id.eq(parent_id()));
    let query = query.order((deal_stage_changes::at.desc(), deal_stage_changes::id.desc()));
    reader.db.load(ForEachParent { parents: deals, query, limit: MOST_MOVES }).await
}

/// The deals of these ids, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock(act: &Act, ids: &[Uuid]) -> Result<Vec<Deal>> {
    let query = deals::table.select(Deal::as_select()).filter(deals::organization_id.eq(act.organization()));
    act.db.load(query.filter(deals::id.eq_any(ids.to_vec())).order(deals::id).for_update()).await
}

/// Stores a new deal.
///
/// # Errors
/// As the database fails.
pub async fn insert(act: &Act, new: NewDeal) -> Result<Vec<Deal>> {
    act.db.load(diesel::insert_into(deals::table).values(new).returning(Deal::as_returning())).await
}

/// Writes moves down.
///
/// # Errors
/// As the database fails.
pub async fn insert_moves(act: &Act, new: Vec<NewStageChange>) -> Result<usize> {
    act.db.execute(diesel::insert_into(deal_stage_changes::table).values(new)).await
}

/// Changes deals and counts their version up.
///
/// # Errors
/// As the database fails.
pub async fn update(act: &Act, ids: &[Uuid], changes: DealChanges) -> Result<Vec<Deal>> {
    let target = deals::table.filter(deals::organization_id.eq(act.organization())).filter(deals::id.eq_any(ids.to_vec()));
    let stamped = (changes, deals::updated_at.eq(act.now()), deals::version.eq(deals::version + 1));
    act.db.load(diesel::update(target).set(stamped).returning(Deal::as_returning())).await
}

/// Deletes deals and says how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete(act: &Act, ids: &[Uuid]) -> Result<usize> {
    let target = deals::table.filter(deals::organization_id.eq(act.organization())).filter(deals::id.eq_any(ids.to_vec()));
    act.db.execute(diesel::delete(target)).await
}

type Query<ST> = deals::BoxedQuery<'static, Pg, ST>;

const fn key_column(list: &DealList) -> &'static str {
    match list.window.order.field {
        DealOrderField::CreatedAt => "created_at",
        DealOrderField::UpdatedAt => "updated_at",
        DealOrderField::Value => "value_minor",
    }
}

fn ordered<ST>(query: Query<ST>, list: &DealList) -> Result<Query<ST>> {
    let window = &list.window;
    Ok(match window.order.field {
        DealOrderField::CreatedAt => keyset!(query, window, deals::created_at, deals::id, Key::as_instant),
        DealOrderField::UpdatedAt => keyset!(query, window, deals::updated_at, deals::id, Key::as_instant),
        DealOrderField::Value => keyset!(query, window, deals::value_minor, deals::id, Key::as_int),
    })
}

fn of_parent<ST>(query: Query<ST>, parent: DealParent) -> Query<ST> {
    match parent {
        DealParent::Contact => query.filter(deals::contact_id.eq(parent_id().nullable())),
        DealParent::Company => query.filter(deals::company_id.eq(parent_id().nullable())),
        DealParent::Owner => query.filter(deals::owner_id.eq(parent_id().nullable())),
        DealParent::Stage => query.filter(deals::stage_id.eq(parent_id())),
    }
}

fn filtered<ST>(query: Query<ST>, organization: Uuid, list: &DealList) -> Result<Query<ST>> {
    let filter = &list.filter;
    let mut query = query.filter(deals::organization_id.eq(organization));
    if let Some(statuses) = filter.status.as_ref().and_then(DealStatusFilter::values) {
        query = query.filter(deals::status.eq_any(statuses));
    }
    if let Some(stage) = filter.stage_id {
        query = query.filter(deals::stage_id.eq(stage.uuid()));
    }
    if let Some(pipeline) = filter.pipeline_id {
        query = query.filter(deals::pipeline_id.eq(pipeline.uuid()));
    }
    if let Some(contact) = filter.contact_id {
        query = query.filter(deals::contact_id.eq(contact.uuid()));
    }
    if let Some(company) = filter.company_id {
        query = query.filter(deals::company_id.eq(company.uuid()));
    }
    if let Some(owner) = filter.owner_id {
        query = query.filter(deals::owner_id.eq(owner.uuid()));
    }
    if let Some(range) = &filter.value {
        let (least, most) = range.bounds("filter.value")?;
        query = query.filter(deals::currency.eq(range.currency.code()));
        if let Some(least) = least {
            query = query.filter(deals::value_minor.ge(least));
        }
        if let Some(most) = most {
            query = query.filter(deals::value_minor.le(most));
        }
    }
    if let Some(day) = filter.expected_close.as_ref().and_then(|days| days.gte) {
        query = query.filter(deals::expected_close.ge(day.0));
    }
    if let Some(day) = filter.expected_close.as_ref().and_then(|days| days.lte) {
        query = query.filter(deals::expected_close.le(day.0));
    }
    query = narrow_instant!(query, filter.closed_at, deals::closed_at);
    query = narrow_instant!(query, filter.created_at, deals::created_at);
    query = narrow_instant!(query, filter.updated_at, deals::updated_at);
    Ok(query)
}
