//! What is known of a key's use: in the audit log, and when it was last.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::{LIST, NOW, made, with_scopes};
use crate::harness::TestApp;
use crate::harness::clock::HeldClock;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;

#[tokio::test]
async fn the_audit_log_names_the_key() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (id, program) = with_scopes(&app, &owner, &["contacts.write", "companies.write", "contacts.read", "audit.read"]).await;
    let company = program.done("companyCreate", json!({"name": "Rao Mills"}), "__typename").await;
    assert_eq!(company["__typename"], "CompanyCreatePayload");
    let company = owner.query("{ companies { nodes { id } } }").await["companies"]["nodes"][0]["id"].clone();
    owner.done("contactCreate", json!({"name": "Asha", "companyId": company}), "contact { id }").await;
    // Along with the company goes the contact's reference to it, which the database does by itself.
    program.done("companyDelete", json!({"id": company}), "deletedIds").await;
    let entries = "nodes { action actor { email } apiKey { id name } }";
    let log = owner.query(&format!("{{ auditLog(filter: {{apiKeyId: \"{id}\"}}, orderBy: {{field: AT}}) {{ totalCount {entries} }} }}")).await;
    let mut actions: Vec<_> = log["auditLog"]["nodes"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["company.create", "company.delete", "contact.update"]);
    for entry in log["auditLog"]["nodes"].as_array().unwrap() {
        assert_eq!(entry["actor"]["email"], "owner@sharma.example");
        assert_eq!(entry["apiKey"], json!({"id": id, "name": "Key"}));
    }
    let own = owner.query(&format!("{{ auditLog(filter: {{action: \"contact.create\"}}) {{ {entries} }} }}")).await;
    assert_eq!(own["auditLog"]["nodes"][0]["apiKey"], json!(null));
    // Who may see the log and no keys gets the rest of it.
    let seen = program.send("{ auditLog(first: 2, filter: {noun: \"company\"}) { nodes { action apiKey { name } } } }", json!({})).await;
    assert_eq!(
        seen["data"]["auditLog"]["nodes"],
        json!([{"action": "company.delete", "apiKey": null}, {"action": "company.create", "apiKey": null}])
    );
    assert_eq!(seen["errors"][0]["extensions"]["code"], "INSUFFICIENT_PERMISSIONS");
}

#[tokio::test]
async fn its_last_use_is_written_once_a_minute() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (id, program) = made(&app, &owner, json!({"name": "Key", "scopes": ["contacts.read"]})).await;
    let entries = owner.query("{ auditLog { totalCount } }").await;
    let superuser = app.superuser().await;
    let last_used = async || -> Option<DateTime<Utc>> {
        let row = superuser
            .query_one("SELECT to_char(last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM api_keys", &[])
            .await
            .unwrap();
        row.get::<_, Option<String>>(0).map(|text| text.parse().unwrap())
    };
    let begun: DateTime<Utc> = NOW.parse().unwrap();
    assert_eq!(last_used().await, None);
    let recorder = Recorder::start(&app).await;
    for _ in 0..3 {
        program.query(LIST).await;
    }
    until("the first use is noted", async || last_used().await == Some(begun)).await;
    for seconds in [30, 29] {
        clock.advance(Duration::seconds(seconds));
        program.query(LIST).await;
    }
    clock.advance(Duration::seconds(1));
    program.query(LIST).await;
    until("a use a minute later is noted", async || last_used().await == Some(begun + Duration::seconds(60))).await;
    let updates: Vec<String> = recorder.finish().into_iter().filter(|sql| sql.starts_with("UPDATE")).collect();
    assert_eq!(updates.len(), 2, "{updates:#?}");
    // It is no change of the key, and nobody's action.
    let row = owner.query(&format!("{{ apiKey(id: \"{id}\") {{ lastUsedAt version updatedAt }} }}")).await;
    assert_eq!(row["apiKey"], json!({"lastUsedAt": "2026-11-21T10:01:00.000000Z", "version": 1, "updatedAt": NOW}));
    assert_eq!(owner.query("{ auditLog { totalCount } }").await, entries);
    // Another server has noted nothing yet, and finds that it was noted.
    let beside = TestApp::on_with(app.database.clone(), |_| (), clock.clone()).await;
    let recorder = Recorder::start(&app).await;
    crate::harness::Client::new(beside.url("/graphql"), program.token.clone()).query(LIST).await;
    until("the other server has tried", async || recorder.finish().iter().any(|sql| sql.starts_with("UPDATE"))).await;
    assert_eq!(last_used().await, Some(begun + Duration::seconds(60)));
}

/// What a key has written, it sees, and its use waits for nothing: also while its row is locked.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_use_to_be_noted() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (_, program) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let lock = app.superuser().await;
    lock.batch_execute("BEGIN; UPDATE api_keys SET name = name").await.unwrap();
    assert_eq!(program.query(LIST).await["contacts"]["totalCount"], 0);
    lock.batch_execute("ROLLBACK").await.unwrap();
}
