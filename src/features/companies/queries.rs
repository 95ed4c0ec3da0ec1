//! Every statement about companies. Each names its organization; row level security stands behind it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::Reader;
use crate::base::Result;
use crate::base::filter::{DateTimeFilter, StringFilter, check_strings};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::{Company, CompanyChanges, NewCompany};
use crate::features::lists::Filter;
use crate::schema::companies;
use crate::{lists, narrow_id, narrow_instant, narrow_text, stored};

stored! {
    companies of Company, NewCompany, CompanyChanges;
    Taken("companies_gstin", "gstin", "Another company has this GSTIN."),
    Missing("companies_organization_id_owner_id_fkey", "ownerId", "member"),
}

lists! {
    companies of Company, narrowed by CompanyFilter, usually CreatedAt Desc;

    /// How to order companies.
    pub struct CompanyOrder;

    /// What companies can be ordered by.
    pub enum CompanyOrderField {
        /// When they were created.
        CreatedAt = created_at: DateTime<Utc>,
        /// When they were last changed.
        UpdatedAt = updated_at: DateTime<Utc>,
        /// Their name, letter by letter.
        Name = name: String,
    }
}

/// Narrows a list of companies; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct CompanyFilter {
    /// By GSTIN, in capital letters.
    pub gstin: Option<StringFilter>,
    /// By the two-digit GST code of the state.
    pub state_code: Option<StringFilter>,
    /// By line of business.
    pub industry: Option<StringFilter>,
    /// By e-mail address.
    pub email: Option<StringFilter>,
    /// Only those that this member looks after.
    pub owner_id: Option<UserId>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
    /// By the instant of the last change.
    pub updated_at: Option<DateTimeFilter>,
}

impl Filter for CompanyFilter {
    fn check(&self) -> Result<()> {
        check_strings(&[
            ("filter.gstin", &self.gstin),
            ("filter.stateCode", &self.state_code),
            ("filter.industry", &self.industry),
            ("filter.email", &self.email),
        ])
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &CompanyFilter) -> Query<ST> {
    let mut query = narrow_text!(query, filter.gstin, companies::gstin);
    query = narrow_text!(query, filter.state_code, companies::state_code);
    query = narrow_text!(query, filter.industry, companies::industry);
    query = narrow_text!(query, filter.email, companies::email);
    query = narrow_id!(query, filter.owner_id, companies::owner_id);
    query = narrow_instant!(query, filter.created_at, companies::created_at);
    narrow_instant!(query, filter.updated_at, companies::updated_at)
}
