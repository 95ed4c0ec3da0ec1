//! Whether fields under one response key can be put together (GraphQL specification, 5.3.2 "Field Selection Merging"): across fragments, and across the
//! sets of fields that come together under a key above them, which the rules of async-graphql look at one by one.
//!
//! What must hold: fragments are spread out no further than the limits of documents let them, no two places are compared twice, and what is written once
//! is compared once, however often it is spread; so a hostile document takes no more than the square of the fields that it may have.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{Field, FragmentDefinition, OperationDefinition, Selection as Node, SelectionSet};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value;

use super::TypeMap;

/// Two places that cannot be put together.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub at: [Pos; 2],
}

/// A field at one place of an operation.
#[derive(Debug)]
struct Selected<'a> {
    /// The type that it is selected on, where that is known.
    of: Option<&'a str>,
    field: &'a Positioned<Field>,
    /// One number for each response key,
    key: usize,
    /// and one for each field with its arguments.
    what: usize,
    /// The type that it leads to, and how it is written with its lists.
    target: Option<(&'a str, &'a str)>,
    below: Vec<Self>,
}

/// What looks at an operation.
pub(super) struct Merging<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'a TypeMap,
    keys: HashMap<&'a str, usize>,
    /// Fields that are not the same.
    distinct: Vec<&'a Field>,
    /// Which of them a field is, by where it stands in memory.
    known: HashMap<usize, usize>,
}

impl<'a> Merging<'a> {
    pub(super) fn new(fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>, types: &'a TypeMap) -> Self {
        Self { fragments, types, keys: HashMap::new(), distinct: Vec::new(), known: HashMap::new() }
    }

    /// The first conflict in an operation on this type.
    pub(super) fn conflict(mut self, operation: &'a OperationDefinition, root: &'a str) -> Option<Conflict> {
        let all = self.spread(&operation.selection_set.node, Some(root));
        self.within(&all)
    }

    /// The fields of a set, with fragments spread out.
    fn spread(&mut self, set: &'a SelectionSet, of: Option<&'a str>) -> Vec<Selected<'a>> {
        let mut all = Vec::new();
        self.spread_into(&mut all, set, of, &mut HashSet::new());
        all
    }

    fn spread_into(&mut self, all: &mut Vec<Selected<'a>>, set: &'a SelectionSet, of: Option<&'a str>, seen: &mut HashSet<&'a Name>) {
        for item in &set.items {
            match &item.node {
                Node::Field(field) => {
                    let selected = self.selected(field, of);
                    all.push(selected);
                }
                Node::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    self.spread_into(all, &fragment.node.selection_set.node, condition.or(of), seen);
                }
                Node::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // Whatever it says once more it has said.
                    if let Some(fragment) = self.fragments.get(name).filter(|_| seen.insert(name)) {
                        let condition = fragment.node.type_condition.node.on.node.as_str();
                        self.spread_into(all, &fragment.node.selection_set.node, Some(condition), seen);
                    }
                }
            }
        }
    }

    fn selected(&mut self, field: &'a Positioned<Field>, of: Option<&'a str>) -> Selected<'a> {
        let next = self.keys.len();
        let key = *self.keys.entry(field.node.response_key().node.as_str()).or_insert(next);
        let what = self.number(&field.node);
        let is_type_name = field.node.name.node == "__typename";
        let target = if is_type_name { Some(("String", "String!")) } else { of.and_then(|of| self.types.written(of, &field.node.name.node)) };
        let below = self.spread(&field.node.selection_set.node, target.map(|(target, _)| target));
        Selected { of, field, key, what, target, below }
    }

    /// The number of a field with its arguments.
    fn number(&mut self, field: &'a Field) -> usize {
        let Self { distinct, known, .. } = self;
        *known.entry(std::ptr::from_ref(field).addr()).or_insert_with(|| {
            distinct.iter().position(|other| is_same(other, field)).unwrap_or_else(|| {
                distinct.push(field);
                distinct.len().saturating_sub(1)
            })
        })
    }

    /// The first conflict between fields that one object may have, or below one of them.
    fn within(&self, fields: &[Selected<'a>]) -> Option<Conflict> {
        fields.iter().enumerate().find_map(|(place, one)| {
            let after = fields.iter().skip(place.saturating_add(1));
            after.filter_map(|other| self.between(one, other, false)).next().or_else(|| self.within(&one.below))
        })
    }

    /// The first conflict between two fields, or between what is below one and the other. Where they are `apart`, no object has both: then they only
    /// have to be written alike.
    fn between(&self, one: &Selected<'a>, other: &Selected<'a>, apart: bool) -> Option<Conflict> {
        if one.key != other.key || std::ptr::eq(one.field, other.field) {
            return None;
        }
        let apart = apart || self.are_apart(one.of, other.of);
        if !(apart || one.what == other.what) {
            let (name, other_name) = (&one.field.node.name.node, &other.field.node.name.node);
            return Some(conflict(one, other, &format!("`{name}` and `{other_name}` or other arguments of it")));
        }
        if !self.has_one_shape(one, other) {
            return Some(conflict(one, other, "which are written in different ways"));
        }
        one.below.iter().find_map(|below| other.below.iter().find_map(|other| self.between(below, other, apart)))
    }

    /// Whether no object is of both types. Of what is not known any may be.
    fn are_apart(&self, one: Option<&str>, other: Option<&str>) -> bool {
        let is_object = |of: Option<&str>| of.is_some_and(|of| self.types.is_object(of));
        one != other && is_object(one) && is_object(other)
    }

    fn has_one_shape(&self, one: &Selected<'a>, other: &Selected<'a>) -> bool {
        // What is not known is refused by the rules.
        let (Some((one, one_written)), Some((other, other_written))) = (one.target, other.target) else { return true };
        let wrapped = |written: &'a str| written.chars().filter(|sign| "[]!".contains(*sign));
        let is_either_a_leaf = self.types.is_leaf(one) || self.types.is_leaf(other);
        if is_either_a_leaf { one_written == other_written } else { wrapped(one_written).eq(wrapped(other_written)) }
    }
}

/// Whether they are the same field with the same arguments.
pub fn is_same(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node && one.arguments.len() == other.arguments.len() && arguments(one) == arguments(other)
}

/// In the order of their names: each of two fields may have hundreds.
fn arguments(field: &Field) -> Vec<(&Name, &Value)> {
    let mut arguments: Vec<_> = field.arguments.iter().map(|(name, value)| (&name.node, &value.node)).collect();
    arguments.sort_by_key(|(name, _)| *name);
    arguments
}

fn conflict(one: &Selected<'_>, other: &Selected<'_>, things: &str) -> Conflict {
    let key = &one.field.node.response_key().node;
    Conflict { message: format!("`{key}` stands for two things, {things}: give one of them an alias."), at: [one.field.pos, other.field.pos] }
}
