//! Every statement about contacts. Each names its organization; row level security stands behind it.

use async_graphql::{Enum, InputObject};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::cursor::Key;
use crate::base::filter::{DateTimeFilter, StringFilter, check_string};
use crate::base::page::Window;
use crate::base::Result;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::{Contact, ContactChanges, ContactSource, ContactStage, ContactStatus, NewContact};
use crate::features::accounts::model::UserId;
use crate::platform::postgres::statement::{ForEachParent, Limited, count_for_parent, parent_id};
use crate::schema::contacts;
use crate::{keyset, narrow_instant, narrow_text, operators};

/// At most so many matches of a search are looked at, the newest first.
const MOST_MATCHES: i32 = 10_000;

/// What contacts can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum ContactOrderField {
    /// When they were created.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
    /// Their name, letter by letter.
    Name,
}

operators!(
    /// Compares a stage.
    ContactStageFilter,
    ContactStage
);
operators!(
    /// Compares a status.
    ContactStatusFilter,
    ContactStatus
);
operators!(
    /// Compares a source.
    ContactSourceFilter,
    ContactSource
);

/// Narrows a list of contacts; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct ContactFilter {
    /// By stage.
    pub stage: Option<ContactStageFilter>,
    /// By status.
    pub status: Option<ContactStatusFilter>,
    /// By source.
    pub source: Option<ContactSourceFilter>,
    /// By e-mail address.
    pub email: Option<StringFilter>,
    /// By city.
    pub city: Option<StringFilter>,
    /// Only those that bear this tag.
    pub tag: Option<String>,
    /// Only those of this company.
    pub company_id: Option<CompanyId>,
    /// Only those that this member looks after.
    pub owner_id: Option<UserId>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
    /// By the instant of the last change.
    pub updated_at: Option<DateTimeFilter>,
}

impl ContactFilter {
    /// Refuses values that no contact can have.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub fn check(&self) -> Result<()> {
        let tag = self.tag.clone().map(|tag| StringFilter { eq: Some(tag), any: None });
        for (name, filter) in [("filter.email", &self.email), ("filter.city", &self.city), ("filter.tag", &tag)] {
            filter.as_ref().map(|filter| check_string(name, filter)).transpose()?;
        }
        Ok(())
    }
}

/// The arguments of a list of contacts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContactList {
    /// What to narrow by.
    pub filter: ContactFilter,
    /// Words to search for, as `contact_search` takes them.
    pub search: Option<String>,
    /// Which page.
    pub window: Window<ContactOrderField>,
}

diesel::define_sql_function! {
    /// The contacts of the transaction's tenant that match a text query, newest first.
    fn contact_search(organization: diesel::sql_types::Uuid, query: diesel::sql_types::Text, most: diesel::sql_types::Integer) -> diesel::sql_types::Uuid;
}

/// A page of contacts, one row more than the page holds.
///
/// # Errors
/// As the database fails.
pub async fn page(reader: &Reader, list: &ContactList) -> Result<Vec<Contact>> {
    let query = contacts::table.select(reader.columns::<Contact>(&[key_column(list)])).into_boxed();
    let query = ordered(filtered(query, reader.organization(), list), list)?;
    reader.db.load(Limited { query, limit: list.window.limit() }).await
}

/// How many contacts the whole list has.
///
/// # Errors
/// As the database fails.
pub async fn count(reader: &Reader, list: &ContactList) -> Result<i64> {
    let query = filtered(contacts::table.count().into_boxed(), reader.organization(), list);
    Ok(reader.db.first(query).await?.unwrap_or_default())
}

/// A page for each of many companies, one row more than the page holds.
///
/// # Errors
/// As the database fails.
pub async fn pages_by_company(reader: &Reader, companies: Vec<Uuid>, list: &ContactList) -> Result<Vec<Contact>> {
    let query = contacts::table.select(reader.columns::<Contact>(&[key_column(list), "company_id"])).into_boxed();
    let query = filtered(query, reader.organization(), list).filter(contacts::company_id.eq(parent_id().nullable()));
    let query = ordered(query, list)?;
    reader.db.load(ForEachParent { parents: companies, query, limit: list.window.limit() }).await
}

/// How many contacts each of many companies has.
///
/// # Errors
/// As the database fails.
pub async fn counts_by_company(reader: &Reader, companies: Vec<Uuid>, list: &ContactList) -> Result<Vec<(Uuid, i64)>> {
    let query = contacts::table.select(count_for_parent()).into_boxed();
    let query = filtered(query, reader.organization(), list).filter(contacts::company_id.eq(parent_id().nullable()));
    reader.db.load(ForEachParent { parents: companies, query, limit: 1 }).await
}

/// The contacts of these ids.
///
/// # Errors
/// As the database fails.
pub async fn by_ids(reader: &Reader, ids: Vec<Uuid>) -> Result<Vec<Contact>> {
    let query = contacts::table.select(reader.columns::<Contact>(&[]));
    reader.db.load(query.filter(contacts::organization_id.eq(reader.organization())).filter(contacts::id.eq_any(ids))).await
}

/// The contacts of these ids, whole, locked against other writers until the transaction ends.
///
/// # Errors
/// As the database fails.
pub async fn lock(act: &Act, ids: &[Uuid]) -> Result<Vec<Contact>> {
    let query = contacts::table.select(Contact::as_select()).filter(contacts::organization_id.eq(act.organization()));
    act.db.load(query.filter(contacts::id.eq_any(ids.to_vec())).order(contacts::id).for_update()).await
}

/// Stores a new contact.
///
/// # Errors
/// As the database fails.
pub async fn insert(act: &Act, new: NewContact) -> Result<Vec<Contact>> {
    act.db.load(diesel::insert_into(contacts::table).values(new).returning(Contact::as_returning())).await
}

/// Changes contacts and counts their version up.
///
/// # Errors
/// As the database fails.
pub async fn update(act: &Act, ids: &[Uuid], changes: ContactChanges) -> Result<Vec<Contact>> {
    let target = contacts::table.filter(contacts::organization_id.eq(act.organization())).filter(contacts::id.eq_any(ids.to_vec()));
    let stamped = (changes, contacts::updated_at.eq(act.now()), contacts::version.eq(contacts::version + 1));
    act.db.load(diesel::update(target).set(stamped).returning(Contact::as_returning())).await
}

/// Deletes contacts and says how many there were.
///
/// # Errors
/// As the database fails.
pub async fn delete(act: &Act, ids: &[Uuid]) -> Result<usize> {
    let target = contacts::table.filter(contacts::organization_id.eq(act.organization())).filter(contacts::id.eq_any(ids.to_vec()));
    act.db.execute(diesel::delete(target)).await
}

type Query<ST> = contacts::BoxedQuery<'static, Pg, ST>;

const fn key_column(list: &ContactList) -> &'static str {
    match list.window.order.field {
        ContactOrderField::CreatedAt => "created_at",
        ContactOrderField::UpdatedAt => "updated_at",
        ContactOrderField::Name => "name",
    }
}

fn ordered<ST>(query: Query<ST>, list: &ContactList) -> Result<Query<ST>> {
    let window = &list.window;
    Ok(match window.order.field {
        ContactOrderField::CreatedAt => keyset!(query, window, contacts::created_at, contacts::id, Key::as_instant),
        ContactOrderField::UpdatedAt => keyset!(query, window, contacts::updated_at, contacts::id, Key::as_instant),
        ContactOrderField::Name => keyset!(query, window, contacts::name, contacts::id, Key::as_text),
    })
}

fn filtered<ST>(query: Query<ST>, organization: Uuid, list: &ContactList) -> Query<ST> {
    let filter = &list.filter;
    let mut query = query.filter(contacts::organization_id.eq(organization));
    if let Some(stages) = filter.stage.as_ref().and_then(ContactStageFilter::values) {
        query = query.filter(contacts::stage.eq_any(stages));
    }
    if let Some(statuses) = filter.status.as_ref().and_then(ContactStatusFilter::values) {
        query = query.filter(contacts::status.eq_any(statuses));
    }
    if let Some(sources) = filter.source.as_ref().and_then(ContactSourceFilter::values) {
        query = query.filter(contacts::source.eq_any(sources));
    }
    if let Some(tag) = &filter.tag {
        query = query.filter(contacts::tags.contains(vec![Some(tag.to_lowercase())]));
    }
    if let Some(company) = filter.company_id {
        query = query.filter(contacts::company_id.eq(company.uuid()));
    }
    if let Some(owner) = filter.owner_id {
        query = query.filter(contacts::owner_id.eq(owner.uuid()));
    }
    query = narrow_text!(query, filter.email, contacts::email);
    query = narrow_text!(query, filter.city, contacts::city);
    query = narrow_instant!(query, filter.created_at, contacts::created_at);
    query = narrow_instant!(query, filter.updated_at, contacts::updated_at);
    if let Some(words) = &list.search {
        let matches = diesel::select(contact_search(organization, words.clone(), MOST_MATCHES));
        query = query.filter(contacts::id.eq_any(matches));
    }
    query
}
