//! What is told of companies as it happens.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Permission};
use crate::base::Result;
use crate::features::companies::model::CompanyId;
use crate::features::companies::object::Company;
use crate::features::companies::queries::CompanyFilter;
use crate::features::told;
use crate::told;

told!("a company", "company": Company; CompanyChange { company_id: CompanyId, company });

/// What is told of companies.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "CompanySubscriptions")]
impl Subscriptions {
    /// Each change of a company that was committed. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesRead)")]
    async fn company_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only companies that are like this after the change; what was deleted is told of all.")] filter: Option<CompanyFilter>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<CompanyChange>>> {
        CompanyChange::of(ctx, told::of_list::<Company>(ctx, filter, since).await?)
    }
}
