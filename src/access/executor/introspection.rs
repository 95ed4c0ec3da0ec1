//! What an operation asks of the schema itself: answered by async-graphql's executor beforehand, and put in where it was asked for.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field, InlineFragment, Selection as Node, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::ContainerType;
use async_graphql::{Context, ContextSelectionSet, Name, ObjectType, OutputType, Positioned, ServerResult, Value};

use crate::access::document::Selection;
use crate::access::writer::{self, Writable};

/// The operation with nothing in its root but what it asks of the schema.
pub fn alone(selection: &Selection, root: &Positioned<SelectionSet>) -> ExecutableDocument {
    let mut document = selection.document().clone();
    let left = Positioned::new(of_schema(selection, &root.node), root.pos);
    let operation = match &mut document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(named) => selection.name().and_then(|name| named.get_mut(name.as_str())),
    };
    if let Some(operation) = operation {
        operation.node.selection_set = left;
    }
    document
}

fn of_schema(selection: &Selection, set: &SelectionSet) -> SelectionSet {
    let inline = |fragment: InlineFragment, pos| Positioned::new(Node::InlineFragment(Positioned::new(fragment, pos)), pos);
    let items = set.items.iter().filter_map(|item| match &item.node {
        Node::Field(field) => is_of_schema(&field.node).then(|| item.clone()),
        Node::InlineFragment(fragment) => {
            let below = &fragment.node.selection_set;
            let selection_set = Positioned::new(of_schema(selection, &below.node), below.pos);
            Some(inline(InlineFragment { selection_set, ..fragment.node.clone() }, item.pos))
        }
        Node::FragmentSpread(spread) => {
            let fragment = selection.fragment(&spread.node.fragment_name.node)?;
            let below = &fragment.node.selection_set;
            let selection_set = Positioned::new(of_schema(selection, &below.node), below.pos);
            let type_condition = Some(fragment.node.type_condition.clone());
            Some(inline(InlineFragment { type_condition, directives: spread.node.directives.clone(), selection_set }, item.pos))
        }
    });
    // A fragment with nothing in it would be none.
    let is_empty =
        |item: &Positioned<Node>| matches!(&item.node, Node::InlineFragment(fragment) if fragment.node.selection_set.node.items.is_empty());
    SelectionSet { items: items.filter(|item| !is_empty(item)).collect() }
}

fn is_of_schema(field: &Field) -> bool {
    matches!(field.name.node.as_str(), "__schema" | "__type")
}

/// The root of queries, with what it is to answer of the schema.
pub struct WithSchema<'a, Q> {
    pub root: &'a Q,
    /// By response key.
    pub told: IndexMap<Name, Value>,
}

impl<Q: ObjectType> ContainerType for WithSchema<'_, Q> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        if is_of_schema(&ctx.item.node) {
            return Ok(self.told.get(&ctx.item.node.response_key().node).cloned());
        }
        self.root.resolve_field(ctx).await
    }
}

impl<Q: ObjectType> OutputType for WithSchema<'_, Q> {
    fn type_name() -> Cow<'static, str> {
        Q::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Q::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        writer::write(self, ctx).await
    }
}

impl<Q: ObjectType> Writable for WithSchema<'_, Q> {}
