//! The same selection written in other ways has the same answer, and its keys stand in the order in which they were asked for: for every type, through
//! whatever path its JSON is written.

use serde_json::{Value, json};

use super::ways::{under_lists, ways};
use crate::harness::crowd::fill;
use crate::harness::schema::Schema;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

/// The answer as it came, so that the order of its keys is still there.
async fn text(client: &Client, operation: &str, variables: &Value) -> String {
    let request = client.request(reqwest::Method::POST, &client.url).json(&json!({"query": operation, "variables": variables}));
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("\"errors\""), "{operation}\n{text}");
    // What is left of the budget differs each time.
    let (answer, _) = text.rsplit_once(",\"extensions\":{\"cost\"").unwrap();
    format!("{answer}}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_written_in_other_ways_has_the_same_answer() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = owner.query("{ changes { cursor } }").await["changes"]["cursor"].clone();
    fill(&app, &owner, 3).await;
    let told = "query($since: String!) { changes(since: $since, first: 3) { nodes { id } } }";
    let count = async || owner.data(told, json!({"since": since})).await["changes"]["nodes"].as_array().unwrap().len();
    until("the changes are told", async || count().await == 3).await;
    let schema = Schema::served();
    let mut all = ways(&schema, &|_, field| field.name != "node" && !field.takes("ids"), false);
    all.extend(under_lists(&schema).into_iter().filter(|(_, way)| !way.0.iter().any(|step| step.field.takes("ids"))));
    let mut compared = 0;
    // What is left of the budget and the cursor of now differ each time.
    for (of, way) in all.iter().filter(|(of, _)| !["RateLimit", "ChangePage"].contains(&of.as_str())) {
        // Every leaf, and every object with its own leaves; the same fields backwards, so that an order of one's own would show.
        let fields: Vec<String> = schema.objects[of]
            .iter()
            .rev()
            .filter(|field| field.arguments.iter().all(|argument| !argument.required))
            .map(|field| format!("{} {}", field.name, schema.selection(&field.of, 1)))
            .collect();
        let plain = fields.join(" ");
        let aliased: String = fields.iter().enumerate().map(|(n, field)| format!("k{n}: {field} ")).collect();
        let variables = json!({"first": 3, "since": since, "yes": true, "no": false});
        let expected = text(&owner, &way.operation(&plain), &variables).await;
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
            let answer = text(&owner, &format!("{} {fragments}", way.operation(&selection)), &variables).await;
            assert_eq!(answer, expected, "{of} by {how}");
            compared += 1;
        }
        let answer = text(&owner, &way.operation(&aliased), &variables).await;
        let (from_answer, from_plain): (Value, Value) = (serde_json::from_str(&answer).unwrap(), serde_json::from_str(&expected).unwrap());
        for (with_alias, without) in way.ends(&from_answer["data"]).into_iter().zip(way.ends(&from_plain["data"])) {
            for (n, field) in schema.objects[of].iter().rev().filter(|field| field.arguments.iter().all(|argument| !argument.required)).enumerate() {
                assert_eq!(with_alias[format!("k{n}")], without[&field.name], "{of}.{} by an alias", field.name);
            }
        }
        in_order(&answer, fields.len(), of);
    }
    assert!(compared > 150, "{compared}");
}

/// The aliases of the first object stand in the order of their numbers.
fn in_order(answer: &str, count: usize, of: &str) {
    let places: Vec<Option<usize>> = (0..count).map(|n| answer.find(&format!("\"k{n}\":"))).collect();
    assert!(places.iter().all(Option::is_some), "{of}: {answer}");
    assert!(places.is_sorted(), "{of}: keys out of order: {answer}");
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

/// Two keys of a real answer that have changed places are found, by the check of the order and by the comparison of texts.
#[tokio::test(flavor = "multi_thread")]
async fn keys_out_of_order_are_found() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 1).await;
    let answer = text(&owner, "{ contacts { nodes { k0: name k1: city } } }", &json!({})).await;
    in_order(&answer, 2, "Contact");
    let exchanged = answer.replace(r#""k0":"Contact 1","k1":"Pune""#, r#""k1":"Pune","k0":"Contact 1""#);
    assert_ne!(exchanged, answer);
    assert_eq!(serde_json::from_str::<Value>(&exchanged).unwrap(), serde_json::from_str::<Value>(&answer).unwrap());
    let found = std::panic::catch_unwind(|| in_order(&exchanged, 2, "Contact")).unwrap_err();
    assert!(found.downcast_ref::<String>().unwrap().contains("out of order"));
}
