//! What the schema shows of a deal.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::{Can, ListKey, NodeObject, Operation, Permission};
use crate::base::money::{Currency, Money};
use crate::base::page::PageArgs;
use crate::base::scalars::{Date, DateTime};
use crate::base::{Error, Result};
use crate::features::accounts::object::User;
use crate::features::contacts::object::Contact;
use crate::features::deals::loaders::{DealById, DealCountByParent, DealParent, DealsByParent, DealsOf, MovesByDeal};
use crate::features::deals::model::{self, DealId, DealStatus};
use crate::features::deals::queries::{DealList, DealOrderField};
use crate::features::deals::rules;
use crate::features::pipelines::object::{Pipeline, PipelineStage};

pub use crate::features::deals::queries::{DealFilter, DealOrder};

/// Something the business hopes to sell.
#[derive(Clone)]
pub struct Deal(pub Arc<model::Deal>);

/// A page of deals.
pub type DealConnection = Connection<Deal>;

/// The page of deals that belong to one parent, read together with those of its siblings.
///
/// # Errors
/// `VALIDATION_ERROR` for arguments that do not pass their check; otherwise as the database fails.
pub async fn of_parent(
    ctx: &Context<'_>,
    parent: DealParent,
    id: Uuid,
    page: &PageArgs,
    filter: Option<DealFilter>,
    order: Option<DealOrder>,
) -> Result<DealConnection> {
    let args = Arc::new(DealsOf { parent, list: DealList::new(page, filter, order)? });
    let reads = Operation::of(ctx)?.reads()?;
    let key = ListKey { parent: id, args: Arc::clone(&args) };
    let counted = async {
        if ctx.look_ahead().field("totalCount").exists() { reads.load::<DealCountByParent>(key.clone()).await } else { Ok(None) }
    };
    let (page, total) = futures_util::try_join!(reads.load::<DealsByParent>(key.clone()), counted)?;
    let page = page.ok_or_else(|| Error::internal("a parent was left without its page"))?;
    Ok(Connection::new(&args.list.window, page, total))
}

impl From<Arc<model::Deal>> for Deal {
    fn from(row: Arc<model::Deal>) -> Self {
        Self(row)
    }
}

impl From<model::Deal> for Deal {
    fn from(row: model::Deal) -> Self {
        Self(Arc::new(row))
    }
}

impl Listed for Deal {
    const NAME: &'static str = "Deal";
    type Order = DealOrderField;
    type Row = model::Deal;

    fn row(&self) -> &model::Deal {
        &self.0
    }
}

impl NodeObject for Deal {
    type Row = model::Deal;
    const READ: Permission = Permission::DealsRead;

    async fn load(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<DealById>(id).await?.map(Self))
    }
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

    /// The pipeline it goes through.
    async fn pipeline(&self, ctx: &Context<'_>) -> Result<Pipeline> {
        let pipeline = Pipeline::load(ctx, self.0.pipeline_id.value()?).await?;
        pipeline.ok_or_else(|| Error::internal("a deal's pipeline is not there"))
    }

    /// The stage it stands in.
    async fn stage(&self, ctx: &Context<'_>) -> Result<PipelineStage> {
        PipelineStage::required(ctx, self.0.stage_id.value()?).await
    }

    /// How it stands. It follows from the stage.
    async fn status(&self) -> Result<DealStatus> {
        self.0.status.value()
    }

    /// With whom; null when that is not known.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Option<Contact>> {
        match self.0.contact_id.value()? {
            Some(id) => Contact::load(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The member who looks after it; null when nobody does.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.0.owner_id.value()? {
            Some(id) => User::load(ctx, id).await,
            None => Ok(None),
        }
    }

    /// What it is worth.
    async fn value(&self) -> Result<Money> {
        self.money(self.0.value_minor.value()?)
    }

    /// What it is worth by its chances: the value times the probability, rounded half up to the currency's minor unit.
    async fn weighted_value(&self) -> Result<Money> {
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

    /// The way from stage to stage, newest first: the newest 100 moves.
    async fn stage_history(&self, ctx: &Context<'_>) -> Result<Vec<DealStageChange>> {
        let moves = Operation::of(ctx)?.reads()?.load::<MovesByDeal>(self.0.id).await?;
        Ok(moves.unwrap_or_default().into_iter().map(DealStageChange).collect())
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
    fn money(&self, minor: i64) -> Result<Money> {
        Ok(Money::from_minor(minor, Currency::from_code(self.0.currency.text()?)?))
    }
}

/// A move of a deal into a stage.
#[derive(Clone)]
pub struct DealStageChange(pub Arc<model::DealStageChange>);

/// A move of a deal into a stage.
#[Object(guard = "Can(Permission::DealsRead)")]
impl DealStageChange {
    /// The stage that the deal stood in; null when it was created.
    async fn from(&self, ctx: &Context<'_>) -> Result<Option<PipelineStage>> {
        match self.0.from_stage_id.value()? {
            Some(id) => PipelineStage::required(ctx, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The stage that it went to.
    async fn to(&self, ctx: &Context<'_>) -> Result<PipelineStage> {
        PipelineStage::required(ctx, self.0.to_stage_id.value()?).await
    }

    /// When.
    async fn at(&self) -> Result<DateTime> {
        self.0.at.value().map(DateTime)
    }

    /// Who moved it; null when no person did.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.0.actor_id.value()? {
            Some(id) => User::load(ctx, id).await,
            None => Ok(None),
        }
    }
}
