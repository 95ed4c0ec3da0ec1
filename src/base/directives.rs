//! The directives that stand in the published schema, as attributes of its types, fields and arguments; `access::cost` says what they come to.

#![allow(missing_docs, reason = "the macro makes a type of each function, which has no place for words")]

use async_graphql::TypeDirective;

/// What this costs, in points. On a type: each of its objects, instead of one. On a field: whenever it is asked of an object, besides the objects that it
/// leads to. On an argument: when it is given.
#[TypeDirective(location = "Object", location = "FieldDefinition", location = "ArgumentDefinition")]
pub fn cost(#[graphql(desc = "The points.")] weight: String) {}

/// How long a list can get, for which its entries are paid.
#[TypeDirective(name = "listSize", location = "FieldDefinition")]
pub fn list_size(
    #[graphql(desc = "So long where no argument says so.")] assumed_size: Option<i32>,
    #[graphql(desc = "The arguments that say so: the first that is given counts, a list by its length.")] slicing_arguments: Option<Vec<String>>,
    #[graphql(desc = "The fields of the object it leads to that are so long, when it is not a list itself.")] sized_fields: Option<Vec<String>>,
    #[graphql(desc = "Whether an argument has to say so.")] require_one_slicing_argument: Option<bool>,
) {
}

/// The class of operations that this counts in, each of which has a limit of its own; docs/limits.md lists them.
#[TypeDirective(name = "rateLimit", location = "FieldDefinition")]
pub fn rate_limit(#[graphql(desc = "The class.")] class: String) {}
