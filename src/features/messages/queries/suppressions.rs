//! The statements about addresses that nothing more is sent to.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::base::filter::{DateTimeFilter, StringFilter, check_strings};
use crate::features::lists::Filter;
use crate::features::messages::model::{MessageChannel, NewSuppression, Suppression, SuppressionChanges, SuppressionReason};
use crate::features::messages::queries::MessageChannelFilter;
use crate::schema::suppressions;
use crate::{lists, narrow_any, narrow_instant, narrow_text, operators, stored};

stored! {
    suppressions of Suppression, NewSuppression, SuppressionChanges;
    Taken("suppressions_organization_id_channel_address_reason_key", "address", "This address is suppressed already."),
}

lists! {
    suppressions of Suppression, narrowed by SuppressionFilter, usually CreatedAt Desc;

    /// How to order suppressions.
    pub struct SuppressionOrder;

    /// What suppressions can be ordered by.
    pub enum SuppressionOrderField {
        /// When they were written.
        CreatedAt = created_at: DateTime<Utc>,
    }
}

operators!(
    /// Compares a reason.
    SuppressionReasonFilter,
    SuppressionReason
);

/// Narrows a list of suppressions; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct SuppressionFilter {
    /// By channel.
    pub channel: Option<MessageChannelFilter>,
    /// By reason.
    pub reason: Option<SuppressionReasonFilter>,
    /// By the e-mail address or number, as it is stored.
    pub address: Option<StringFilter>,
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
}

impl Filter for SuppressionFilter {
    fn check(&self) -> Result<()> {
        check_strings(&[("filter.address", &self.address)])
    }
}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &SuppressionFilter) -> Query<ST> {
    let mut query = narrow_any!(query, filter.channel, suppressions::channel);
    query = narrow_any!(query, filter.reason, suppressions::reason);
    query = narrow_text!(query, filter.address, suppressions::address);
    narrow_instant!(query, filter.created_at, suppressions::created_at)
}

/// Why an address is suppressed; nothing when it is not.
///
/// # Errors
/// As the database fails.
pub async fn reasons(act: &Act, channel: MessageChannel, address: &str) -> Result<Vec<SuppressionReason>> {
    let query = suppressions::table.select(suppressions::reason).filter(suppressions::organization_id.eq(act.organization()));
    let query = query.filter(suppressions::channel.eq(channel)).filter(suppressions::address.eq(address.to_owned()));
    act.db.load(query.order(suppressions::reason)).await
}

/// Stores a suppression, unless there is one of this address for this reason.
///
/// # Errors
/// As the database fails.
pub async fn add(act: &Act, new: NewSuppression) -> Result<Option<Suppression>> {
    act.db.first(diesel::insert_into(suppressions::table).values(new).on_conflict_do_nothing().returning(Suppression::as_returning())).await
}
