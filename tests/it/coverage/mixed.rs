//! A selection in which all that the specification allows comes together, with each field twice: so it can be compared with itself where an answer does
//! not come twice the same, as of mutations.

use serde_json::Value;

use super::ways::Way;
use crate::harness::schema::{Field, Schema};

pub struct Mixed {
    pub selection: String,
    pub fragments: String,
    /// How many fields the type has that are asked for, under two keys each.
    fields: usize,
}

impl Mixed {
    /// All fields of a type that need no arguments, each under two keys (but what is left of a budget, which tells of the moment): over named and
    /// inline fragments and directives, or `merged`, which is spread twice and whose objects are put together from parts.
    pub fn of(schema: &Schema, of: &str, merged: bool) -> Self {
        let fields: Vec<&Field> = schema.objects[of]
            .iter()
            .rev()
            .filter(|field| field.arguments.iter().all(|argument| !argument.required) && field.of != "RateLimit")
            .collect();
        let whole = |field: &Field| format!("{} {}", field.name, schema.selection(&field.of, 1));
        let part = |field: &Field| if schema.is_leaf(&field.of) { field.name.clone() } else { format!("{} {{ __typename }}", field.name) };
        let named = |key: &str, fields: &[(usize, &&Field)], form: &dyn Fn(&Field) -> String| {
            fields.iter().map(|(n, field)| format!("{key}{n}: {} ", form(field))).collect::<String>()
        };
        let all: Vec<_> = fields.iter().enumerate().collect();
        let (even, odd): (Vec<_>, Vec<_>) = all.iter().copied().partition(|(n, _)| n % 2 == 0);
        let first: &dyn Fn(&Field) -> String = if merged { &part } else { &whole };
        let again = if merged { format!("{}...F ...F", named("a", &even, &whole)) } else { String::new() };
        let selection = format!(
            "{} ...F ... on {of} {{ {} }} ... @skip(if: $yes) {{ skipped: __typename }} ... @include(if: $yes) {{ last: __typename }} {again}",
            named("a", &even, first),
            named("a", &odd, &whole),
        );
        let fragments = format!("fragment F on {of} {{ {} ...G }} fragment G on {of} {{ between: __typename }}", named("b", &all, &whole));
        Self { selection, fragments, fields: fields.len() }
    }

    /// The operation that asks for it at the end of a way.
    pub fn operation(&self, way: &Way) -> String {
        format!("{} {}", Self::declared(&way.operation(&self.selection)), self.fragments)
    }

    /// Declares the variable in an operation.
    pub fn declared(operation: &str) -> String {
        let (kind, rest) = operation.split_once(' ').map_or((operation, ""), |(kind, rest)| (kind, rest));
        match kind.split_once('(') {
            Some((kind, variables)) => format!("{kind}($yes: Boolean!, {variables} {rest}"),
            None => format!("{kind}($yes: Boolean!) {rest}"),
        }
    }

    /// Compares what stands under the two keys of each field in the objects of this type.
    pub fn check(&self, ends: &[&Value], what: &str) {
        assert!(!ends.is_empty(), "{what}: nothing was answered");
        for end in ends {
            for n in 0..self.fields {
                assert_eq!(end[&format!("a{n}")], end[&format!("b{n}")], "{what}");
            }
            assert!(end["last"].is_string() && end["between"] == end["last"], "{what}: {end}");
        }
    }
}
