//! The query field of the dashboard.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::dashboard::object::Dashboard;
use crate::features::dashboard::period::DashboardPeriod;

/// The query field of the dashboard.
#[derive(Default)]
pub struct Roots;

/// The query field of the dashboard.
#[Object(name = "DashboardRoots")]
impl Roots {
    /// What the organization's business comes to. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::DashboardRead)")]
    async fn dashboard(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The days to look at, for what is counted over time; the rest is as it stands now.",
            default_with = "DashboardPeriod::ThisFinancialYear"
        )]
        period: DashboardPeriod,
    ) -> Result<Option<Written<Dashboard>>> {
        let reads = Operation::of(ctx)?.reads()?;
        let today = reads.reader.now.with_timezone(&reads.reader.scope.time_zone).date_naive();
        Ok(Some(Written(Dashboard { span: period.span(today) })))
    }
}
