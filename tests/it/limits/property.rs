//! What an operation is admitted for is never less than what it comes to: over thousands of operations made up from the schema, on real data.

use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::harness::crowd;
use crate::harness::schema::{Argument, Field, Schema};
use crate::harness::{Client, TestApp};

/// How many operations are made up.
const OPERATIONS: u64 = 2_400;

/// Makes up an operation, and the values of its variables.
struct Maker<'s> {
    schema: &'s Schema,
    dice: StdRng,
    ids: &'s [(&'static str, String)],
    variables: Map<String, Value>,
    declared: String,
    fragments: String,
    made: usize,
}

impl<'s> Maker<'s> {
    fn operation(schema: &'s Schema, ids: &'s [(&'static str, String)], seed: u64) -> (String, Value) {
        if seed % 16 == 15 {
            return Self::bulk_update(schema, ids, seed);
        }
        let dice = StdRng::seed_from_u64(seed);
        let mut maker = Self { schema, dice, ids, variables: Map::new(), declared: String::new(), fragments: String::new(), made: 0 };
        let selection = maker.selection("Query", 5);
        let declared = if maker.declared.is_empty() { String::new() } else { format!("({})", maker.declared) };
        (format!("query{declared} {selection} {}", maker.fragments), Value::Object(maker.variables))
    }

    /// A mutation that shows as many objects as its input names.
    fn bulk_update(schema: &'s Schema, ids: &'s [(&'static str, String)], seed: u64) -> (String, Value) {
        let dice = StdRng::seed_from_u64(seed);
        let mut maker = Self { schema, dice, ids, variables: Map::new(), declared: String::new(), fragments: String::new(), made: 9 };
        let contacts: Vec<&String> = ids.iter().filter(|(noun, _)| *noun == "contact").map(|(_, id)| id).collect();
        let many = maker.dice.random_range(0..=contacts.len());
        let below = maker.selection("Contact", 3);
        let input = json!({"ids": contacts[..many], "changes": {"city": "Pune"}});
        maker.variables.insert("input".to_owned(), input);
        let declared = format!("$input: ContactBulkUpdateInput! {}", maker.declared);
        let text =
            format!("mutation({declared}) {{ contactBulkUpdate(input: $input) {{ contacts {below} userErrors {{ code }} }} }} {}", maker.fragments);
        (text, Value::Object(maker.variables))
    }

    fn roll(&mut self, sides: u32) -> bool {
        self.dice.random_range(0..sides) == 0
    }

    fn selection(&mut self, of: &str, depth: usize) -> String {
        if let Some(objects) = self.schema.interfaces.get(of) {
            let object = objects[self.dice.random_range(0..objects.len())].clone();
            return format!("{{ __typename ... on {object} {} }}", self.selection(&object, depth - 1));
        }
        let fields: Vec<&Field> = self.schema.objects[of].iter().filter(|field| depth > 1 || self.schema.is_leaf(&field.of)).collect();
        let mut parts = vec!["__typename".to_owned()];
        // Few root fields, more below.
        let wanted = if of == "Query" { self.dice.random_range(1..3) } else { self.dice.random_range(1..5) };
        for _ in 0..wanted {
            let Some(field) = fields.get(self.dice.random_range(0..fields.len().max(1))) else { continue };
            let text = self.field(field, depth);
            // Some stand in fragments, and some twice under one name, which is executed otherwise.
            parts.push(match self.dice.random_range(0..8) {
                0 => format!("... on {of} {{ {text} }}"),
                1 => {
                    self.made += 1;
                    let name = format!("F{}", self.made);
                    let _ = write!(self.fragments, "fragment {name} on {of} {{ {text} }} ");
                    format!("...{name} ...{name}")
                }
                2 => self.conditional(&text),
                _ => text,
            });
        }
        format!("{{ {} }}", parts.join(" "))
    }

    fn conditional(&mut self, text: &str) -> String {
        let (word, value) = (["skip", "include"][self.dice.random_range(0..2)], self.roll(2));
        let value = self.value("Boolean!", json!(value));
        format!("... @{word}(if: {value}) {{ {text} }}")
    }

    fn field(&mut self, field: &Field, depth: usize) -> String {
        self.made += 1;
        let alias = format!("a{}: ", self.made);
        let given: Vec<String> = field.arguments.iter().filter_map(|argument| self.argument(field, argument)).collect();
        let arguments = if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) };
        let below = if self.schema.is_leaf(&field.of) { String::new() } else { self.selection(&field.of, depth - 1) };
        format!("{alias}{}{arguments} {below}", field.name)
    }

    fn argument(&mut self, field: &Field, argument: &Argument) -> Option<String> {
        let name = argument.name.as_str();
        let value = match name {
            // Not both of them, and mostly one: lists of twenty would take long.
            "first" if !self.roll(6) => {
                let size = if field.takes("last") && self.roll(6) {
                    Value::Null
                } else {
                    json!(self.dice.random_range(0..if self.made < 4 { 101 } else { 7 }))
                };
                self.value("Int", size)
            }
            "search" if self.roll(2) => self.value("String", json!("contact")),
            "id" if argument.required => {
                let noun = crate::harness::schema::noun_of(name, &field.name);
                let noun = if field.name == "node" { self.ids[self.dice.random_range(0..self.ids.len())].0 } else { noun };
                let id = self.id(noun);
                self.value("ID!", id)
            }
            "ids" if argument.required => {
                let many = self.dice.random_range(0..5);
                let ids = (0..many).map(|_| self.ids[self.dice.random_range(0..self.ids.len())].1.clone()).collect::<Vec<_>>();
                self.value("[ID!]!", json!(ids))
            }
            "name" if argument.required => self.value("String!", json!("Contact")),
            _ => return None,
        };
        Some(format!("{name}: {value}"))
    }

    fn id(&self, noun: &str) -> Value {
        self.ids.iter().find(|(known, _)| *known == noun).map_or(json!("contact_01h455vb4pex5vsknk084sn02q"), |(_, id)| json!(id))
    }

    /// A literal, a variable, or a variable with a default. What is typed as an ID of some noun is written out.
    fn value(&mut self, of: &str, value: Value) -> String {
        if of.contains("ID") || self.roll(2) {
            return value.to_string();
        }
        let name = format!("v{}", self.variables.len() + self.declared.len());
        if self.roll(2) {
            let _ = write!(self.declared, "${name}: {of} = {value} ");
        } else {
            let _ = write!(self.declared, "${name}: {of} ");
            self.variables.insert(name.clone(), value);
        }
        format!("${name}")
    }
}

/// Identifiers of what there is, by noun.
async fn ids(owner: &Client) -> Vec<(&'static str, String)> {
    let query =
        "{ contacts(first: 12) { nodes { id } } companies(first: 1) { nodes { id } } deals(first: 1) { nodes { id } } tasks(first: 1) { nodes { id } }
                 activities(first: 1) { nodes { id } } pipelines(first: 1) { id stages { id } } }";
    let data = owner.query(query).await;
    let first = |list: &str| data[list]["nodes"][0]["id"].as_str().unwrap().to_owned();
    let contacts = data["contacts"]["nodes"].as_array().unwrap().iter().map(|node| ("contact", node["id"].as_str().unwrap().to_owned()));
    let others = vec![
        ("company", first("companies")),
        ("deal", first("deals")),
        ("task", first("tasks")),
        ("activity", first("activities")),
        ("pipeline", data["pipelines"][0]["id"].as_str().unwrap().to_owned()),
        ("stage", data["pipelines"][0]["stages"][0]["id"].as_str().unwrap().to_owned()),
    ];
    contacts.chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_comes_to_more_than_it_was_admitted_for() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    crowd::fill(&app, &owner, 12).await;
    let (ids, schema) = (ids(&owner).await, Schema::served());
    // The audit log grows by mutations, so these come after all else.
    let worker = async |from: u64, mutations: bool| {
        let (mut came_to_something, mut to_all, mut failed) = (0, 0, 0);
        for seed in (from..OPERATIONS).step_by(4).filter(|seed| (seed % 16 == 15) == mutations) {
            let (text, variables) = Maker::operation(&schema, &ids, seed);
            let mut costs = Vec::new();
            // Of a document that is known another way is taken.
            for _ in 0..if seed % 4 == 0 { 3 } else { 1 } {
                let answer = owner.send(&text, variables.clone()).await;
                let cost = &answer["extensions"]["cost"];
                let (Some(requested), Some(actual)) = (cost["requested"].as_u64(), cost["actual"].as_u64()) else {
                    panic!("{seed}: {text}\n{variables}\n{answer}");
                };
                assert!(actual <= requested, "{seed}: {actual} of {requested}\n{text}\n{variables}\n{answer:.2000}");
                costs.push((requested, actual, answer));
            }
            let (requested, actual, answer) = costs.pop().unwrap();
            assert!(costs.iter().all(|(_, other, _)| *other == actual), "{seed}: {costs:?}\n{text}\n{variables}");
            came_to_something += usize::from(actual > 1);
            to_all += usize::from(actual == requested);
            failed += usize::from(answer["data"].is_null());
        }
        (came_to_something, to_all, failed)
    };
    let mut counts = futures_util::future::join_all([0, 1, 2, 3].map(|from| worker(from, false))).await;
    counts.push(worker(3, true).await);
    let sum = |of: fn(&(usize, usize, usize)) -> usize| counts.iter().map(of).sum::<usize>();
    let (came_to_something, to_all, failed) = (sum(|count| count.0), sum(|count| count.1), sum(|count| count.2));
    // They must not be about nothing.
    assert!(came_to_something > 1_200 && to_all > 100 && failed < 240, "{came_to_something} came to something, {to_all} to all, {failed} failed");
}
