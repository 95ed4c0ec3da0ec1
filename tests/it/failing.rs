//! One part of an answer fails: the rest comes all the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::client::codes;
use crate::harness::schema::Schema;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};

/// Fields that take the operation and cannot be null, with the reason.
const NEVER_NULL: &[(&str, &str)] =
    &[("Viewer.role", "known without reading"), ("Viewer.permissions", "known without reading"), ("Task.is_overdue", "compares with the clock")];

/// The fields of the objects and roots of a file that take the operation, and whether what they return can be null.
fn resolvers(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for item in syn::parse_file(text).unwrap().items {
        let syn::Item::Impl(block) = item else { continue };
        let syn::Type::Path(of) = &*block.self_ty else { continue };
        if !block.attrs.iter().any(|attribute| attribute.path().is_ident("Object")) {
            continue;
        }
        let of = of.path.segments.last().unwrap().ident.to_string();
        for item in block.items {
            let syn::ImplItem::Fn(method) = item else { continue };
            let takes = |input: &syn::FnArg| matches!(input, syn::FnArg::Typed(typed) if last(&typed.ty).as_deref() == Some("Context"));
            if method.sig.inputs.iter().any(takes) {
                let syn::ReturnType::Type(_, returns) = &method.sig.output else { panic!("{} returns nothing", method.sig.ident) };
                let nullable = inner(returns).as_ref().and_then(last).as_deref() == Some("Option");
                found.push((format!("{of}.{}", method.sig.ident), nullable));
            }
        }
    }
    found
}

/// The last name of a type's path, behind references.
fn last(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Reference(reference) => last(&reference.elem),
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// The `T` of a `Result<T>`.
fn inner(of: &syn::Type) -> Option<syn::Type> {
    let syn::Type::Path(path) = of else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| if let syn::GenericArgument::Type(inner) = argument { Some(inner.clone()) } else { None })
}

#[test]
fn every_field_that_reads_can_be_null() {
    let features = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features");
    let folders = fs::read_dir(&features).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files: Vec<PathBuf> =
        folders.flat_map(|folder| ["object.rs", "roots.rs"].map(|file| folder.join(file))).filter(|path| path.is_file()).collect();
    let mut fields = Vec::new();
    for path in files.into_iter().chain([features.with_extension("rs")]) {
        let text = fs::read_to_string(&path).unwrap();
        let own = resolvers(&text);
        // All roots are called so.
        let feature = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let roots = if feature == "accounts" { "AccountRoots.".to_owned() } else { format!("{feature}.") };
        fields.extend(own.into_iter().map(|(field, nullable)| (field.replace("Roots.", &roots), nullable)));
    }
    assert!(fields.len() > 50, "only {} fields were found", fields.len());
    let never: BTreeSet<&str> = fields.iter().filter(|(_, nullable)| !nullable).map(|(field, _)| field.as_str()).collect();
    assert_eq!(never, NEVER_NULL.iter().map(|(field, _)| *field).collect());
    let schema = Schema::served();
    let roots = schema.objects["Query"].iter().chain(&schema.objects["Mutation"]);
    let never: Vec<_> = roots.filter(|field| !field.nullable).map(|field| field.name.as_str()).collect();
    assert_eq!(never, ["viewer"]);
}

async fn revoke(app: &TestApp, table: &str) {
    app.superuser().await.batch_execute(&format!("REVOKE SELECT ON {table} FROM payaid_server")).await.unwrap();
}

/// The paths of an answer's errors, as `dashboard.tasks`.
fn paths(answer: &Value) -> BTreeSet<String> {
    let segment = |segment: &Value| segment.as_str().map_or_else(|| segment.to_string(), str::to_owned);
    let path = |error: &Value| error["path"].as_array().unwrap().iter().map(segment).collect::<Vec<_>>().join(".");
    answer["errors"].as_array().unwrap_or_else(|| panic!("{answer:#}")).iter().map(path).collect()
}

async fn start() -> (TestApp, Client, crate::harness::world::World) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    (app, owner, world)
}

const BROAD: &str = "{ tasks { nodes { title } } contacts { nodes { name tasks { nodes { title } } deals { nodes { title stage { name } pipeline { name } } } } } \
    dashboard { contactsByStage { count } pipelineByStage { count } wonByMonth { count } tasks { open } recentActivity { subject } } \
    pipelines { name stages { name } } activities { nodes { subject } } }";

/// Each time from a connection where nothing is prepared, and from one where everything is.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_fails_alone() {
    let (app, owner, _) = start().await;
    let whole = owner.query(BROAD).await;
    revoke(&app, "tasks").await;
    let fresh = TestApp::beside(&app, |_| ()).await;
    let fresh = Client::new(fresh.url("/graphql"), owner.token.clone());
    let of_tasks = ["tasks", "dashboard.tasks", "contacts.nodes.0.tasks"];
    for client in [&owner, &fresh, &fresh, &owner] {
        let mut answer = client.send(BROAD, json!({})).await;
        assert_eq!(paths(&answer), of_tasks.map(str::to_owned).into(), "{answer:#}");
        assert!(codes(&answer).iter().all(|code| code == "INTERNAL_ERROR"), "{answer:#}");
        for pointer in of_tasks.map(|path| format!("/data/{}", path.replace('.', "/"))) {
            let value = answer.pointer_mut(&pointer).unwrap();
            assert!(value.is_null(), "{pointer}");
            *value = whole.pointer(pointer.strip_prefix("/data").unwrap()).unwrap().clone();
        }
        assert_eq!(answer["data"], whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_cannot_be_read_leaves_its_deal() {
    let (app, owner, world) = start().await;
    revoke(&app, "pipeline_stages").await;
    let query = "query($id: ID!) { deal(id: $id) { title stage { name } pipeline { name stages { name } } stageHistory { at to { name } } } }";
    let answer = owner.send(query, json!({"id": world["deal"]})).await;
    assert_eq!(answer["data"]["deal"]["title"], "Deal own", "{answer:#}");
    assert!(answer["data"]["deal"]["pipeline"]["name"].is_string(), "{answer:#}");
    assert!(answer["data"]["deal"]["stageHistory"][0]["at"].is_string(), "{answer:#}");
    assert_eq!(paths(&answer), ["deal.stage", "deal.pipeline.stages", "deal.stageHistory.0.to"].map(str::to_owned).into());
}

/// In whatever way the rows are reached, and when what failed was selected twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_once() {
    let (_app, owner, _) = start().await;
    for number in 0..3 {
        owner.done("contactCreate", json!({"name": format!("Contact {number}")}), "contact { id }").await;
    }
    let row = "name owner { name } company { name } deals(first: 1000) { nodes { title } } tasks { nodes { title } }";
    let ways = [
        format!("{{ contacts(first: 3) {{ nodes {{ {row} }} }} }}"),
        format!("{{ contacts(first: 3) {{ edges {{ cursor node {{ {row} }} }} pageInfo {{ hasNextPage }} }} }}"),
    ];
    for way in ways {
        let twice = format!("{{ {} {} }}", &way[1..way.len() - 1], &way[1..way.len() - 1]);
        let mut answers = Vec::new();
        for document in [&way, &twice] {
            let answer = owner.send(document, json!({})).await;
            assert_eq!(answer["errors"].as_array().unwrap().len(), 3, "{document}: {answer:#}");
            answers.push((paths(&answer), answer["data"].clone()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0.len(), 3);
    }
}

/// A failure does not end the snapshot: what comes after it is of the same state as what came before.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_failure_is_of_the_same_state() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    populate(&owner, "own").await;
    revoke(&app, "tasks").await;
    let writer = owner.clone();
    let writing = tokio::spawn(async move {
        for number in 0..40 {
            writer.done("contactCreate", json!({"name": format!("Contact {number}"), "stage": "LEAD"}), "contact { id }").await;
        }
    });
    let query = "{ before: contacts(first: 0) { totalCount } tasks { totalCount } dashboard { contactsByStage { count } } \
        again: activities { nodes { contact { company { contacts(first: 0) { totalCount } } } } } }";
    while !writing.is_finished() {
        let answer = owner.send(query, json!({})).await;
        assert_eq!(paths(&answer), BTreeSet::from(["tasks".to_owned()]), "{answer:#}");
        let stages = answer["data"]["dashboard"]["contactsByStage"].as_array().unwrap();
        let counted: i64 = stages.iter().map(|stage| stage["count"].as_i64().unwrap()).sum();
        assert_eq!(answer["data"]["before"]["totalCount"], counted, "{answer:#}");
    }
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_fails_alone() {
    let (app, owner, world) = start().await;
    let ids = json!(["rubbish", world["contact"], world["task"], "probe_00000000000000000000000000", world["deal"]]);
    revoke(&app, "tasks").await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
    let answer = owner.send(query, json!({"ids": ids})).await;
    let contact = json!({"__typename": "Contact", "id": world["contact"]});
    assert_eq!(answer["data"]["nodes"], json!([null, contact, null, null, {"__typename": "Deal", "id": world["deal"]}]), "{answer:#}");
    assert_eq!(paths(&answer), ["nodes.0", "nodes.2", "nodes.3"].map(str::to_owned).into());
    let found: BTreeSet<String> = codes(&answer).into_iter().collect();
    assert_eq!(found, ["INVALID_ID", "INTERNAL_ERROR"].map(str::to_owned).into());
}

/// Whose answer has lists and objects between the field that fails and the nearest one that can be null.
const OF_DEALS: &str = "query($ids: [ID!]!) { \
    deals { nodes { title value { amount } } } edges: deals { edges { cursor node { weightedValue { amount } } } } \
    contacts { nodes { name deals { nodes { title value { amount } } pageInfo { hasNextPage } } } } \
    tasks { nodes { title deal { title both: value { amount } weightedValue { amount } } } } \
    nodes(ids: $ids) { id ... on Deal { value { amount } } } \
    pipelines { stages { name deals { totalCount nodes { title } } } } }";

/// The same, with selections that are put together: with parts that do not fail before or behind those that do.
fn of_deals_merged(before: bool) -> String {
    let (head, whole) = OF_DEALS.split_once("{ ").unwrap();
    let (whole, _) = whole.rsplit_once('}').unwrap();
    let parts = "deals { nodes { title } } edges: deals { edges { cursor } } contacts { nodes { name deals { nodes { title } } } } \
        tasks { nodes { title deal { title } } } nodes(ids: $ids) { id }";
    if before { format!("{head}{{ {parts} {whole} }}") } else { format!("{head}{{ {whole} {parts} }}") }
}

/// A field that cannot be null and fails nulls the nearest field or item above it that can be, and nothing else (GraphQL specification, 6.4.4).
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_null_nulls_the_nearest_that_can_be() {
    let (app, owner, world) = start().await;
    let other = populate(&owner, "other").await;
    let variables = json!({"ids": [other["deal"], world["deal"], world["contact"]]});
    let documents = [OF_DEALS.to_owned(), of_deals_merged(false), of_deals_merged(true)];
    let mut whole = Vec::new();
    for document in &documents {
        whole.push(owner.data(document, variables.clone()).await);
    }
    assert!(whole.iter().all(|answer| *answer == whole[0]), "{whole:#?}");
    // The table takes any three letters for a currency, and the schema knows some of them.
    app.superuser().await.batch_execute("UPDATE deals SET currency = 'XXX' WHERE title = 'Deal own'").await.unwrap();
    for document in &documents {
        let mut expected = whole[0].clone();
        let answer = owner.send(document, variables.clone()).await;
        // The newest come first, and the other world is newer.
        let nulls = ["/deals", "/edges", "/contacts/nodes/1/deals", "/tasks/nodes/1/deal", "/nodes/1"];
        for place in nulls {
            let value = expected.pointer_mut(place).unwrap();
            assert!(!value.is_null(), "{place}");
            *value = Value::Null;
        }
        assert_eq!(answer["data"], expected, "{answer:#}");
        let mut failed = paths(&answer);
        // Which of two siblings failed first is not said.
        let of_task = failed.iter().filter(|path| path.starts_with("tasks.")).cloned().collect::<Vec<_>>();
        assert!(!of_task.is_empty() && of_task.iter().all(|path| path.starts_with("tasks.nodes.1.deal.")), "{of_task:?}");
        failed.retain(|path| !path.starts_with("tasks."));
        let fields = ["deals.nodes.1.value", "edges.edges.1.node.weightedValue", "contacts.nodes.1.deals.nodes.0.value", "nodes.1.value"];
        assert_eq!(failed, fields.map(str::to_owned).into(), "{answer:#}");
        assert!(codes(&answer).iter().all(|code| code == "INTERNAL_ERROR"), "{answer:#}");
    }
}

/// In the payload of a mutation as well: what was done stays done.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_nulls_the_object_that_cannot_be_shown() {
    let (app, owner, world) = start().await;
    app.superuser().await.batch_execute("UPDATE deals SET currency = 'XXX'").await.unwrap();
    for (version, selected) in [(1, "deal { title value { amount } }"), (2, "deal { title } deal { value { amount } }")] {
        let update = format!("mutation($input: DealUpdateInput!) {{ dealUpdate(input: $input) {{ {selected} userErrors {{ message }} }} }}");
        let changed = format!("Changed {version}");
        let answer = owner.send(&update, json!({"input": {"id": world["deal"], "version": version, "changes": {"title": changed}}})).await;
        assert_eq!(answer["data"], json!({"dealUpdate": {"deal": null, "userErrors": []}}), "{answer:#}");
        assert_eq!(paths(&answer), BTreeSet::from(["dealUpdate.deal.value".to_owned()]));
        let title = owner.data("query($id: ID!) { deal(id: $id) { title } }", json!({"id": world["deal"]})).await;
        assert_eq!(title, json!({"deal": {"title": changed}}));
    }
}

/// And in what a subscription tells.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_nulls_the_object_that_cannot_be_shown() {
    let (app, owner, world) = start().await;
    let since = crate::harness::crowd::cursor(&owner).await;
    app.superuser().await.batch_execute("UPDATE deals SET currency = 'XXX'").await.unwrap();
    owner.mutate("dealUpdate", json!({"id": world["deal"], "version": 1, "changes": {"title": "Changed"}}), "").await;
    for selected in ["deal { title value { amount } }", "deal { title } deal { value { amount } }", "deal { value { amount } } deal { title }"] {
        let subscription = format!("subscription($since: String) {{ dealChanged(since: $since) {{ kind {selected} }} }}");
        let answer: Value = serde_json::from_str(&owner.told(&subscription, &json!({"since": since})).await).unwrap();
        assert_eq!(answer["data"], json!({"dealChanged": {"kind": "UPDATED", "deal": null}}), "{answer:#}");
        assert_eq!(paths(&answer), BTreeSet::from(["dealChanged.deal.value".to_owned()]));
    }
}
