//! What the measured operations cost in statements. How fast they are is for `make bench`, which runs them on a quiet machine.

#[path = "../../bench/speed/documents.rs"]
mod documents;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::harness::crowd::fill;
use crate::harness::statements::Recorder;

#[tokio::test(flavor = "multi_thread")]
async fn measured_operations_take_as_many_statements_as_they_say() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 60).await;
    let first = owner.query("{ contacts(first: 1) { pageInfo { endCursor } nodes { id } } }").await;
    let (id, after) = (&first["contacts"]["nodes"][0]["id"], &first["contacts"]["pageInfo"]["endCursor"]);
    let input = json!({"name": "Asha Rao", "email": "asha@rao.example", "phone": "+919876543210", "city": "Pune", "stage": "LEAD"});
    let operations: [(documents::Document, Value); 6] = [
        (documents::CONTACT, json!({"id": id})),
        (documents::NESTED, json!({"after": after})),
        (documents::DASHBOARD, json!({})),
        (documents::SEARCH, json!({"words": "contact"})),
        (documents::PAGE, json!({"after": after})),
        (documents::CREATE, json!({"input": input})),
    ];
    for (document, variables) in operations {
        let recorder = Recorder::start(&app).await;
        let data = owner.data(document.text, variables).await;
        let statements = recorder.finish();
        assert!(data.as_object().unwrap().values().all(|value| !value.is_null()), "{data}");
        assert_eq!(statements.len(), document.statements, "{} {statements:#?}", document.text);
    }
}

/// The name of a prepared statement is fresh each time one is prepared.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_once_on_a_connection() {
    let app = TestApp::with(|config| config.database.pool_size = 1, std::sync::Arc::new(payaid::base::clock::SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 3).await;
    let recorder = Recorder::start(&app).await;
    for number in 0..4 {
        owner.data(documents::NESTED.text, json!({"after": null})).await;
        owner
            .query("{ contacts(first: 3) { totalCount nodes { deals { totalCount nodes { stage { name } } } } } dashboard { tasks { open } } }")
            .await;
        let input = json!({"name": "Asha", "email": format!("asha{number}@rao.example")});
        owner.data(documents::CREATE.text, json!({"input": input})).await;
    }
    let mut names: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (connection, name, sql) in recorder.prepared() {
        let known = names.entry((connection, sql)).or_default();
        if !known.contains(&name) {
            known.push(name);
        }
    }
    assert!(names.len() > 8, "{names:#?}");
    let again: Vec<_> = names.iter().filter(|(_, names)| names.len() > 1).collect();
    assert!(again.is_empty(), "prepared more than once: {again:#?}");
}
