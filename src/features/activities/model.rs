//! The rows of activities.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::base::{Id, Noun};
use crate::platform::postgres::{Col, ReadShape};
use crate::schema::activities;
use crate::text_enum;

text_enum! {
    /// What passed.
    pub enum ActivityKind {
        /// A telephone call.
        Call = "CALL",
        /// An e-mail message.
        Email = "EMAIL",
        /// A meeting.
        Meeting = "MEETING",
        /// Something to remember.
        Note = "NOTE",
        /// A text message.
        Sms = "SMS",
    }
}

/// The identifier of an activity.
pub type ActivityId = Id<Activity>;

/// An activity as it is read; what the operation does not select is left out.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = activities, check_for_backend(diesel::pg::Pg))]
pub struct Activity {
    /// The row's id.
    pub id: Uuid,
    /// What passed.
    pub kind: Col<ActivityKind>,
    /// What it was about, in a line.
    pub subject: Col<String>,
    /// What it was about, at length.
    pub body: Col<Option<String>>,
    /// When it took place.
    pub occurred_at: Col<DateTime<Utc>>,
    /// How long it took, in minutes.
    pub duration_minutes: Col<Option<i32>>,
    /// The contact it was with.
    pub contact_id: Col<Option<Uuid>>,
    /// The deal it was about.
    pub deal_id: Col<Option<Uuid>>,
    /// The member who wrote it down.
    pub author_id: Col<Option<Uuid>>,
    /// When the row was created.
    pub created_at: Col<DateTime<Utc>>,
    /// When the row was last changed.
    pub updated_at: Col<DateTime<Utc>>,
    /// Counts the changes.
    pub version: Col<i32>,
}

impl Noun for Activity {
    const PREFIX: &'static str = "activity";
}

impl ReadShape for Activity {
    const TYPE: &'static str = "Activity";
    const ALWAYS: &'static [&'static str] = &["id"];
    const NEEDS: &'static [(&'static str, &'static [&'static str])] =
        &[("contact", &["contact_id"]), ("deal", &["deal_id"]), ("author", &["author_id"])];
}

/// An activity to be created.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = activities)]
pub struct NewActivity {
    /// The tenant.
    pub organization_id: Uuid,
    /// The row's id.
    pub id: Uuid,
    /// What passed.
    pub kind: ActivityKind,
    /// What it was about, in a line.
    pub subject: String,
    /// What it was about, at length.
    pub body: Option<String>,
    /// When it took place.
    pub occurred_at: DateTime<Utc>,
    /// How long it took, in minutes.
    pub duration_minutes: Option<i32>,
    /// The contact it was with.
    pub contact_id: Option<Uuid>,
    /// The deal it was about.
    pub deal_id: Option<Uuid>,
    /// The member who wrote it down.
    pub author_id: Option<Uuid>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What changes of an activity: `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq, AsChangeset)]
#[diesel(table_name = activities)]
pub struct ActivityChanges {
    /// What passed.
    pub kind: Option<ActivityKind>,
    /// What it was about, in a line.
    pub subject: Option<String>,
    /// What it was about, at length.
    pub body: Option<Option<String>>,
    /// When it took place.
    pub occurred_at: Option<DateTime<Utc>>,
    /// How long it took, in minutes.
    pub duration_minutes: Option<Option<i32>>,
    /// The contact it was with.
    pub contact_id: Option<Option<Uuid>>,
    /// The deal it was about.
    pub deal_id: Option<Option<Uuid>>,
}
