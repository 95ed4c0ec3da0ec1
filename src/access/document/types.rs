//! What has to be known of the schema's types to look at a document.

use std::collections::{HashMap, HashSet};

use async_graphql::parser;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};

use super::Kind;
use crate::access::cost::tariff::{Tariff, weight};

/// The scalars that every schema has.
const SCALARS: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// For every type of the schema, its fields and the type that each leads to, and what they cost.
#[derive(Debug, Default)]
pub struct TypeMap {
    fields: HashMap<String, HashMap<String, Known>>,
    interfaces: HashSet<String>,
    /// What an object costs, where that is not one point.
    weights: HashMap<String, u64>,
    inputs: HashSet<String>,
    query: String,
    mutation: String,
    subscription: String,
}

/// What is known of a field.
#[derive(Debug)]
struct Known {
    /// The type that it leads to,
    target: String,
    /// and as it is written, with lists and exclamation marks.
    written: String,
    tariff: Tariff,
}

impl TypeMap {
    /// Reads the map from the schema's own text.
    ///
    /// # Errors
    /// When the text is no schema, which would be a fault of the build.
    pub fn from_sdl(sdl: &str) -> anyhow::Result<Self> {
        let (query, mutation, subscription) = ("Query".to_owned(), "Mutation".to_owned(), "Subscription".to_owned());
        let mut map = Self { query, mutation, subscription, ..Self::default() };
        for definition in parser::parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            if matches!(definition.node.kind, TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_)) {
                map.inputs.insert(definition.node.name.node.to_string());
            }
            let of = definition.node.name.node.to_string();
            if let TypeKind::Union(_) = &definition.node.kind {
                anyhow::bail!("the price of the union {of} is not known");
            }
            let fields = match &definition.node.kind {
                TypeKind::Object(object) => &object.fields,
                TypeKind::Interface(interface) => {
                    map.interfaces.insert(of.clone());
                    &interface.fields
                }
                _ => {
                    map.weights.insert(of, 0);
                    continue;
                }
            };
            if let (TypeKind::Object(object), Some(points)) = (&definition.node.kind, weight(&definition.node.directives)?) {
                // An interface costs what the dearest of its objects does.
                for interface in &object.implements {
                    let most = map.weights.entry(interface.node.to_string()).or_insert(1);
                    *most = points.max(*most);
                }
            }
            if let Some(points) = weight(&definition.node.directives)? {
                map.weights.insert(of.clone(), points);
            }
            let targets = fields.iter().map(|field| {
                let (target, written) = (named(&field.node.ty.node.base), field.node.ty.node.to_string());
                Ok((field.node.name.node.to_string(), Known { target, written, tariff: Tariff::of(&field.node)? }))
            });
            let targets = targets.collect::<anyhow::Result<_>>()?;
            map.fields.insert(of, targets);
        }
        map.pass_sizes_on();
        Ok(map)
    }

    /// The type that operations of a kind start with.
    pub(super) fn root(&self, kind: Kind) -> &str {
        match kind {
            Kind::Query => &self.query,
            Kind::Mutation => &self.mutation,
            Kind::Subscription => &self.subscription,
        }
    }

    /// Whether there is such a type for a variable.
    pub(super) fn has_input(&self, of: &Type) -> bool {
        let name = named(&of.base);
        SCALARS.contains(&name.as_str()) || self.inputs.contains(&name)
    }

    /// Whether the type that a field leads to has no fields.
    pub(super) fn is_leaf(&self, of: &str) -> bool {
        !self.fields.contains_key(of)
    }

    /// Whether it is a type of objects, and no other object can be of it.
    pub(super) fn is_object(&self, of: &str) -> bool {
        self.fields.contains_key(of) && !self.interfaces.contains(of)
    }

    /// Tells the lists whose length another field says.
    fn pass_sizes_on(&mut self) {
        let all = self.fields.values().flat_map(HashMap::values);
        let sized = all.filter_map(|known| Some((known.target.clone(), known.tariff.size.as_ref()?.fields.clone())));
        for (target, names) in sized.collect::<Vec<_>>() {
            for name in names {
                if let Some(known) = self.fields.get_mut(&target).and_then(|fields| fields.get_mut(&name)) {
                    known.tariff.is_sized = true;
                }
            }
        }
    }

    pub(super) fn target(&self, of: &str, field: &str) -> Option<(&str, &Tariff)> {
        self.fields.get(of)?.get(field).map(|known| (known.target.as_str(), &known.tariff))
    }

    /// The type that a field leads to, and as it is written.
    pub(super) fn written(&self, of: &str, field: &str) -> Option<(&str, &str)> {
        self.fields.get(of)?.get(field).map(|known| (known.target.as_str(), known.written.as_str()))
    }

    /// What an object of the type costs, and a value nothing.
    pub(super) fn weight(&self, of: &str) -> u64 {
        match self.weights.get(of) {
            Some(points) => *points,
            None => u64::from(self.fields.contains_key(of)),
        }
    }

    /// The lists of objects that cost something and do not say how long they get, as `Type.field`.
    #[must_use]
    pub fn lists_without_size(&self) -> Vec<String> {
        let all = self.fields.iter().flat_map(|(of, fields)| fields.iter().map(move |(name, known)| (of, name, known)));
        let is_unlimited = |tariff: &Tariff| tariff.is_list && !tariff.is_sized && tariff.size.is_none();
        let lacking = all.filter(|(_, _, known)| is_unlimited(&known.tariff) && self.weight(&known.target) > 0);
        lacking.map(|(of, name, _)| format!("{of}.{name}")).collect()
    }
}

fn named(base: &BaseType) -> String {
    match base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => named(&inner.base),
    }
}
