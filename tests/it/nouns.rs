//! Companies, tasks and activities: made, changed, found in order and deleted; what goes with what, and who can be given what.

use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::clock::HeldClock;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};

const NOW: &str = "2026-11-21T10:00:00Z";
const GSTIN: &str = "27AAPFU0939F1ZV";

async fn id(owner: &Client, noun: &str, input: Value) -> Value {
    owner.done(&format!("{noun}Create"), input, &format!("{noun} {{ id }}")).await[noun]["id"].clone()
}

/// What one field says of each object of a list.
async fn found(owner: &Client, list: &str, arguments: &str, field: &str) -> Vec<String> {
    let data = owner.query(&format!("{{ {list}{arguments} {{ totalCount nodes {{ {field} }} }} }}")).await;
    let nodes = data[list]["nodes"].as_array().unwrap();
    assert_eq!(data[list]["totalCount"], nodes.len());
    nodes.iter().map(|node| node[field].as_str().unwrap().to_owned()).collect()
}

/// The payload has one user error, with this code on this field.
fn refused(payload: &Value, code: &str, field: &str) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    let path: Vec<_> = errors[0]["field"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    assert_eq!((errors[0]["code"].as_str().unwrap(), path.join(".")), (code, field.to_owned()), "{payload}");
}

#[tokio::test]
async fn companies_are_made_changed_and_deleted() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let select = "company { id name gstin stateCode state industry version }";
    let rao = owner.done("companyCreate", json!({"name": "Rao Mills", "gstin": GSTIN}), select).await["company"].clone();
    assert_eq!((&rao["gstin"], &rao["stateCode"], &rao["state"]), (&json!(GSTIN), &json!("27"), &json!("Maharashtra")));
    let mismatch = json!({"name": "Rao Mills", "gstin": GSTIN, "stateCode": "29"});
    refused(&owner.mutate("companyCreate", mismatch, select).await, "VALIDATION_ERROR", "input.stateCode");
    refused(&owner.mutate("companyCreate", json!({"name": "Copy", "gstin": GSTIN}), select).await, "CONFLICT", "input.gstin");
    let change = json!({"id": rao["id"], "version": 1, "changes": {"industry": "Textiles"}});
    let changed = owner.done("companyUpdate", change.clone(), select).await["company"].clone();
    assert_eq!((&changed["industry"], &changed["version"]), (&json!("Textiles"), &json!(2)));
    refused(&owner.mutate("companyUpdate", change, select).await, "CONFLICT", "input.version");
    let elsewhere = json!({"id": rao["id"], "version": 2, "changes": {"stateCode": "29"}});
    refused(&owner.mutate("companyUpdate", elsewhere, select).await, "VALIDATION_ERROR", "input.changes.stateCode");
    let nothing = json!({"id": rao["id"], "version": 2, "changes": {}});
    refused(&owner.mutate("companyUpdate", nothing, select).await, "VALIDATION_ERROR", "input.changes");
    let asha = id(&owner, "company", json!({"name": "Asha Dyes", "stateCode": "29"})).await;
    let bina = id(&owner, "company", json!({"name": "Bina Foods", "stateCode": "33", "industry": "Food"})).await;
    let bulk = json!({"ids": [bina, rao["id"], asha], "changes": {"industry": "Trade"}});
    let bulk = owner.done("companyBulkUpdate", bulk, "companies { name industry version }").await;
    let expected = [("Bina Foods", 2), ("Rao Mills", 3), ("Asha Dyes", 2)];
    assert_eq!(bulk["companies"], json!(expected.map(|(name, version)| json!({"name": name, "industry": "Trade", "version": version}))));
    let shared = json!({"ids": [bina, asha], "changes": {"gstin": "29AAPFU0939F1ZR"}});
    let shared = owner.mutate("companyBulkUpdate", shared, "companies { id }").await;
    assert_eq!((&shared["companies"], &shared["userErrors"][0]["code"]), (&json!([]), &json!("VALIDATION_ERROR")));
    for (arguments, expected) in [
        ("(orderBy: {field: NAME})", vec!["Asha Dyes", "Bina Foods", "Rao Mills"]),
        ("(orderBy: {field: NAME, direction: DESC})", vec!["Rao Mills", "Bina Foods", "Asha Dyes"]),
        ("(filter: {stateCode: {eq: \"29\"}})", vec!["Asha Dyes"]),
        ("(filter: {stateCode: {in: [\"27\", \"33\"]}}, orderBy: {field: NAME})", vec!["Bina Foods", "Rao Mills"]),
        ("(filter: {gstin: {eq: \"27AAPFU0939F1ZV\"}})", vec!["Rao Mills"]),
        ("(filter: {industry: {eq: \"Food\"}})", vec![]),
    ] {
        assert_eq!(found(&owner, "companies", arguments, "name").await, expected, "{arguments}");
    }
    let missing = owner.mutate("companyBulkDelete", json!({"ids": [asha, "company_01h455vb4pex5vsknk084sn02q"]}), "deletedIds").await;
    refused(&missing, "NOT_FOUND", "input.ids");
    let deleted = owner.done("companyBulkDelete", json!({"ids": [rao["id"], asha]}), "deletedIds").await;
    assert_eq!(deleted["deletedIds"], json!([rao["id"], asha]));
    assert_eq!(found(&owner, "companies", "", "name").await, ["Bina Foods"]);
}

#[tokio::test]
async fn tasks_are_made_changed_completed_and_deleted() {
    let app = TestApp::with(|_| (), Arc::new(HeldClock::at(NOW))).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let select = "task { id status priority completedAt isOverdue version }";
    let task = owner.done("taskCreate", json!({"title": "late", "dueAt": "2026-11-21T09:00:00Z"}), select).await["task"].clone();
    let late = task["id"].clone();
    let expected = json!({"id": late, "status": "OPEN", "priority": "NORMAL", "completedAt": null, "isOverdue": true, "version": 1});
    assert_eq!(task, expected);
    let never = id(&owner, "task", json!({"title": "never", "priority": "URGENT"})).await;
    let soon = id(&owner, "task", json!({"title": "soon", "dueAt": "2026-11-21T11:00:00Z", "status": "IN_PROGRESS"})).await;
    let done = owner.done("taskCreate", json!({"title": "done", "dueAt": "2026-11-20T10:00:00Z", "status": "DONE"}), select).await["task"].clone();
    assert_eq!((&done["completedAt"], &done["isOverdue"]), (&json!("2026-11-21T10:00:00.000000Z"), &json!(false)));
    for (arguments, expected) in [
        ("(orderBy: {field: DUE_AT})", vec!["done", "late", "soon", "never"]),
        ("(orderBy: {field: DUE_AT, direction: DESC})", vec!["never", "soon", "late", "done"]),
        ("(filter: {overdue: true})", vec!["late"]),
        ("(filter: {overdue: false}, orderBy: {field: DUE_AT})", vec!["done", "soon", "never"]),
        ("(filter: {status: {in: [OPEN, IN_PROGRESS]}}, orderBy: {field: DUE_AT})", vec!["late", "soon", "never"]),
        ("(filter: {priority: {eq: URGENT}})", vec!["never"]),
        ("(filter: {dueAt: {gte: \"2026-11-21T09:00:00Z\"}}, orderBy: {field: DUE_AT})", vec!["late", "soon"]),
        ("(filter: {dueAt: {lt: \"2026-11-21T09:00:00Z\"}})", vec!["done"]),
    ] {
        assert_eq!(found(&owner, "tasks", arguments, "title").await, expected, "{arguments}");
    }
    let completed = owner.done("taskComplete", json!({"id": late, "version": 1}), select).await["task"].clone();
    let expected =
        json!({"id": late, "status": "DONE", "priority": "NORMAL", "completedAt": "2026-11-21T10:00:00.000000Z", "isOverdue": false, "version": 2});
    assert_eq!(completed, expected);
    refused(&owner.mutate("taskComplete", json!({"id": late, "version": 1}), select).await, "CONFLICT", "input.version");
    let reopened = owner.done("taskUpdate", json!({"id": late, "version": 2, "changes": {"status": "OPEN"}}), select).await["task"].clone();
    assert_eq!((&reopened["completedAt"], &reopened["isOverdue"], &reopened["version"]), (&Value::Null, &json!(true), &json!(3)));
    let bulk = json!({"ids": [soon, done["id"], never], "changes": {"status": "DONE", "dueAt": null}});
    let bulk = owner.done("taskBulkUpdate", bulk, "tasks { title status dueAt completedAt }").await;
    let one = |title: &str| json!({"title": title, "status": "DONE", "dueAt": null, "completedAt": "2026-11-21T10:00:00.000000Z"});
    assert_eq!(bulk["tasks"], json!([one("soon"), one("done"), one("never")]));
    let deleted = owner.done("taskBulkDelete", json!({"ids": [never, late]}), "deletedIds").await;
    assert_eq!(deleted["deletedIds"], json!([never, late]));
    let mut left = found(&owner, "tasks", "", "title").await;
    left.sort();
    assert_eq!(left, ["done", "soon"]);
}

#[tokio::test]
async fn activities_are_made_changed_and_deleted() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let contact = id(&owner, "contact", json!({"name": "Asha"})).await;
    let deal = id(&owner, "deal", json!({"title": "Looms"})).await;
    let select = "activity { id kind subject body occurredAt durationMinutes version author { email } contact { id } deal { id } }";
    let about_nothing = json!({"kind": "NOTE", "subject": "Hello"});
    refused(&owner.mutate("activityCreate", about_nothing, select).await, "VALIDATION_ERROR", "input.contactId");
    let tomorrow = json!({"kind": "MEETING", "subject": "Hello", "contactId": contact, "occurredAt": "2026-11-22T10:00:01Z"});
    refused(&owner.mutate("activityCreate", tomorrow, select).await, "VALIDATION_ERROR", "input.occurredAt");
    let note = owner.done("activityCreate", json!({"kind": "NOTE", "subject": "note", "contactId": contact}), select).await["activity"].clone();
    let expected = json!({
        "id": note["id"], "kind": "NOTE", "subject": "note", "body": null, "occurredAt": "2026-11-21T10:00:00.000000Z", "durationMinutes": null,
        "version": 1, "author": {"email": "owner@sharma.example"}, "contact": {"id": contact}, "deal": null,
    });
    assert_eq!(note, expected);
    clock.advance(Duration::seconds(1));
    let call = json!({"kind": "CALL", "subject": "call", "dealId": deal, "occurredAt": "2026-11-19T10:00:00Z", "durationMinutes": 5});
    let call = id(&owner, "activity", call).await;
    clock.advance(Duration::seconds(1));
    let mail = id(&owner, "activity", json!({"kind": "EMAIL", "subject": "mail", "contactId": contact, "occurredAt": "2026-11-20T10:00:00Z"})).await;
    for (arguments, expected) in [
        (String::new(), vec!["note", "mail", "call"]),
        ("(orderBy: {field: OCCURRED_AT})".to_owned(), vec!["call", "mail", "note"]),
        ("(orderBy: {field: CREATED_AT})".to_owned(), vec!["note", "call", "mail"]),
        ("(orderBy: {field: CREATED_AT, direction: DESC})".to_owned(), vec!["mail", "call", "note"]),
        ("(filter: {kind: {in: [CALL, NOTE]}})".to_owned(), vec!["note", "call"]),
        ("(filter: {occurredAt: {lte: \"2026-11-20T10:00:00Z\"}})".to_owned(), vec!["mail", "call"]),
        (format!("(filter: {{contactId: {contact}}})"), vec!["note", "mail"]),
        (format!("(filter: {{dealId: {deal}}})"), vec!["call"]),
    ] {
        assert_eq!(found(&owner, "activities", &arguments, "subject").await, expected, "{arguments}");
    }
    let change = json!({"id": note["id"], "version": 1, "changes": {"body": "At length", "durationMinutes": 10}});
    let changed = owner.done("activityUpdate", change.clone(), select).await["activity"].clone();
    assert_eq!((&changed["body"], &changed["durationMinutes"], &changed["version"]), (&json!("At length"), &json!(10), &json!(2)));
    refused(&owner.mutate("activityUpdate", change, select).await, "CONFLICT", "input.version");
    let orphan = json!({"id": note["id"], "version": 2, "changes": {"contactId": null}});
    refused(&owner.mutate("activityUpdate", orphan, select).await, "VALIDATION_ERROR", "input.changes.contactId");
    let over = json!({"id": note["id"], "version": 2, "changes": {"contactId": null, "dealId": deal}});
    let over = owner.done("activityUpdate", over, select).await["activity"].clone();
    assert_eq!((&over["contact"], &over["deal"]["id"]), (&Value::Null, &deal));
    let bulk = json!({"ids": [mail, note["id"], call], "changes": {"kind": "MEETING"}});
    let bulk = owner.done("activityBulkUpdate", bulk, "activities { subject kind }").await;
    assert_eq!(bulk["activities"], json!(["mail", "note", "call"].map(|subject| json!({"subject": subject, "kind": "MEETING"}))));
    let deleted = owner.done("activityBulkDelete", json!({"ids": [call, note["id"]]}), "deletedIds").await;
    assert_eq!(deleted["deletedIds"], json!([call, note["id"]]));
    assert_eq!(found(&owner, "activities", "", "subject").await, ["mail"]);
}

#[tokio::test]
async fn what_is_deleted_takes_its_timeline_with_it_and_nothing_more() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    let about_deal = json!({"kind": "NOTE", "subject": "About the deal", "dealId": world["deal"]});
    let about_deal = id(&owner, "activity", about_deal).await;
    let query = "query($contact: ID!, $deal: ID!, $task: ID!, $activity: ID!, $aboutDeal: ID!) { \
        contact(id: $contact) { company { id } } deal(id: $deal) { company { id } contact { id } } task(id: $task) { contact { id } deal { id } } \
        activity(id: $activity) { subject } aboutDeal: activity(id: $aboutDeal) { subject } }";
    let variables = json!({
        "contact": world["contact"], "deal": world["deal"], "task": world["task"], "activity": world["activity"], "aboutDeal": about_deal,
    });
    owner.done("companyDelete", json!({"id": world["company"]}), "deletedIds").await;
    let data = owner.data(query, variables.clone()).await;
    assert_eq!(data["contact"], json!({"company": null}));
    assert_eq!(data["deal"], json!({"company": null, "contact": {"id": world["contact"]}}));
    assert_eq!(data["activity"]["subject"], "Note own");
    owner.done("contactDelete", json!({"id": world["contact"]}), "deletedIds").await;
    let data = owner.data(query, variables).await;
    let expected = json!({
        "contact": null, "deal": {"company": null, "contact": null}, "task": {"contact": null, "deal": {"id": world["deal"]}}, "activity": null,
        "aboutDeal": {"subject": "About the deal"},
    });
    assert_eq!(data, expected);
}

/// What a member had stays hers when she leaves, and nothing new can be given to her.
#[tokio::test]
async fn nothing_is_given_to_a_member_who_left() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    let sales = app.member(&owner, "SALES", "sales@sharma.example").await;
    let seller = sales.query("{ viewer { user { id } } }").await["viewer"]["user"]["id"].clone();
    let had = id(&owner, "company", json!({"name": "Hers", "ownerId": seller})).await;
    let members = owner.query("{ members { nodes { id role } } }").await;
    let member = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["role"] == "SALES").unwrap()["id"].clone();
    owner.done("memberRemove", json!({"memberId": member}), "member { removedAt }").await;
    let changed = owner.done("companyUpdate", json!({"id": had, "version": 1, "changes": {"name": "Still hers"}}), "company { owner { id } }").await;
    assert_eq!(changed["company"]["owner"]["id"], seller);
    let mut given = Vec::new();
    for (noun, many, title, field) in [
        ("company", "companies", "name", "ownerId"),
        ("contact", "contacts", "name", "ownerId"),
        ("deal", "deals", "title", "ownerId"),
        ("task", "tasks", "title", "assigneeId"),
    ] {
        let one = format!("{noun} {{ id }}");
        let created = owner.mutate(&format!("{noun}Create"), json!({title: "New", field: seller}), &one).await;
        let update = json!({"id": world[noun], "version": 1, "changes": {field: seller}});
        let updated = owner.mutate(&format!("{noun}Update"), update, &one).await;
        let bulk = json!({"ids": [world[noun]], "changes": {field: seller}});
        let bulk = owner.mutate(&format!("{noun}BulkUpdate"), bulk, &format!("{many} {{ id }}")).await;
        for (payload, path) in
            [(created, json!(["input", field])), (updated, json!(["input", "changes", field])), (bulk, json!(["input", "changes", field]))]
        {
            let error = &payload["userErrors"][0];
            if error["code"] != "NOT_FOUND" || error["field"] != path {
                given.push(format!("{noun} {path}: {payload}"));
            }
        }
    }
    assert!(given.is_empty(), "{given:#?}");
}
