//! The query fields of activities.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::activities::model::ActivityId;
use crate::features::activities::object::{Activity, ActivityConnection};
use crate::features::activities::queries::{ActivityFilter, ActivityOrder};
use crate::features::lists;

/// The query fields of activities.
#[derive(Default)]
pub struct Roots;

#[Object(name = "ActivityRoots")]
impl Roots {
    /// One activity; null when there is no such activity in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesRead)")]
    async fn activity(&self, ctx: &Context<'_>, #[graphql(desc = "The activity's identifier.")] id: ActivityId) -> Result<Option<Written<Activity>>> {
        Activity::load(ctx, id.uuid()).await
    }

    /// The organization's activities, those that took place last first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ActivitiesRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn activities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<ActivityFilter>,
        #[graphql(desc = "The ordering; what took place last comes first when left out.")] order_by: Option<ActivityOrder>,
    ) -> Result<Option<ActivityConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
