//! Every statement about activities. Each names its organization; row level security stands behind it.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::Reader;
use crate::base::filter::DateTimeFilter;
use crate::features::accounts::model::UserId;
use crate::features::activities::model::{Activity, ActivityChanges, ActivityKind, NewActivity};
use crate::features::contacts::model::ContactId;
use crate::features::deals::model::DealId;
use crate::features::lists::Filter;
use crate::schema::activities;
use crate::{lists, narrow_any, narrow_id, narrow_instant, operators, stored};

stored! {
    activities of Activity, NewActivity, ActivityChanges;
    Missing("activities_organization_id_contact_id_fkey", "contactId", "contact"),
    Missing("activities_organization_id_deal_id_fkey", "dealId", "deal"),
}

lists! {
    activities of Activity, narrowed by ActivityFilter, usually OccurredAt Desc;

    /// How to order activities.
    pub struct ActivityOrder;

    /// What activities can be ordered by.
    pub enum ActivityOrderField {
        /// When they took place.
        OccurredAt = occurred_at: DateTime<Utc>,
        /// When they were written down.
        CreatedAt = created_at: DateTime<Utc>,
    }

    /// Whose activities a list holds.
    pub enum ActivityParent {
        /// Those with a contact.
        Contact = contact_id,
        /// Those about a deal.
        Deal = deal_id,
    }
}

operators!(
    /// Compares a kind.
    ActivityKindFilter,
    ActivityKind
);

/// Narrows a list of activities; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct ActivityFilter {
    /// By kind.
    pub kind: Option<ActivityKindFilter>,
    /// Only those with this contact.
    pub contact_id: Option<ContactId>,
    /// Only those about this deal.
    pub deal_id: Option<DealId>,
    /// Only those that this member wrote down.
    pub author_id: Option<UserId>,
    /// By when they took place.
    pub occurred_at: Option<DateTimeFilter>,
}

impl Filter for ActivityFilter {}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &ActivityFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.kind, activities::kind);
    query = narrow_id!(query, filter.contact_id, activities::contact_id);
    query = narrow_id!(query, filter.deal_id, activities::deal_id);
    query = narrow_id!(query, filter.author_id, activities::author_id);
    narrow_instant!(query, filter.occurred_at, activities::occurred_at)
}
