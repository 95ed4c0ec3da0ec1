//! Lists, as every noun has them: all rows of the organization, or those of a parent, each with filter, ordering, page and count.
//!
//! A noun says in its `queries.rs` what its lists can be ordered by, whose they can be ([`lists!`](crate::lists)) and how a filter narrows them; from
//! that follow the statements, the loaders and the connections. A root field calls [`all`], a field of a parent calls [`under`], and however many
//! parents there are, [`under`] costs one statement for the pages and, where `totalCount` is selected, one for the counts.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::Context;
use futures_util::FutureExt;
use uuid::Uuid;

use crate::access::connection::{Connection, Listed};
use crate::access::loaders::{ByParent, Lists, OfParents};
use crate::access::operation::Reads;
use crate::access::same::Same;
use crate::access::writer::{Again, Siblings, Written};
use crate::access::{Batch, ListKey, Operation, Reader};
use crate::base::page::{Keyed, Order, OrderField, Page, PageArgs, Window};
use crate::base::{Error, Map, Result};

/// What a list is narrowed by: an input object in which all that is given must hold.
pub trait Filter: Default + Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// Refuses values that no row can have.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// The arguments of a list, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct List<F, O> {
    /// What to narrow by.
    pub filter: F,
    /// Which page, in which order.
    pub window: Window<O>,
}

/// The arguments of a list of `R`.
pub type ListOf<R> = List<<R as InLists>::Filter, <R as InLists>::Order>;

/// A row that comes in lists. [`lists!`](crate::lists) writes the implementation.
pub trait InLists: Keyed<Self::Order> + Send + Sync + Sized + 'static {
    /// What its lists can be ordered by.
    type Order: OrderField;
    /// What its lists can be narrowed by.
    type Filter: Filter;
    /// The ordering when none is asked for.
    const USUALLY: Order<Self::Order>;

    /// A page, one row more than it holds.
    fn page(reader: &Reader, list: &ListOf<Self>) -> impl Future<Output = Result<Vec<Arc<Self>>>> + Send;

    /// How many rows the whole list has.
    fn count(reader: &Reader, list: &ListOf<Self>) -> impl Future<Output = Result<i64>> + Send;

    /// Whether a row is there that a filter leaves in.
    fn fits(reader: &Reader, id: Uuid, filter: &Self::Filter) -> impl Future<Output = Result<bool>> + Send;
}

/// A row that also comes in lists of a parent's own. [`lists!`](crate::lists) writes the implementation.
pub trait UnderParents: InLists {
    /// Whose list it is.
    type Parent: Copy + Debug + Eq + Hash + Send + Sync + 'static;

    /// A page for each of many parents, one row more than it holds, with the parent that each row belongs to.
    fn pages(reader: &Reader, of: Self::Parent, parents: Vec<Uuid>, list: &ListOf<Self>) -> impl Future<Output = Result<ByParent<Self>>> + Send;

    /// How many rows each of many parents has; a parent without any may be left out.
    fn counts(reader: &Reader, of: Self::Parent, parents: Vec<Uuid>, list: &ListOf<Self>) -> impl Future<Output = Result<Vec<(Uuid, i64)>>> + Send;
}

/// The organization's rows: what a root field answers with.
///
/// # Errors
/// `VALIDATION_ERROR` for arguments that cannot be, `INSUFFICIENT_PERMISSIONS` for a caller who may not see such rows, and as the database fails.
pub async fn all<T, O>(
    ctx: &Context<'_>,
    page: &PageArgs,
    filter: Option<<T::Row as InLists>::Filter>,
    order: Option<O>,
) -> Result<Option<Written<Connection<T>>>>
where
    T: Listed + From<Arc<T::Row>>,
    T::Row: InLists<Order = T::Order>,
    O: Into<Order<T::Order>>,
{
    let list = checked::<T::Row, O>(page, filter, order)?;
    let operation = Operation::of(ctx)?;
    operation.require(T::READ)?;
    let reads = operation.reads()?;
    // In boxes, so that the future of a query does not have room for the largest list there is.
    let page = T::Row::page(&reads.reader, &list).boxed();
    let (rows, total) = if is_counted(ctx, operation) {
        let (rows, total) = futures_util::try_join!(page, T::Row::count(&reads.reader, &list).boxed())?;
        (rows, Some(total))
    } else {
        (page.await?, None)
    };
    // The lists of several aliases may be there at once, and each is written without a pause.
    operation.turns().begin().await;
    Ok(Some(Written(Connection::new(&list.window, list.window.page(rows), total))))
}

/// A parent's rows, read together with those of the parent's siblings: what a field of the parent answers with.
///
/// The arguments are looked at before the future is made, and only for the first of many parents, whose siblings are then asked for by
/// [`Again`].
///
/// # Errors
/// As [`all`].
pub fn under<'a, T, O>(
    ctx: &'a Context<'_>,
    (of, parent): (<T::Row as UnderParents>::Parent, Uuid),
    page: &PageArgs,
    filter: Option<<T::Row as InLists>::Filter>,
    order: Option<O>,
) -> impl Future<Output = Result<Option<Written<Connection<T>>>>> + Send + use<'a, T, O>
where
    T: Listed + From<Arc<T::Row>>,
    T::Row: UnderParents<Order = T::Order>,
    O: Into<Order<T::Order>>,
{
    let asked = Operation::of(ctx).and_then(|operation| {
        operation.require(T::READ)?;
        let reads = operation.reads()?;
        let args = reads.same().only((of, checked::<T::Row, O>(page, filter, order)?));
        let is_counted = is_counted(ctx, operation);
        reads.same().note_again(ctx, again::<T>(args.clone(), is_counted));
        Ok((reads, args, is_counted))
    });
    async move {
        let (reads, args, is_counted) = asked?;
        Found::<T::Row>::load(&reads, ListKey { parents: Arc::new([parent]), args }, is_counted).await?.of(parent).map(Written).map(Some)
    }
}

/// The same list of other parents.
fn again<T>(args: Same<ParentsArgs<T::Row>>, is_counted: bool) -> Again
where
    T: Listed + From<Arc<T::Row>>,
    T::Row: UnderParents<Order = T::Order>,
{
    Arc::new(move |siblings: Siblings<'_>| {
        let key = ListKey { parents: siblings.parents(), args: args.clone() };
        async move {
            let reads = siblings.operation().reads();
            let lists = async { Found::<T::Row>::load(&*reads?, key, is_counted).await }.await;
            siblings.write::<Connection<T>>(|parent| lists.as_ref().map_err(Error::clone)?.of(parent)).await
        }
        .boxed()
    })
}

/// The lists of some parents, as they were read.
struct Found<R: UnderParents> {
    args: Same<ParentsArgs<R>>,
    pages: Lists<Page<Arc<R>>>,
    counts: Option<Lists<i64>>,
}

impl<R: UnderParents> Found<R> {
    async fn load(reads: &Reads, key: ParentsList<R>, is_counted: bool) -> Result<Self> {
        let pages = reads.load_lists::<Pages<R>, _, _>(key.clone());
        let counts = async { if is_counted { reads.load_lists::<Counts<R>, _, _>(key.clone()).await.map(Some) } else { Ok(None) } };
        let (pages, counts) = futures_util::try_join!(pages, counts)?;
        Ok(Self { args: key.args, pages, counts })
    }

    fn of<T>(&self, parent: Uuid) -> Result<Connection<T>>
    where
        T: Listed<Row = R, Order = R::Order> + From<Arc<R>>,
    {
        let page = self.pages.of(parent).ok_or_else(|| Error::internal("a loader left a parent's list out"))?.clone();
        let count = self.counts.as_ref().and_then(|counts| counts.of(parent)).copied();
        Ok(Connection::new(&self.args.1.window, page, count))
    }
}

fn checked<R: InLists, O: Into<Order<R::Order>>>(page: &PageArgs, filter: Option<R::Filter>, order: Option<O>) -> Result<ListOf<R>> {
    let filter = filter.unwrap_or_default();
    filter.check()?;
    Ok(List { filter, window: Window::new(page, order.map_or(R::USUALLY, Into::into))? })
}

fn is_counted(ctx: &Context<'_>, operation: &Operation) -> bool {
    operation.selection().selects(&ctx.item.node.selection_set.node, "totalCount", &ctx.query_env.variables)
}

type ParentsArgs<R> = (<R as UnderParents>::Parent, ListOf<R>);
type ParentsList<R> = ListKey<ParentsArgs<R>>;

/// A page of `R` for each parent.
struct Pages<R>(PhantomData<fn() -> R>);

impl<R: UnderParents> Batch for Pages<R> {
    type Key = ParentsList<R>;
    type Value = OfParents<Page<Arc<R>>>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<Map<Self::Key, Self::Value>> {
        let read = |args: Same<ParentsArgs<R>>, parents| {
            let reader = reader.clone();
            async move { R::pages(&reader, args.0, parents, &args.1).await }
        };
        ListKey::pages(keys, read, |args| &args.1.window).await
    }
}

/// How many `R` each parent has.
struct Counts<R>(PhantomData<fn() -> R>);

impl<R: UnderParents> Batch for Counts<R> {
    type Key = ParentsList<R>;
    type Value = OfParents<i64>;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> Result<Map<Self::Key, Self::Value>> {
        let read = |args: Same<ParentsArgs<R>>, parents| {
            let reader = reader.clone();
            async move { R::counts(&reader, args.0, parents, &args.1).await }
        };
        ListKey::counts(keys, read).await
    }
}

/// Says what a noun's lists are ordered by and whose they can be, and writes the statements of those lists.
///
/// ```text
/// lists! {
///     contacts of Contact, narrowed by ContactFilter, usually CreatedAt Desc;
///     /// How to order contacts.
///     pub struct ContactOrder;
///     /// What contacts can be ordered by.
///     pub enum ContactOrderField {
///         /// When they were created.
///         CreatedAt = created_at: DateTime<Utc>,
///     }
///     /// Whose contacts a list holds.
///     pub enum ContactParent {
///         /// Those of a company.
///         Company = company_id,
///     }
/// }
/// ```
///
/// `contacts` is the table, `Contact` its row, `created_at` and `company_id` are columns of both; the parents may be left out. Beside the
/// invocation stands `fn narrowed<ST>(query: Query<ST>, reader: &Reader, filter: &ContactFilter) -> Query<ST>`.
#[macro_export]
macro_rules! lists {
    (
        $table:ident of $row:ident, narrowed by $filter:ident, usually $field_usually:ident $direction_usually:ident;
        $(#[$input_meta:meta])* pub struct $input:ident;
        $(#[$order_meta:meta])* pub enum $order:ident { $($(#[$field_meta:meta])* $field:ident = $column:ident: $kind:ty),+ $(,)? }
        $($(#[$parent_meta:meta])* pub enum $parent:ident { $($(#[$by_meta:meta])* $by:ident = $key:ident),+ $(,)? })?
    ) => {
        $(#[$order_meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, async_graphql::Enum)]
        pub enum $order {
            $($(#[$field_meta])* $field),+
        }

        $(#[$input_meta])*
        #[derive(Debug, Clone, Copy, async_graphql::InputObject)]
        pub struct $input {
            /// What to order by.
            pub field: $order,
            /// Which way.
            #[graphql(default)]
            pub direction: $crate::base::page::Direction,
        }

        impl From<$input> for $crate::base::page::Order<$order> {
            fn from(order: $input) -> Self {
                Self { field: order.field, direction: order.direction }
            }
        }

        impl $crate::base::page::Keyed<$order> for $row {
            fn row_id(&self) -> uuid::Uuid {
                self.id
            }

            fn key(&self, field: $order) -> $crate::base::Result<$crate::base::cursor::Key> {
                Ok(match field {
                    $($order::$field => <$kind as $crate::base::cursor::CursorKey>::to_key(self.$column.get()?)),+
                })
            }
        }

        type Query<ST> = $table::BoxedQuery<'static, diesel::pg::Pg, ST>;
        type Listing = $crate::features::lists::ListOf<$row>;

        const fn key_column(list: &Listing) -> &'static str {
            match list.window.order.field {
                $($order::$field => stringify!($column)),+
            }
        }

        fn ordered<ST>(query: Query<ST>, list: &Listing) -> $crate::base::Result<Query<ST>> {
            let window = &list.window;
            Ok(match window.order.field {
                $($order::$field => {
                    $crate::keyset!(query, window, $table::$column, $table::id, <$kind as $crate::base::cursor::CursorKey>::of_key)
                }),+
            })
        }

        fn own<ST>(query: Query<ST>, reader: &$crate::access::Reader, list: &Listing) -> Query<ST> {
            narrowed(query.filter($table::organization_id.eq(reader.organization())), reader, &list.filter)
        }

        impl $crate::features::lists::InLists for $row {
            type Order = $order;
            type Filter = $filter;
            const USUALLY: $crate::base::page::Order<$order> = $crate::base::page::Order {
                field: $order::$field_usually,
                direction: $crate::base::page::Direction::$direction_usually,
            };

            async fn page(reader: &$crate::access::Reader, list: &Listing) -> $crate::base::Result<Vec<std::sync::Arc<Self>>> {
                let columns = reader.columns::<Self>(&[key_column(list)]);
                let query = $table::table.select(columns).into_boxed();
                let query = ordered(own(query, reader, list), list)?;
                reader.db.load_columns(columns, $crate::platform::postgres::statement::Limited { query, limit: list.window.limit() }).await
            }

            async fn count(reader: &$crate::access::Reader, list: &Listing) -> $crate::base::Result<i64> {
                let query = own($table::table.count().into_boxed(), reader, list);
                Ok(reader.db.first(query).await?.unwrap_or_default())
            }

            async fn fits(reader: &$crate::access::Reader, id: uuid::Uuid, filter: &$filter) -> $crate::base::Result<bool> {
                let query = $table::table.count().into_boxed().filter($table::organization_id.eq(reader.organization())).filter($table::id.eq(id));
                Ok(reader.db.first::<_, i64, _>(narrowed(query, reader, filter)).await?.unwrap_or_default() > 0)
            }
        }

        $(
            $(#[$parent_meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum $parent {
                $($(#[$by_meta])* $by),+
            }

            fn of_parent<ST>(query: Query<ST>, parent: $parent) -> Query<ST> {
                // Written out, because a key that may be empty and one that may not are different types to the builder.
                match parent {
                    $($parent::$by => query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>(
                        concat!(stringify!($table), ".", stringify!($key), " = parent.id")
                    ))),+
                }
            }

            impl $crate::features::lists::UnderParents for $row {
                type Parent = $parent;

                async fn pages(
                    reader: &$crate::access::Reader,
                    of: $parent,
                    parents: Vec<uuid::Uuid>,
                    list: &Listing,
                ) -> $crate::base::Result<$crate::access::loaders::ByParent<Self>> {
                    let key = match of {
                        $($parent::$by => stringify!($key)),+
                    };
                    let columns = reader.columns::<Self>(&[key_column(list), key]);
                    let query = $table::table.select(columns).into_boxed();
                    let query = ordered(of_parent(own(query, reader, list), of), list)?;
                    let query = $crate::platform::postgres::statement::ForEachParent { parents, query, limit: list.window.limit() };
                    let rows: Vec<std::sync::Arc<Self>> = reader.db.load_columns(columns, query).await?;
                    let parent_of = |row: &Self| match of {
                        $($parent::$by => row.$key.value().map(Option::<uuid::Uuid>::from)),+
                    };
                    rows.into_iter().map(|row| Ok((parent_of(&row)?, row))).collect()
                }

                async fn counts(
                    reader: &$crate::access::Reader,
                    of: $parent,
                    parents: Vec<uuid::Uuid>,
                    list: &Listing,
                ) -> $crate::base::Result<Vec<(uuid::Uuid, i64)>> {
                    let query = $table::table.select($crate::platform::postgres::statement::count_for_parent()).into_boxed();
                    let query = of_parent(own(query, reader, list), of);
                    reader.db.load($crate::platform::postgres::statement::ForEachParent { parents, query, limit: 1 }).await
                }
            }
        )?
    };
}
