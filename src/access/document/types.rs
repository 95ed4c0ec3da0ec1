//! What has to be known of the schema's types to look at a document.

use std::collections::{HashMap, HashSet};

use async_graphql::parser;
use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition};

use crate::access::objects::Leads;

/// For every type of the schema, its fields and the type that each leads to.
#[derive(Debug, Default)]
pub struct TypeMap {
    fields: HashMap<String, HashMap<String, (String, Leads)>>,
    inputs: HashSet<String>,
    pub(super) query: String,
    pub(super) mutation: String,
}

impl TypeMap {
    /// Reads the map from the schema's own text.
    ///
    /// # Errors
    /// When the text is no schema, which would be a fault of the build.
    pub fn from_sdl(sdl: &str) -> anyhow::Result<Self> {
        let mut map = Self { query: "Query".to_owned(), mutation: "Mutation".to_owned(), ..Self::default() };
        for definition in parser::parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            if matches!(definition.node.kind, TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_)) {
                map.inputs.insert(definition.node.name.node.to_string());
            }
            let fields = match &definition.node.kind {
                TypeKind::Object(object) => &object.fields,
                TypeKind::Interface(interface) => &interface.fields,
                _ => continue,
            };
            let of = definition.node.name.node.to_string();
            let targets = fields.iter().map(|field| {
                let target = named(&field.node.ty.node.base);
                (field.node.name.node.to_string(), (target, leads(&of, &field.node)))
            });
            let targets = targets.collect();
            map.fields.insert(of, targets);
        }
        Ok(map)
    }

    /// Whether there is such a type for a variable.
    pub(super) fn has_input(&self, of: &Type) -> bool {
        let name = named(&of.base);
        ["Int", "Float", "String", "Boolean", "ID"].contains(&name.as_str()) || self.inputs.contains(&name)
    }

    pub(super) fn target(&self, of: &str, field: &str) -> Option<(&str, Leads)> {
        self.fields.get(of)?.get(field).map(|(target, leads)| (target.as_str(), *leads))
    }
}

fn leads(of: &str, field: &FieldDefinition) -> Leads {
    let takes = |name: &str| field.arguments.iter().any(|argument| argument.node.name.node == name);
    match &field.ty.node.base {
        _ if takes("first") => Leads::Page,
        _ if takes("ids") => Leads::ByIds,
        BaseType::List(_) if !of.ends_with("Connection") => Leads::PlainList,
        _ => Leads::Single,
    }
}

fn named(base: &BaseType) -> String {
    match base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => named(&inner.base),
    }
}
