//! How many objects an operation can answer with, found out before it runs: the pages and lists on the way to each are multiplied.
//!
//! Depth and the number of fields alone do not bound that: three nested pages of a hundred are a million objects in one short document.

use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::{Name, Value};
use async_graphql_value::Value as Argument;

use crate::base::page::{DEFAULT_SIZE, MAX_SIZE};
use crate::base::{Code, Error, Result};

/// The most objects that one operation may be able to answer with.
pub const MAX_OBJECTS: u64 = 50_000;
/// How long a list is taken to be that has no pages.
const PLAIN_LIST: u64 = 10;

/// What a selection set amounts to for one object that it is asked of.
#[derive(Debug, Clone, Default)]
pub struct Objects(Vec<(Times, Arc<Objects>)>);

/// How many objects a field has for each object that it is asked of: what the first of these that says something says, or else so many.
#[derive(Debug, Clone, PartialEq)]
struct Times {
    given: Vec<Given>,
    otherwise: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Given {
    Known(u64),
    Variable(Name),
}

/// What a field leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// To one object, or to a value.
    Single,
    /// To the rows of a page, as many as its `first` or `last` says. The lists inside of the page are those rows.
    Page,
    /// To an object for each of its `ids`.
    ByIds,
    /// To a list that has no pages.
    PlainList,
}

impl Objects {
    /// Counts a field with what is selected below it.
    pub fn add(&mut self, field: &Field, leads: Leads, below: Self) {
        self.0.push((Times::of(field, leads), Arc::new(below)));
    }

    /// Counts what a fragment selects.
    pub fn spread(&mut self, fragment: &Self) {
        self.0.extend(fragment.0.iter().cloned());
    }

    /// Refuses when there can be more than [`MAX_OBJECTS`]; `value` says what a variable stands for.
    ///
    /// # Errors
    /// `DOCUMENT_TOO_COMPLEX`, which says how many there can be.
    pub fn check<'v>(&self, value: &impl Fn(&Name) -> Option<&'v Value>) -> Result<()> {
        let count = self.count(value);
        if count <= MAX_OBJECTS {
            return Ok(());
        }
        let message = format!(
            "The operation can answer with {count} objects, pages within pages multiplied; at most {MAX_OBJECTS} are allowed. Ask for smaller pages, \
             or for less below them."
        );
        Err(Error::new(Code::DocumentTooComplex, message))
    }

    fn count<'v>(&self, value: &impl Fn(&Name) -> Option<&'v Value>) -> u64 {
        let each = self.0.iter().map(|(times, below)| times.resolve(value).saturating_mul(below.count(value).saturating_add(1)));
        each.fold(0, u64::saturating_add)
    }
}

impl Times {
    fn of(field: &Field, leads: Leads) -> Self {
        let (names, otherwise): (&[&str], u64) = match leads {
            Leads::Single => (&[], 1),
            Leads::PlainList => (&[], PLAIN_LIST),
            Leads::Page => (&["first", "last"], DEFAULT_SIZE.unsigned_abs()),
            Leads::ByIds => (&["ids"], MAX_SIZE.unsigned_abs()),
        };
        let given = names.iter().filter_map(|name| given(&field.get_argument(name)?.node)).collect();
        Self { given, otherwise }
    }

    fn resolve<'v>(&self, value: &impl Fn(&Name) -> Option<&'v Value>) -> u64 {
        let said = self.given.iter().find_map(|given| match given {
            Given::Known(count) => Some(*count),
            Given::Variable(name) => value(name).and_then(|value| match value {
                Value::Number(number) => Some(number.as_u64().unwrap_or_default()),
                Value::List(items) => Some(u64::try_from(items.len()).unwrap_or(u64::MAX)),
                _ => None,
            }),
        });
        said.unwrap_or(self.otherwise)
    }
}

fn given(argument: &Argument) -> Option<Given> {
    match argument {
        Argument::Variable(name) => Some(Given::Variable(name.clone())),
        // A negative size is refused later; it is no reason to count less than nothing.
        Argument::Number(number) => Some(Given::Known(number.as_u64().unwrap_or_default())),
        Argument::List(items) => Some(Given::Known(u64::try_from(items.len()).unwrap_or(u64::MAX))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::access::document::{Document, TypeMap};

    const SDL: &str = "type Query { contacts(first: Int, last: Int): ContactConnection nodes(ids: [ID!]!): [Contact]! pipelines: [Contact!]! } \
                       type ContactConnection { nodes: [Contact!]! } type Contact { name: String contacts(first: Int, last: Int): ContactConnection }";

    /// How many objects the server says there are too many of; `None` when it lets the operation through.
    fn refused(text: &str, variables: Json) -> Option<u64> {
        let document = Document::prepare(text, &TypeMap::from_sdl(SDL).unwrap()).unwrap();
        let error = document.selection(None).unwrap().check_size(&Variables::from_json(variables)).err()?;
        assert_eq!(error.code, Code::DocumentTooComplex);
        error.message.split(' ').find_map(|word| word.parse().ok())
    }

    #[test]
    fn pages_within_pages_are_multiplied() {
        let nested = |first: &str| {
            format!("{{ contacts(first: 100) {{ nodes {{ contacts({first}) {{ nodes {{ contacts(last: 10) {{ nodes {{ name }} }} }} }} }} }} }}")
        };
        assert_eq!(refused(&nested("first: 20"), json!({})), None);
        // A page with its connection, and so on: 100 (1 + 1 + 100 (1 + 1 + 10 (1 + 1))).
        assert_eq!(refused(&nested("first: 100"), json!({})), Some(100 * (2 + 100 * (2 + 10 * 2))));
        assert_eq!(refused(&nested("first: 100000000000000000000"), json!({})), None);
    }

    #[test]
    fn sizes_come_from_variables_and_their_defaults() {
        let text = "query($n: Int, $m: Int = 100) { contacts(first: $n, last: $m) { nodes { contacts(first: $m) { nodes { contacts(first: $m) { nodes { name } } } } } } }";
        assert!(refused(text, json!({})).is_some(), "the default of the second counts");
        assert!(refused(text, json!({"n": 100})).is_some());
        assert_eq!(refused(text, json!({"n": 2, "m": 100})), None);
        assert_eq!(refused(text, json!({"n": 100, "m": 1})), None);
        assert_eq!(refused(text, json!({"n": -1})), None);
        let ids = "query($ids: [ID!]!) { nodes(ids: $ids) { contacts(first: 100) { nodes { contacts(first: 100) { nodes { name } } } } } }";
        assert_eq!(refused(ids, json!({"ids": ["a"]})), None);
        assert!(refused(ids, json!({"ids": vec!["a"; 100]})).is_some());
    }

    #[test]
    fn fragments_and_aliases_count_wherever_they_stand() {
        let text = |times: usize| {
            let aliases: String = (0..times).map(|n| format!("a{n}: contacts(first: 100) {{ ...F }} ")).collect();
            format!("{{ {aliases} }} fragment F on ContactConnection {{ nodes {{ contacts(first: 100) {{ nodes {{ name }} }} }} }}")
        };
        assert_eq!(refused(&text(2), json!({})), None);
        assert!(refused(&text(3), json!({})).is_some());
    }
}
