//! Writing: one transaction for each mutation field, with its audit entry; a client that leaves cannot cut it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::platform::config::ServerConfig;
use serde_json::json;

use crate::harness::app::PASSWORD;
use crate::harness::clock::HeldClock;
use crate::harness::servers::{execute, shared};
use crate::harness::statements::Recorder;
use crate::harness::waiting::{LIMIT, until, until_blocked};
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};

#[tokio::test]
async fn every_action_leaves_an_entry_with_what_changed() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let contact = owner.done("contactCreate", json!({"name": "Asha", "city": "Pune"}), "contact { id }").await["contact"]["id"].clone();
    owner.done("contactUpdate", json!({"id": contact, "version": 1, "changes": {"city": "Nashik"}}), "contact { id }").await;
    owner.done("contactDelete", json!({"id": contact}), "deletedIds").await;
    let log = owner
        .data(
            "query($id: ID!) { auditLog(filter: {objectId: $id}) { nodes { action before after requestId objectId actor { email } } } }",
            json!({"id": contact}),
        )
        .await;
    let entries = log["auditLog"]["nodes"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["contact.delete", "contact.update", "contact.create"]);
    assert_eq!(entries[1]["before"]["city"], "Pune");
    assert_eq!(entries[1]["after"]["city"], "Nashik");
    assert!(entries[1]["before"].get("name").is_none(), "only what changed: {}", entries[1]);
    assert!(entries[0]["after"].is_null() && entries[2]["before"].is_null());
    for entry in entries {
        assert_eq!(entry["actor"]["email"], "owner@sharma.example");
        assert!(entry["requestId"].as_str().unwrap().len() > 5);
    }
}

/// For every mutation that changes something: the number of entries grows with it.
#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_that_changes_a_noun_is_in_the_log() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    let count = async || owner.query("{ auditLog(first: 0) { totalCount } }").await["auditLog"]["totalCount"].as_i64().unwrap();
    let mut before = count().await;
    assert!(before >= 6, "{before}");
    for (mutation, input, select) in [
        ("companyUpdate", json!({"id": world["company"], "version": 1, "changes": {"industry": "Textiles"}}), "company { id }"),
        ("taskUpdate", json!({"id": world["task"], "version": 1, "changes": {"title": "Call again"}}), "task { id }"),
        ("activityUpdate", json!({"id": world["activity"], "version": 1, "changes": {"subject": "Other"}}), "activity { id }"),
        ("dealUpdate", json!({"id": world["deal"], "version": 1, "changes": {"title": "Other"}}), "deal { id }"),
        ("contactBulkUpdate", json!({"ids": [world["contact"]], "changes": {"city": "Pune"}}), "contacts { id }"),
        ("taskDelete", json!({"id": world["task"]}), "deletedIds"),
        ("activityDelete", json!({"id": world["activity"]}), "deletedIds"),
        ("dealDelete", json!({"id": world["deal"]}), "deletedIds"),
        ("contactBulkDelete", json!({"ids": [world["contact"]]}), "deletedIds"),
        ("companyDelete", json!({"id": world["company"]}), "deletedIds"),
    ] {
        owner.done(mutation, input, select).await;
        let after = count().await;
        // The contact takes its message along.
        let entries = if mutation == "contactBulkDelete" { 2 } else { 1 };
        assert_eq!(after, before + entries, "{mutation}");
        before = after;
    }
}

/// What the database removes and empties because a contact went: each row has its entry, on the same request, and its version counts on.
#[tokio::test]
async fn what_a_deletion_takes_along_is_in_the_log_as_well() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    clock.advance(chrono::Duration::minutes(1));
    owner.done("contactDelete", json!({"id": world["contact"]}), "deletedIds").await;
    let log = owner.query("{ auditLog(first: 5) { nodes { action objectId before after requestId at actor { email } } } }").await;
    let entries = log["auditLog"]["nodes"].as_array().unwrap();
    let found: BTreeMap<_, _> = entries.iter().map(|entry| (entry["action"].as_str().unwrap(), entry)).collect();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["activity.delete", "contact.delete", "deal.update", "message.delete", "task.update"]);
    for (action, entry) in &found {
        let noun = action.split('.').next().unwrap();
        assert_eq!(entry["objectId"], world[noun], "{entry}");
        assert_eq!(entry["requestId"], found["contact.delete"]["requestId"], "{entry}");
        assert_eq!(entry["at"], "2026-11-21T10:01:00.000000Z", "{entry}");
        assert_eq!(entry["actor"]["email"], "owner@sharma.example", "{entry}");
    }
    let contact = payaid::base::id::AnyId::parse(&world["contact"]).unwrap().uuid.to_string();
    for action in ["deal.update", "task.update"] {
        assert_eq!(found[action]["before"]["contact_id"], contact.as_str());
        assert!(found[action]["after"]["contact_id"].is_null());
        assert_eq!(found[action]["before"].as_object().unwrap().len(), 3, "contact_id, version and updated_at: {}", found[action]);
    }
    assert_eq!(found["activity.delete"]["before"]["subject"], "Note own");
    assert!(found["activity.delete"]["before"].get("organization_id").is_none());
    let query = "query($deal: ID!, $task: ID!) { deal: node(id: $deal) { ... on Deal { version updatedAt } } task: node(id: $task) { ... on Task { version updatedAt } } }";
    let now = owner.data(query, json!({"deal": world["deal"], "task": world["task"]})).await;
    let changed = json!({"version": 2, "updatedAt": "2026-11-21T10:01:00.000000Z"});
    assert_eq!((&now["deal"], &now["task"]), (&changed, &changed));
}

#[tokio::test]
async fn sessions_that_end_are_in_the_log_of_their_own_organization() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    let invite = other.done("memberInvite", json!({"email": "owner@sharma.example", "role": "VIEWER"}), "inviteToken").await;
    let accept = json!({"token": invite["inviteToken"], "name": "Owner", "password": PASSWORD});
    let there = app.anonymous().done("invitationAccept", accept, "accessToken viewer { organization { id } }").await;
    let here = owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].clone();
    let count = async |who: &Client, action: &str| {
        let query = "query($action: String!) { auditLog(filter: {action: $action}) { totalCount } }";
        who.data(query, json!({"action": action})).await["auditLog"]["totalCount"].as_i64().unwrap()
    };
    // A password change ends the session there: an entry there, and none here.
    owner.done("passwordChange", json!({"currentPassword": PASSWORD, "newPassword": "another good password"}), "success").await;
    assert_eq!((count(&owner, "session.end").await, count(&other, "session.end").await), (0, 1));
    // From there to here: the session there is left, and the log here knows nothing of it.
    let input =
        json!({"email": "owner@sharma.example", "password": "another good password", "organizationId": there["viewer"]["organization"]["id"]});
    let again = app.anonymous().done("signIn", input, "accessToken refreshToken").await;
    app.anonymous().done("sessionRefresh", json!({"refreshToken": again["refreshToken"]}), "accessToken").await;
    assert_eq!((count(&owner, "session.refresh").await, count(&other, "session.refresh").await), (0, 1));
    let moving = Client::new(owner.url.clone(), Some(again["accessToken"].as_str().unwrap().to_owned()));
    moving.done("organizationSwitch", json!({"organizationId": here}), "accessToken").await;
    assert_eq!((count(&owner, "session.switch").await, count(&other, "session.switch").await), (0, 1));
    let members = other.query("{ members { nodes { id user { email } } } }").await;
    let member = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["user"]["email"] == "owner@sharma.example").unwrap();
    app.sign_in("owner@sharma.example", "another good password").await;
    other.done("memberRemove", json!({"memberId": member["id"]}), "member { id }").await;
    assert_eq!(count(&other, "session.end").await, 2);
}

#[tokio::test]
async fn creating_a_contact_takes_two_statements() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    owner.query("{ viewer { role } }").await;
    let recorder = Recorder::start(&app).await;
    owner.done("contactCreate", json!({"name": "Asha"}), "contact { id name }").await;
    let statements = recorder.finish();
    assert!(statements.len() <= 3, "{statements:#?}");
    assert!(statements.iter().any(|sql| sql.starts_with("INSERT INTO \"audit_entries\"")), "{statements:#?}");
}

/// The client hangs up while its mutation waits for a lock: the mutation completes all the same, and the connection is clean.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_cut_its_mutation() {
    let patient = |config: &mut ServerConfig| (config.database.lock_timeout, config.database.statement_timeout) = (LIMIT, LIMIT);
    let app = TestApp::with(patient, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    let (blocker, watching) = (app.superuser().await, app.superuser().await);
    blocker.batch_execute("BEGIN; LOCK TABLE contacts IN EXCLUSIVE MODE").await.unwrap();
    let query = "mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { userErrors { code } } }";
    let input = json!({"id": world["contact"], "version": 1, "changes": {"name": "Changed"}});
    let request = owner.request(reqwest::Method::POST, &owner.url).json(&json!({"query": query, "variables": {"input": input}}));
    let asked = tokio::spawn(request.send());
    until_blocked(&watching, 1).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    blocker.batch_execute("COMMIT").await.unwrap();
    let read = "query($id: ID!) { contact(id: $id) { name } }";
    until("it is done", async || owner.data(read, json!({"id": world["contact"]})).await["contact"]["name"] == "Changed").await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    until("no transaction is open", async || blocker.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

/// Each field of a mutation sees what the one before it wrote, and one that fails does not undo the others.
/// Nobody waits for the write any more, but the server does before it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_waits_for_what_it_has_begun_to_write() {
    let app = TestApp::with(|config| config.database.lock_timeout = LIMIT, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = owner.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await["contact"]["id"].clone();
    let (holder, db) = (app.superuser().await, app.superuser().await);
    holder.batch_execute("BEGIN; SELECT FROM contacts FOR UPDATE").await.unwrap();
    let client = owner.clone();
    let asking =
        tokio::spawn(
            async move { client.done("contactUpdate", json!({"id": id, "version": 1, "changes": {"name": "Usha"}}), "contact { id }").await },
        );
    until_blocked(&db, 1).await;
    asking.abort();
    let _ = asking.await;
    let databases = app.app.services.databases.clone();
    let settled = tokio::spawn(async move { databases.settled().await });
    assert!(tokio::time::timeout(Duration::from_millis(200), app.app.services.databases.settled()).await.is_err(), "a write is under way");
    holder.batch_execute("ROLLBACK").await.unwrap();
    tokio::time::timeout(LIMIT, settled).await.unwrap().unwrap();
    let name: String = db.query_one("SELECT name FROM contacts", &[]).await.unwrap().get(0);
    assert_eq!(name, "Usha");
}

#[tokio::test]
async fn the_fields_of_a_mutation_follow_each_other() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let world = populate(&owner, "own").await;
    let query = "mutation($id: ID!) { \
        a: contactUpdate(input: {id: $id, version: 1, changes: {name: \"One\"}}) { contact { name deals { nodes { contact { name version } } } } userErrors { code } } \
        b: contactUpdate(input: {id: $id, version: 1, changes: {name: \"Lost\"}}) { contact { name } userErrors { code } } \
        c: contactUpdate(input: {id: $id, version: 2, changes: {name: \"Two\"}}) { contact { name deals { nodes { contact { name version } } } } userErrors { code } } }";
    let data = owner.data(query, json!({"id": world["contact"]})).await;
    assert_eq!(data["a"]["contact"]["deals"]["nodes"][0]["contact"], json!({"name": "One", "version": 2}));
    assert_eq!(data["b"], json!({"contact": null, "userErrors": [{"code": "CONFLICT"}]}));
    assert_eq!(data["c"]["contact"]["deals"]["nodes"][0]["contact"], json!({"name": "Two", "version": 3}));
}

/// The database refuses connections for a while: errors say so, nothing hangs, and the server is well by itself afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back() {
    let app = TestApp::with(|config| config.database.pool_wait = Duration::from_millis(500), Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = shared().await.primary.url("postgres", "postgres");
    execute(&admin, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", app.database)).await;
    execute(&admin, &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", app.database)).await;
    for _ in 0..8 {
        let answer = owner.send("{ contacts { totalCount } }", json!({})).await;
        assert_eq!(crate::harness::client::codes(&answer), ["DATABASE_UNAVAILABLE"], "{answer}");
        assert!(!answer.to_string().contains("FATAL"), "{answer}");
    }
    execute(&admin, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", app.database)).await;
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
}
