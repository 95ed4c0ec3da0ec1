//! What the schema shows of a contact.

use std::sync::Arc;

use async_graphql::{Context, Object};
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::page::PageArgs;
use crate::base::scalars::DateTime;
use crate::base::state;
use crate::features::accounts::object::User;
use crate::features::contacts::loaders::ContactById;
use crate::features::contacts::model::{self, ContactId, ContactSource, ContactStage, ContactStatus};
use crate::features::contacts::queries::ContactOrderField;
use crate::features::deals::loaders::DealParent;
use crate::features::deals::object::{self as deals, DealConnection, DealFilter, DealOrder};

/// A person the business deals with.
#[derive(Clone)]
pub struct Contact(pub Arc<model::Contact>);

/// A page of contacts.
pub type ContactConnection = Connection<Contact>;

impl From<Arc<model::Contact>> for Contact {
    fn from(row: Arc<model::Contact>) -> Self {
        Self(row)
    }
}

impl From<model::Contact> for Contact {
    fn from(row: model::Contact) -> Self {
        Self(Arc::new(row))
    }
}

impl Listed for Contact {
    const NAME: &'static str = "Contact";
    type Order = ContactOrderField;
    type Row = model::Contact;

    fn row(&self) -> &model::Contact {
        &self.0
    }
}

impl NodeObject for Contact {
    type Row = model::Contact;
    const READ: Permission = Permission::ContactsRead;

    async fn load(ctx: &Context<'_>, id: Uuid) -> Result<Option<Self>> {
        Ok(Operation::of(ctx)?.reads()?.load::<ContactById>(id).await?.map(Self))
    }
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

    /// The member who looks after the contact; null when nobody does.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.0.owner_id.value()? {
            Some(id) => User::load(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Free text; null when there is none.
    async fn notes(&self) -> Result<Option<&str>> {
        self.0.notes.text()
    }

    /// The contact's deals, newest first unless ordered otherwise.
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
    ) -> Result<DealConnection> {
        deals::of_parent(ctx, DealParent::Contact, self.0.id, &PageArgs { first, after, last, before }, filter, order_by).await
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
