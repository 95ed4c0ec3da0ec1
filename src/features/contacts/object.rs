//! What the schema shows of a contact.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::base::scalars::DateTime;
use crate::base::state;
use crate::features::accounts::object::User;
use crate::features::activities::object::ActivityConnection;
use crate::features::activities::queries::{ActivityFilter, ActivityOrder, ActivityParent};
use crate::features::companies::object::Company;
use crate::features::contacts::model::{self, ContactId, ContactSource, ContactStage, ContactStatus};
use crate::features::contacts::queries::ContactOrderField;
use crate::features::deals::object::DealConnection;
use crate::features::deals::queries::{DealFilter, DealOrder, DealParent};
use crate::features::lists;
use crate::features::messages::object::MessageConnection;
use crate::features::messages::queries::{MessageFilter, MessageOrder, MessageParent};
use crate::features::tasks::object::TaskConnection;
use crate::features::tasks::queries::{TaskFilter, TaskOrder, TaskParent};
use crate::object;

object! {
    /// A person the business deals with.
    Contact of model::Contact, ordered by ContactOrderField, seen with ContactsRead;
    /// A page of contacts.
    ContactConnection;
    plain id, name, email, phone, city, state_code, state, stage, status, source, tags, notes, created_at, updated_at, version
}

/// A person the business deals with.
#[Object(guard = "Can(Permission::ContactsRead)")]
impl Contact {
    /// The identifier.
    pub async fn id(&self) -> ContactId {
        ContactId::new(self.0.id)
    }

    /// The full name.
    async fn name(&self) -> Result<&str> {
        self.0.name.text()
    }

    /// The e-mail address, in lower case; null when none is known. No two contacts of an organization share one.
    async fn email(&self) -> Result<Option<&str>> {
        self.0.email.text()
    }

    /// The telephone number in E.164, such as `+919876543210`; null when none is known.
    async fn phone(&self) -> Result<Option<&str>> {
        self.0.phone.text()
    }

    /// The company the contact works for; null when none is known. Null when it fails; the errors say why.
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<Written<Company>>> {
        Company::load_if(ctx, self.0.company_id.value()?).await
    }

    /// The town or city; null when it is not known.
    async fn city(&self) -> Result<Option<&str>> {
        self.0.city.text()
    }

    /// The two-digit GST code of the state; null when it is not known.
    async fn state_code(&self) -> Result<Option<&str>> {
        self.0.state_code.text()
    }

    /// The name of the state; null when it is not known.
    async fn state(&self) -> Result<Option<&str>> {
        Ok(self.0.state_code.text()?.and_then(state::name))
    }

    /// How far the contact has come.
    async fn stage(&self) -> Result<ContactStage> {
        self.0.stage.value()
    }

    /// Whether the contact is worked with.
    async fn status(&self) -> Result<ContactStatus> {
        self.0.status.value()
    }

    /// Where the contact came from.
    async fn source(&self) -> Result<ContactSource> {
        self.0.source.value()
    }

    /// Words to find the contact by, in lower case.
    async fn tags(&self) -> Result<Vec<&str>> {
        Ok(self.0.tags.get()?.iter().flatten().map(String::as_str).collect())
    }

    /// The member who looks after the contact; null when nobody does. Null when it fails; the errors say why.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<Written<User>>> {
        User::load_if(ctx, self.0.owner_id.value()?).await
    }

    /// Free text; null when there is none.
    async fn notes(&self) -> Result<Option<&str>> {
        self.0.notes.text()
    }

    /// The deals with the contact, newest first unless ordered otherwise. Null when it fails; the errors say why.
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
        lists::under(ctx, (DealParent::Contact, self.0.id), &page, filter, order_by).await
    }

    /// The tasks about the contact, newest first unless ordered otherwise. Null when it fails; the errors say why.
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
        lists::under(ctx, (TaskParent::Contact, self.0.id), &page, filter, order_by).await
    }

    /// The timeline of the contact, what took place last first unless ordered otherwise. Null when it fails; the errors say why.
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
        lists::under(ctx, (ActivityParent::Contact, self.0.id), &page, filter, order_by).await
    }

    /// The messages to the contact, newest first unless ordered otherwise. Null when it fails; the errors say why.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<MessageFilter>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<MessageOrder>,
    ) -> Result<Option<MessageConnection>> {
        let page = PageArgs { first, after, last, before };
        lists::under(ctx, (MessageParent::Contact, self.0.id), &page, filter, order_by).await
    }

    /// When the contact was created.
    async fn created_at(&self) -> Result<DateTime> {
        self.0.created_at.value().map(DateTime)
    }

    /// When the contact was last changed.
    async fn updated_at(&self) -> Result<DateTime> {
        self.0.updated_at.value().map(DateTime)
    }

    /// Counts the changes; send it along with an update, so that nobody's change is lost.
    async fn version(&self) -> Result<i32> {
        self.0.version.value()
    }
}
