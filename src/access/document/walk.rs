//! The walk over a document: each fragment is looked at once, however often it is spread.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{FragmentDefinition, OperationDefinition, OperationType, Selection as Node, SelectionSet, VariableDefinition};
use async_graphql::{Name, Positioned};

use super::{Found, MAX_DEPTH, MAX_FIELDS, TypeMap};
use crate::access::objects::{Leads, Objects};
use crate::base::{Code, Error, Result};

/// What a selection set amounts to once its fragments are expanded.
#[derive(Debug, Clone, Default)]
struct Extent<'a> {
    /// Those of the set itself, not of what they select.
    own: usize,
    fields: usize,
    depth: usize,
    objects: Objects,
    /// The response keys of the set's fields that select something themselves.
    keys: HashSet<&'a str>,
}

pub(super) struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'a TypeMap,
    known: HashMap<&'a Name, Extent<'a>>,
    open: HashSet<&'a Name>,
    found: Found,
}

impl<'a> Walk<'a> {
    pub(super) fn new(fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>, types: &'a TypeMap) -> Self {
        Self { fragments, types, known: HashMap::new(), open: HashSet::new(), found: Found::default() }
    }

    pub(super) fn operation(mut self, operation: &'a OperationDefinition) -> Result<Found> {
        let root = match operation.ty {
            OperationType::Mutation => &self.types.mutation,
            _ => &self.types.query,
        };
        self.found.mutation = operation.ty == OperationType::Mutation;
        let required = operation.variable_definitions.iter().filter(|v| !v.node.var_type.node.nullable && v.node.default_value.is_none());
        self.found.required_variables = required.map(|variable| variable.node.name.node.clone()).collect();
        let variable = |variable: &Positioned<VariableDefinition>| (variable.node.name.node.clone(), variable.node.var_type.node.to_string());
        self.found.variables = operation.variable_definitions.iter().map(variable).collect();
        let extent = self.set(&operation.selection_set.node, Some(root), true)?;
        if extent.depth > MAX_DEPTH {
            return Err(too_complex(&format!("The document nests {} fields deep; at most {MAX_DEPTH} are allowed.", extent.depth)));
        }
        self.found.root_count = extent.own;
        self.found.objects = extent.objects;
        let default =
            |variable: &Positioned<VariableDefinition>| Some((variable.node.name.node.clone(), variable.node.default_value.as_ref()?.node.clone()));
        self.found.defaults = operation.variable_definitions.iter().filter_map(default).collect();
        Ok(self.found)
    }

    fn set(&mut self, set: &'a SelectionSet, of: Option<&'a str>, at_root: bool) -> Result<Extent<'a>> {
        let mut extent = Extent::default();
        for item in &set.items {
            let (inner, own_depth) = match &item.node {
                Node::Field(field) => {
                    let name = field.node.name.node.as_str();
                    self.note(of, name, at_root);
                    let target = of.and_then(|of| self.types.target(of, name));
                    let below = self.set(&field.node.selection_set.node, target.map(|(target, _)| target), false)?;
                    let (mut objects, mut keys) = (Objects::default(), HashSet::new());
                    if !field.node.selection_set.node.items.is_empty() {
                        keys.insert(field.node.response_key().node.as_str());
                        objects.add(&field.node, target.map_or(Leads::Single, |(_, leads)| leads), below.objects);
                    }
                    (Extent { own: 1, fields: below.fields.saturating_add(1), depth: below.depth, objects, keys }, 1)
                }
                Node::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    (self.set(&fragment.node.selection_set.node, condition.or(of), at_root)?, 0)
                }
                Node::FragmentSpread(spread) => (self.fragment(&spread.node.fragment_name.node, at_root)?, 0),
            };
            self.found.overlaps |= !extent.keys.is_disjoint(&inner.keys);
            extent.keys.extend(inner.keys);
            extent.own = extent.own.saturating_add(inner.own);
            extent.fields = extent.fields.saturating_add(inner.fields);
            extent.depth = extent.depth.max(inner.depth.saturating_add(own_depth));
            if extent.fields > MAX_FIELDS {
                return Err(too_complex(&format!(
                    "The document selects more than {MAX_FIELDS} fields, those of fragments counted wherever they are spread."
                )));
            }
            extent.objects.spread(&inner.objects);
        }
        Ok(extent)
    }

    fn fragment(&mut self, name: &Name, at_root: bool) -> Result<Extent<'a>> {
        // A spread of an unknown fragment is the validator's to report.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else { return Ok(Extent::default()) };
        if let Some(extent) = self.known.get(name) {
            return Ok(extent.clone());
        }
        if !self.open.insert(name) {
            return Err(Error::new(Code::ValidationError, format!("The fragment `{name}` spreads itself.")));
        }
        let condition = fragment.node.type_condition.node.on.node.as_str();
        let extent = self.set(&fragment.node.selection_set.node, Some(condition), at_root)?;
        self.open.remove(name);
        self.known.insert(name, extent.clone());
        Ok(extent)
    }

    fn note(&mut self, of: Option<&str>, name: &str, at_root: bool) {
        if at_root && !self.found.root_fields.iter().any(|known| known == name) {
            self.found.root_fields.push(name.to_owned());
        }
        let Some(of) = of else { return };
        let name = snake_case(name);
        let fields = self.found.by_type.entry(of.to_owned()).or_default();
        if !fields.contains(&name) {
            fields.push(name);
        }
    }
}

fn too_complex(message: &str) -> Error {
    Error::new(Code::DocumentTooComplex, format!("{message} Ask for less, or in several operations."))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
