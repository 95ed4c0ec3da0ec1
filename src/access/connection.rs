//! Connections: pages of a list as Relay clients expect them (<https://relay.dev/graphql/connections.htm>), with the nodes at hand as well.

use std::borrow::Cow;

use async_graphql::{Object, SimpleObject, TypeName};

use crate::access::permissions::Permission;
use crate::access::writer::{Writable, Written, WrittenList};
use crate::base::cursor::Cursor;
use crate::base::directives::cost;
use crate::base::page::{Keyed, Order, OrderField, Page, Window};
use crate::base::{Error, Result};
use crate::plain;

/// A GraphQL object that appears in lists.
pub trait Listed: Writable + Clone + Send + Sync + 'static {
    /// The type's name, from which `ContactConnection` and `ContactEdge` are made.
    const NAME: &'static str;
    /// What a caller needs to see it, and so to see anything of its lists: their length and their cursors tell of it as well.
    const READ: Permission;
    /// The orderings of its lists.
    type Order: OrderField;
    /// The row that it shows.
    type Row: Keyed<Self::Order> + Send + Sync;

    /// The row that it shows.
    fn row(&self) -> &Self::Row;
}

/// A page of a list.
#[derive(Clone)]
pub struct Connection<T: Listed> {
    nodes: Vec<T>,
    order: Order<T::Order>,
    has_previous: bool,
    has_next: bool,
    total: Option<i64>,
}

/// Which part of a list a page is.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(directive = cost::apply("0".into()))]
pub struct PageInfo {
    /// Whether there are entries before this page. Counting from the start, this only says whether `after` was given.
    has_previous_page: bool,
    /// Whether there are entries after this page. Counting from the end, this only says whether `before` was given.
    has_next_page: bool,
    /// The cursor of the first entry; null when the page is empty.
    start_cursor: Option<String>,
    /// The cursor of the last entry; null when the page is empty.
    end_cursor: Option<String>,
}

/// An entry of a list with its cursor.
#[derive(Clone)]
pub struct Edge<T: Listed> {
    node: T,
    order: Order<T::Order>,
}

impl<T: Listed> Connection<T> {
    /// The connection of a page that was read; `total` when it was counted.
    pub fn new<R>(window: &Window<T::Order>, page: Page<R>, total: Option<i64>) -> Self
    where
        T: From<R>,
    {
        let Page { rows, has_previous, has_next } = page;
        Self { nodes: rows.into_iter().map(T::from).collect(), order: window.order, has_previous, has_next, total }
    }
}

fn cursor<T: Listed>(node: &T, order: Order<T::Order>) -> Result<String> {
    let row = node.row();
    Ok(Cursor { key: row.key(order.field)?, id: row.row_id() }.encode(order))
}

impl<T: Listed> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::NAME).into()
    }
}

impl<T: Listed> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::NAME).into()
    }
}

/// A page of a list.
#[Object(name_type, directive = cost::apply("2".into()))]
impl<T: Listed> Connection<T> {
    /// The entries with their cursors.
    async fn edges(&self) -> WrittenList<Vec<Edge<T>>> {
        WrittenList(self.nodes.iter().map(|node| Edge { node: node.clone(), order: self.order }).collect())
    }

    /// The entries alone.
    async fn nodes(&self) -> WrittenList<&[T]> {
        WrittenList(&self.nodes)
    }

    /// Which part of the list this is.
    async fn page_info(&self) -> Result<Written<PageInfo>> {
        let at = |node: Option<&T>| node.map(|node| cursor(node, self.order)).transpose();
        Ok(Written(PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: at(self.nodes.first())?,
            end_cursor: at(self.nodes.last())?,
        }))
    }

    /// How many entries the whole list has, whatever the page. Counted only when it is selected.
    #[graphql(directive = cost::apply("5".into()))]
    async fn total_count(&self) -> Result<i64> {
        self.total.ok_or_else(|| Error::internal("totalCount was selected and not counted"))
    }
}

/// An entry of a list with its cursor.
#[Object(name_type, directive = cost::apply("0".into()))]
impl<T: Listed> Edge<T> {
    /// The entry.
    async fn node(&self) -> Written<&T> {
        Written(&self.node)
    }

    /// Where the entry stands: send it as `after` or `before` to go on from here.
    async fn cursor(&self) -> Result<String> {
        cursor(&self.node, self.order)
    }
}

impl Writable for PageInfo {
    plain!(has_previous_page, has_next_page, start_cursor, end_cursor);
}
impl<T: Listed> Writable for Connection<T> {
    plain!(edges, nodes, page_info, total_count);
}
impl<T: Listed> Writable for Edge<T> {
    plain!(node, cursor);
}
