//! What operations cost, in points, as the schema publishes it by the directives of the IBM cost specification (<https://ibm.github.io/graphql-specs/cost-spec.html>).
//!
//! Every object costs one point and a value none; what costs something else says so by an attribute on its type, field or argument:
//! `#[graphql(directive = cost::apply("5".into()))]`. What a field or an argument costs is added to the objects that the field leads to. Mutations cost ten
//! points besides what they show, their payloads nothing. How long a list can get is known beforehand: by the argument that says so, or by `#[graphql(directive = list_size::apply(Some(20), None, None, None))]`. What follows from a field's shape alone, [`PriceList`] publishes.
//!
//! What must hold: what an operation is admitted for ([`price`]) is never less than what it then comes to ([`spent`]). Both read the same
//! directives, one in the schema's text, the other in its registry.

pub mod price;
pub mod spent;
pub mod tariff;

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaDirectiveInvocation, MetaField, MetaType, MetaTypeName, Registry};
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

use crate::base::directives::{cost, list_size};
use crate::base::page::DEFAULT_SIZE;
use crate::base::{Code, Error};

/// What a mutation costs besides what it shows.
const MUTATION: &str = "10";
/// What the whole schema and one of its types cost.
const SCHEMA: &str = "100";
const ONE_TYPE: &str = "10";

/// The error of an operation that can cost more than any may.
#[must_use]
pub fn too_dear(price: u64, most: u64) -> Error {
    let message = format!(
        "The operation can cost {price} points, pages within pages multiplied; at most {most} are allowed. Ask for smaller pages, or for less below them. \
         `X-Cost: only` shows what each field costs."
    );
    let details = serde_json::json!({ "requested": price, "limit": most });
    Error { details: Some(Box::new(details)), ..Error::new(Code::DocumentTooComplex, message) }
}

/// Registered last, it publishes what follows from the shapes of the fields that are there by then. It is no type of the schema.
pub struct PriceList;

impl OutputType for PriceList {
    fn type_name() -> Cow<'static, str> {
        "PriceList".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        publish(registry);
        Self::type_name().into_owned()
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

fn publish(registry: &mut Registry) {
    let mutation = registry.mutation_type.clone().unwrap_or_default();
    let mut payloads = Vec::new();
    if let Some(MetaType::Object { fields, .. }) = registry.types.get(&mutation) {
        payloads.extend(fields.values().map(|field| MetaTypeName::concrete_typename(&field.ty).to_owned()));
    }
    for payload in payloads {
        if let Some(MetaType::Object { directive_invocations, .. }) = registry.types.get_mut(&payload)
            && !has(directive_invocations, "cost")
        {
            directive_invocations.push(cost::apply("0".to_owned()));
        }
    }
    let mut found = Vec::new();
    for (name, of) in &registry.types {
        let MetaType::Object { fields, .. } = of else { continue };
        for field in fields.values() {
            if *name == mutation && !has(&field.directive_invocations, "cost") {
                found.push((name.clone(), field.name.clone(), cost::apply(MUTATION.to_owned())));
            }
            if let Some(size) = size(registry, field).filter(|_| !has(&field.directive_invocations, "listSize")) {
                found.push((name.clone(), field.name.clone(), size));
            }
        }
    }
    for (of, field, invocation) in found {
        if let Some(MetaType::Object { fields, .. }) = registry.types.get_mut(&of)
            && let Some(field) = fields.get_mut(&field)
        {
            field.directive_invocations.push(invocation);
        }
    }
}

fn has(invocations: &[MetaDirectiveInvocation], name: &str) -> bool {
    invocations.iter().any(|invocation| invocation.name == name)
}

/// How long the list gets that a field leads to, or those of the object that it leads to, when an argument says so.
fn size(registry: &Registry, field: &MetaField) -> Option<MetaDirectiveInvocation> {
    let texts = |all: &[&str]| Some(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let assumed = |name: &str| field.args.get(name).and_then(|argument| argument.default_value.as_ref()?.parse().ok());
    let (target, is_list) = (MetaTypeName::concrete_typename(&field.ty), MetaTypeName::create(&field.ty).is_list());
    if field.args.contains_key("first") && is_list {
        return Some(list_size::apply(assumed("first"), texts(&["first"]), None, Some(false)));
    }
    if field.args.contains_key("first") {
        let default = DEFAULT_SIZE.try_into().ok();
        return Some(list_size::apply(default, texts(&["first", "last"]), texts(&["edges", "nodes"]), Some(false)));
    }
    if field.args.contains_key("ids") && is_list {
        return Some(list_size::apply(None, texts(&["ids"]), None, Some(true)));
    }
    let input = field.args.get("input").and_then(|input| registry.types.get(MetaTypeName::concrete_typename(&input.ty)));
    let Some(MetaType::InputObject { input_fields, .. }) = input.filter(|_| !is_list) else { return None };
    let Some(MetaType::Object { fields, .. }) = registry.types.get(target) else { return None };
    let sized: Vec<&str> = fields.values().filter(|field| is_list_of_objects(registry, field)).map(|field| field.name.as_str()).collect();
    (input_fields.contains_key("ids") && !sized.is_empty()).then(|| list_size::apply(None, texts(&["input.ids"]), texts(&sized), Some(true)))
}

/// Whether a field leads to a list of what costs something.
fn is_list_of_objects(registry: &Registry, field: &MetaField) -> bool {
    let of = registry.types.get(MetaTypeName::concrete_typename(&field.ty));
    MetaTypeName::create(&field.ty).is_list() && of.is_some_and(|of| of.is_composite() && spent::of_object(registry, of.name()) > 0)
}

/// What the fields cost that ask for the schema itself, which no directive says.
#[must_use]
pub fn of_introspection(field: &str) -> Option<u64> {
    match field {
        "__schema" => SCHEMA.parse().ok(),
        "__type" => ONE_TYPE.parse().ok(),
        _ => None,
    }
}

/// The points that an invocation of `@cost` names.
fn weight(invocations: &[MetaDirectiveInvocation]) -> Option<u64> {
    let invocation = invocations.iter().find(|invocation| invocation.name == "cost")?;
    match invocation.args.get("weight")? {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
