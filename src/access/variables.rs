//! Whether the values of variables are of the types that an operation declares, so far as that can be said without coercing them.

use async_graphql::Value;
use async_graphql::registry::{MetaType, MetaTypeName, Registry};

/// Whether a value is surely one of the type: `false` is also said where the rules of validation would make it one, such as an entry for a list.
#[must_use]
pub fn is_surely(registry: &Registry, of: &str, value: Option<&Value>) -> bool {
    let value = value.unwrap_or(&Value::Null);
    match MetaTypeName::create(of) {
        MetaTypeName::NonNull(inner) => *value != Value::Null && is_surely(registry, inner, Some(value)),
        _ if *value == Value::Null => true,
        MetaTypeName::List(inner) => match value {
            Value::List(entries) => entries.iter().all(|entry| is_surely(registry, inner, Some(entry))),
            _ => false,
        },
        MetaTypeName::Named(name) => registry.types.get(name).is_some_and(|of| is_named(registry, of, value)),
    }
}

fn is_named(registry: &Registry, of: &MetaType, value: &Value) -> bool {
    match (of, value) {
        (MetaType::Scalar { is_valid, .. }, _) => is_valid.as_ref().is_some_and(|is_valid| is_valid(value)),
        (MetaType::Enum { enum_values, .. }, Value::Enum(name)) => enum_values.contains_key(name.as_str()),
        (MetaType::Enum { enum_values, .. }, Value::String(name)) => enum_values.contains_key(name),
        (MetaType::InputObject { input_fields, oneof: false, .. }, Value::Object(given)) => {
            given.keys().all(|name| input_fields.contains_key(name.as_str()))
                && input_fields.iter().all(|(name, field)| match given.get(name.as_str()) {
                    None if field.default_value.is_some() => true,
                    value => is_surely(registry, &field.ty, value),
                })
        }
        _ => false,
    }
}
