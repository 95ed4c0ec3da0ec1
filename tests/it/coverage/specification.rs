//! The same selection written in other ways has the same answer, and its keys stand in the order in which they were asked for: for every type, through
//! whatever path its JSON is written.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::mixed::Mixed;
use super::oracle::Oracle;
use super::transports::{self, WAYS};
use super::ways::{Way, to_everything, under_lists};
use crate::harness::crowd::{fill, fill_and_tell, ids};
use crate::harness::schema::{Argument, Field, Schema};
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};
use crate::isolation::walk::Walk;
use crate::websocket::Socket;

/// The answer as it came, whose keys are those that were asked for, in their order, in every object.
async fn text(schema: &Schema, client: &Client, way: &Way, operation: &str, variables: &Value) -> String {
    let text = way.ask(client, operation, variables).await;
    assert!(!text.contains("\"errors\""), "{operation}\n{text}");
    assert_eq!(Oracle::new(schema, operation, variables).wrong_in(&text), Vec::<String>::new(), "{operation}\n{text}");
    // What is left of the budget differs each time.
    let (answer, _) = text.rsplit_once(",\"extensions\":{").unwrap();
    format!("{answer}}}")
}

/// A way to every type, and under a list to each that stands below one.
pub fn all_ways(schema: &Schema) -> Vec<(String, Way)> {
    let mut all = to_everything(schema);
    all.extend(under_lists(schema).into_iter().filter(|(_, way)| !way.steps.iter().any(|step| step.field.takes("ids"))));
    // A subscription has one field.
    all.into_iter().filter(|(of, _)| of != "Subscription").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_written_in_other_ways_has_the_same_answer() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = fill_and_tell(&app, &owner, 3).await;
    let schema = Schema::served();
    let mut compared = 0;
    // What is left of the budget and the cursor of now differ each time.
    let steady = |of: &str| !["RateLimit", "ChangePage"].contains(&of);
    for (of, way) in all_ways(&schema).iter().filter(|(of, _)| steady(of)) {
        // Every leaf, and every object with its own leaves; the same fields backwards, so that an order of one's own would show.
        let answered = |field: &&Field| field.arguments.iter().all(|argument| !argument.required) && steady(&field.of);
        let asked: Vec<&Field> = schema.objects[of].iter().rev().filter(answered).collect();
        let fields: Vec<String> = asked.iter().map(|field| format!("{} {}", field.name, schema.selection(&field.of, 1))).collect();
        let plain = fields.join(" ");
        let aliased: String = fields.iter().enumerate().map(|(n, field)| format!("k{n}: {field} ")).collect();
        let variables = json!({"first": 3, "since": since});
        let expected = text(&schema, &owner, way, &way.operation(&plain), &variables).await;
        let half = fields.len() / 2;
        let others = [
            ("a fragment", "...F".to_owned(), format!("fragment F on {of} {{ {plain} }}")),
            ("an inline fragment", format!("... on {of} {{ {plain} }}"), String::new()),
            ("an inline fragment without a type", format!("... {{ {plain} }}"), String::new()),
            ("fragments that overlap", format!("{} ...F ...F {plain}", fields[..half].join(" ")), format!("fragment F on {of} {{ {plain} }}")),
            (
                "fragments of fragments",
                "...F".to_owned(),
                format!("fragment F on {of} {{ {} ...G }} fragment G on {of} {{ {} }}", fields[..half].join(" "), fields[half..].join(" ")),
            ),
            ("directives", format!("... @include(if: true) {{ {plain} }} ... @skip(if: true) {{ __typename }}"), String::new()),
            ("the same twice", format!("{plain} {plain}"), String::new()),
        ];
        for (how, selection, fragments) in others {
            let answer = text(&schema, &owner, way, &format!("{} {fragments}", way.operation(&selection)), &variables).await;
            assert_eq!(answer, expected, "{of} by {how}");
            compared += 1;
        }
        let answer = text(&schema, &owner, way, &way.operation(&aliased), &variables).await;
        let (from_answer, from_plain): (Value, Value) = (serde_json::from_str(&answer).unwrap(), serde_json::from_str(&expected).unwrap());
        for (with_alias, without) in way.ends(&from_answer["data"]).into_iter().zip(way.ends(&from_plain["data"])) {
            for (n, field) in asked.iter().enumerate() {
                assert_eq!(with_alias[format!("k{n}")], without[&field.name], "{of}.{} by an alias", field.name);
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

/// Of every type but those of mutations.
#[tokio::test(flavor = "multi_thread")]
async fn all_ways_of_selecting_go_together() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = fill_and_tell(&app, &owner, 3).await;
    let schema = Schema::served();
    for (of, way) in all_ways(&schema) {
        for merged in [false, true] {
            let mixed = Mixed::of(&schema, &of, merged);
            let operation = mixed.operation(&way);
            // The second time it is known.
            for _ in 0..2 {
                let answer = text(&schema, &owner, &way, &operation, &json!({"first": 3, "since": since, "yes": true})).await;
                let value: Value = serde_json::from_str(&answer).unwrap();
                assert_eq!(mixed.wrong_in(&way.ends(&value["data"])), Vec::<String>::new(), "{operation}");
            }
        }
    }
}

/// Mutations that only have errors to answer with here, with the reason.
const NOT_DONE: &[(&str, &str)] = &[
    ("dealBulkUpdate", "a move to a stage is a change, and none is needed"),
    ("invitationAccept", "nobody has been told the token"),
    ("jobRetry", "no job was given up"),
    ("memberRemove", "an organization keeps its last owner"),
    ("memberRoleSet", "likewise"),
    ("messageRetry", "no message came back"),
    ("messageSend", "what must be there depends on the channel"),
    ("pipelineCreate", "it needs three stages that belong together"),
    ("pipelineDelete", "an organization keeps its default pipeline"),
    ("pipelineStageDelete", "a deal stands there"),
    ("sessionRefresh", "nobody has been told the token"),
    ("signIn", "nobody has the address"),
    ("smsTemplateCreate", "its parts belong together"),
    ("webhookReplay", "either of two arguments is needed, and none always"),
];

/// Of what mutations answer with, each of which is done with objects of its own; however they are sent.
#[tokio::test(flavor = "multi_thread")]
async fn all_ways_of_selecting_go_together_in_answers_to_mutations() {
    let app = TestApp::start().await;
    let schema = Schema::served();
    let mut not_done = BTreeSet::new();
    for (number, root) in schema.mutations().enumerate() {
        for merged in [false, true] {
            let owner = app.sign_up("Sharma", &format!("owner{number}{merged}@sharma.example")).await;
            let foreign = crate::harness::world::World::new();
            let mut walk = Walk::new(&owner, &schema, &foreign);
            walk.fresh = 2 * number + usize::from(merged);
            let own = populate(&owner, &format!("own{number}{merged}")).await;
            let call = walk.call(root, None, "", &own).await;
            let mixed = Mixed::of(&schema, &root.returns, merged);
            let operation = format!("mutation($yes: Boolean!) {{ {call} {{ {} }} }} {}", mixed.selection, mixed.fragments);
            let (variables, mut socket) = (json!({"yes": true}), Socket::admitted(&app, &owner).await);
            // Each by two of the ways, in turn.
            let changing: Vec<&str> = WAYS.into_iter().filter(|how| *how != "GET").collect();
            let how = changing[(number + number / 2 + usize::from(merged)) % changing.len()];
            let answers = transports::sent(how, &owner, &mut socket, &operation, &variables, true).await;
            let [answer] = answers.as_slice() else { panic!("{operation} by {how}\n{answers:#?}") };
            let wrong = Oracle::new(&schema, &operation, &variables).wrong_in(answer);
            assert!(wrong.is_empty() && !answer.contains("\"errors\""), "{operation} by {how}\n{answer}\n{wrong:#?}");
            let value: Value = serde_json::from_str(answer).unwrap();
            let payload = &value["data"][&root.name];
            assert_eq!(mixed.wrong_in(&[payload]), Vec::<String>::new(), "{operation}");
            let has_errors = |value: &Value| value[0]["__typename"] == "UserError";
            if payload.as_object().unwrap().values().any(has_errors) {
                not_done.insert(root.name.as_str());
            }
        }
    }
    assert_eq!(not_done, NOT_DONE.iter().map(|(name, _)| *name).collect());
}

/// Of what is found by an identifier, which has no way that needs none.
#[tokio::test(flavor = "multi_thread")]
async fn all_ways_of_selecting_go_together_in_what_is_found() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 2).await;
    let schema = Schema::served();
    let elsewhere = schema.nested().find(|field| field.arguments.iter().any(|argument| argument.required));
    assert!(elsewhere.is_none(), "no walk asks for this: {elsewhere:?}");
    for root in schema.roots().filter(|root| root.kind == "query" && !root.required_args().is_empty()) {
        let types = schema.interfaces.get(&root.returns).cloned().unwrap_or_else(|| vec![root.returns.clone()]);
        for of in types {
            let argument = match root.required_args()[..] {
                [Argument { of: kind, name, list, .. }] if kind == "ID" => {
                    let id = json!(ids(&app, "Sharma", &of, 1).await[0]);
                    format!("{name}: {}", if *list { json!([id]) } else { id })
                }
                _ => panic!("no walk asks for this: {root:?}"),
            };
            for merged in [false, true] {
                let mixed = Mixed::of(&schema, &of, merged);
                let selection = format!("... on {of} {{ {} }}", mixed.selection);
                let operation = format!("query($yes: Boolean!) {{ {}({argument}) {{ {selection} }} }} {}", root.name, mixed.fragments);
                let answer = text(&schema, &owner, &Way::to("Query"), &operation, &json!({"yes": true})).await;
                let value: Value = serde_json::from_str(&answer).unwrap();
                let found = &value["data"][&root.name];
                assert_eq!(mixed.wrong_in(&[found.get(0).unwrap_or(found)]), Vec::<String>::new(), "{operation}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_decide_what_is_skipped_and_included() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 1).await;
    let operation = "query($yes: Boolean!, $no: Boolean!) { contacts(first: 1) { nodes { name @include(if: $yes) city @skip(if: $no) email @include(if: $no) \
        phone @skip(if: $yes) stage @include(if: $yes) @skip(if: $yes) deals(first: 1) @include(if: $yes) { nodes { title @skip(if: $yes) status } } } } }";
    let data = owner.data(operation, json!({"yes": true, "no": false})).await;
    assert_eq!(data["contacts"]["nodes"], json!([{"name": "Contact 1", "city": "Pune", "deals": {"nodes": [{"status": "WON"}]}}]));
    let defaults = "query($yes: Boolean = true, $no: Boolean = false) { contacts(first: 1) { nodes { name @include(if: $yes) city @skip(if: $yes) \
        ... @include(if: $no) { email } ... @skip(if: $no) { deals(first: 1) { nodes { status } } } } } }";
    let data = owner.data(defaults, json!({})).await;
    assert_eq!(data["contacts"]["nodes"], json!([{"name": "Contact 1", "deals": {"nodes": [{"status": "WON"}]}}]));
    let data = owner.data(defaults, json!({"yes": false, "no": true})).await;
    assert!(data["contacts"]["nodes"][0].get("name").is_none() && data["contacts"]["nodes"][0]["email"].is_string(), "{data}");
}

/// An interface stands for its types also in what is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_interface_stands_for_its_types_in_what_is_told() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let variables = json!({"since": fill_and_tell(&app, &owner, 1).await});
    let schema = Schema::served();
    for selected in ["contact { name ...N }", "contact { name ...N } contact { city ... on Node { again: id } }"] {
        let operation = format!("subscription($since: String) {{ contactChanged(since: $since) {{ {selected} }} }} fragment N on Node {{ id }}");
        text(&schema, &owner, &Way::to("Subscription"), &operation, &variables).await;
    }
}
