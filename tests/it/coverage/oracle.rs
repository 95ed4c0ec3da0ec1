//! What the specification says of an answer, worked out from the schema and the document alone: which keys an object has, in which order (GraphQL
//! specification, 6.3.2 "Field Collection"), and what is null when fields fail (6.4.4 "Handling Execution Errors").

use std::collections::{BTreeSet, HashSet};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field as Selected, Selection, SelectionSet};
use async_graphql::{Name, Value};

use crate::harness::schema::{Field, Schema};

pub struct Oracle<'a> {
    schema: &'a Schema,
    document: ExecutableDocument,
    variables: &'a serde_json::Value,
}

/// An object cannot be shown, and whether its field can be null is asked above it.
struct Nulled;

impl<'a> Oracle<'a> {
    /// For a document of one operation.
    pub fn new(schema: &'a Schema, document: &str, variables: &'a serde_json::Value) -> Self {
        Self { schema, document: parse_query(document).unwrap(), variables }
    }

    /// What is wrong with the keys of an answer, at every place, and with its nulls.
    pub fn wrong(&self, data: &Value) -> Vec<String> {
        let mut look = Look { oracle: self, failed: &BTreeSet::new(), wrong: Vec::new() };
        look.root(data);
        look.wrong
    }

    /// What is wrong with an answer as it came.
    pub fn wrong_in(&self, text: &str) -> Vec<String> {
        let Value::Object(mut answer) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        // A key that is written twice would be read once.
        let again = serde_json::to_string(&Value::Object(answer.clone())).unwrap();
        let changed = (again != text).then(|| format!("it is read as something else: {again}"));
        self.wrong(&answer.swap_remove("data").unwrap()).into_iter().chain(changed).collect()
    }

    /// The answer when the fields of these paths fail, from the one in which none did.
    pub fn when_failed(&self, data: &Value, failed: &BTreeSet<String>) -> Value {
        Look { oracle: self, failed, wrong: Vec::new() }.root(data)
    }

    fn is_left_out(&self, selection: &Selection) -> bool {
        selection.directives().iter().any(|directive| {
            let condition = directive.node.get_argument("if").unwrap().node.clone();
            let value = condition.into_const_with(|name| Ok::<_, ()>(Value::Boolean(self.variables[name.as_str()].as_bool().unwrap()))).unwrap();
            value == Value::Boolean(directive.node.name.node == "skip")
        })
    }

    fn is_of(&self, of: &str, condition: &str) -> bool {
        condition == of || self.schema.interfaces.get(condition).is_some_and(|objects| objects.iter().any(|object| object == of))
    }
}

/// The fields of an object under their keys, in the order in which they are first selected.
struct Collected<'l> {
    oracle: &'l Oracle<'l>,
    of: &'l str,
    fields: IndexMap<String, Vec<&'l Selected>>,
    seen: HashSet<&'l str>,
}

impl<'l> Collected<'l> {
    fn of(oracle: &'l Oracle<'l>, of: &'l str, sets: &[&'l SelectionSet]) -> IndexMap<String, Vec<&'l Selected>> {
        let mut collected = Self { oracle, of, fields: IndexMap::new(), seen: HashSet::new() };
        for set in sets {
            collected.add(set);
        }
        collected.fields
    }

    fn add(&mut self, set: &'l SelectionSet) {
        for selection in set.items.iter().filter(|selection| !self.oracle.is_left_out(&selection.node)) {
            match &selection.node {
                Selection::Field(field) => self.fields.entry(field.node.response_key().node.to_string()).or_default().push(&field.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = &self.oracle.document.fragments[name].node;
                    if self.seen.insert(name) && self.oracle.is_of(self.of, &fragment.type_condition.node.on.node) {
                        self.add(&fragment.selection_set.node);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| self.oracle.is_of(self.of, &condition.node.on.node)) {
                        self.add(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

/// One look at an answer.
struct Look<'l> {
    oracle: &'l Oracle<'l>,
    failed: &'l BTreeSet<String>,
    wrong: Vec<String>,
}

impl<'l> Look<'l> {
    fn root(&mut self, data: &Value) -> Value {
        let DocumentOperations::Single(operation) = &self.oracle.document.operations else { panic!("one operation") };
        let Value::Object(fields) = data else {
            self.wrong.push(format!("there is no data: {data}"));
            return Value::Null;
        };
        let of = match operation.node.ty.to_string().as_str() {
            "mutation" => "Mutation",
            "subscription" => "Subscription",
            _ => "Query",
        };
        self.object(of, &[&operation.node.selection_set.node], fields, "").unwrap_or(Value::Null)
    }

    fn object(&mut self, of: &'l str, sets: &[&'l SelectionSet], fields: &IndexMap<Name, Value>, path: &str) -> Result<Value, Nulled> {
        let collected = Collected::of(self.oracle, of, sets);
        if !collected.keys().eq(fields.keys().map(Name::as_str)) {
            self.wrong.push(format!(
                "{path} has the keys {:?} and not {:?}",
                fields.keys().collect::<Vec<_>>(),
                collected.keys().collect::<Vec<_>>()
            ));
        }
        let mut shown = IndexMap::new();
        for (key, selected) in collected {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let value = fields.get(key.as_str()).unwrap_or(&Value::Null);
            shown.insert(Name::new(&key), self.field(of, &selected, value, &below)?);
        }
        Ok(Value::Object(shown))
    }

    fn field(&mut self, of: &str, selected: &[&'l Selected], value: &Value, path: &str) -> Result<Value, Nulled> {
        let name = selected[0].name.node.as_str();
        if name == "__typename" {
            return Ok(value.clone());
        }
        let field = self.oracle.schema.objects[of].iter().find(|field| field.name == name).unwrap();
        if *value == Value::Null && !field.nullable {
            self.wrong.push(format!("{path} is null, which it cannot be"));
        }
        let sets: Vec<&SelectionSet> = selected.iter().map(|selected| &selected.selection_set.node).collect();
        let shown = if self.failed.contains(path) { Err(Nulled) } else { self.value(field, &sets, value, path) };
        shown.or_else(|nulled| if field.nullable { Ok(Value::Null) } else { Err(nulled) })
    }

    fn value(&mut self, field: &'l Field, sets: &[&'l SelectionSet], value: &Value, path: &str) -> Result<Value, Nulled> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::List(items) if field.list => {
                let mut shown = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    if *item == Value::Null && !field.nullable_items {
                        self.wrong.push(format!("{path}.{index} is null, which it cannot be"));
                    }
                    let item = self.item(field, sets, item, &format!("{path}.{index}"));
                    shown.push(item.or_else(|nulled| if field.nullable_items { Ok(Value::Null) } else { Err(nulled) })?);
                }
                Ok(Value::List(shown))
            }
            other if field.list => {
                self.wrong.push(format!("{path} is no list: {other}"));
                Ok(other.clone())
            }
            other => self.item(field, sets, other, path),
        }
    }

    fn item(&mut self, field: &'l Field, sets: &[&'l SelectionSet], value: &Value, path: &str) -> Result<Value, Nulled> {
        match value {
            _ if self.oracle.schema.is_leaf(&field.of) => Ok(value.clone()),
            Value::Null => Ok(Value::Null),
            Value::Object(fields) => {
                let Some(of) = self.object_of(field, sets, fields) else {
                    self.wrong.push(format!("{path} has the keys of no {}: {:?}", field.of, fields.keys().collect::<Vec<_>>()));
                    return Ok(value.clone());
                };
                self.object(of, sets, fields, path)
            }
            other => {
                self.wrong.push(format!("{path} is no object: {other}"));
                Ok(other.clone())
            }
        }
    }

    /// The type of an object: as it says itself, or whichever has these keys.
    fn object_of(&self, field: &'l Field, sets: &[&'l SelectionSet], fields: &IndexMap<Name, Value>) -> Option<&'l String> {
        let Some(objects) = self.oracle.schema.interfaces.get(&field.of) else { return Some(&field.of) };
        objects.iter().find(|object| match fields.get("__typename") {
            Some(Value::String(name)) => *object == name,
            _ => Collected::of(self.oracle, object, sets).keys().eq(fields.keys().map(Name::as_str)),
        })
    }
}
