//! The query fields of companies.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::features::companies::model::CompanyId;
use crate::features::companies::object::{Company, CompanyConnection};
use crate::features::companies::queries::{CompanyFilter, CompanyOrder};
use crate::features::lists;

/// The query fields of companies.
#[derive(Default)]
pub struct Roots;

#[Object(name = "CompanyRoots")]
impl Roots {
    /// One company; null when there is no such company in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesRead)")]
    async fn company(&self, ctx: &Context<'_>, #[graphql(desc = "The company's identifier.")] id: CompanyId) -> Result<Option<Written<Company>>> {
        Company::load(ctx, id.uuid()).await
    }

    /// The organization's companies, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn companies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<CompanyFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<CompanyOrder>,
    ) -> Result<Option<CompanyConnection>> {
        lists::all(ctx, &PageArgs { first, after, last, before }, filter, order_by).await
    }
}
