//! What is selected of a type at one place of a document, with its fragments spread out: the fields that a row of the answer has, in their order.

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::{ContextSelectionSet, Positioned};

/// The fields of an object in the answer.
#[derive(Debug)]
pub struct Plan {
    /// In the order of the answer.
    pub entries: Vec<Entry>,
}

/// A field of an object in the answer.
#[derive(Debug)]
pub struct Entry {
    /// What stands before the value: a comma unless it is the first, the response key and a colon.
    pub key: Vec<u8>,
    /// The field as it is selected.
    pub field: Positioned<Field>,
    /// Whether it is null by itself when it fails.
    pub nullable: bool,
    /// Whether it is `__typename`.
    pub is_type_name: bool,
}

impl Plan {
    /// What is selected of the type; `None` when that cannot be said field by field, because two selections must be put together or a directive has
    /// its say.
    #[must_use]
    pub fn of(ctx: &ContextSelectionSet<'_>, type_name: &str) -> Option<Self> {
        let mut plan = Self { entries: Vec::new() };
        plan.spread(ctx, &ctx.item.node, type_name).then_some(plan)
    }

    fn spread(&mut self, ctx: &ContextSelectionSet<'_>, set: &SelectionSet, type_name: &str) -> bool {
        set.items.iter().all(|item| match &item.node {
            Selection::Field(field) => self.add(ctx, field, type_name),
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                let applies = condition.is_none_or(|condition| is(ctx, type_name, condition));
                !applies || self.spread(ctx, &fragment.node.selection_set.node, type_name)
            }
            Selection::FragmentSpread(spread) => match ctx.query_env.fragments.get(&spread.node.fragment_name.node) {
                Some(fragment) if is(ctx, type_name, &fragment.node.type_condition.node.on.node) => {
                    self.spread(ctx, &fragment.node.selection_set.node, type_name)
                }
                found => found.is_some(),
            },
        })
    }

    fn add(&mut self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>, type_name: &str) -> bool {
        let key = field.node.response_key().node.as_str();
        if let Some(known) = self.entries.iter().find(|entry| entry.field.node.response_key().node == key) {
            // A document in which the two were not the same field would not be valid.
            return known.field.node.selection_set.node.items.is_empty();
        }
        let is_type_name = field.node.name.node == "__typename";
        let of = ctx.schema_env.registry.types.get(type_name).and_then(|of| of.field_by_name(&field.node.name.node));
        let Some(nullable) = of.map(|of| !of.ty.ends_with('!')).or(is_type_name.then_some(false)) else { return false };
        let comma = if self.entries.is_empty() { "" } else { "," };
        let key = format!("{comma}\"{key}\":").into_bytes();
        self.entries.push(Entry { key, field: field.clone(), nullable, is_type_name });
        field.node.directives.is_empty()
    }
}

/// Whether an object of the type is one of what a fragment is on.
fn is(ctx: &ContextSelectionSet<'_>, type_name: &str, condition: &str) -> bool {
    type_name == condition || ctx.schema_env.registry.implements.get(type_name).is_some_and(|interfaces| interfaces.contains(condition))
}
