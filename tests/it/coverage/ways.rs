//! The ways from the root of the schema to every field.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::harness::schema::{Field, Schema};

/// A field on a way, and the type in whose name what is below it is asked for when the field's own type is an interface.
#[derive(Debug, Clone)]
pub struct Step {
    pub field: Field,
    pub narrowed: Option<String>,
}

/// The way to a type: the fields that lead there from the root.
#[derive(Debug, Clone, Default)]
pub struct Way(pub Vec<Step>);

impl Way {
    fn has_list(&self) -> bool {
        self.0.iter().any(|step| step.field.list)
    }

    /// The operation that asks for `selection` at the end of the way. The first page on the way has `$first` rows, those below it two.
    pub fn operation(&self, selection: &str) -> String {
        let (mut before, mut after, mut paged) = (String::new(), String::new(), false);
        for step in &self.0 {
            let arguments = match step.field.name.as_str() {
                "changes" => {
                    paged = true;
                    "(first: $first, since: $since)"
                }
                _ if step.field.takes("first") && !std::mem::replace(&mut paged, true) => "(first: $first)",
                _ if step.field.takes("first") => "(first: 2)",
                "nodes" if step.field.takes("ids") => "(ids: $ids)",
                _ => "",
            };
            before.push_str(&format!("{}{arguments} {{ ", step.field.name));
            after.push_str(" }");
            if let Some(name) = &step.narrowed {
                before.push_str(&format!("... on {name} {{ "));
                after.push_str(" }");
            }
        }
        let declared = match (before.contains("$since"), before.contains("$first"), before.contains("$ids")) {
            (true, ..) => "query($first: Int!, $since: String)",
            (_, true, _) => "query($first: Int!)",
            (_, _, true) => "query($ids: [ID!]!)",
            _ => "query",
        };
        format!("{declared} {{ {before}{selection}{after} }}")
    }

    /// What an answer has at the end of the way.
    pub fn ends<'a>(&self, data: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![data];
        for step in &self.0 {
            let below = found.into_iter().map(|value| &value[&step.field.name]);
            found = below.flat_map(|value| value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())).collect();
            found.retain(|value| !value.is_null());
        }
        found
    }
}

/// The shortest way to every object type that has a list above it; by `nodes` only where nothing else leads there.
pub fn under_lists(schema: &Schema) -> BTreeMap<String, Way> {
    let mut found = ways(schema, &|_, field| field.name != "node" && !field.takes("ids"), true);
    for (of, way) in ways(schema, &|_, field| field.name != "node", true) {
        found.entry(of).or_insert(way);
    }
    found
}

/// The shortest way to every object type over the fields that `open` lets through: with a list above it, or any way at all.
pub fn ways(schema: &Schema, open: &dyn Fn(&str, &Field) -> bool, under_a_list: bool) -> BTreeMap<String, Way> {
    let mut seen: BTreeMap<(String, bool), Way> = BTreeMap::new();
    let mut queue = VecDeque::from([("Query".to_owned(), Way::default())]);
    seen.insert(("Query".to_owned(), false), Way::default());
    while let Some((of, way)) = queue.pop_front() {
        for field in schema.objects.get(&of).into_iter().flatten() {
            let answered = field.arguments.iter().all(|argument| !argument.required || argument.name == "ids");
            if schema.is_leaf(&field.of) || !answered || !open(&of, field) {
                continue;
            }
            let objects = schema.interfaces.get(&field.of).cloned().unwrap_or_else(|| vec![field.of.clone()]);
            for object in objects {
                let narrowed = (object != field.of).then(|| object.clone());
                let mut longer = way.clone();
                longer.0.push(Step { field: field.clone(), narrowed });
                if let Entry::Vacant(place) = seen.entry((object.clone(), longer.has_list())) {
                    place.insert(longer.clone());
                    queue.push_back((object, longer));
                }
            }
        }
    }
    let mut shortest: BTreeMap<String, Way> = BTreeMap::new();
    for ((of, list), way) in seen {
        let better = shortest.get(&of).is_none_or(|known| way.0.len() < known.0.len());
        if of != "Query" && list >= under_a_list && better {
            shortest.insert(of, way);
        }
    }
    shortest
}

/// A field with the least that can be selected of it: its leaves, and those of the rows of its first page.
pub fn least(schema: &Schema, field: &Field) -> String {
    let arguments = if field.takes("first") { "(first: 2)" } else { "" };
    let below = schema.selection(&field.of, if field.of.ends_with("Connection") { 2 } else { 1 });
    format!("{}{arguments} {below}", field.name)
}
