//! What is told of the timeline as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::activities::model::ActivityId;
use crate::features::activities::object::Activity;
use crate::features::activities::queries::ActivityFilter;
use crate::features::told;
use crate::told;

told!("an activity", "activity": Activity; ActivityChange { activity_id: ActivityId, activity });

/// What is told of activities.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "ActivitySubscriptions")]
impl Subscriptions {
    /// Each change of an activity that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesRead)")]
    async fn activity_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only activities that are like this after the change; what was deleted is told of all.")] filter: Option<ActivityFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<ActivityChange>>> {
        ActivityChange::of(ctx, told::of_list::<Activity>(ctx, filter, since).await?)
    }
}
