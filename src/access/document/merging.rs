//! Whether fields under one response key can be put together (GraphQL specification, 5.3.2 "Field Selection Merging"): across fragments and across the
//! sets of fields that come together under a key above them, which the rules of async-graphql look at one by one.
//!
//! What must hold: the document is within its limits, so that its fragments can be spread out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::parser::types::{Field, FragmentDefinition, OperationDefinition, Selection as Node, SelectionSet};
use async_graphql::{Name, Positioned};

use super::TypeMap;
use crate::base::{Code, Error, Result};

/// A field and the type that it is selected on, where that is known.
#[derive(Debug, Clone, Copy)]
struct Selected<'a> {
    of: Option<&'a str>,
    field: &'a Field,
}

/// What looks at the fields of a document.
pub(super) struct Merging<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'a TypeMap,
}

impl<'a> Merging<'a> {
    pub(super) const fn new(fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>, types: &'a TypeMap) -> Self {
        Self { fragments, types }
    }

    /// Looks at an operation on this type.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, which names a key that stands for two things.
    pub(super) fn check(&self, operation: &'a OperationDefinition, root: &'a str) -> Result<()> {
        let mut all = Vec::new();
        self.spread(&operation.selection_set.node, Some(root), &mut all);
        self.are_same(&all)?;
        self.have_one_shape(&all)
    }

    /// The fields of a set, with fragments spread out.
    fn spread(&self, set: &'a SelectionSet, of: Option<&'a str>, into: &mut Vec<Selected<'a>>) {
        for item in &set.items {
            match &item.node {
                Node::Field(field) => into.push(Selected { of, field: &field.node }),
                Node::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    self.spread(&fragment.node.selection_set.node, condition.or(of), into);
                }
                Node::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) {
                        let condition = fragment.node.type_condition.node.on.node.as_str();
                        self.spread(&fragment.node.selection_set.node, Some(condition), into);
                    }
                }
            }
        }
    }

    /// What is selected below these fields, which stand under one key.
    fn below(&self, group: &[Selected<'a>]) -> Vec<Selected<'a>> {
        let mut all = Vec::new();
        for selected in group {
            self.spread(&selected.field.selection_set.node, self.target(selected).map(|(target, _)| target), &mut all);
        }
        all
    }

    /// The type that a field leads to, and how it is written with its lists.
    fn target(&self, selected: &Selected<'a>) -> Option<(&'a str, &'a str)> {
        if selected.field.name.node == "__typename" {
            return Some(("String", "String!"));
        }
        self.types.written(selected.of?, &selected.field.name.node)
    }

    /// Whether what stands under one key is the same field with the same arguments, wherever one object can have it twice: all of an interface's fields
    /// go with those of each type of objects.
    fn are_same(&self, fields: &[Selected<'a>]) -> Result<()> {
        for (key, group) in by_key(fields) {
            let is_of_any = |selected: &Selected<'_>| selected.of.is_some_and(|of| self.types.is_interface(of));
            let objects: BTreeSet<_> = group.iter().filter(|selected| !is_of_any(selected)).map(|selected| selected.of).collect();
            let of_one = |object: Option<&str>| group.iter().filter(|selected| is_of_any(selected) || selected.of == object).copied().collect();
            let together: Vec<Vec<_>> = if objects.len() < 2 { vec![group.clone()] } else { objects.into_iter().map(of_one).collect() };
            for group in together {
                if let Some((one, other)) = differing(&group, |one, other| is_same(one.field, other.field)) {
                    let (one, other) = (&one.field.name.node, &other.field.name.node);
                    return Err(conflict(key, &format!("`{one}` and `{other}` or other arguments of it")));
                }
                self.are_same(&self.below(&group))?;
            }
        }
        Ok(())
    }

    /// Whether what stands under one key is written alike in all answers, whichever type the object is of.
    fn have_one_shape(&self, fields: &[Selected<'a>]) -> Result<()> {
        for (key, group) in by_key(fields) {
            if let Some((one, other)) = differing(&group, |one, other| self.has_same_shape(one, other)) {
                let written = |selected| self.target(selected).map_or("", |(_, written)| written);
                return Err(conflict(key, &format!("a `{}` and a `{}`", written(one), written(other))));
            }
            self.have_one_shape(&self.below(&group))?;
        }
        Ok(())
    }

    fn has_same_shape(&self, one: &Selected<'a>, other: &Selected<'a>) -> bool {
        // What is not known is refused by the rules.
        let (Some((one, one_written)), Some((other, other_written))) = (self.target(one), self.target(other)) else { return true };
        let wrapped = |written: &'a str| written.chars().filter(|sign| "[]!".contains(*sign));
        let is_either_a_leaf = self.types.is_leaf(one) || self.types.is_leaf(other);
        if is_either_a_leaf { one_written == other_written } else { wrapped(one_written).eq(wrapped(other_written)) }
    }
}

/// Whether they are the same field with the same arguments.
pub fn is_same(one: &Field, other: &Field) -> bool {
    let mut given = one.arguments.iter();
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && given.all(|(name, value)| other.get_argument(&name.node).is_some_and(|other| other.node == value.node))
}

fn by_key<'a>(fields: &[Selected<'a>]) -> BTreeMap<&'a str, Vec<Selected<'a>>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for selected in fields {
        groups.entry(selected.field.response_key().node.as_str()).or_default().push(*selected);
    }
    groups
}

/// The first of a group and another that is not like it.
fn differing<'g, 'a>(
    group: &'g [Selected<'a>],
    are_alike: impl Fn(&Selected<'a>, &Selected<'a>) -> bool,
) -> Option<(&'g Selected<'a>, &'g Selected<'a>)> {
    let (first, others) = group.split_first()?;
    others.iter().find(|other| !are_alike(first, other)).map(|other| (first, other))
}

fn conflict(key: &str, things: &str) -> Error {
    Error::new(Code::ValidationError, format!("`{key}` stands for two things, {things}: give one of them an alias."))
}
