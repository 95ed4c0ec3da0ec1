//! What an operation comes to while it runs, read from the directives in the schema's registry.

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{Name, Value, Variables};
use async_graphql_value::Value as Argument;

use crate::access::cost::{of_introspection, weight};

/// What a field costs each time it is asked of an object, besides the objects it leads to.
#[derive(Debug, Clone, Default)]
pub struct OwnPrice {
    always: u64,
    /// For each argument that costs something: the variable that has to have a value.
    with: Vec<(Name, u64)>,
}

impl OwnPrice {
    /// The price of a field as it is selected of a type.
    #[must_use]
    pub fn of(registry: &Registry, type_name: &str, field: &Field) -> Self {
        let name = field.name.node.as_str();
        if let Some(always) = of_introspection(name) {
            return Self { always, with: Vec::new() };
        }
        let Some(of) = registry.types.get(type_name).and_then(|of| of.field_by_name(name)) else { return Self::default() };
        let always = weight(&of.directive_invocations).unwrap_or_default();
        Self::new(always, field, |name| of.args.get(name).and_then(|argument| weight(&argument.directive_invocations)))
    }

    /// What a field costs that costs so much without its arguments; `of_argument` says what one costs that is given.
    #[must_use]
    pub fn new(always: u64, field: &Field, of_argument: impl Fn(&str) -> Option<u64>) -> Self {
        let mut price = Self { always, with: Vec::new() };
        for (name, value) in &field.arguments {
            match (of_argument(name.node.as_str()), &value.node) {
                (None, _) | (_, Argument::Null) => {}
                (Some(points), Argument::Variable(variable)) => price.with.push((variable.clone(), points)),
                (Some(points), _) => price.always = price.always.saturating_add(points),
            }
        }
        price
    }

    /// The points when the variables have these values.
    #[must_use]
    pub fn points(&self, variables: &Variables) -> u64 {
        let given = self.with.iter().filter(|(name, _)| variables.get(name).is_some_and(|value| *value != Value::Null));
        given.fold(self.always, |sum, (_, points)| sum.saturating_add(*points))
    }

    /// Whether it costs nothing, whatever the variables.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.always == 0 && self.with.is_empty()
    }
}

/// What an object of a type costs.
#[must_use]
pub fn of_object(registry: &Registry, type_name: &str) -> u64 {
    if type_name == registry.query_type || registry.mutation_type.as_deref() == Some(type_name) || type_name.starts_with("__") {
        return 0;
    }
    match registry.types.get(type_name) {
        Some(MetaType::Object { directive_invocations, .. }) => weight(directive_invocations).unwrap_or(1),
        Some(MetaType::Interface { .. } | MetaType::Union { .. }) => 1,
        _ => 0,
    }
}
