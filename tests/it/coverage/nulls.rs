//! A field that fails nulls the nearest field or item above it that can be null, and nothing else: for a field of every shape at every place of a
//! schema that has them all, selected once or in parts, and for several that fail together. `failing.rs` has the payloads of mutations, and the
//! lists that parents are asked for together.

use std::collections::BTreeSet;

use async_graphql::{PathSegment, Value};
use payaid::access::document::Document;
use serde_json::json;

use super::oracle::Oracle;
use super::shapes::Shapes;

const LEAVES: &str = "may must late lateMust many";

/// Selections of every shape below every shape.
fn whole() -> String {
    let l = LEAVES;
    format!(
        "{l} child {{ {l} sure {{ {l} }} lateSure {{ {l} }} }} sure {{ {l} child {{ {l} }} all {{ must }} }} lateChild {{ {l} some {{ {l} }} }} \
        lateSure {{ lateChild {{ {l} }} each {{ lateMust }} }} some {{ {l} sure {{ must }} lateSure {{ late }} }} all {{ {l} child {{ lateMust }} }} \
        lateAll {{ {l} each {{ must }} }} each {{ {l} sure {{ must lateMust }} lateAll {{ lateMust }} }} \
        any {{ __typename ... on Thing {{ {l} sure {{ must }} }} }}"
    )
}

/// Parts of the same, which have to be put together with it.
const PARTS: &str = "lateMust child { sure { must } } sure { child { may } } lateSure { each { late } } all { child { __typename } } some { may } \
    each { must sure { must } } any { __typename ... on Thing { must } }";

/// The document in each of its forms: as a whole, and with parts before and behind it. A query has two fields, which are selected twice as well.
fn documents(operation: &str) -> Vec<String> {
    let whole = whole();
    let form = |selections: &[&str]| match operation {
        "subscription" => format!("subscription($fails: [String!]!) {{ happened(fails: $fails) {{ {} }} }}", selections.join(" ")),
        _ => {
            let field = |selection: &&str| format!("thing(fails: $fails) {{ {selection} }} sure(fails: $fails) {{ {LEAVES} child {{ must }} }} ");
            format!("query($fails: [String!]!) {{ {} }}", selections.iter().map(field).collect::<String>())
        }
    };
    vec![form(&[&whole]), form(&[PARTS, &whole]), form(&[&whole, PARTS])]
}

/// A body as it came: its data, and of what fields errors are told.
fn read(text: &str) -> (Value, Vec<String>) {
    let Value::Object(mut body) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
    let path = |error: &Value| match error {
        Value::Object(error) => serde_json::from_value::<Vec<PathSegment>>(error["path"].clone().into_json().unwrap()).unwrap(),
        other => panic!("{other}"),
    };
    let errors = match body.swap_remove("errors") {
        Some(Value::List(errors)) => errors.iter().map(path).map(|path| joined(&path)).collect(),
        _ => Vec::new(),
    };
    (body.swap_remove("data").unwrap(), errors)
}

fn joined(path: &[PathSegment]) -> String {
    let segment = |segment: &PathSegment| match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    };
    path.iter().map(segment).collect::<Vec<_>>().join(".")
}

/// The paths of all fields below a value.
fn places(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let below = |key: &dyn std::fmt::Display| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| *key != "__typename") {
                found.insert(below(key));
                places(value, &below(key), found);
            }
        }
        Value::List(items) => items.iter().enumerate().for_each(|(index, item)| places(item, &below(&index), found)),
        _ => {}
    }
}

/// What is wrong with an answer in which these failed.
fn judge(oracle: &Oracle<'_>, whole: &Value, fails: &BTreeSet<String>, text: &str) -> Option<String> {
    let (data, told) = read(text);
    let expected = oracle.when_failed(whole, fails);
    // The order of keys counts, which a comparison of values would not see.
    if data.to_string() != expected.to_string() {
        return Some(format!("{fails:?}:\n{data}\ninstead of\n{expected}"));
    }
    let once: BTreeSet<String> = told.iter().cloned().collect();
    let explained = once.is_subset(fails) && once.len() == told.len() && oracle.when_failed(whole, &once).to_string() == expected.to_string();
    (!explained).then(|| format!("{fails:?}: told of {told:?}"))
}

struct Trial<'a> {
    shapes: &'a Shapes,
    text: String,
    /// A document that is known from earlier operations.
    known: Document,
    wrong: Vec<String>,
    tried: usize,
}

impl Trial<'_> {
    async fn fail(&mut self, oracle: &Oracle<'_>, whole: &Value, fails: &BTreeSet<String>) {
        let fresh = self.shapes.prepare(&self.text);
        for document in [&fresh, &fresh, &self.known] {
            let answer = self.shapes.answer(document, fails).await;
            self.wrong.extend(judge(oracle, whole, fails, &answer));
            self.tried += 1;
        }
    }
}

/// Fails each field of the forms of an operation, by itself and together with others.
async fn fail_each(operation: &str) {
    let (shapes, variables, mut tried) = (Shapes::build(), json!({}), 0);
    for text in documents(operation) {
        let (oracle, known) = (Oracle::new(&shapes.schema, &text, &variables), shapes.prepare(&text));
        let (whole, told) = read(&shapes.answer(&known, &BTreeSet::new()).await);
        assert_eq!((oracle.wrong(&whole), told), (Vec::new(), Vec::new()), "{text}");
        let mut all = BTreeSet::new();
        places(&whole, "", &mut all);
        let mut trial = Trial { shapes: &shapes, text, known, wrong: Vec::new(), tried: 0 };
        for (number, place) in all.iter().enumerate() {
            trial.fail(&oracle, &whole, &BTreeSet::from([place.clone()])).await;
            // Together with what stands beside or below it, and with something elsewhere.
            for other in [1, 41].map(|away| all.iter().cycle().nth(number + away).unwrap()) {
                trial.fail(&oracle, &whole, &BTreeSet::from([place.clone(), other.clone()])).await;
            }
        }
        assert!(trial.wrong.is_empty(), "{} of {} in {}:\n{}", trial.wrong.len(), trial.tried, trial.text, trial.wrong[0]);
        tried += trial.tried;
    }
    assert!(tried > 3_000, "{tried}");
}

#[tokio::test]
async fn what_fails_in_a_query_nulls_the_nearest_that_can_be_null() {
    fail_each("query").await;
}

#[tokio::test]
async fn what_fails_in_what_is_told_nulls_the_nearest_that_can_be_null() {
    fail_each("subscription").await;
}

/// An answer with too much or too little in it, with its keys in another order, or whose errors say too much or too little, is found.
#[tokio::test]
async fn what_is_not_as_it_is_to_be_is_found() {
    let (shapes, variables) = (Shapes::build(), json!({}));
    let text = "query($fails: [String!]!) { thing(fails: $fails) { child { may sure { must } } some { must late } } }";
    let (oracle, document) = (Oracle::new(&shapes.schema, text, &variables), shapes.prepare(text));
    let (whole, _) = read(&shapes.answer(&document, &BTreeSet::new()).await);
    let fails = BTreeSet::from(["thing.child.sure.must".to_owned()]);
    let answer = shapes.answer(&document, &fails).await;
    assert_eq!(judge(&oracle, &whole, &fails, &answer), None);
    let some = r#""some":[{"must":2,"late":3},{"must":2,"late":3}]"#;
    assert!(answer.starts_with(&format!(r#"{{"data":{{"thing":{{"child":null,{some}}}}},"errors":[{{"message":"#)), "{answer}");
    let error = &answer[answer.find(r#"{"message""#).unwrap()..answer.len() - 2];
    for (from, to) in [
        (r#""child":null"#, r#""child":{"may":1,"sure":null}"#),
        (r#""child":null"#, r#""child":{"may":1,"sure":{"must":2}}"#),
        (some, r#""some":null"#),
        (some, r#""some":[{"must":2,"late":3},{"late":3,"must":2}]"#),
        (r#"["thing","child","sure","must"]"#, r#"["thing","child","sure"]"#),
        (error, &format!("{error},{error}")),
        (error, ""),
    ] {
        let changed = answer.replacen(from, to, 1);
        assert_ne!(changed, answer, "{from}");
        assert!(judge(&oracle, &whole, &fails, &changed).is_some(), "{changed}");
    }
}

/// A key that is written twice, or in another place, is found in the text of an answer.
#[tokio::test]
async fn a_text_is_held_against_its_document() {
    let (shapes, variables) = (Shapes::build(), json!({}));
    let oracle = Oracle::new(&shapes.schema, "{ thing(fails: []) { may must many some { late } } }", &variables);
    let wrong = |thing: &str| oracle.wrong_in(&format!(r#"{{"data":{{"thing":{thing}}}}}"#));
    assert_eq!(wrong(r#"{"may":1,"must":2,"many":[5],"some":[{"late":3}]}"#), Vec::<String>::new());
    for thing in [
        r#"{"must":2,"may":1,"many":[5],"some":[{"late":3}]}"#,
        r#"{"may":1,"must":2,"must":2,"many":[5],"some":[{"late":3}]}"#,
        r#"{"may":1,"must":2,"many":[5],"some":[{"late":3,"late":3}]}"#,
        r#"{"may":1,"must":2,"many":[5],"some":[null]}"#,
        r#"{"may":1,"must":null,"many":[5],"some":[]}"#,
        r#"{"may":1,"many":[5],"some":[]}"#,
        r#"{"may":1,"must":2,"many":[5,null],"some":[]}"#,
        r#"{"may":1,"must":2,"many":5,"some":[]}"#,
        r#"{"may":1,"must":2,"many":[5],"some":{"late":3}}"#,
        r#"{"may":1,"must":2,"many":[5],"some":[3]}"#,
    ] {
        assert!(!wrong(thing).is_empty(), "{thing}");
    }
}

/// An object that has its keys in an order of its own is found wherever it stands, also where all of its fields are alike.
#[tokio::test]
async fn keys_out_of_order_are_found() {
    let (shapes, variables) = (Shapes::build(), json!({}));
    for (selection, places) in [
        ("backwards { a: may b: may }", &["thing.backwards"][..]),
        ("all { child { must } backwards { a: may b: may } }", &["thing.all.0.backwards", "thing.all.1.backwards"]),
        ("child { may } child { backwards { __typename b: may } }", &["thing.child.backwards"]),
        ("child { backwards { may } }", &[]),
    ] {
        let text = format!("query($fails: [String!]!) {{ thing(fails: $fails) {{ {selection} }} }}");
        let (data, _) = read(&shapes.answer(&shapes.prepare(&text), &BTreeSet::new()).await);
        let wrong = Oracle::new(&shapes.schema, &text, &variables).wrong(&data);
        let found: Vec<&str> = wrong.iter().map(|wrong| wrong.split_once(" has the keys ").unwrap().0).collect();
        assert_eq!(found, places, "{data}");
    }
}
