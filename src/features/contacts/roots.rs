//! The query fields of contacts.

use async_graphql::{Context, InputObject, Object};

use crate::access::connection::Connection;
use crate::access::{Can, NodeObject, Operation, Permission};
use crate::base::Result;
use crate::base::page::{Direction, Order, PageArgs, Window};
use crate::base::text::search_words;
use crate::features::contacts::model::ContactId;
use crate::features::contacts::object::{Contact, ContactConnection};
use crate::features::contacts::queries::{self, ContactFilter, ContactList, ContactOrderField};

/// How to order contacts.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct ContactOrder {
    /// What to order by.
    pub field: ContactOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Asc")]
    pub direction: Direction,
}

impl ContactOrder {
    /// The ordering, newest first when none is asked for.
    #[must_use]
    pub fn or_newest(order: Option<Self>) -> Order<ContactOrderField> {
        order.map_or(Order { field: ContactOrderField::CreatedAt, direction: Direction::Desc }, |order| Order { field: order.field, direction: order.direction })
    }
}

/// The arguments of a list of contacts, checked.
///
/// # Errors
/// `VALIDATION_ERROR`.
pub fn contact_list(page: &PageArgs, filter: Option<ContactFilter>, search: Option<&str>, order: Option<ContactOrder>) -> Result<ContactList> {
    let filter = filter.unwrap_or_default();
    filter.check()?;
    let search = search.map(search_words).transpose()?.flatten();
    Ok(ContactList { filter, search, window: Window::new(page, ContactOrder::or_newest(order))? })
}

/// The query fields of contacts.
#[derive(Default)]
pub struct Roots;

#[Object]
impl Roots {
    /// One contact; null when there is no such contact in this organization.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    async fn contact(&self, ctx: &Context<'_>, #[graphql(desc = "The contact's identifier.")] id: ContactId) -> Result<Option<Contact>> {
        Contact::load(ctx, id.uuid()).await
    }

    /// The organization's contacts, newest first unless ordered otherwise.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the start: 0 to 100, 20 when neither `first` nor `last` is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end: 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Narrows the list.")] filter: Option<ContactFilter>,
        #[graphql(desc = "Words that must all begin a word of the name, e-mail address, telephone number, city or notes. The newest 10,000 matches are looked at.")]
        search: Option<String>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<ContactOrder>,
    ) -> Result<ContactConnection> {
        let list = contact_list(&PageArgs { first, after, last, before }, filter, search.as_deref(), order_by)?;
        let reads = Operation::of(ctx)?.reads()?;
        let counted = async {
            if ctx.look_ahead().field("totalCount").exists() { queries::count(&reads.reader, &list).await.map(Some) } else { Ok(None) }
        };
        let (rows, total) = futures_util::try_join!(queries::page(&reads.reader, &list), counted)?;
        Ok(Connection::new(&list.window, list.window.page(rows), total))
    }
}
