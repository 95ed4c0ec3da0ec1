//! What the measured operations cost in statements, and that the handler written by hand, beside which they are measured, does the same. How fast they
//! are is for `make bench`, which runs them on a quiet machine.

/// Parts of the benchmark.
#[path = "../../bench/speed"]
mod bench {
    pub mod alike;
    pub mod documents;
    pub mod figures;
    pub mod plain;
}

mod judges;

use std::collections::BTreeMap;
use std::sync::Arc;

use bench::{documents, plain};
use nix::sys::signal::Signal;
use payaid::commands::seed;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::coverage::plans::business::{self, Planning};
use crate::harness::clock::HeldClock;
use crate::harness::crowd::fill;
use crate::harness::process::{Folder, Payaid};
use crate::harness::servers::shared;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

/// On both sides as many statements as the table of the benchmark says, and the same answers.
#[tokio::test(flavor = "multi_thread")]
async fn measured_operations_take_as_many_statements_as_they_say() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 60).await;
    for (name, document, by_server, by_hand) in both(&app, &owner, false).await {
        assert_eq!(by_server.statements.len(), document.statements, "{} {:#?}", document.text, by_server.statements);
        assert_eq!(by_hand.statements.len(), document.statements, "{name} by hand: {:#?}", by_hand.statements);
        if name != "create" {
            assert_eq!(by_hand.data, by_server.data, "{name}");
        }
    }
    // What was created is the same as well, row and entry in the audit log, but for what each has of its own.
    let own = "ARRAY['id', 'email', 'created_at', 'updated_at', 'search']";
    let sql = format!(
        "SELECT email, (jsonb_build_object('row', to_jsonb(c) - {own}, 'entry', to_jsonb(a) - ARRAY['id', 'at', 'seq', 'tx', 'row_id', 'request_id', 'after'], \
         'after', a.after - {own}, 'ids', a.after->>'id' = c.id::text AND a.after->>'email' = c.email AND a.request_id IS NOT NULL, \
         'times', c.created_at = c.updated_at AND a.at = c.created_at AND (a.after->>'created_at')::timestamptz = c.created_at))::text \
         FROM contacts c JOIN audit_entries a ON a.row_id = c.id WHERE email IN ('asha@rao.example', 'again@rao.example')"
    );
    let rows = app.superuser().await.query(&sql, &[]).await.unwrap();
    let created: BTreeMap<String, Value> = rows.iter().map(|row| (row.get(0), serde_json::from_str(row.get(1)).unwrap())).collect();
    assert_eq!(created["asha@rao.example"], created["again@rao.example"]);
    assert_eq!(
        (rows.len(), &created["asha@rao.example"]["ids"], &created["asha@rao.example"]["times"]),
        (2, &json!(true), &json!(true)),
        "{created:#?}"
    );
}

/// And PostgreSQL goes about each in the same way, with the same conditions and in the same order.
#[tokio::test(flavor = "multi_thread")]
async fn measured_operations_have_the_plans_of_those_by_hand() {
    let database = business::database(Planning::ForAny).await;
    let app = TestApp::on_with(database, |_| (), Arc::new(HeldClock::at(business::NOW))).await;
    let owner = app.sign_in(seed::DEMO_OWNERS[0].1, seed::DEMO_PASSWORD).await;
    for (name, document, by_server, by_hand) in both(&app, &owner, true).await {
        assert!(by_server.plans.len() >= document.statements, "{name}: {:#?}", by_server.plans);
        assert_eq!(by_server.plans, by_hand.plans, "{name}");
    }
}

/// What one side did for an operation.
struct Did {
    data: Value,
    statements: Vec<String>,
    /// How PostgreSQL went about each, when it logs that.
    plans: Vec<String>,
}

/// Each measured operation by the server and by the handler written by hand.
async fn both(app: &TestApp, owner: &Client, planned: bool) -> Vec<(&'static str, documents::Document, Did, Did)> {
    let plain = plain::router(&shared().await.primary.url(&app.database, "payaid_server")).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, plain).await });
    let recorder = Recorder::start(app).await;
    let first = owner.query("{ contacts(first: 1) { pageInfo { endCursor } nodes { id } } }").await;
    let Did { data: first, .. } = Did::of(&recorder, first, planned).await;
    let (id, after) = (&first["contacts"]["nodes"][0]["id"], &first["contacts"]["pageInfo"]["endCursor"]);
    let input = |email: &str| json!({"name": "Asha Rao", "email": email, "phone": "+919876543210", "city": "Pune", "stage": "LEAD"});
    let reads = [
        ("contact", documents::CONTACT, json!({"id": id})),
        ("nested", documents::NESTED, json!({"after": after})),
        ("dashboard", documents::DASHBOARD, json!({})),
        ("search", documents::SEARCH, json!({"words": "contact"})),
        ("page", documents::PAGE, json!({"after": after})),
    ];
    let create = [("create", documents::CREATE, json!({"input": input("asha@rao.example")}), json!({"input": input("again@rao.example")}))];
    let reads = reads.into_iter().map(|(name, document, variables)| (name, document, variables.clone(), variables));
    let mut did = Vec::new();
    for (name, document, variables, plain_variables) in reads.chain(create) {
        let recorder = Recorder::start(app).await;
        let data = owner.data(document.text, variables).await;
        assert!(data.as_object().unwrap().values().all(|value| !value.is_null()), "{data}");
        let by_server = Did::of(&recorder, data, planned).await;
        let recorder = Recorder::start(app).await;
        let request = owner.request(reqwest::Method::POST, &format!("{plain_url}/{name}")).body(plain_variables.to_string());
        let mut by_hand: Value = request.send().await.unwrap().json().await.unwrap();
        did.push((name, document, by_server, Did::of(&recorder, by_hand["data"].take(), planned).await));
    }
    did
}

impl Did {
    async fn of(recorder: &Recorder, data: Value, planned: bool) -> Self {
        // The plan of the last statement is logged when its transaction ends, which nobody waits for after a read.
        let has_plan = |sql: &String| recorder.plans().iter().any(|plan| plan["Query Text"].as_str().unwrap().lines().next() == Some(sql));
        until("every statement has its plan", async || !planned || recorder.finish().iter().all(has_plan)).await;
        let mut plans = recorder.plans().iter().map(|plan| shape(&plan["Plan"])).collect::<Vec<_>>();
        // Those inside of functions and triggers come before or after the statement's own.
        plans.sort();
        Self { data, statements: recorder.finish(), plans }
    }
}

/// The steps of a plan: which tables and indexes they read, by which conditions, and in which order.
fn shape(plan: &Value) -> String {
    let keys =
        ["Node Type", "Join Type", "Scan Direction", "Relation Name", "Index Name", "Function Name", "Index Cond", "Filter", "Sort Key", "Group Key"];
    let own = keys.map(|key| plan.get(key).map(|value| format!("{key} {}", unnamed(&value.to_string()))).unwrap_or_default());
    let below = plan["Plans"].as_array().into_iter().flatten().map(shape).collect::<Vec<_>>();
    format!("{}({})", own.join(" "), below.join(", "))
}

/// A condition without the names of its tables and the numbers of its parameters, which are each side's own.
fn unnamed(condition: &str) -> String {
    let (mut text, mut word) = (String::new(), String::new());
    for letter in condition.chars() {
        match letter {
            '0'..='9' if word == "$" => {}
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => word.push(letter),
            '$' => {
                text.push_str(&std::mem::take(&mut word));
                word.push('$');
            }
            '.' if !word.is_empty() && !word.starts_with(|first: char| first.is_ascii_digit()) => word.clear(),
            _ => {
                text.push_str(&std::mem::take(&mut word));
                text.push(letter);
            }
        }
    }
    text + &word
}

/// The name of a prepared statement is fresh each time one is prepared.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_once_on_a_connection() {
    let app = TestApp::with(|config| config.database.pool_size = 1, Arc::new(payaid::base::clock::SystemClock)).await;
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

/// The program itself counts what it parses and validates; in the process of the tests all servers are counted together.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_document_is_neither_parsed_nor_validated_again() {
    let app = TestApp::start().await;
    let token = app.sign_up("Sharma", "owner@sharma.example").await.token;
    let url = shared().await.primary.url(&app.database, "payaid_server");
    let folder = Folder::create();
    let key = app.app.config.auth.jwt_private_key.expose_secret();
    let mut server = Payaid::start(folder.path(), &["serve"], &[("DATABASE_URL", &url), ("JWT_PRIVATE_KEY", key), ("LISTEN", "127.0.0.1:0")]);
    let line = server.says("listening address=").await;
    let at = line.rsplit('=').next().unwrap();
    let owner = Client::new(format!("http://{at}/graphql"), token);
    let looked_at = async || {
        let metrics = reqwest::get(format!("http://{at}/metrics")).await.unwrap().text().await.unwrap();
        let count = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        ["documents_parsed_total", "documents_validated_total"].map(|name| count(name).map_or(0, |count| count.parse::<u32>().unwrap()))
    };
    for text in ["{ viewer { role } } # written", "{ viewer { role } viewer { permissions } } # executed", "{ __schema { queryType { name } } }"] {
        let before = looked_at().await;
        for _ in 0..4 {
            owner.query(text).await;
        }
        let after = looked_at().await;
        assert_eq!([after[0] - before[0], after[1] - before[1]], [1, 1], "parsed and validated: {text}");
    }
    server.stop(Signal::SIGTERM).await;
}

/// What is wrong with the variables of a document that was found valid before is said as if it had been sent for the first time.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_document_is_as_strict_as_a_new_one() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let create = "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { name } userErrors { field } } }";
    let list = "query($first: Int, $filter: ContactFilter, $orderBy: ContactOrder) { contacts(first: $first, filter: $filter, orderBy: $orderBy) \
        { nodes { name } } }";
    let found = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let cases = [
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {"name": 7}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {"name": "Asha", "nmae": "Asha"}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {"name": null}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {"name": "Asha", "stage": "NOWHERE"}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": {"name": "Asha", "tags": [1]}})),
        (create, json!({"input": {"name": "Asha"}}), json!({"input": "Asha"})),
        (create, json!({"input": {"name": "Asha"}}), json!({})),
        (list, json!({"first": 1}), json!({"first": "one"})),
        (list, json!({"first": 1}), json!({"first": 1.5})),
        (list, json!({"first": 1}), json!({"first": 5_000_000_000_i64})),
        (list, json!({"first": 1}), json!({"filter": {"createdAt": {"gte": "yesterday"}}})),
        (list, json!({"first": 1}), json!({"filter": {"stage": {"eq": "NOWHERE"}}})),
        (list, json!({"first": 1}), json!({"orderBy": {"direction": "DESC"}})),
        (list, json!({"first": 1}), json!({"first": 101})),
        (found, json!({"ids": []}), json!({"ids": [null]})),
        (found, json!({"ids": []}), json!({"ids": ["contact_nonsense"]})),
    ];
    for (number, (document, good, bad)) in cases.into_iter().enumerate() {
        // A comment makes it another document.
        let fresh = |times: usize| format!("{document} # {number} {times}");
        let as_new = answer(&owner, &fresh(1), &bad).await;
        assert!(as_new.1.get("errors").is_some(), "{document} takes {bad}");
        let (status, ok) = answer(&owner, &fresh(2), &good).await;
        assert!(status == 200 && ok.get("errors").is_none(), "{document} refuses {good}: {ok}");
        answer(&owner, &fresh(2), &good).await;
        assert_eq!(answer(&owner, &fresh(2), &bad).await, as_new, "{document} with {bad}");
    }
}

/// The rules leave out an argument in which a variable without a value stands: what else is in it is not known to be valid.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_known_only_for_the_variables_that_had_values() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for wrong in ["nonsense: 1", "status: {eq: NOWHERE}"] {
        let document = format!("query($s: ContactStage) {{ contacts(first: 1, filter: {{stage: {{eq: $s}}, {wrong}}}) {{ nodes {{ name }} }} }}");
        let (given, absent) = (json!({"s": "LEAD"}), json!({}));
        let as_new = answer(&owner, &format!("{document} # new"), &given).await;
        assert_eq!(as_new.0, 422, "{}", as_new.1);
        answer(&owner, &document, &absent).await;
        answer(&owner, &document, &absent).await;
        assert_eq!(answer(&owner, &document, &given).await, as_new);
    }
}

/// More fields than a turn takes: batches wait for those that are held back.
#[tokio::test(flavor = "multi_thread")]
async fn batches_are_whole_however_many_fields_there_are() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 100).await;
    let deal = "id title status probability createdAt updatedAt version company { name } stage { name } owner { name }";
    let operation = format!(
        "query($first: Int!) {{ contacts(first: $first) {{ nodes {{ id name email deals(first: 5) {{ nodes {{ {deal} }} }} company {{ contacts(first: 5) \
         {{ edges {{ cursor node {{ id name phone city deals(first: 5) {{ nodes {{ {deal} }} }} }} }} }} }} }} }} }}"
    );
    let mut counts = Vec::new();
    for first in [1, 10, 100, 100] {
        let recorder = Recorder::start(&app).await;
        let data = owner.data(&operation, json!({"first": first})).await;
        assert_eq!(data["contacts"]["nodes"].as_array().unwrap().len(), first);
        counts.push(recorder.finish().len());
    }
    assert_eq!(counts, [counts[0]; 4]);
}

/// Status and body, without the request's id.
async fn answer(client: &Client, document: &str, variables: &Value) -> (u16, Value) {
    let request = client.request(reqwest::Method::POST, &client.url).json(&json!({"query": document, "variables": variables}));
    let response = request.header("accept", "application/graphql-response+json").send().await.unwrap();
    let (status, mut body) = (response.status().as_u16(), response.json::<Value>().await.unwrap());
    for error in body["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"].as_object_mut().unwrap().remove("requestId");
    }
    if body["errors"].is_null() {
        body.as_object_mut().unwrap().remove("errors");
    }
    // What is left of the budget differs each time.
    body.as_object_mut().unwrap().remove("extensions");
    (status, body)
}
