//! What answers say of prices.

use serde_json::{Value, json};

use super::{refusal, started};

fn cost(answer: &Value) -> (i64, Option<i64>) {
    let cost = &answer["extensions"]["cost"];
    (cost["requested"].as_i64().unwrap_or_else(|| panic!("{answer}")), cost["actual"].as_i64())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_it_can_cost_and_what_it_cost() {
    let (app, _) = started(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for name in ["Asha", "Ravi", "Meera"] {
        owner.done("contactCreate", json!({"name": name}), "contact { id }").await;
    }
    for (query, expected) in [
        ("{ __typename }", (1, 1)),
        ("{ contacts { nodes { id } } }", (22, 5)),
        ("{ contacts(first: 2) { nodes { id } edges { node { id } } totalCount pageInfo { hasNextPage } } }", (11, 11)),
        ("{ contacts(first: 5, search: \"asha\") { nodes { id } } }", (17, 13)),
        ("{ contacts(first: 5, search: null) { nodes { id } } }", (7, 5)),
        ("{ contacts(first: 10) { nodes { deals(first: 3) { nodes { id } } } } }", (62, 11)),
        ("{ dashboard { contactsByStage { count } pipelineByStage { value { amount } } recentActivity { subject } } }", (31, 21)),
        ("{ pipelines { stages { name } } }", (420, 7)),
        ("{ rateLimit { cost remaining } }", (1, 1)),
        // Put together it costs less.
        ("{ contacts(first: 2) { nodes { id } } contacts(first: 2) { nodes { name } totalCount } }", (13, 9)),
        ("query($first: Int = 4, $no: Boolean = false) { contacts(first: $first) { nodes { id } totalCount @include(if: $no) } }", (6, 5)),
    ] {
        let answer = owner.send(query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        assert_eq!(cost(&answer), (expected.0, Some(expected.1)), "{query}: {answer}");
    }
    let created = owner.send("mutation { contactCreate(input: {name: \"Kiran\"}) { contact { id } userErrors { code } } }", json!({})).await;
    assert_eq!(cost(&created), (11, Some(11)), "{created}");
    let ids: Vec<Value> =
        owner.query("{ contacts { nodes { id } } }").await["contacts"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    let change = "mutation($input: ContactBulkUpdateInput!) { contactBulkUpdate(input: $input) { contacts { id } } }";
    let changed = owner.send(change, json!({"input": {"ids": ids, "changes": {"city": "Pune"}}})).await;
    assert_eq!(cost(&changed), (14, Some(14)), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_explained_and_told_without_running() {
    let (app, _) = started(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let query = "{ contacts(first: 10) { nodes { deals(first: 3) { nodes { id } } } totalCount } }";
    let explained = owner.ask(query, json!({}), &[("x-cost", "explain")]).await;
    let fields = explained.body["extensions"]["cost"]["fields"].as_array().unwrap().clone();
    assert_eq!(fields[0], json!({"field": "contacts.nodes.deals.nodes", "times": 10, "each": 3, "points": 30}));
    assert_eq!(fields.iter().map(|field| field["points"].as_i64().unwrap()).sum::<i64>(), cost(&explained.body).0);
    assert!(explained.data()["contacts"].is_object());

    let mutation = "mutation { contactCreate(input: {name: \"Nobody\"}) { contact { id } } }";
    let only = owner.ask(mutation, json!({}), &[("x-cost", "only")]).await;
    assert_eq!((only.status, cost(&only.body), only.body.get("data")), (200, (11, None), None), "{}", only.body);
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
    // Also of what is too dear to be run.
    let dear = owner.ask("{ contacts(first: 100) { nodes { deals(first: 100) { nodes { id } } } } }", json!({}), &[("x-cost", "only")]).await;
    assert_eq!(cost(&dear.body), (2 + 100 * 103, None));
    let wrong = owner.ask(query, json!({}), &[("x-cost", "everything")]).await;
    assert_eq!(refusal(&wrong.body).0, "VALIDATION_ERROR", "{}", wrong.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_and_similar_names_are_for_those_who_may_read_it() {
    let (app, _) = started(|config| config.documents.introspection = payaid::platform::config::Introspection::Permitted).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let viewer = app.member(&owner, "VIEWER", "viewer@sharma.example").await;
    let (schema, wrong) = ("{ __schema { queryType { name } } }", "{ contact { id } contactz { nodes { id } } }");
    assert_eq!(app.anonymous().codes(schema, json!({})).await, ["UNAUTHENTICATED"]);
    assert_eq!(viewer.codes(schema, json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    assert_eq!(viewer.codes("{ __type(name: \"Contact\") { name } }", json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    assert_eq!(
        viewer
            .codes(
                "query($no: Boolean = false) { __typename ...F @include(if: $no) } fragment F on Query { __schema { queryType { name } } }",
                json!({})
            )
            .await,
        ["INSUFFICIENT_PERMISSIONS"]
    );
    assert_eq!(owner.query(schema).await["__schema"]["queryType"]["name"], "Query");
    let told = owner.send(wrong, json!({})).await.to_string();
    assert!(told.contains("Did you mean"), "{told}");
    let untold = viewer.send(wrong, json!({})).await.to_string();
    assert!(!untold.contains("Did you mean") && untold.contains("contactz"), "{untold}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_says_how_long_it_gets() {
    let api = payaid::features::build().unwrap();
    let types = payaid::access::document::TypeMap::from_sdl(&api.schema().sdl()).unwrap();
    assert_eq!(types.lists_without_size(), Vec::<String>::new());
    // And the walk notices one that does not.
    let lacking =
        payaid::access::document::TypeMap::from_sdl("type Query { all: [Thing!]! some: [Thing] @listSize(assumedSize: 3) } type Thing { id: ID }")
            .unwrap();
    assert_eq!(lacking.lists_without_size(), ["Query.all"]);
}
