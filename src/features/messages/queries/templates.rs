//! The statements about SMS templates.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::access::{Act, Reader};
use crate::base::Result;
use crate::base::filter::DateTimeFilter;
use crate::features::lists::Filter;
use crate::features::messages::model::templates::{NewSmsTemplate, SmsTemplate, SmsTemplateChanges};
use crate::schema::sms_templates;
use crate::{lists, narrow_instant, stored};

stored! {
    sms_templates of SmsTemplate, NewSmsTemplate, SmsTemplateChanges;
    Taken("sms_templates_organization_id_name_key", "name", "Another SMS template has this name."),
}

lists! {
    sms_templates of SmsTemplate, narrowed by SmsTemplateFilter, usually Name Asc;

    /// How to order SMS templates.
    pub struct SmsTemplateOrder;

    /// What SMS templates can be ordered by.
    pub enum SmsTemplateOrderField {
        /// Their name, letter by letter.
        Name = name: String,
        /// When they were created.
        CreatedAt = created_at: DateTime<Utc>,
    }
}

/// Narrows a list of SMS templates; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, InputObject)]
pub struct SmsTemplateFilter {
    /// By the instant of creation.
    pub created_at: Option<DateTimeFilter>,
}

impl Filter for SmsTemplateFilter {}

fn narrowed<ST>(query: Query<ST>, _: &Reader, filter: &SmsTemplateFilter) -> Query<ST> {
    narrow_instant!(query, filter.created_at, sms_templates::created_at)
}

/// The SMS template of an id, whole, held so that it cannot be deleted meanwhile.
///
/// # Errors
/// As the database fails.
pub async fn hold(act: &Act, id: Uuid) -> Result<Option<SmsTemplate>> {
    let query = sms_templates::table.select(SmsTemplate::as_select()).filter(sms_templates::organization_id.eq(act.organization()));
    act.db.first(query.filter(sms_templates::id.eq(id)).for_key_share()).await
}
