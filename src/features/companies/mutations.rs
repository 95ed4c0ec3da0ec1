//! The mutations of companies.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, Operation, Permission};
use crate::base::Result;
use crate::features::companies::actions::{
    self, CompanyBulkDeleteInput, CompanyBulkUpdateInput, CompanyCreateInput, CompanyDeleteInput, CompanyUpdateInput,
};
use crate::features::companies::model::CompanyId;
use crate::features::companies::object::Company;
use crate::features::rows;
use crate::payloads;

payloads! {
    "company", "companies": Company, CompanyId;
    CompanyCreatePayload { company }, CompanyUpdatePayload { company }, CompanyBulkUpdatePayload { companies }, CompanyDeletePayload
}

/// The mutations of companies.
#[derive(Default)]
pub struct Mutations;

#[Object(name = "CompanyMutations")]
impl Mutations {
    /// Creates a company. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesWrite)")]
    async fn company_create(&self, ctx: &Context<'_>, #[graphql(desc = "The company.")] input: CompanyCreateInput) -> Result<Option<Written<CompanyCreatePayload>>> {
        CompanyCreatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::create(&act, input).await }).await)
    }

    /// Changes a company. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesWrite)")]
    async fn company_update(&self, ctx: &Context<'_>, #[graphql(desc = "The change.")] input: CompanyUpdateInput) -> Result<Option<Written<CompanyUpdatePayload>>> {
        CompanyUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::update(&act, input).await }).await)
    }

    /// Changes up to 100 companies alike: all of them, or none when one is not there. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesWrite)")]
    async fn company_bulk_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which companies, and what changes.")] input: CompanyBulkUpdateInput,
    ) -> Result<Option<Written<CompanyBulkUpdatePayload>>> {
        CompanyBulkUpdatePayload::of(Operation::of(ctx)?.write(|act| async move { actions::bulk_update(&act, input).await }).await)
    }

    /// Deletes a company. Its contacts and deals stay, without a company. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesWrite)")]
    async fn company_delete(&self, ctx: &Context<'_>, #[graphql(desc = "Which company.")] input: CompanyDeleteInput) -> Result<Option<Written<CompanyDeletePayload>>> {
        CompanyDeletePayload::of(Operation::of(ctx)?.write(move |act| async move { rows::delete(&act, input.id).await }).await)
    }

    /// Deletes up to 100 companies: all of them, or none when one is not there. Their contacts and deals stay, without a company. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::CompaniesWrite)")]
    async fn company_bulk_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which companies.")] input: CompanyBulkDeleteInput,
    ) -> Result<Option<Written<CompanyDeletePayload>>> {
        CompanyDeletePayload::of(Operation::of(ctx)?.write(|act| async move { rows::delete_all(&act, &input.ids).await }).await)
    }
}
