//! Selections that are out of the ordinary: each way of writing an answer has to tell them apart, and none may guess. Every operation is sent three
//! times, since a document is handled otherwise once it is known.

use serde_json::{Value, json};

use crate::documents::imported;
use crate::harness::client::codes;
use crate::harness::statements::Recorder;
use crate::harness::world::{World, populate};
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

async fn start() -> (TestApp, Client, World) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    (app, owner, world)
}

/// The answer, the same each time but for the request's id.
async fn thrice(client: &Client, document: &str, variables: Value) -> Value {
    let mut answers = Vec::new();
    for _ in 0..3 {
        let mut answer = client.send(document, variables.clone()).await;
        for error in answer["errors"].as_array_mut().into_iter().flatten() {
            error["extensions"].as_object_mut().unwrap().remove("requestId");
        }
        // What is left of the budget differs each time.
        answer.as_object_mut().unwrap().remove("extensions");
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{document}: {answers:#?}");
    answers.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fields_under_one_key_are_refused() {
    let (_app, owner, _) = start().await;
    let documents = [
        "{ x: viewer { role } ... on Query { x: __typename } }",
        "{ contacts { nodes { x: company { id } ... on Contact { x: name } } } }",
        "{ contacts { nodes { x: name } } contacts { nodes { x: phone } } }",
        "query { c: contacts(first: 1) { totalCount } ... on Query { c: contacts(first: 50) { nodes { id } } } }",
        "{ contacts { nodes { x: name ... on Contact { x: company { id } } } } }",
        "{ contacts { nodes { deals(first: 1) { nodes { id } } ... on Contact { deals(first: 2) { nodes { title } } } } } }",
    ];
    for document in documents {
        assert_eq!(codes(&thrice(&owner, document, json!({})).await), ["VALIDATION_ERROR"], "{document}");
    }
}

/// Whether a document is valid depends on nothing but the document: neither on what there is, nor on whether it was asked before.
#[tokio::test(flavor = "multi_thread")]
async fn two_fields_under_one_key_are_refused_before_anything_is_done() {
    let (app, owner, _) = start().await;
    let create = r#"mutation { contactCreate(input: {name: "Twice"}) { contact { x: name x: email } } }"#;
    let spread = r#"mutation { contactCreate(input: {name: "Twice"}) { contact { x: name } ...F } } fragment F on ContactCreatePayload { contact { x: email } }"#;
    let nowhere = r#"{ node(id: "contact_00000000000000000000000000") { ... on Contact { x: name ... on Contact { x: email } } } }"#;
    let disjoint = r#"{ node(id: "contact_00000000000000000000000000") { ... on Contact { x: name } ... on Deal { x: contact { id } } } }"#;
    let told = "subscription { contactChanged { contact { x: name } ... on ContactChange { contact { x: email } } } }";
    for document in [create, spread, nowhere, disjoint] {
        let answer = thrice(&owner, document, json!({})).await;
        assert_eq!((codes(&answer), answer.get("data")), (vec!["VALIDATION_ERROR".to_owned()], None), "{document}");
        assert_eq!(answer["errors"][0]["locations"].as_array().map(Vec::len), Some(2), "{answer}");
        assert_eq!(owner.ask(document, json!({}), &[]).await.status, 422, "{document}");
        // Nobody is told what the schema has who has not signed in.
        assert_eq!(app.anonymous().codes(document, json!({})).await, ["UNAUTHENTICATED"], "{document}");
    }
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 1);
    let mut socket = Socket::admitted(&app, &owner).await;
    socket.tell(json!({"type": "subscribe", "id": "1", "payload": {"query": told}})).await;
    let refused = socket.hear().await;
    assert_eq!((&refused["type"], &refused["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("VALIDATION_ERROR")), "{refused}");
    let said = imported::load(&app, &json!({"wrong": spread}), false).await.unwrap_err();
    assert!(said.iter().any(|line| line.contains("`x` stands for two things")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_does_not_take_the_place_of_what_is_not() {
    let (_app, owner, _) = start().await;
    let document = "query($s: Boolean!) { contacts { nodes { x: name @skip(if: $s) y: __typename ... on Contact { x: name } } } }";
    for (skipped, expected) in [(true, r#"[{"y":"Contact","x":"Contact own"}]"#), (false, r#"[{"x":"Contact own","y":"Contact"}]"#)] {
        let request = owner.request(reqwest::Method::POST, &owner.url).json(&json!({"query": document, "variables": {"s": skipped}}));
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.contains(expected), "{text}");
    }
    let document = "{ contacts { nodes { name @skip(if: true) status name } } }";
    for _ in 0..3 {
        let request = owner.request(reqwest::Method::POST, &owner.url).json(&json!({"query": document}));
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.contains(r#"{"status":"ACTIVE","name":"Contact own"}"#), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_name_has_nothing_below_it() {
    let (app, owner, _) = start().await;
    let documents = [
        "{ __typename { a } __typename }",
        "{ __typename { ...F } ...F } fragment F on Query { __schema { queryType { name } } }",
        "{ __typename { ...F } ...F } fragment F on Query { contacts { nodes { id } } }",
    ];
    for document in documents {
        for client in [&owner, &app.anonymous()] {
            assert_eq!(codes(&thrice(client, document, json!({})).await), ["VALIDATION_ERROR"], "{document}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_is_skipped_is_not_made() {
    let (app, owner, _) = start().await;
    let document =
        "query($n: Boolean!) { contacts { totalCount @include(if: $n) nodes { id deals { ... @skip(if: true) { totalCount } nodes { id } } } } }";
    let mut counts = Vec::new();
    for counted in [true, false, true, false] {
        let recorder = Recorder::start(&app).await;
        let data = owner.data(document, json!({"n": counted})).await;
        assert_eq!(data["contacts"]["totalCount"], if counted { json!(1) } else { Value::Null });
        counts.push(recorder.finish().len());
    }
    assert_eq!(counts, [3, 2, 3, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_is_selected_twice_is_refused_and_not_done() {
    let (_app, owner, _) = start().await;
    let document = r#"mutation { ...F ...F } fragment F on Mutation { contactCreate(input: {name: "Twice"}) { contact { id } } }"#;
    assert_eq!(codes(&thrice(&owner, document, json!({})).await), ["VALIDATION_ERROR"]);
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_go_on_after_one_that_failed() {
    let (_app, owner, world) = start().await;
    let document = r#"mutation($id: ID!, $no: ID!) { __typename a: contactCreate(input: {name: "A"}) { contact { name } }
        b: contactUpdate(input: {id: $no, version: 1, changes: {name: "B"}}) { contact { name } userErrors { code } }
        c: contactUpdate(input: {id: $id, version: 1, changes: {name: "C"}}) { contact { name version } userErrors { code field } } }"#;
    let answer = owner.send(document, json!({"id": world["contact"], "no": world["deal"]})).await;
    let c = json!({"contact": {"name": "C", "version": 2}, "userErrors": []});
    assert_eq!(answer["data"], json!({"__typename": "Mutation", "a": {"contact": {"name": "A"}}, "b": null, "c": c}), "{answer:#}");
    assert_eq!(codes(&answer), ["INVALID_ID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_of_an_unknown_type_is_refused() {
    let (app, owner, _) = start().await;
    for client in [&owner, &app.anonymous()] {
        for document in ["query($a: [Nope] = [1]) { __typename }", "query($a: Nope) { __typename }", "query($a: Contact) { __typename }"] {
            assert_eq!(codes(&thrice(client, document, json!({})).await), ["VALIDATION_ERROR"], "{document}");
        }
    }
}

/// What the first caller sent does not decide what others are answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_document_looks_at_each_null() {
    let (app, owner, world) = start().await;
    let document = format!("query($id: ID = \"{}\") {{ node(id: $id) {{ id }} }}", world["contact"]);
    let before = thrice(&owner, &document, json!({"id": null})).await;
    owner.data(&document, json!({})).await;
    assert_eq!(thrice(&owner, &document, json!({"id": null})).await, before);
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_waits_after_all_tells_its_neighbours_failure_once() {
    let (_app, owner, _) = start().await;
    let document = "query($w: Boolean!) { dashboard { recentActivity(first: 1000) { subject } tasks @include(if: $w) { open } } }";
    for waits in [false, true, true, false] {
        let answer = owner.send(document, json!({"w": waits})).await;
        assert_eq!(codes(&answer), ["VALIDATION_ERROR"], "{answer:#}");
        assert_eq!(answer["data"]["dashboard"]["tasks"]["open"], if waits { json!(1) } else { Value::Null });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_several_types_write_their_own_fragments() {
    let (_app, owner, world) = start().await;
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ...C ... on Deal { title contact { ...C } } ... on Task { title owner: assignee { name } } } } \
                    fragment C on Contact { name company { name } }";
    let ids = json!({"ids": [world["deal"], world["contact"], "contact_00000000000000000000000000", world["task"]]});
    let contact = json!({"name": "Contact own", "company": {"name": "Company own"}});
    let expected = json!([
        {"__typename": "Deal", "title": "Deal own", "contact": contact},
        {"__typename": "Contact", "name": "Contact own", "company": {"name": "Company own"}},
        null,
        {"__typename": "Task", "title": "Task own", "owner": {"name": "Owner Sharma"}},
    ]);
    let answer = thrice(&owner, document, ids).await;
    let mut found = answer["data"]["nodes"].clone();
    found[3]["owner"]["name"] = json!("Owner Sharma");
    assert_eq!(found, expected, "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operations_of_one_document_are_told_apart() {
    let (_app, owner, world) = start().await;
    let document = "query A($id: ID!) { contact(id: $id) { ...F } } query B($id: ID!, $n: Boolean!) { contact(id: $id) { ...F email @include(if: $n) } } \
                    fragment F on Contact { name deals(first: 1) { nodes { title } } }";
    let own = json!({"name": "Contact own", "deals": {"nodes": [{"title": "Deal own"}]}});
    let with_email = json!({"name": "Contact own", "deals": {"nodes": [{"title": "Deal own"}]}, "email": "own@contact.example"});
    for (name, more, expected) in [("A", json!(true), &own), ("B", json!(true), &with_email), ("B", json!(false), &own), ("A", json!(false), &own)] {
        let body = json!({"query": document, "operationName": name, "variables": {"id": world["contact"], "n": more}});
        let answer: Value = owner.request(reqwest::Method::POST, &owner.url).json(&body).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["data"]["contact"], *expected, "{name}: {answer:#}");
    }
}

/// What is planned for a document is kept only as far as the document is long. Beyond that plans end with their operation, and what is planned later
/// at the place in memory of one must not be taken for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_repeats_much_is_answered_all_the_same() {
    let (_app, owner, _) = start().await;
    let cities = "\"x\" ".repeat(100);
    let fragment = |n: usize| {
        format!(
            "fragment F{n} on Company {{ contacts(filter: {{city: {{in: [{cities}]}}}}) {{ totalCount }} c{n}: contacts(first: {n}) {{ nodes {{ n{n}: name }} }} }}"
        )
    };
    let fragments: String = (1..5).map(fragment).collect();
    let alias = |n: usize| format!("a{n}: companies @include(if: $v{}) {{ nodes {{ ...F{} }} }} ", n % 4, 1 + n % 4);
    let aliases: String = (0..64).map(alias).collect();
    let document = format!("query($v0: Boolean!, $v1: Boolean!, $v2: Boolean!, $v3: Boolean!) {{ {aliases} }} {fragments}");
    for round in 0..40_usize {
        let asked = |n: usize| (round % 15 + 1) >> (n % 4) & 1 == 1;
        let data = owner.data(&document, json!({"v0": asked(0), "v1": asked(1), "v2": asked(2), "v3": asked(3)})).await;
        for n in (0..64).filter(|n| asked(*n)) {
            let of = 1 + n % 4;
            let expected = json!({"contacts": {"totalCount": 0}, format!("c{of}"): {"nodes": [{format!("n{of}"): "Contact own"}]}});
            assert_eq!(data[format!("a{n}")]["nodes"], json!([expected]), "a{n}");
        }
    }
}
