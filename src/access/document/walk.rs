//! The walk over a document: each fragment is looked at once, however often it is spread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::parser::types::{
    Field, FragmentDefinition, OperationDefinition, OperationType, Selection as Node, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned};

use super::schema_walk::SchemaWalk;
use super::{Found, Kind, TypeMap, too_complex};
use crate::access::condition::Condition;
use crate::access::cost::of_introspection;
use crate::access::cost::price::Price;
use crate::access::cost::tariff::Tariff;
use crate::base::text::snake_case;
use crate::base::{Code, Error, Result};
use crate::platform::config::DocumentConfig;

/// What a selection set amounts to once its fragments are expanded.
#[derive(Debug, Clone, Default)]
struct Extent<'a> {
    /// Those of the set itself, not of what they select.
    own: usize,
    aliases: usize,
    fields: usize,
    schema_fields: usize,
    directives: usize,
    depth: usize,
    /// How many sets stand within one another, this one among them.
    sets: usize,
    price: Arc<Price>,
    /// The response keys of the root's fields.
    keys: HashSet<&'a str>,
}

/// The most fields and fragments within one another.
const MAX_NESTED: usize = 64;
/// The most variables of an operation.
const MAX_VARIABLES: usize = 60;

/// Refuses sets within sets within sets, into which everybody goes down who looks at the document, one call in another. There is one more than there are
/// fields and fragments, with the empty one of the last field.
pub(super) fn check_nesting(sets: usize) -> Result<()> {
    if sets.saturating_sub(1) <= MAX_NESTED {
        return Ok(());
    }
    Err(too_complex("The document nests too many fields and fragments", &format!("{MAX_NESTED} within one another are allowed")))
}

pub(super) struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    types: &'a TypeMap,
    limits: &'a DocumentConfig,
    schema: SchemaWalk<'a>,
    /// By name, and whether it was spread at the root, whose fields are noted.
    known: HashMap<(&'a Name, bool), Extent<'a>>,
    open: HashSet<&'a Name>,
    /// How many sets are being looked at, each within the one before it.
    inside: usize,
    found: Found,
}

impl<'a> Walk<'a> {
    pub(super) fn new(fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>, types: &'a TypeMap, limits: &'a DocumentConfig) -> Self {
        Self {
            fragments,
            types,
            limits,
            schema: SchemaWalk::default(),
            known: HashMap::new(),
            open: HashSet::new(),
            inside: 0,
            found: Found::default(),
        }
    }

    /// What the operation selects, and the fragments that it spreads.
    pub(super) fn operation(mut self, operation: &'a OperationDefinition) -> Result<(Found, HashSet<&'a Name>)> {
        let kind = match operation.ty {
            OperationType::Query => Kind::Query,
            OperationType::Mutation => Kind::Mutation,
            OperationType::Subscription => Kind::Subscription,
        };
        self.found.kind = kind;
        let required = operation.variable_definitions.iter().filter(|v| !v.node.var_type.node.nullable && v.node.default_value.is_none());
        if let Some(unknown) = operation.variable_definitions.iter().find(|variable| !self.types.has_input(&variable.node.var_type.node)) {
            let message = format!(
                "The variable `${}` is of the type `{}`, which the schema does not have.",
                unknown.node.name.node, unknown.node.var_type.node
            );
            return Err(Error::new(Code::ValidationError, message));
        }
        if operation.variable_definitions.len() > MAX_VARIABLES {
            return Err(too_complex(
                &format!("The operation declares {} variables", operation.variable_definitions.len()),
                &format!("{MAX_VARIABLES} are allowed"),
            ));
        }
        self.found.required_variables = required.map(|variable| variable.node.name.node.clone()).collect();
        let variable = |variable: &Positioned<VariableDefinition>| (variable.node.name.node.clone(), variable.node.var_type.node.to_string());
        self.found.variables = operation.variable_definitions.iter().map(variable).collect();
        let extent = self.set(&operation.selection_set.node, Some(self.types.root(kind)), true)?;
        let directives = extent.directives.saturating_add(operation.directives.len());
        if extent.depth > self.limits.document_max_depth {
            return Err(too_complex(
                &format!("The document nests {} fields", extent.depth),
                &format!("{} are allowed", self.limits.document_max_depth),
            ));
        }
        if directives > self.limits.document_max_directives {
            return Err(too_complex(
                &format!("The document has {directives} directives"),
                &format!("{} are allowed", self.limits.document_max_directives),
            ));
        }
        self.found.root_count = extent.own;
        let is_schemas = |name: &String| name.starts_with("__");
        if kind == Kind::Subscription && (extent.own != 1 || self.found.root_fields.iter().any(is_schemas)) {
            let message = "A subscription selects one field, and none of the schema's own: open another one for what else is to be told.";
            return Err(Error::new(Code::ValidationError, message));
        }
        self.found.price = extent.price;
        let default =
            |variable: &Positioned<VariableDefinition>| Some((variable.node.name.node.clone(), variable.node.default_value.as_ref()?.node.clone()));
        self.found.defaults = operation.variable_definitions.iter().filter_map(default).collect();
        let spread = self.known.keys().map(|(name, _)| *name).chain(self.schema.spread());
        Ok((self.found, spread.collect()))
    }

    fn set(&mut self, set: &'a SelectionSet, of: Option<&'a str>, at_root: bool) -> Result<Extent<'a>> {
        // Neither those that lead here nor, where a fragment is known, those below may be too many.
        self.inside = self.inside.saturating_add(1);
        check_nesting(self.inside)?;
        let mut extent = Extent { sets: 1, ..Extent::default() };
        let mut price = Price::default();
        for item in &set.items {
            let directives = item.node.directives();
            let when: Vec<Condition> = Condition::of(directives).collect();
            let (inner, own_depth) = match &item.node {
                Node::Field(field) => (self.field(&field.node, of, at_root, when, &mut price)?, 1),
                Node::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    let inner = self.set(&fragment.node.selection_set.node, condition.or(of), at_root)?;
                    price.spread(when, Arc::clone(&inner.price));
                    (inner, 0)
                }
                Node::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.node.fragment_name.node, at_root)?;
                    price.spread(when, Arc::clone(&inner.price));
                    (inner, 0)
                }
            };
            for key in inner.keys {
                if !extent.keys.insert(key) && self.found.kind == Kind::Mutation {
                    let message = format!("`{key}` is selected twice: a mutation is done once for each field. Select it once, or give one an alias.");
                    return Err(Error::new(Code::ValidationError, message));
                }
            }
            extent.own = extent.own.saturating_add(inner.own);
            extent.aliases = extent.aliases.saturating_add(inner.aliases);
            extent.fields = extent.fields.saturating_add(inner.fields);
            extent.schema_fields = extent.schema_fields.saturating_add(inner.schema_fields);
            extent.directives = extent.directives.saturating_add(inner.directives).saturating_add(directives.len());
            extent.depth = extent.depth.max(inner.depth.saturating_add(own_depth));
            extent.sets = extent.sets.max(inner.sets.saturating_add(1));
            check_nesting(extent.sets)?;
            self.check(&extent)?;
        }
        self.inside = self.inside.saturating_sub(1);
        extent.price = price.shared();
        Ok(extent)
    }

    /// Refuses as soon as there is too much, so that what the fragments of a document expand to is never gone through.
    fn check(&self, extent: &Extent<'_>) -> Result<()> {
        let limits = self.limits;
        let counts = [
            (extent.aliases, limits.document_max_aliases, "gives too many aliases at one level"),
            (extent.fields, limits.document_max_fields, "selects too many fields, those of fragments counted wherever they are spread"),
            (
                extent.schema_fields,
                limits.introspection_max_fields,
                "selects too many fields of the schema, those of fragments counted wherever they are spread",
            ),
        ];
        match counts.into_iter().find(|(count, most, _)| count > most) {
            None => Ok(()),
            Some((_, most, what)) => Err(too_complex(&format!("The document {what}"), &format!("{most} are allowed"))),
        }
    }

    /// A field with what is selected below it.
    fn field(&mut self, field: &'a Field, of: Option<&'a str>, at_root: bool, when: Vec<Condition>, price: &mut Price) -> Result<Extent<'a>> {
        let name = field.name.node.as_str();
        self.note(of, name, at_root);
        let is_leaf = field.selection_set.node.items.is_empty();
        if name == "__typename" && !(is_leaf && field.arguments.is_empty()) {
            // The rules of validation do not look there.
            return Err(Error::new(Code::ValidationError, "`__typename` has neither fields nor arguments."));
        }
        let extent = Extent {
            own: 1,
            aliases: usize::from(field.alias.is_some()),
            fields: 1,
            keys: at_root.then(|| field.response_key().node.as_str()).into_iter().collect(),
            ..Extent::default()
        };
        if let Some(own) = of_introspection(name) {
            let below = self.schema.look(&field.selection_set.node, self.fragments, self.limits)?;
            price.add(field, when, &Tariff { own, ..Tariff::default() }, 0, Arc::default());
            return Ok(Extent { schema_fields: below.fields, directives: below.directives, sets: below.sets, ..extent });
        }
        let known = of.and_then(|of| self.types.target(of, name));
        let below = self.set(&field.selection_set.node, known.map(|(target, _)| target), false)?;
        let nothing = Tariff::default();
        let tariff = known.map_or(&nothing, |(_, tariff)| tariff);
        let each = known.map_or_else(|| u64::from(!is_leaf), |(target, _)| self.types.weight(target));
        price.add(field, when, tariff, each, below.price);
        if at_root {
            self.found.classes.extend(tariff.class);
        }
        let (fields, depth, sets) = (below.fields.saturating_add(1), below.depth, below.sets);
        Ok(Extent { fields, depth, sets, directives: below.directives, schema_fields: below.schema_fields, ..extent })
    }

    fn fragment(&mut self, name: &Name, at_root: bool) -> Result<Extent<'a>> {
        // It would count for nothing, and so would thousands of fragments that come to it in the end.
        let unknown = || Error::new(Code::ValidationError, format!("The document has no fragment `{name}`."));
        let (name, fragment) = self.fragments.get_key_value(name).ok_or_else(unknown)?;
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
