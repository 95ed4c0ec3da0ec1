//! What the schema shows of a company.

use async_graphql::{Context, Object};

use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Can, NodeObject, Permission};
use crate::base::directives::cost;
use crate::base::page::PageArgs;
use crate::base::scalars::DateTime;
use crate::base::{Result, state};
use crate::features::accounts::object::User;
use crate::features::companies::model::{self, CompanyId};
use crate::features::companies::queries::CompanyOrderField;
use crate::features::contacts::object::ContactConnection;
use crate::features::contacts::queries::{ContactFilter, ContactOrder, ContactParent};
use crate::features::deals::object::DealConnection;
use crate::features::deals::queries::{DealFilter, DealOrder, DealParent};
use crate::features::lists;
use crate::object;
use crate::plain;

object! {
    /// A business that contacts work for.
    Company of model::Company, ordered by CompanyOrderField, seen with CompaniesRead;
    /// A page of companies.
    CompanyConnection;
    plain id, name, gstin, state_code, state, industry, email, phone, website, addresses, notes, created_at, updated_at, version
}

/// A business that contacts work for.
#[Object(guard = "Can(Permission::CompaniesRead)")]
impl Company {
    /// The identifier.
    pub async fn id(&self) -> CompanyId {
        CompanyId::new(self.0.id)
    }

    /// The name.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// The GSTIN, verified; null when none is known. No two companies of an organization share one.
    async fn gstin(&self) -> Result<Option<&str>> {
        self.0.gstin.text()
    }

    /// The two-digit GST code of the state; null when it is not known. It is that of the GSTIN, where there is one.
    async fn state_code(&self) -> Result<Option<&str>> {
        self.0.state_code.text()
    }

    /// The name of the state; null when it is not known.
    async fn state(&self) -> Result<Option<&str>> {
        Ok(self.0.state_code.text()?.and_then(state::name))
    }

    /// The line of business; null when it is not known.
    async fn industry(&self) -> Result<Option<&str>> {
        self.0.industry.text()
    }

    /// The e-mail address, in lower case; null when none is known.
    async fn email(&self) -> Result<Option<&str>> {
        self.0.email.text()
    }

    /// The telephone number in E.164, such as `+912066012345`; null when none is known.
    async fn phone(&self) -> Result<Option<&str>> {
        self.0.phone.text()
    }

    /// The address on the web; null when none is known.
    async fn website(&self) -> Result<Option<&str>> {
        self.0.website.text()
    }

    /// The postal addresses, in the order they were given.
    async fn addresses(&self) -> Result<WrittenList<Vec<Address<'_>>>> {
        Ok(self.0.addresses.get()?.0.iter().map(Address).collect())
    }

    /// Free text; null when there is none.
    async fn notes(&self) -> Result<Option<&str>> {
        self.0.notes.text()
    }

    /// The member who looks after the company; null when nobody does. Null when it fails; the errors say why.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.owner_id.value()?).await
    }

    /// The contacts who work for the company, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<ContactFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<ContactOrder>,
    ) -> Result<Option<ContactConnection>> {
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (ContactParent::Company, self.0.id), &page, filter, order_by).await
    }

    /// The deals with the company, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<DealFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<DealOrder>,
    ) -> Result<Option<DealConnection>> {
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (DealParent::Company, self.0.id), &page, filter, order_by).await
    }

    /// When the company was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the company was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}

/// A postal address.
pub struct Address<'a>(&'a model::Address);

impl Writable for Address<'_> {
    plain!(label, line1, line2, city, state_code, state, pin, country);
}

/// A postal address.
#[Object(guard = "Can(Permission::CompaniesRead)", directive = cost::apply("0".into()))]
impl Address<'_> {
    /// What the address is for, such as `Billing`; null when that was not said.
    async fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// House and street.
    async fn line1(&self) -> &str {
        &self.0.line1
    }

    /// Area or landmark; null when there is none.
    async fn line2(&self) -> Option<&str> {
        self.0.line2.as_deref()
    }

    /// The town or city.
    async fn city(&self) -> &str {
        &self.0.city
    }

    /// The two-digit GST code of the state; null when it is not known or outside India.
    async fn state_code(&self) -> Option<&str> {
        self.0.state_code.as_deref()
    }

    /// The name of the state; null when it is not known or outside India.
    async fn state(&self) -> Option<&str> {
        self.0.state_code.as_deref().and_then(state::name)
    }

    /// The postal code, in India the six-digit PIN; null when it is not known.
    async fn pin(&self) -> Option<&str> {
        self.0.pin.as_deref()
    }

    /// The country's two letters, ISO 3166-1.
    async fn country(&self) -> &str {
        &self.0.country
    }
}
