//! API keys: made and shown once, what they may do and until when, and what is known of their use.

mod lists;
mod presenting;
mod secrecy;
mod use_of;

use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::app::PASSWORD;
use crate::harness::clock::HeldClock;
use crate::harness::{Client, TestApp};

const NOW: &str = "2026-11-21T10:00:00.000000Z";
const LIST: &str = "{ contacts { totalCount } }";
const CREATE: &str = r#"mutation { contactCreate(input: {name: "Asha"}) { contact { id } userErrors { message } } }"#;

/// Makes a key; its id, and a program that sends it.
async fn made(app: &TestApp, maker: &Client, input: Value) -> (String, Client) {
    let payload = maker.done("apiKeyCreate", input, "key apiKey { id }").await;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{payload}")).to_owned();
    (text(&payload["apiKey"]["id"]), Client::new(app.url("/graphql"), Some(text(&payload["key"]))))
}

async fn with_scopes(app: &TestApp, maker: &Client, scopes: &[&str]) -> (String, Client) {
    made(app, maker, json!({"name": "Key", "scopes": scopes})).await
}

/// The only error of an answer: its code and its message.
async fn refusal(client: &Client, query: &str) -> (String, String) {
    let answer = client.send(query, json!({})).await;
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{query} was not refused: {answer}"));
    assert_eq!(errors.len(), 1, "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&errors[0]["extensions"]["code"]), text(&errors[0]["message"]))
}

#[tokio::test]
async fn a_key_does_what_is_in_its_scopes_and_nothing_else() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (_, reader) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let (_, writer) = with_scopes(&app, &owner, &["contacts.write", "contacts.read"]).await;
    assert_eq!(writer.query(CREATE).await["contactCreate"]["userErrors"], json!([]));
    assert_eq!(reader.query(LIST).await["contacts"]["totalCount"], 1);
    for (query, scope) in [
        (CREATE, "contacts.write"),
        ("{ companies { totalCount } }", "companies.read"),
        ("{ organization { name } }", "members.read"),
        ("{ apiKeys { totalCount } }", "api_keys.read"),
        ("{ auditLog { totalCount } }", "audit.read"),
    ] {
        let (code, message) = refusal(&reader, query).await;
        assert_eq!(code, "INSUFFICIENT_PERMISSIONS", "{query}");
        assert!(message.contains("API key") && message.contains(&format!("scope `{scope}`")), "{message}");
    }
    let viewer = "{ viewer { role permissions } }";
    assert_eq!(writer.query(viewer).await["viewer"], json!({"role": "OWNER", "permissions": ["contacts.read", "contacts.write"]}));

    // All that a key can have: it makes no keys, lets nobody in and changes nothing of the organization, whatever it asks for.
    let all = owner.query(viewer).await["viewer"]["permissions"].clone();
    let withheld = ["api_keys.write", "members.write", "organization.write"];
    let most: Vec<&str> = all.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).filter(|code| !withheld.contains(code)).collect();
    assert_eq!(most.len() + withheld.len(), all.as_array().unwrap().len());
    let (id, mighty) = with_scopes(&app, &owner, &most).await;
    assert_eq!(mighty.query("{ apiKeys { totalCount } }").await["apiKeys"]["totalCount"], 3);
    for query in [
        r#"mutation { apiKeyCreate(input: {name: "Other", scopes: ["contacts.read"]}) { key } }"#.to_owned(),
        format!("mutation {{ apiKeyUpdate(input: {{id: \"{id}\", version: 1, changes: {{name: \"Other\"}}}}) {{ apiKey {{ id }} }} }}"),
        format!("mutation {{ apiKeyRevoke(input: {{id: \"{id}\"}}) {{ apiKey {{ id }} }} }}"),
        r#"mutation { memberInvite(input: {email: "x@x.example", role: ADMIN}) { inviteToken } }"#.to_owned(),
        "{ invitations { totalCount } }".to_owned(),
        "mutation { organizationUpdate(input: {version: 1, changes: {name: \"X\"}}) { organization { id } } }".to_owned(),
    ] {
        assert_eq!(refusal(&mighty, &query).await.0, "INSUFFICIENT_PERMISSIONS", "{query}");
    }
}

#[tokio::test]
async fn what_is_a_persons_is_refused_to_keys() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    let invited = other.done("memberInvite", json!({"email": "owner@sharma.example", "role": "FINANCE"}), "inviteToken").await;
    let accept = json!({"token": invited["inviteToken"], "name": "ignored", "password": PASSWORD});
    app.anonymous().done("invitationAccept", accept, "accessToken").await;
    let (_, program) = with_scopes(&app, &owner, &["contacts.read", "members.read"]).await;
    let there = other.query("{ organization { id } }").await["organization"]["id"].clone();
    for query in [
        "mutation { signOut { success } }".to_owned(),
        format!("mutation {{ passwordChange(input: {{currentPassword: \"{PASSWORD}\", newPassword: \"a brand new one\"}}) {{ success }} }}"),
        format!("mutation {{ organizationSwitch(input: {{organizationId: {there}}}) {{ accessToken }} }}"),
        format!("mutation {{ signIn(input: {{email: \"owner@sharma.example\", password: \"{PASSWORD}\"}}) {{ accessToken }} }}"),
        "mutation { sessionRefresh(input: {refreshToken: \"x\"}) { accessToken } }".to_owned(),
        "mutation { invitationAccept(input: {token: \"x\", name: \"X\", password: \"x\"}) { accessToken } }".to_owned(),
        "mutation { signUp(input: {organizationName: \"X\", stateCode: \"27\", name: \"X\", email: \"x@x.example\", password: \"x\"}) { accessToken } }".to_owned(),
    ] {
        let (code, message) = refusal(&program, &query).await;
        assert_eq!(code, "FORBIDDEN", "{query}");
        assert!(message.contains("API key"), "{message}");
    }
    // A key is of one organization, wherever else its maker is a member.
    let places = "{ viewer { user { email } organization { name } organizations { name } } }";
    assert_eq!(owner.query(places).await["viewer"]["organizations"].as_array().unwrap().len(), 2);
    let expected = json!({"user": {"email": "owner@sharma.example"}, "organization": {"name": "Sharma"}, "organizations": [{"name": "Sharma"}]});
    assert_eq!(program.query(places).await["viewer"], expected);
}

#[tokio::test]
async fn what_a_key_cannot_be_is_said_all_at_once() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|_| (), clock).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let wrong = json!({"name": " ", "scopes": ["contacts.read", "members.write"], "expiresAt": NOW, "allowedIps": ["203.0.113.0/33"]});
    let payload = owner.mutate("apiKeyCreate", wrong, "key apiKey { id }").await;
    let fields: Vec<&Value> = payload["userErrors"].as_array().unwrap().iter().map(|error| &error["field"][1]).collect();
    assert_eq!(
        (fields, payload["key"].is_null(), payload["apiKey"].is_null()),
        (vec![&json!("name"), &json!("scopes"), &json!("expiresAt"), &json!("allowedIps")], true, true)
    );
    for scopes in [json!([]), json!(["api_keys.write"]), json!(["organization.write"]), json!(["everything"])] {
        let payload = owner.mutate("apiKeyCreate", json!({"name": "Key", "scopes": scopes}), "key").await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", "scopes"]), "{payload}");
    }
    let manager = app.member(&owner, "MANAGER", "manager@sharma.example").await;
    let create = r#"mutation { apiKeyCreate(input: {name: "Key", scopes: ["contacts.read"]}) { key } }"#;
    assert_eq!(manager.codes(create, json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    assert_eq!(manager.codes("{ apiKeys { totalCount } }", json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
}

#[tokio::test]
async fn keys_are_listed_found_changed_and_revoked() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let select = "apiKey { id name scopes allowedIps expiresAt lastUsedAt revokedAt version createdBy { email } beginning createdAt updatedAt }";
    let input =
        json!({"name": " Website ", "scopes": ["contacts.write", "contacts.read", "contacts.read"], "allowedIps": [" 2001:db8::/32 ", "127.0.0.1"]});
    let payload = owner.done("apiKeyCreate", input, &format!("key {select}")).await;
    let (key, row) = (payload["key"].as_str().unwrap(), &payload["apiKey"]);
    let id = row["id"].as_str().unwrap();
    let expected = json!({"id": id, "name": "Website", "scopes": ["contacts.read", "contacts.write"], "allowedIps": ["2001:db8::/32", "127.0.0.1"],
        "expiresAt": null, "lastUsedAt": null, "revokedAt": null, "version": 1, "createdBy": {"email": "owner@sharma.example"},
        "beginning": format!("pa_live_{}", id.trim_start_matches("apikey_")), "createdAt": NOW, "updatedAt": NOW});
    assert_eq!(*row, expected);
    assert!(key.starts_with(&format!("{}_", row["beginning"].as_str().unwrap())), "{key}");
    clock.advance(Duration::seconds(1));
    let (second, _) = made(&app, &owner, json!({"name": "App", "scopes": ["deals.read"], "expiresAt": "2026-11-21T10:05:00Z"})).await;
    let found = async |arguments: &str| {
        let data = owner.query(&format!("{{ apiKeys{arguments} {{ totalCount nodes {{ name }} }} }}")).await;
        let names: Vec<String> = data["apiKeys"]["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(data["apiKeys"]["totalCount"], names.len());
        names
    };
    assert_eq!(found("").await, ["App", "Website"]);
    assert_eq!(found("(orderBy: {field: NAME, direction: DESC})").await, ["Website", "App"]);
    assert_eq!(found("(filter: {active: true})").await, ["App", "Website"]);
    clock.advance(Duration::minutes(5));
    assert_eq!(found("(filter: {active: true})").await, ["Website"]);
    assert_eq!(found("(filter: {active: false})").await, ["App"]);
    let by_id = owner.query(&format!("{{ apiKey(id: \"{id}\") {{ name }} node(id: \"{second}\") {{ ... on ApiKey {{ name scopes }} }} }}")).await;
    assert_eq!(by_id, json!({"apiKey": {"name": "Website"}, "node": {"name": "App", "scopes": ["deals.read"]}}));

    let change = json!({"id": id, "version": 1, "changes": {"name": "Shop", "allowedIps": []}});
    let changed = owner.done("apiKeyUpdate", change.clone(), "apiKey { name allowedIps version }").await;
    assert_eq!(changed["apiKey"], json!({"name": "Shop", "allowedIps": [], "version": 2}));
    for (input, field) in [
        (change, "version"),
        (json!({"id": id, "version": 2, "changes": {}}), "changes"),
        (json!({"id": "apikey_01h455vb4pex5vsknk084sn02q", "version": 2, "changes": {"name": "X"}}), "id"),
    ] {
        let payload = owner.mutate("apiKeyUpdate", input, "apiKey { id }").await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", field]), "{payload}");
    }
    clock.advance(Duration::seconds(1));
    let revoked = owner.done("apiKeyRevoke", json!({"id": id}), "apiKey { revokedAt version }").await["apiKey"].clone();
    assert_eq!(revoked, json!({"revokedAt": "2026-11-21T10:05:02.000000Z", "version": 3}));
    clock.advance(Duration::minutes(1));
    let again = owner.done("apiKeyRevoke", json!({"id": id}), "apiKey { revokedAt version }").await["apiKey"].clone();
    assert_eq!(again, revoked, "revoking once more changes nothing");
    let late = owner.mutate("apiKeyUpdate", json!({"id": id, "version": 3, "changes": {"name": "X"}}), "apiKey { id }").await;
    assert_eq!(late["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(
        owner.mutate("apiKeyRevoke", json!({"id": "apikey_01h455vb4pex5vsknk084sn02q"}), "apiKey { id }").await["userErrors"][0]["code"],
        "NOT_FOUND"
    );
    let log = owner.query(&format!("{{ auditLog(filter: {{objectId: \"{id}\"}}) {{ nodes {{ action before after }} }} }}")).await;
    let log: Vec<_> =
        log["auditLog"]["nodes"].as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["after"]["name"], &entry["before"])).collect();
    assert_eq!(log.len(), 3, "{log:?}");
    assert_eq!((log[2].0, log[2].1, log[2].2), (&json!("apikey.create"), &json!("Website"), &json!(null)));
    assert_eq!((log[1].0, log[1].1, log[0].0), (&json!("apikey.update"), &json!("Shop"), &json!("apikey.revoke")));
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_when_it_is_revoked_with_one_message_for_all() {
    let clock = Arc::new(HeldClock::at(NOW));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (id, lasting) = with_scopes(&app, &owner, &["contacts.read"]).await;
    let (_, expiring) = made(&app, &owner, json!({"name": "Hour", "scopes": ["contacts.read"], "expiresAt": "2026-11-21T11:00:00Z"})).await;
    clock.advance(Duration::seconds(3599));
    // The access token that they were made with is long gone.
    assert_eq!(owner.codes(LIST, json!({})).await, ["INVALID_TOKEN"]);
    assert!(expiring.query(LIST).await["contacts"].is_object() && lasting.query(LIST).await["contacts"].is_object());
    clock.advance(Duration::seconds(1));
    let expired = refusal(&expiring, LIST).await;
    assert!(lasting.query(LIST).await["contacts"].is_object());
    let owner = app.sign_in("owner@sharma.example", PASSWORD).await;
    owner.done("apiKeyRevoke", json!({"id": id}), "apiKey { id }").await;
    let revoked = refusal(&lasting, LIST).await;
    let unknown = Client::new(app.url("/graphql"), Some(payaid::access::keys::ApiKey::fresh(uuid::Uuid::nil()).unwrap().text()));
    let broken = Client::new(app.url("/graphql"), Some("pa_live_nonsense".to_owned()));
    assert_eq!(expired.0, "INVALID_TOKEN");
    assert!(expired.1.contains("API key is not valid"), "{}", expired.1);
    for other in [revoked, refusal(&unknown, LIST).await, refusal(&broken, LIST).await] {
        assert_eq!(other, expired);
    }
    let answer = broken.ask(LIST, json!({}), &[]).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer error=\"invalid_token\"")));
}

#[tokio::test]
async fn a_key_may_no_more_than_its_maker_and_ends_with_her_membership() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let (id, program) = with_scopes(&app, &admin, &["contacts.read", "contacts.write", "audit.read"]).await;
    let (_, second) = with_scopes(&app, &admin, &["contacts.read"]).await;
    program.query("{ auditLog { totalCount } }").await;
    let members = owner.query("{ members { nodes { id role } } }").await;
    let member = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["role"] == "ADMIN").unwrap()["id"].clone();
    let set = async |role: &str| owner.done("memberRoleSet", json!({"memberId": member, "role": role}), "member { role }").await;
    set("VIEWER").await;
    assert!(program.query(LIST).await["contacts"].is_object());
    for (query, code) in [(CREATE, "contacts.write"), ("{ auditLog { totalCount } }", "audit.read")] {
        let (refused, message) = refusal(&program, query).await;
        assert!(refused == "INSUFFICIENT_PERMISSIONS" && message.contains("role VIEWER") && message.contains(code), "{message}");
    }
    assert_eq!(program.query("{ viewer { permissions } }").await["viewer"]["permissions"], json!(["contacts.read"]));
    set("SALES").await;
    assert_eq!(program.query(CREATE).await["contactCreate"]["userErrors"], json!([]));

    // A new password is no reason to end a key; the end of the membership is, for good.
    admin.done("passwordChange", json!({"currentPassword": PASSWORD, "newPassword": "a brand new one"}), "success").await;
    assert!(program.query(LIST).await["contacts"].is_object());
    owner.done("memberRemove", json!({"memberId": member}), "member { removedAt }").await;
    assert_eq!(refusal(&program, LIST).await.0, "INVALID_TOKEN");
    let invited = owner.done("memberInvite", json!({"email": "admin@sharma.example", "role": "ADMIN"}), "inviteToken").await;
    let accept = json!({"token": invited["inviteToken"], "name": "ignored", "password": "a brand new one"});
    app.anonymous().done("invitationAccept", accept, "accessToken").await;
    for key in [&program, &second] {
        assert_eq!(refusal(key, LIST).await.0, "INVALID_TOKEN", "a key comes back with its maker");
    }
    let row = owner.query(&format!("{{ apiKey(id: \"{id}\") {{ revokedAt }} }}")).await;
    assert!(row["apiKey"]["revokedAt"].is_string());
    let log = owner
        .query(&format!(
            "{{ auditLog(filter: {{objectId: \"{id}\", action: \"apikey.revoke\"}}) {{ nodes {{ actor {{ email }} apiKey {{ id }} }} }} }}"
        ))
        .await;
    assert_eq!(log["auditLog"]["nodes"], json!([{"actor": {"email": "owner@sharma.example"}, "apiKey": null}]));
}

/// Also where nobody was told: the rows alone decide.
#[tokio::test]
async fn the_key_of_a_member_who_is_gone_is_refused_whoever_removed_her() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let (_, program) = with_scopes(&app, &admin, &["contacts.read"]).await;
    let quietly = "UPDATE memberships SET removed_at = now() WHERE role = 'ADMIN'";
    app.superuser().await.batch_execute(quietly).await.unwrap();
    assert_eq!(refusal(&program, LIST).await.0, "INVALID_TOKEN");
    // Nor does she make another one, with a session that is believed for ten seconds.
    let create = r#"mutation { apiKeyCreate(input: {name: "Key", scopes: ["contacts.read"]}) { key } }"#;
    assert_eq!(admin.codes(create, json!({})).await, ["FORBIDDEN"]);
}

#[tokio::test]
async fn the_key_of_another_organization_is_as_one_that_is_not_there() {
    let app = TestApp::start().await;
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    let (theirs, program) = with_scopes(&app, &b, &["contacts.read", "api_keys.read"]).await;
    let random = "apikey_01h455vb4pex5vsknk084sn02q";
    let ask = async |id: &str| {
        let query = format!(
            "mutation {{ apiKeyRevoke(input: {{id: \"{id}\"}}) {{ apiKey {{ id }} userErrors {{ code field message }} }} \
             apiKeyUpdate(input: {{id: \"{id}\", version: 1, changes: {{name: \"X\"}}}}) {{ apiKey {{ id }} userErrors {{ code field message }} }} }}"
        );
        let read = a.query(&format!("{{ apiKey(id: \"{id}\") {{ name }} node(id: \"{id}\") {{ id }} apiKeys {{ totalCount }} }}")).await;
        (a.query(&query).await, read)
    };
    assert_eq!(ask(&theirs).await, ask(random).await);
    assert_eq!(program.query("{ apiKeys { nodes { id version } } }").await["apiKeys"]["nodes"], json!([{"id": theirs, "version": 1}]));
}
