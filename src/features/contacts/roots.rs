//! The query fields of contacts.

use async_graphql::{Context, Object};

use crate::access::writer::Written;
use crate::access::{Can, NodeObject, Permission};
use crate::base::Result;
use crate::base::directives::cost;
use crate::base::page::PageArgs;
use crate::base::text::search_words;
use crate::features::contacts::model::ContactId;
use crate::features::contacts::object::{Contact, ContactConnection};
use crate::features::contacts::queries::{ContactFilter, ContactOrder};
use crate::features::lists;

/// The query fields of contacts.
#[derive(Default)]
pub struct Roots;

#[Object(name = "ContactRoots")]
impl Roots {
    /// One contact; null when there is no such contact in this organization. Null when it fails; the errors say why.
    #[graphql(guard = "Can(Permission::ContactsRead)")]
    async fn contact(&self, ctx: &Context<'_>, #[graphql(desc = "The contact's identifier.")] id: ContactId) -> Result<Option<Written<Contact>>> {
        Contact::load(ctx, id.uuid()).await
    }

    /// The organization's contacts, newest first unless ordered otherwise. Null when it fails; the errors say why.
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
        #[graphql(
            desc = "Words that must all begin a word of the name, e-mail address, telephone number, city or notes. The newest 10,000 matches are looked at.",
            directive = cost::apply("10".into())
        )]
        search: Option<String>,
        #[graphql(desc = "The ordering; newest first when left out.")] order_by: Option<ContactOrder>,
    ) -> Result<Option<ContactConnection>> {
        let search = search.as_deref().map(search_words).transpose()?.flatten();
        let filter = ContactFilter { search, ..filter.unwrap_or_default() };
        lists::all(ctx, &PageArgs { first, after, last, before }, Some(filter), order_by).await
    }
}
