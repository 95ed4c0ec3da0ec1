//! A selection in which all that the specification allows comes together, with each field twice: so it can be compared with itself where an answer does
//! not come twice the same, as of mutations.

use serde_json::{Value, json};

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

    /// What of the objects of this type does not stand alike under the two keys of each field, or is not there at all.
    pub fn wrong_in(&self, ends: &[&Value]) -> Vec<String> {
        let mut wrong = Vec::new();
        if ends.is_empty() {
            wrong.push("nothing was answered".to_owned());
        }
        for end in ends {
            for n in 0..self.fields {
                let (one, other) = (end.get(format!("a{n}")), end.get(format!("b{n}")));
                if one.is_none() || one != other {
                    wrong.push(format!("a{n}: {one:?}, b{n}: {other:?}"));
                }
            }
            if !end["last"].is_string() || end["between"] != end["last"] || end.get("skipped").is_some() {
                wrong.push(format!("what is skipped, included or in a fragment within a fragment: {end}"));
            }
        }
        wrong
    }
}

/// Two keys of one field that do not have the same, and keys that are not there, are found.
#[test]
fn what_does_not_stand_alike_under_its_two_keys_is_found() {
    let schema = Schema::read("type Query { thing: Thing } type Thing { name: String size: Int }");
    let mixed = Mixed::of(&schema, "Thing", false);
    let well = json!({"a0": 1, "b0": 1, "a1": null, "b1": null, "between": "Thing", "last": "Thing"});
    assert_eq!(mixed.wrong_in(&[&well, &well]), Vec::<String>::new());
    assert_eq!(mixed.wrong_in(&[]), ["nothing was answered"]);
    for (key, value) in [("a0", json!(2)), ("b1", json!("b")), ("last", Value::Null), ("between", json!("Other")), ("skipped", json!("Thing"))] {
        let mut broken = well.clone();
        broken[key] = value;
        assert_eq!(mixed.wrong_in(&[&well, &broken]).len(), 1, "{broken}");
    }
    for key in ["a1", "b0", "last", "between"] {
        let mut broken = well.clone();
        broken.as_object_mut().unwrap().remove(key);
        assert_eq!(mixed.wrong_in(&[&broken]).len(), 1, "{broken}");
    }
}
