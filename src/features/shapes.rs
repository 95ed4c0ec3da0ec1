//! Shapes of the schema that every noun has: its object, the inputs and the payloads of its mutations. Each name is written out where a noun asks
//! for it, so that a search for `ContactDeleteInput` finds it.

/// The GraphQL object of a row: what finds it by its id and what makes pages of it. Its fields are written beside, in `#[Object] impl`; of them those
/// are [`plain!`](crate::plain) that take no arguments and wait for nothing.
///
/// ```text
/// object! {
///     /// A person the business deals with.
///     Contact of model::Contact, ordered by ContactOrderField, seen with ContactsRead;
///     /// A page of contacts.
///     ContactConnection;
///     plain id, name, email
/// }
/// ```
#[macro_export]
macro_rules! object {
    (
        $(#[$meta:meta])* $name:ident of $row:ty, ordered by $order:ty, seen with $permission:ident;
        $(#[$page_meta:meta])* $connection:ident;
        plain $($plain:ident),+ $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name(pub std::sync::Arc<$row>);

        $(#[$page_meta])*
        pub type $connection = $crate::access::writer::Written<$crate::access::connection::Connection<$name>>;

        $crate::from_rows!($name of $row);

        impl $crate::access::writer::Writable for $name {
            $crate::plain!($($plain),+);

            fn parent_id(&self) -> Option<uuid::Uuid> {
                Some(self.0.id)
            }
        }

        impl $crate::access::connection::Listed for $name {
            const NAME: &'static str = stringify!($name);
            const READ: $crate::access::Permission = $crate::access::Permission::$permission;
            type Order = $order;
            type Row = $row;

            fn row(&self) -> &$row {
                &self.0
            }
        }

        impl $crate::access::NodeObject for $name {
            type Row = $row;
            const READ: $crate::access::Permission = $crate::access::Permission::$permission;

            async fn find(ctx: &async_graphql::Context<'_>, id: uuid::Uuid) -> $crate::base::Result<Option<Self>> {
                let reads = $crate::access::Operation::of(ctx)?.reads()?;
                Ok(reads.load::<$crate::features::rows::ById<$row>>(id).await?.map(Self))
            }
        }
    };
}

/// Makes an object of its row: of one that was read, which others may show as well, and of one that was written.
#[macro_export]
macro_rules! from_rows {
    ($name:ident of $row:ty) => {
        impl From<std::sync::Arc<$row>> for $name {
            fn from(row: std::sync::Arc<$row>) -> Self {
                Self(row)
            }
        }

        impl From<$row> for $name {
            fn from(row: $row) -> Self {
                Self(std::sync::Arc::new(row))
            }
        }
    };
}

/// The inputs of updating and deleting one or several objects, around what changes of them. A noun whose change of several is a shape of its own
/// leaves that name out.
///
/// ```text
/// inputs! {
///     "contact", "contacts": ContactId, ContactChangesInput;
///     ContactUpdateInput, ContactBulkUpdateInput, ContactDeleteInput, ContactBulkDeleteInput
/// }
/// ```
#[macro_export]
macro_rules! inputs {
    ($one:literal, $many:literal: $id:ty, $changes:ty; $update:ident, $bulk_update:ident, $delete:ident, $bulk_delete:ident) => {
        $crate::inputs!($one, $many: $id, $changes; $update, $delete, $bulk_delete);

        #[doc = concat!("Changes to several ", $many, ".")]
        #[derive(Debug, Clone, async_graphql::InputObject)]
        pub struct $bulk_update {
            #[doc = concat!("1 to 100 ", $many, ".")]
            pub ids: Vec<$id>,
            /// What changes, for all of them alike.
            pub changes: $changes,
        }
    };
    ($one:literal, $many:literal: $id:ty, $changes:ty; $update:ident, $delete:ident, $bulk_delete:ident) => {
        #[doc = concat!("A change of one ", $one, ".")]
        #[derive(Debug, Clone, async_graphql::InputObject)]
        pub struct $update {
            #[doc = concat!("The ", $one, ".")]
            pub id: $id,
            /// The version that the change is based on, as it was read.
            pub version: i32,
            /// What changes.
            pub changes: $changes,
        }

        #[doc = concat!("Which ", $one, " to delete.")]
        #[derive(Debug, Clone, async_graphql::InputObject)]
        pub struct $delete {
            #[doc = concat!("The ", $one, ".")]
            pub id: $id,
        }

        #[doc = concat!("Which ", $many, " to delete.")]
        #[derive(Debug, Clone, async_graphql::InputObject)]
        pub struct $bulk_delete {
            #[doc = concat!("1 to 100 ", $many, ".")]
            pub ids: Vec<$id>,
        }
    };
}

/// The payloads of the five mutations that every noun has.
///
/// ```text
/// payloads! {
///     "contact", "contacts": Contact, ContactId;
///     ContactCreatePayload { contact }, ContactUpdatePayload { contact }, ContactBulkUpdatePayload { contacts }, ContactDeletePayload
/// }
/// ```
#[macro_export]
macro_rules! payloads {
    (
        $one:literal, $many:literal: $object:ident, $id:ty;
        $create:ident { $created:ident }, $update:ident { $updated:ident }, $bulk_update:ident { $all:ident }, $delete:ident
    ) => {
        $crate::payload!(
            #[doc = concat!("What came of creating the ", $one, ".")]
            $create {
                #[doc = concat!("The ", $one, " that was created; null when there are user errors.")]
                $created: $object
            }
        );
        $crate::payload!(
            #[doc = concat!("What came of changing the ", $one, ".")]
            $update {
                #[doc = concat!("The ", $one, " as it is now; null when there are user errors.")]
                $updated: $object
            }
        );

        #[doc = concat!("What came of changing several ", $many, ".")]
        #[derive(Clone, async_graphql::SimpleObject)]
        pub struct $bulk_update {
            #[doc = concat!("The ", $many, " as they are now, in the order of the identifiers; empty when there are user errors.")]
            pub $all: $crate::access::writer::WrittenList<Vec<$object>>,
            /// What to put right; empty when all went well.
            pub user_errors: $crate::access::writer::WrittenList<Vec<$crate::access::payload::UserError>>,
        }

        impl $crate::access::writer::Writable for $bulk_update {}

        impl $bulk_update {
            /// The payload of an action's outcome.
            ///
            /// # Errors
            /// What the caller cannot put right in the input.
            pub fn of<T: Into<$object>>(outcome: $crate::base::Result<Vec<T>>) -> $crate::base::Result<Option<$crate::access::writer::Written<Self>>> {
                let (rows, user_errors) = $crate::access::payload::divide(outcome)?;
                let $all = $crate::access::writer::WrittenList(rows.unwrap_or_default().into_iter().map(Into::into).collect());
                Ok(Some($crate::access::writer::Written(Self { $all, user_errors })))
            }
        }

        $crate::deletion!($many: $id; $delete);
    };
}

/// The payload of deleting.
///
/// ```text
/// deletion!("contacts": ContactId; ContactDeletePayload);
/// ```
#[macro_export]
macro_rules! deletion {
    ($what:literal: $id:ty; $delete:ident) => {
        #[doc = concat!("What came of deleting ", $what, ".")]
        #[derive(Clone, async_graphql::SimpleObject)]
        pub struct $delete {
            /// The identifiers of what was deleted; empty when there are user errors.
            pub deleted_ids: Vec<$id>,
            /// What to put right; empty when all went well.
            pub user_errors: $crate::access::writer::WrittenList<Vec<$crate::access::payload::UserError>>,
        }

        impl $crate::access::writer::Writable for $delete {}

        impl $delete {
            /// The payload of an action's outcome.
            ///
            /// # Errors
            /// What the caller cannot put right in the input.
            pub fn of(outcome: $crate::base::Result<Vec<$id>>) -> $crate::base::Result<Option<$crate::access::writer::Written<Self>>> {
                let (deleted, user_errors) = $crate::access::payload::divide(outcome)?;
                Ok(Some($crate::access::writer::Written(Self { deleted_ids: deleted.unwrap_or_default(), user_errors })))
            }
        }
    };
}
