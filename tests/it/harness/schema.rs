//! The schema as the walks need it: types, fields, what they take and what can be selected of what they return.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};

#[derive(Debug, Clone)]
pub struct Argument {
    pub name: String,
    pub of: String,
    pub list: bool,
    pub required: bool,
}

#[derive(Debug, Clone)]
pub struct Root {
    pub name: String,
    /// `query`, `mutation` or `subscription`.
    pub kind: String,
    pub arguments: Vec<Argument>,
    pub returns: String,
    /// The type of object that it is a field of, when it is no root field.
    pub under: Option<String>,
}

impl Root {
    pub fn required_args(&self) -> Vec<&Argument> {
        self.arguments.iter().filter(|argument| argument.required).collect()
    }
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub of: String,
    pub list: bool,
    pub nullable: bool,
    /// Whether entries of the list can be null.
    pub nullable_items: bool,
    pub arguments: Vec<Argument>,
}

impl Field {
    pub fn takes(&self, argument: &str) -> bool {
        self.arguments.iter().any(|known| known.name == argument)
    }

    fn needs_arguments(&self) -> bool {
        self.arguments.iter().any(|argument| argument.required)
    }
}

#[derive(Debug, Default)]
pub struct Schema {
    roots: Vec<Root>,
    /// The fields of subscriptions, which are asked in another way.
    pub subscriptions: Vec<Root>,
    pub objects: BTreeMap<String, Vec<Field>>,
    pub interfaces: BTreeMap<String, Vec<String>>,
    pub inputs: BTreeMap<String, Vec<Argument>>,
    pub enums: BTreeMap<String, Vec<String>>,
}

fn base(of: &Type) -> (String, bool) {
    match &of.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(inner) => (base(inner).0, true),
    }
}

impl Schema {
    pub fn read(sdl: &str) -> Self {
        let mut schema = Self::default();
        for definition in parse_schema(sdl).unwrap().definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    for interface in &object.implements {
                        schema.interfaces.entry(interface.node.to_string()).or_default().push(name.clone());
                    }
                    let fields: Vec<_> = object.fields.into_iter().map(|field| field.node).collect();
                    let roots = fields.iter().map(|field| Root {
                        name: field.name.node.to_string(),
                        kind: name.to_lowercase(),
                        arguments: field.arguments.iter().map(|argument| Self::argument(&argument.node)).collect(),
                        returns: base(&field.ty.node).0,
                        under: None,
                    });
                    match name.as_str() {
                        "Query" | "Mutation" => schema.roots.extend(roots),
                        "Subscription" => schema.subscriptions.extend(roots),
                        _ => {}
                    }
                    let fields = fields.iter().map(|field| {
                        let (of, list) = base(&field.ty.node);
                        let arguments = field.arguments.iter().map(|argument| Self::argument(&argument.node)).collect();
                        let nullable_items = matches!(&field.ty.node.base, BaseType::List(item) if item.nullable);
                        Field { name: field.name.node.to_string(), of, list, nullable: field.ty.node.nullable, nullable_items, arguments }
                    });
                    schema.objects.insert(name, fields.collect());
                }
                TypeKind::InputObject(input) => {
                    schema.inputs.insert(name, input.fields.iter().map(|field| Self::argument(&field.node)).collect());
                }
                TypeKind::Enum(values) => {
                    schema.enums.insert(name, values.values.iter().map(|value| value.node.value.node.to_string()).collect());
                }
                _ => {}
            }
        }
        schema
    }

    fn argument(definition: &async_graphql::parser::types::InputValueDefinition) -> Argument {
        let (of, list) = base(&definition.ty.node);
        let required = !definition.ty.node.nullable && definition.default_value.is_none();
        Argument { name: definition.name.node.to_string(), of, list, required }
    }

    /// The schema that is served.
    pub fn served() -> Self {
        Self::read(&payaid::features::build().unwrap().schema().sdl())
    }

    /// Whether nothing can be selected below it.
    pub fn is_leaf(&self, of: &str) -> bool {
        !self.objects.contains_key(of) && !self.interfaces.contains_key(of)
    }

    /// The fields of queries and mutations.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    pub fn mutations(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter(|root| root.kind == "mutation")
    }

    /// The fields of objects that take arguments.
    pub fn nested(&self) -> impl Iterator<Item = Root> {
        let objects = self.objects.iter().filter(|(of, _)| !["Query", "Mutation", "Subscription"].contains(&of.as_str()));
        objects.flat_map(|(of, fields)| {
            fields.iter().filter(|field| !field.arguments.is_empty()).map(|field| Root {
                name: field.name.clone(),
                kind: "query".to_owned(),
                arguments: field.arguments.clone(),
                returns: field.of.clone(),
                under: Some(of.clone()),
            })
        })
    }

    /// The types that mutations answer with, and what stands in them alone.
    pub fn payloads(&self) -> BTreeSet<String> {
        self.mutations().map(|root| root.returns.clone()).chain(["UserError".to_owned()]).collect()
    }

    /// Everything that can be selected of a type without arguments, down to a depth; empty for a scalar.
    pub fn selection(&self, of: &str, depth: usize) -> String {
        if let Some(objects) = self.interfaces.get(of) {
            let parts: Vec<String> = objects.iter().map(|object| format!("... on {object} {{ id }}")).collect();
            return format!("{{ __typename {} }}", parts.join(" "));
        }
        let Some(fields) = self.objects.get(of) else { return String::new() };
        let mut parts = vec!["__typename".to_owned()];
        for field in fields.iter().filter(|field| !field.needs_arguments()) {
            let leaf = self.is_leaf(&field.of);
            if leaf {
                parts.push(field.name.clone());
            } else if depth > 1 && field.name != "edges" {
                parts.push(format!("{} {}", field.name, self.selection(&field.of, depth - 1)));
            }
        }
        format!("{{ {} }}", parts.join(" "))
    }
}

/// The noun that an identifier is of which a root field takes in an argument or input field: `id` and `ids` mean the root field's own noun.
pub fn noun_of<'n>(argument: &'n str, root: &str) -> &'n str {
    match argument {
        "id" | "ids" if root.starts_with("pipelineStage") => "stage",
        "id" | "ids" if root.starts_with("apiKey") => "apikey",
        "id" | "ids" if root.starts_with("webhookDeliver") => "delivery",
        "id" | "ids" if root.starts_with("webhook") => "webhook",
        "apiKeyId" => "apikey",
        "id" | "ids" if root.starts_with("smsTemplate") => "smstemplate",
        "smsTemplateId" => "smstemplate",
        "endpointId" => "webhook",
        "id" | "ids" => {
            let nouns = [
                "contact",
                "company",
                "deal",
                "task",
                "activity",
                "pipeline",
                "member",
                "message",
                "suppression",
                "invitation",
                "organization",
                "job",
            ];
            nouns.into_iter().find(|noun| root.starts_with(noun)).unwrap_or("contact")
        }
        "ownerId" | "assigneeId" | "authorId" | "actorId" | "userId" | "createdById" => "user",
        other => other.strip_suffix("Id").unwrap_or(other),
    }
}
