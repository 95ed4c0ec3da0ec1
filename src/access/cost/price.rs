//! What an operation can cost at most, found out before it runs from its document and the values of its variables.
//!
//! Kept as a tree of what costs something. A fragment is one part of it however often it is spread, and how long its lists are is told by the place where
//! it is spread. All sums stop at the greatest number instead of going beyond it.

use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::{Name, Value, Variables};
use async_graphql_value::Value as Argument;
use serde::Serialize;

use crate::access::condition::Condition;
use crate::access::cost::spent::OwnPrice;
use crate::access::cost::tariff::{Size, Tariff};
use crate::base::page::MAX_SIZE;

/// What a selection set costs for one object that it is asked of.
#[derive(Debug, Clone, Default)]
pub struct Price(Vec<Part>);

#[derive(Debug, Clone)]
struct Part {
    when: Vec<Condition>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Field(Arc<FieldPrice>),
    /// A fragment.
    Spread(Arc<Price>),
}

/// A field that costs something.
#[derive(Debug)]
struct FieldPrice {
    key: String,
    own: OwnPrice,
    times: Times,
    /// What each object costs that it leads to.
    each: u64,
    /// How long the lists below it are.
    lists: Option<Length>,
    below: Arc<Price>,
}

#[derive(Debug)]
enum Times {
    Once,
    /// As often as the field above says.
    AsAbove,
    Length(Length),
}

/// How long a list gets: what the first of these that says something says, or else so many.
#[derive(Debug)]
struct Length {
    given: Vec<Given>,
    otherwise: u64,
}

#[derive(Debug)]
enum Given {
    Known(u64),
    /// A variable, and what to look up in its value.
    Variable(Name, Vec<String>),
}

/// What one field adds to the price, for `X-Cost: explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The response keys that lead to it, such as `contacts.nodes.deals`.
    pub field: String,
    /// How many times it is asked, at most.
    pub times: u64,
    /// The points each time, without what is selected below it.
    pub each: u64,
    /// The points altogether.
    pub points: u64,
}

/// The most lines of an explanation.
const MOST_LINES: usize = 200;

impl Price {
    /// Adds a field, what it leads to at `each` points an object, and what is selected below it. Leaves that cost nothing are left out.
    pub fn add(&mut self, field: &Field, when: Vec<Condition>, tariff: &Tariff, each: u64, below: Arc<Self>) {
        let of_argument = |name: &str| tariff.arguments.iter().find(|(known, _)| known == name).map(|(_, points)| *points);
        let own = OwnPrice::new(tariff.own, field, of_argument);
        if own.is_nothing() && each == 0 && below.0.is_empty() {
            return;
        }
        let length = tariff.size.as_ref().map(|size| Length::of(field, size));
        let (times, lists) = match length {
            _ if tariff.is_sized => (Times::AsAbove, None),
            Some(length) if tariff.is_list => (Times::Length(length), None),
            length => (Times::Once, length),
        };
        let key = field.response_key().node.to_string();
        self.0.push(Part { when, what: What::Field(Arc::new(FieldPrice { key, own, times, each, lists, below })) });
    }

    /// Adds what a fragment selects.
    pub fn spread(&mut self, when: Vec<Condition>, fragment: Arc<Self>) {
        if !fragment.0.is_empty() {
            self.0.push(Part { when, what: What::Spread(fragment) });
        }
    }

    /// Itself, or the one fragment that it consists of: chains of fragments are not gone through each time.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        match self.0.as_slice() {
            [Part { when, what: What::Spread(only) }] if when.is_empty() => Arc::clone(only),
            _ => Arc::new(self),
        }
    }

    /// The points, at most, when the variables have these values, defaults among them.
    #[must_use]
    pub fn points(&self, variables: &Variables) -> u64 {
        self.sum(variables, MAX_SIZE.unsigned_abs())
    }

    /// The points field by field, the dearest first.
    #[must_use]
    pub fn explain(&self, variables: &Variables) -> Vec<Line> {
        let mut lines = Vec::new();
        self.lines(variables, &Above { path: "", times: 1, length: MAX_SIZE.unsigned_abs() }, &mut lines);
        lines.sort_by(|a: &Line, b| b.points.cmp(&a.points).then_with(|| a.field.cmp(&b.field)));
        lines.truncate(MOST_LINES);
        lines
    }

    fn parts(&self, variables: &Variables) -> impl Iterator<Item = &What> {
        self.0.iter().filter(|part| part.when.iter().all(|condition| condition.holds(variables))).map(|part| &part.what)
    }

    /// `above` is how long the field above says that lists are.
    fn sum(&self, variables: &Variables, above: u64) -> u64 {
        let each = self.parts(variables).map(|part| match part {
            What::Spread(fragment) => fragment.sum(variables, above),
            What::Field(field) => {
                let below = field.below.sum(variables, field.length(variables));
                field.own.points(variables).saturating_add(field.times(variables, above).saturating_mul(field.each.saturating_add(below)))
            }
        });
        each.fold(0, u64::saturating_add)
    }

    fn lines(&self, variables: &Variables, above: &Above<'_>, lines: &mut Vec<Line>) {
        for part in self.parts(variables) {
            match part {
                What::Spread(fragment) => fragment.lines(variables, above, lines),
                What::Field(field) => {
                    let path = if above.path.is_empty() { field.key.clone() } else { format!("{}.{}", above.path, field.key) };
                    let times = field.times(variables, above.length);
                    let each = field.own.points(variables).saturating_add(times.saturating_mul(field.each));
                    if each > 0 {
                        lines.push(Line { field: path.clone(), times: above.times, each, points: above.times.saturating_mul(each) });
                    }
                    let below = Above { path: &path, times: above.times.saturating_mul(times), length: field.length(variables) };
                    field.below.lines(variables, &below, lines);
                }
            }
        }
    }
}

/// Where an explanation has come to.
struct Above<'a> {
    path: &'a str,
    times: u64,
    length: u64,
}

impl FieldPrice {
    fn times(&self, variables: &Variables, above: u64) -> u64 {
        match &self.times {
            Times::Once => 1,
            Times::AsAbove => above,
            Times::Length(length) => length.resolve(variables),
        }
    }

    fn length(&self, variables: &Variables) -> u64 {
        self.lists.as_ref().map_or(MAX_SIZE.unsigned_abs(), |length| length.resolve(variables))
    }
}

impl Length {
    fn of(field: &Field, size: &Size) -> Self {
        let given = size.arguments.iter().filter_map(|path| {
            let (first, rest) = path.split_first()?;
            given(&field.get_argument(first)?.node, rest)
        });
        Self { given: given.collect(), otherwise: size.assumed }
    }

    fn resolve(&self, variables: &Variables) -> u64 {
        let said = self.given.iter().find_map(|given| match given {
            Given::Known(count) => Some(*count),
            Given::Variable(name, path) => {
                let value = path.iter().try_fold(variables.get(name)?, |value, member| match value {
                    Value::Object(members) => members.get(member.as_str()),
                    _ => None,
                });
                match value? {
                    Value::Number(number) => Some(count(number)),
                    Value::List(items) => Some(u64::try_from(items.len()).unwrap_or(u64::MAX)),
                    Value::Null => None,
                    // One value stands for a list of one.
                    _ => Some(1),
                }
            }
        });
        said.unwrap_or(self.otherwise)
    }
}

/// What an argument says; what it says wrongly is refused later.
fn given(argument: &Argument, path: &[String]) -> Option<Given> {
    match (argument, path) {
        (Argument::Variable(name), _) => Some(Given::Variable(name.clone(), path.to_vec())),
        (Argument::Object(members), [member, rest @ ..]) => given(members.get(member.as_str())?, rest),
        (Argument::Number(number), []) => Some(Given::Known(count(number))),
        (Argument::List(items), []) => Some(Given::Known(u64::try_from(items.len()).unwrap_or(u64::MAX))),
        (Argument::Null, _) | (_, [_, ..]) => None,
        _ => Some(Given::Known(1)),
    }
}

/// A negative size is refused later; it is no reason to count less than nothing. One that is no whole number is none.
fn count(number: &async_graphql::Number) -> u64 {
    number.as_u64().unwrap_or_else(|| if number.is_i64() { 0 } else { u64::MAX })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::access::document::{Document, TypeMap};
    use crate::platform::config::DocumentConfig;

    const SDL: &str = r#"
        type Query {
            contacts(first: Int, last: Int, search: String @cost(weight: "10")): ContactConnection
                @listSize(assumedSize: 20, slicingArguments: ["first", "last"], sizedFields: ["nodes", "edges"])
            nodes(ids: [ID!]!): [Contact]! @listSize(slicingArguments: ["ids"])
            stages: [Contact!]! @listSize(assumedSize: 7)
            count: Int! @cost(weight: "5")
            me: Contact
        }
        type Mutation { change(input: Input!): Payload @cost(weight: "10") @listSize(slicingArguments: ["input.ids"], sizedFields: ["contacts"]) }
        type Payload @cost(weight: "0") { contacts: [Contact!]! }
        input Input { ids: [ID!]! }
        type ContactConnection @cost(weight: "2") { nodes: [Contact!]! edges: [Edge!]! total: Int! @cost(weight: "5") }
        type Edge @cost(weight: "0") { cursor: ID node: Contact! }
        type Contact { name: String contacts(first: Int, last: Int): ContactConnection
            @listSize(assumedSize: 20, slicingArguments: ["first", "last"], sizedFields: ["nodes", "edges"]) }
    "#;

    fn prepared(text: &str, variables: Json) -> (std::sync::Arc<crate::access::document::Selection>, Variables) {
        let document = Document::prepare(text, &TypeMap::from_sdl(SDL).unwrap(), &DocumentConfig::default()).unwrap();
        let selection = document.selection(None).unwrap();
        let mut variables = Variables::from_json(variables);
        selection.fill_in(&mut variables);
        (selection, variables)
    }

    fn points(text: &str, variables: Json) -> u64 {
        let (selection, variables) = prepared(text, variables);
        selection.price().points(&variables)
    }

    #[test]
    fn objects_cost_one_and_pages_their_size_and_two() {
        for (text, expected) in [
            ("{ __typename }", 0),
            ("{ me { name } }", 1),
            ("{ count }", 5),
            ("{ contacts { nodes { name } } }", 2 + 20),
            ("{ contacts(first: 3) { nodes { name } edges { cursor node { name } } total } }", 2 + 3 + 3 + 5),
            ("{ contacts(last: 4) { total } }", 2 + 5),
            ("{ contacts(first: 0) { nodes { name } } }", 2),
            ("{ stages { name } }", 7),
            ("{ nodes(ids: [\"a\", \"b\"]) { name } }", 2),
            ("{ nodes(ids: \"a\") { name } }", 1),
            ("mutation { change(input: {ids: [\"a\", \"b\"]}) { contacts { name } } }", 10 + 2),
            ("{ a: me { name } b: me { name } ...F ...F } fragment F on Query { me { name } }", 4),
        ] {
            assert_eq!(points(text, json!({})), expected, "{text}");
        }
    }

    #[test]
    fn pages_within_pages_are_multiplied() {
        let nested = |first: &str| {
            format!("{{ contacts(first: 100) {{ nodes {{ contacts({first}) {{ nodes {{ contacts(last: 10) {{ nodes {{ name }} }} }} }} }} }} }}")
        };
        assert_eq!(points(&nested("first: 20"), json!({})), 2 + 100 * (1 + 2 + 20 * (1 + 2 + 10)));
        assert_eq!(points(&nested("first: -1"), json!({})), 2 + 100 * (1 + 2));
        assert_eq!(points(&nested("first: 1000000000000000000000000"), json!({})), u64::MAX);
        assert_eq!(points(&nested("first: 18446744073709551615"), json!({})), u64::MAX);
    }

    #[test]
    fn sizes_come_from_variables_and_their_defaults() {
        let text = "query($n: Int, $m: Int = 30) { contacts(first: $n, last: $m) { nodes { name } } }";
        assert_eq!(points(text, json!({})), 32, "the default of the second counts");
        assert_eq!(points(text, json!({"n": 7})), 9);
        assert_eq!(points(text, json!({"n": null, "m": 5})), 7);
        assert_eq!(points("query($n: Int) { contacts(first: $n) { nodes { name } } }", json!({"n": null})), 22);
        let ids = "query($ids: [ID!]!) { nodes(ids: $ids) { name } }";
        assert_eq!(points(ids, json!({"ids": vec!["a"; 100]})), 100);
        assert_eq!(points(ids, json!({"ids": "a"})), 1);
        let input = "mutation($input: Input!) { change(input: $input) { contacts { name } } }";
        assert_eq!(points(input, json!({"input": {"ids": ["a", "b", "c"]}})), 13);
        assert_eq!(points("mutation($ids: [ID!]!) { change(input: {ids: $ids}) { contacts { name } } }", json!({"ids": ["a", "b"]})), 12);
    }

    #[test]
    fn one_fragment_costs_what_the_place_says_where_it_is_spread() {
        let text = "{ a: contacts(first: 2) { ...F } b: contacts(first: 50) { ...F } } fragment F on ContactConnection { nodes { name } }";
        assert_eq!(points(text, json!({})), 2 + 2 + 2 + 50);
    }

    #[test]
    fn arguments_and_conditions_count_by_the_values_of_variables() {
        let text = "query($search: String, $more: Boolean!) { contacts(first: 1, search: $search) { nodes { name } total @include(if: $more) ...F @skip(if: $more) } } \
                    fragment F on ContactConnection { edges { node { name } } }";
        assert_eq!(points(text, json!({"more": false})), 2 + 1 + 1);
        assert_eq!(points(text, json!({"more": true, "search": null})), 2 + 1 + 5);
        assert_eq!(points(text, json!({"more": true, "search": "x"})), 10 + 2 + 1 + 5);
    }

    #[test]
    fn an_explanation_adds_up_to_the_price() {
        let text = "{ contacts(first: 10, search: \"a\") { total ...F } count } fragment F on ContactConnection { nodes { contacts(first: 5) { nodes { name } } } }";
        let (selection, variables) = prepared(text, json!({}));
        let lines = selection.price().explain(&variables);
        assert_eq!(lines.iter().map(|line| line.points).sum::<u64>(), selection.price().points(&variables));
        let inner = lines.iter().find(|line| line.field == "contacts.nodes.contacts.nodes").unwrap();
        assert_eq!((inner.times, inner.each, inner.points), (10, 5, 50));
    }
}
