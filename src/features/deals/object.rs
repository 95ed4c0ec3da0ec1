//! What the schema shows of a deal.

use std::sync::Arc;

use async_graphql::{Context, Object};

use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::page::at_most;
use crate::base::money::Money;
use crate::base::page::PageArgs;
use crate::base::scalars::{Date, DateTime};
use crate::base::Result;
use crate::features::accounts::object::User;
use crate::features::activities::object::ActivityConnection;
use crate::features::activities::queries::{ActivityFilter, ActivityOrder, ActivityParent};
use crate::features::companies::object::Company;
use crate::features::contacts::object::Contact;
use crate::features::deals::loaders::MovesByDeal;
use crate::features::deals::model::{self, DealId, DealStatus};
use crate::features::deals::queries::DealOrderField;
use crate::features::deals::rules;
use crate::features::lists;
use crate::features::pipelines::object::{Pipeline, PipelineStage};
use crate::features::tasks::object::TaskConnection;
use crate::features::tasks::queries::{TaskFilter, TaskOrder, TaskParent};
use crate::object;
use crate::plain;

object! {
    /// Something the business hopes to sell.
    Deal of model::Deal, ordered by DealOrderField, seen with DealsRead;
    /// A page of deals.
    DealConnection;
    plain id, title, status, value, weighted_value, probability, expected_close, closed_at, closed_reason, notes, created_at, updated_at, version
}

/// Something the business hopes to sell.
#[Object(guard = "Can(Permission::DealsRead)")]
impl Deal {
    /// The identifier.
    pub async fn id(&self) -> DealId {
        DealId::new(self.0.id)
    }

    /// What the deal is about.
    async fn title(&self) -> Result<&str> {
        self.0.title.text()
    }

    /// The pipeline it goes through. Null when it fails; the errors say why.
    async fn pipeline(&self, ctx: &Context<'_>) -> Result<Option<Written<Pipeline>>> {
        Pipeline::required(ctx, self.0.pipeline_id.value()?).await.map(Some)
    }

    /// The stage it stands in. Null when it fails; the errors say why.
    async fn stage(&self, ctx: &Context<'_>) -> Result<Option<Written<PipelineStage>>> {
        PipelineStage::required(ctx, self.0.stage_id.value()?).await.map(Some)
    }

    /// How it stands. It follows from the stage.
    async fn status(&self) -> Result<DealStatus> {
        self.0.status.value()
    }

    /// With whom; null when that is not known. Null when it fails; the errors say why.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Written<Contact>>> {
        Contact::load_if(ctx, self.0.contact_id.value()?).await
    }

    /// With which company; null when that is not known. Null when it fails; the errors say why.
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<Written<Company>>> {
        Company::load_if(ctx, self.0.company_id.value()?).await
    }

    /// The member who looks after it; null when nobody does. Null when it fails; the errors say why.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.owner_id.value()?).await
    }

    /// What it is worth.
    async fn value(&self) -> Result<Written<Money>> {
        self.money(self.0.value_minor.value()?)
    }

    /// What it is worth by its chances: the value times the probability, rounded half up to the currency's minor unit.
    async fn weighted_value(&self) -> Result<Written<Money>> {
        self.money(rules::weighted(self.0.value_minor.value()?, self.0.probability.value()?))
    }

    /// How likely it is won, in percent: that of the stage unless it was set for this deal. A won deal has 100, a lost one 0.
    async fn probability(&self) -> Result<i32> {
        self.0.probability.value()
    }

    /// The day by which it should be closed; null when none was set.
    async fn expected_close(&self) -> Result<Option<Date>> {
        Ok(self.0.expected_close.value()?.map(Date))
    }

    /// When it was won or lost; null while it is open.
    async fn closed_at(&self) -> Result<Option<DateTime>> {
        Ok(self.0.closed_at.value()?.map(DateTime))
    }

    /// Why it was won or lost; null while it is open, and when a won deal has no reason.
    async fn closed_reason(&self) -> Result<Option<&str>> {
        self.0.closed_reason.text()
    }

    /// Free text; null when there is none.
    async fn notes(&self) -> Result<Option<&str>> {
        self.0.notes.text()
    }

    /// The way from stage to stage, newest first. Null when it fails; the errors say why.
    async fn stage_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many moves: 0 to 100.", default = 10)] first: i32,
    ) -> Result<Option<WrittenList<Vec<DealStageChange>>>> {
        let moves = Operation::of(ctx)?.reads()?.load::<MovesByDeal>((self.0.id, at_most(first)?)).await?;
        Ok(Some(moves.unwrap_or_default().into_iter().map(DealStageChange).collect()))
    }

    /// The tasks about the deal, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<TaskFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<TaskOrder>,
    ) -> Result<Option<TaskConnection>> {
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (TaskParent::Deal, self.0.id), &page, filter, order_by).await
    }

    /// The timeline of the deal, what took place last first unless ordered otherwise. Null when it fails; the errors say why.
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
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (ActivityParent::Deal, self.0.id), &page, filter, order_by).await
    }

    /// When the deal was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the deal was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

impl Deal {
    fn money(&self, minor: i64) -> Result<Written<Money>> {
        Ok(Written(Money::from_minor(minor, self.0.currency.value()?.known()?)))
    }
}

/// A move of a deal into a stage.
#[derive(Clone)]
pub struct DealStageChange(pub Arc<model::DealStageChange>);

impl Writable for DealStageChange {
    plain!(at);
}

/// A move of a deal into a stage.
#[Object(guard = "Can(Permission::DealsRead)")]
impl DealStageChange {
    /// The stage that the deal stood in; null when it was created. Null when it fails; the errors say why.
    async fn from(&self, ctx: &Context<'_>) -> Result<Option<Written<PipelineStage>>> {
        match self.0.from_stage_id.value()? {
            Some(id) => PipelineStage::required(ctx, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The stage that it went to. Null when it fails; the errors say why.
    async fn to(&self, ctx: &Context<'_>) -> Result<Option<Written<PipelineStage>>> {
        PipelineStage::required(ctx, self.0.to_stage_id.value()?).await.map(Some)
    }

    /// When it happened.
    async fn at(&self) -> Result<DateTime> {
        self.0.at.value().map(DateTime)
    }

    /// Who moved it; null when no person did. Null when it fails; the errors say why.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.actor_id.value()?).await
    }
}
