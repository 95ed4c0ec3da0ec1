//! The ways from the roots of the schema to every field.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::harness::Client;
use crate::harness::schema::{Field, Schema};

/// A field on a way, and the type in whose name what is below it is asked for when the field's own type is an interface.
#[derive(Debug, Clone)]
pub struct Step {
    pub field: Field,
    pub narrowed: Option<String>,
}

/// The way to a type: the fields that lead there from the root.
#[derive(Debug, Clone)]
pub struct Way {
    /// The type that it begins with: `Query` or `Subscription`.
    pub from: &'static str,
    pub steps: Vec<Step>,
}

impl Way {
    /// The way to the root itself.
    pub const fn to(from: &'static str) -> Self {
        Self { from, steps: Vec::new() }
    }

    fn has_list(&self) -> bool {
        self.steps.iter().any(|step| step.field.list)
    }

    /// The names of the fields on the way, and that of one at its end.
    pub fn names<'a>(&'a self, last: &'a str) -> Vec<&'a str> {
        self.steps.iter().map(|step| step.field.name.as_str()).chain([last]).collect()
    }

    /// What a caller is answered, or told first, to an operation for this way, as it came.
    pub async fn ask(&self, caller: &Client, operation: &str, variables: &Value) -> String {
        if self.from == "Subscription" {
            return caller.told(operation, variables).await;
        }
        let request = caller.request(reqwest::Method::POST, &caller.url).header("accept", "application/graphql-response+json");
        request.json(&json!({"query": operation, "variables": variables})).send().await.unwrap().text().await.unwrap()
    }

    /// The operation that asks for `selection` at the end of the way. The first page on the way has `$first` rows, those below it two.
    pub fn operation(&self, selection: &str) -> String {
        let (mut before, mut after, mut paged) = (String::new(), String::new(), false);
        for step in &self.steps {
            let arguments = match step.field.name.as_str() {
                "changes" => {
                    paged = true;
                    "(first: $first, since: $since)"
                }
                _ if step.field.takes("since") => "(since: $since)",
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
        let body = format!("{before}{selection}{after}");
        let declared = ["$first: Int!", "$since: String", "$ids: [ID!]!"].into_iter().filter(|known| body.contains(known.split(':').next().unwrap()));
        let declared = declared.collect::<Vec<_>>().join(", ");
        let declared = if declared.is_empty() { declared } else { format!("({declared})") };
        format!("{}{declared} {{ {body} }}", self.from.to_lowercase())
    }

    /// What an answer has at the end of the way.
    pub fn ends<'a>(&self, data: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![data];
        for step in &self.steps {
            let below = found.into_iter().map(|value| &value[&step.field.name]);
            found = below.flat_map(|value| value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())).collect();
            found.retain(|value| !value.is_null());
        }
        found
    }
}

/// The shortest way to every object type that has a list above it; by `nodes` only where nothing else leads there.
pub fn under_lists(schema: &Schema) -> BTreeMap<String, Way> {
    let mut found = ways(schema, "Query", &|field| !field.takes("ids"), true);
    for (of, way) in ways(schema, "Query", &|_| true, true) {
        found.entry(of).or_insert(way);
    }
    found
}

/// A way to every object type but those of mutations: the shortest from a query, by `nodes` only where nothing else leads there; and from a subscription
/// where no query does. Panics when none leads to one.
pub fn to_everything(schema: &Schema) -> BTreeMap<String, Way> {
    let mut found = BTreeMap::from(["Query", "Subscription"].map(|root| (root.to_owned(), Way::to(root))));
    for more in [
        ways(schema, "Query", &|field| !field.takes("ids"), false),
        ways(schema, "Query", &|_| true, false),
        ways(schema, "Subscription", &|_| true, false),
    ] {
        for (of, way) in more {
            found.entry(of).or_insert(way);
        }
    }
    let of_mutations = schema.payloads();
    let unreached: Vec<_> = schema.objects.keys().filter(|of| *of != "Mutation" && !of_mutations.contains(*of) && !found.contains_key(*of)).collect();
    assert!(unreached.is_empty(), "no way leads to {unreached:?}");
    found
}

/// The shortest way from a root to every object type over the fields that `open` lets through: with a list above it, or any way at all.
pub fn ways(schema: &Schema, root: &'static str, open: &dyn Fn(&Field) -> bool, under_a_list: bool) -> BTreeMap<String, Way> {
    let mut seen: BTreeMap<(String, bool), Way> = BTreeMap::new();
    let mut queue = VecDeque::from([(root.to_owned(), Way::to(root))]);
    seen.insert((root.to_owned(), false), Way::to(root));
    while let Some((of, way)) = queue.pop_front() {
        for field in schema.objects.get(&of).into_iter().flatten() {
            let answered = field.arguments.iter().all(|argument| !argument.required || argument.name == "ids");
            if schema.is_leaf(&field.of) || !answered || field.name == "node" || !open(field) {
                continue;
            }
            let objects = schema.interfaces.get(&field.of).cloned().unwrap_or_else(|| vec![field.of.clone()]);
            for object in objects {
                let narrowed = (object != field.of).then(|| object.clone());
                let mut longer = way.clone();
                longer.steps.push(Step { field: field.clone(), narrowed });
                if let Entry::Vacant(place) = seen.entry((object.clone(), longer.has_list())) {
                    place.insert(longer.clone());
                    queue.push_back((object, longer));
                }
            }
        }
    }
    let mut shortest: BTreeMap<String, Way> = BTreeMap::new();
    for ((of, list), way) in seen {
        let better = shortest.get(&of).is_none_or(|known| way.steps.len() < known.steps.len());
        if of != root && list >= under_a_list && better {
            shortest.insert(of, way);
        }
    }
    shortest
}

/// A field with the least that can be selected of it: its leaves, and those of the rows of its first page.
pub fn least(schema: &Schema, field: &Field) -> String {
    let arguments = match field.name.as_str() {
        _ if field.takes("first") => "(first: 2)",
        _ if field.takes("since") => "(since: $since)",
        _ => "",
    };
    let below = schema.selection(&field.of, if field.of.ends_with("Connection") { 2 } else { 1 });
    format!("{}{arguments} {below}", field.name)
}
