//! What `@skip` and `@include` ask for.

use async_graphql::parser::types::Directive;
use async_graphql::{Name, Pos, Positioned, Value, Variables};
use async_graphql_value::Value as Argument;

/// What a `@skip` or `@include` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    value: Given,
    must_be: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Given {
    Known(bool),
    Variable(Name),
}

impl Condition {
    /// Those of a selection; an argument that is no boolean would not be valid.
    pub fn of(directives: &[Positioned<Directive>]) -> impl Iterator<Item = Self> {
        directives.iter().filter_map(|directive| {
            let must_be = match directive.node.name.node.as_str() {
                "skip" => false,
                "include" => true,
                _ => return None,
            };
            let value = match &directive.node.get_argument("if")?.node {
                Argument::Variable(name) => Given::Variable(name.clone()),
                other => Given::Known(*other == Argument::Boolean(true)),
            };
            Some(Self { value, must_be })
        })
    }

    /// The directive that asks for it.
    #[must_use]
    pub fn directive(&self, pos: Pos) -> Positioned<Directive> {
        let value = match &self.value {
            Given::Known(value) => Argument::Boolean(*value),
            Given::Variable(name) => Argument::Variable(name.clone()),
        };
        let name = if self.must_be { "include" } else { "skip" };
        let at = |name| Positioned::new(Name::new(name), pos);
        Positioned::new(Directive { name: at(name), arguments: vec![(at("if"), Positioned::new(value, pos))] }, pos)
    }

    /// Whether what bears it is there when the variables have these values.
    #[must_use]
    pub fn holds(&self, variables: &Variables) -> bool {
        let value = match &self.value {
            Given::Known(value) => *value,
            Given::Variable(name) => variables.get(name) == Some(&Value::Boolean(true)),
        };
        value == self.must_be
    }
}
