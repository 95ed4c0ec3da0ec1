//! Every statement about contacts. Each names its organization; row level security stands behind it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::Reader;
use crate::base::Result;
use crate::base::filter::{DateTimeFilter, StringFilter, check_strings};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::{Contact, ContactChanges, ContactSource, ContactStage, ContactStatus, NewContact};
use crate::features::lists::Filter;
use crate::schema::contacts;
use crate::{lists, narrow_any, narrow_id, narrow_instant, narrow_text, operators, stored};

/// At most so many matches of a search are looked at, the newest first.
const MOST_MATCHES: i32 = 10_000;

stored! {
    contacts of Contact, NewContact, ContactChanges;
    Taken("contacts_email", "email", "Another contact has this e-mail address."),
    Missing("contacts_organization_id_company_id_fkey", "companyId", "company"),
    Missing("contacts_organization_id_owner_id_fkey", "ownerId", "member"),
}

lists! {
    contacts of Contact, narrowed by ContactFilter, usually CreatedAt Desc;

    /// How to order contacts.
    pub struct ContactOrder;

    /// What contacts can be ordered by.
    pub enum ContactOrderField {
        /// When they were created.
        CreatedAt = created_at: DateTime<Utc>,
        /// When they were last changed.
        UpdatedAt = updated_at: DateTime<Utc>,
        /// Their name, letter by letter.
        Name = name: String,
    }

    /// Whose contacts a list holds.
    pub enum ContactParent {
        /// Those of a company.
        Company = company_id,
    }
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
    /// Words to search for as `contact_search` takes them, from the field's own argument.
    #[graphql(skip)]
    pub search: Option<String>,
}

impl Filter for ContactFilter {
    fn check(&self) -> Result<()> {
        let tag = self.tag.clone().map(|tag| StringFilter { eq: Some(tag), any: None });
        check_strings(&[("filter.email", &self.email), ("filter.city", &self.city), ("filter.tag", &tag)])
    }
}

diesel::define_sql_function! {
    /// The contacts of the transaction's tenant that match a text query, newest first.
    fn contact_search(organization: diesel::sql_types::Uuid, query: diesel::sql_types::Text, most: diesel::sql_types::Integer) -> diesel::sql_types::Uuid;
}

fn narrowed<ST>(query: Query<ST>, reader: &Reader, filter: &ContactFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.stage, contacts::stage);
    query = narrow_any!(query, filter.status, contacts::status);
    query = narrow_any!(query, filter.source, contacts::source);
    query = narrow_text!(query, filter.email, contacts::email);
    query = narrow_text!(query, filter.city, contacts::city);
    query = narrow_id!(query, filter.company_id, contacts::company_id);
    query = narrow_id!(query, filter.owner_id, contacts::owner_id);
    query = narrow_instant!(query, filter.created_at, contacts::created_at);
    query = narrow_instant!(query, filter.updated_at, contacts::updated_at);
    if let Some(tag) = &filter.tag {
        query = query.filter(contacts::tags.contains(vec![Some(tag.to_lowercase())]));
    }
    if let Some(words) = &filter.search {
        let matches = diesel::select(contact_search(reader.organization(), words.clone(), MOST_MATCHES));
        query = query.filter(contacts::id.eq_any(matches));
    }
    query
}

#[cfg(test)]
mod tests {
    use diesel::debug_query;
    use diesel::pg::Pg;
    use uuid::Uuid;

    use super::*;
    use crate::platform::postgres::Needs;

    #[test]
    fn a_row_by_its_id_is_asked_for_in_the_words_of_the_query_and_by_values_of_its_own() {
        let (needs, fields) = (Needs::default(), ["name".to_owned(), "email".to_owned()]);
        let query = |organization: Uuid, id: Uuid| {
            let columns = needs.of::<Contact>(Some(&fields)).columns::<Contact>(&[]);
            contacts::table.select(columns).filter(contacts::organization_id.eq(organization)).filter(contacts::id.eq(id))
        };
        for (organization, id) in [(1, 2), (3, 4)].map(|(organization, id)| (Uuid::from_u128(organization), Uuid::from_u128(id))) {
            let one = needs.of::<Contact>(Some(&fields)).one_row(|| query(organization, id), organization, id).unwrap();
            let (one, whole) = (debug_query::<Pg, _>(&one).to_string(), debug_query::<Pg, _>(&query(organization, id)).to_string());
            assert_eq!(one, whole);
            assert!(one.contains(r#""contacts"."organization_id" = $1"#) && one.contains(&organization.to_string()), "{one}");
        }
    }
}
