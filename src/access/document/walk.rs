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
    /// What stands behind the response keys of the set's fields.
    keys: HashMap<&'a str, Behind<'a>>,
}

/// What stands behind a response key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Behind<'a> {
    name: &'a str,
    /// Whether it has neither fields of its own nor arguments.
    plain: bool,
}

pub(super) struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'a TypeMap,
    /// By name, and whether it was spread at the root, whose fields are noted.
    known: HashMap<(&'a Name, bool), Extent<'a>>,
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
        if let Some(unknown) = operation.variable_definitions.iter().find(|variable| !self.types.has_input(&variable.node.var_type.node)) {
            let message = format!(
                "The variable `${}` is of the type `{}`, which the schema does not have.",
                unknown.node.name.node, unknown.node.var_type.node
            );
            return Err(Error::new(Code::ValidationError, message));
        }
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
            self.found.conditional |= !item.node.directives().is_empty();
            let (inner, own_depth) = match &item.node {
                Node::Field(field) => {
                    let name = field.node.name.node.as_str();
                    self.note(of, name, at_root);
                    let target = of.and_then(|of| self.types.target(of, name));
                    let below = self.set(&field.node.selection_set.node, target.map(|(target, _)| target), false)?;
                    let is_leaf = field.node.selection_set.node.items.is_empty();
                    let plain = is_leaf && field.node.arguments.is_empty();
                    if name == "__typename" && !plain {
                        // The rules of validation do not look there.
                        return Err(Error::new(Code::ValidationError, "`__typename` has neither fields nor arguments."));
                    }
                    let keys = HashMap::from([(field.node.response_key().node.as_str(), Behind { name, plain })]);
                    let mut objects = Objects::default();
                    if !is_leaf {
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
            for (key, behind) in inner.keys {
                if let Some(known) = extent.keys.insert(key, behind) {
                    self.found.doubles = true;
                    self.found.overlaps |= known != behind || !behind.plain;
                    if at_root && self.found.mutation {
                        let message =
                            format!("`{key}` is selected twice: a mutation is done once for each field. Select it once, or give one an alias.");
                        return Err(Error::new(Code::ValidationError, message));
                    }
                }
            }
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
        if let Some(extent) = self.known.get(&(name, at_root)) {
            return Ok(extent.clone());
        }
        if !self.open.insert(name) {
            return Err(Error::new(Code::ValidationError, format!("The fragment `{name}` spreads itself.")));
        }
        let condition = fragment.node.type_condition.node.on.node.as_str();
        let extent = self.set(&fragment.node.selection_set.node, Some(condition), at_root)?;
        self.open.remove(name);
        self.known.insert((name, at_root), extent.clone());
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
