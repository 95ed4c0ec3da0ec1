//! What the schema shows of an activity.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::scalars::DateTime;
use crate::features::accounts::object::User;
use crate::features::activities::model::{self, ActivityId, ActivityKind};
use crate::features::activities::queries::ActivityOrderField;
use crate::features::contacts::object::Contact;
use crate::features::deals::object::Deal;
use crate::object;

object! {
    /// An entry of the timeline: a call, a message, a meeting or a note.
    Activity of model::Activity, ordered by ActivityOrderField, seen with ActivitiesRead;
    /// A page of activities.
    ActivityConnection;
    plain id, kind, subject, body, occurred_at, duration_minutes, created_at, updated_at, version
}

/// An entry of the timeline: a call, a message, a meeting or a note.
#[Object(guard = "Can(Permission::ActivitiesRead)")]
impl Activity {
    /// The identifier.
    pub async fn id(&self) -> ActivityId {
        ActivityId::new(self.0.id)
    }

    /// What passed.
    async fn kind(&self) -> Result<ActivityKind> {
        self.0.kind.value()
    }

    /// What it was about, in a line.
    async fn subject(&self) -> Result<&str> {
        self.0.subject.text()
    }

    /// What it was about, at length; null when there is no more than the subject.
    async fn body(&self) -> Result<Option<&str>> {
        self.0.body.text()
    }

    /// When it took place.
    async fn occurred_at(&self) -> Result<DateTime> {
        self.0.occurred_at.value().map(DateTime)
    }

    /// How long it took, in minutes; null when that was not said.
    async fn duration_minutes(&self) -> Result<Option<i32>> {
        self.0.duration_minutes.value()
    }

    /// The contact it was with; null when it is about a deal alone. Null when it fails; the errors say why.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Written<Contact>>> {
        Contact::load_if(ctx, self.0.contact_id.value()?).await
    }

    /// The deal it belongs to; null when it belongs to none. Null when it fails; the errors say why.
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Written<Deal>>> {
        Deal::load_if(ctx, self.0.deal_id.value()?).await
    }

    /// The member who wrote it down; null when no person did. Null when it fails; the errors say why.
    async fn author(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.author_id.value()?).await
    }

    /// When the entry was written down.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the entry was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
