//! Invitations: who may make them, who sees and ends them, and that they are no way back in.

use serde_json::{Value, json};

use super::{TOKENS, remove_quietly, sign_in};
use crate::harness::app::PASSWORD;
use crate::harness::client::codes;
use crate::harness::waiting::until_blocked;
use crate::harness::{Client, TestApp};

async fn invite(inviter: &Client, email: &str, role: &str) -> (Value, Value) {
    let invited = inviter.done("memberInvite", json!({"email": email, "role": role}), "inviteToken invitation { id }").await;
    (invited["inviteToken"].clone(), invited["invitation"]["id"].clone())
}

async fn accept(app: &TestApp, token: &Value) -> Value {
    app.anonymous().mutate("invitationAccept", json!({"token": token, "name": "Guest", "password": PASSWORD}), TOKENS).await
}

fn refused(payload: &Value) {
    assert!(payload["accessToken"].is_null(), "{payload}");
    let error = &payload["userErrors"][0];
    assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_TOKEN"), &json!(["input", "token"])), "{payload}");
}

async fn member(owner: &Client, role: &str) -> Value {
    let members = owner.query("{ members { nodes { id role } } }").await;
    members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["role"] == role).unwrap()["id"].clone()
}

async fn open(owner: &Client) -> Vec<String> {
    let data = owner.query("{ invitations(filter: {open: true}) { nodes { email } } }").await;
    data["invitations"]["nodes"].as_array().unwrap().iter().map(|node| node["email"].as_str().unwrap().to_owned()).collect()
}

/// How many entries the audit log has of an action.
async fn noted(app: &TestApp, action: &str) -> i64 {
    app.superuser().await.query_one("SELECT count(*) FROM audit_entries WHERE action = $1", &[&action]).await.unwrap().get(0)
}

#[tokio::test]
async fn who_is_removed_or_demoted_leaves_no_open_invitation() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (kept, _) = invite(&owner, "kept@sharma.example", "VIEWER").await;
    for (change, input, address) in [("memberRemove", json!({}), "removed"), ("memberRoleSet", json!({"role": "SALES"}), "demoted")] {
        let admin = app.member(&owner, "ADMIN", &format!("{address}@sharma.example")).await;
        let mut tokens = Vec::new();
        for number in 0..2 {
            tokens.push(invite(&admin, &format!("{address}{number}@back.example"), "ADMIN").await.0);
        }
        let before = noted(&app, "invitation.revoke").await;
        let mut input = input;
        input["memberId"] = member(&owner, "ADMIN").await;
        owner.done(change, input, "member { id }").await;
        for token in &tokens {
            refused(&accept(&app, token).await);
        }
        assert_eq!(open(&owner).await, ["kept@sharma.example"], "{change}");
        assert_eq!(noted(&app, "invitation.revoke").await, before + 2, "{change}");
    }
    assert!(accept(&app, &kept).await["accessToken"].is_string());
}

#[tokio::test]
async fn a_change_that_leaves_the_right_to_invite_leaves_the_invitations() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let (token, _) = invite(&admin, "guest@sharma.example", "ADMIN").await;
    owner.done("memberRoleSet", json!({"memberId": member(&owner, "ADMIN").await, "role": "OWNER"}), "member { role }").await;
    assert_eq!(accept(&app, &token).await["viewer"]["role"], "ADMIN");
}

/// Even when the invitation was left behind.
#[tokio::test]
async fn an_invitation_counts_only_while_its_inviter_may_invite() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let (token, _) = invite(&admin, "guest@sharma.example", "VIEWER").await;
    let db = app.superuser().await;
    let set = async |what: &str| {
        let of_admin = "user_id = (SELECT id FROM users WHERE email = 'admin@sharma.example')";
        db.batch_execute(&format!("UPDATE memberships SET {what} WHERE {of_admin}")).await.unwrap();
    };
    for what in ["removed_at = now()", "removed_at = NULL, role = 'SALES'"] {
        set(what).await;
        refused(&accept(&app, &token).await);
    }
    set("role = 'ADMIN'").await;
    assert!(accept(&app, &token).await["accessToken"].is_string());
}

#[tokio::test]
async fn accepting_waits_for_a_removal_that_is_under_way() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let (token, _) = invite(&admin, "guest@sharma.example", "VIEWER").await;
    let (db, watch) = (app.superuser().await, app.superuser().await);
    db.batch_execute(&format!("BEGIN; {}", remove_quietly("admin@sharma.example"))).await.unwrap();
    let removal = async {
        until_blocked(&watch, 1).await;
        db.batch_execute("COMMIT").await.unwrap();
    };
    refused(&tokio::join!(accept(&app, &token), removal).0);
    assert!(sign_in(&app, "guest@sharma.example", PASSWORD).await["accessToken"].is_null(), "nothing is left of the guest");
}

/// Another server goes on believing for a few seconds that she is one.
#[tokio::test]
async fn a_removed_admin_invites_nobody_on_a_server_that_has_not_heard() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let other = TestApp::beside(&app, |_| ()).await;
    let there = Client::new(other.url("/graphql"), admin.token.clone());
    there.query("{ viewer { role } }").await;
    app.superuser().await.batch_execute(&remove_quietly("admin@sharma.example")).await.unwrap();
    let ask = "mutation { memberInvite(input: {email: \"back@sharma.example\", role: ADMIN}) { inviteToken userErrors { code } } }";
    assert_eq!(codes(&there.send(ask, json!({})).await), ["FORBIDDEN"]);
    assert_eq!(open(&owner).await, Vec::<String>::new());
}

#[tokio::test]
async fn invitations_are_listed_and_revoked() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let sales = app.member(&owner, "SALES", "sales@sharma.example").await;
    let (first, first_id) = invite(&owner, "first@sharma.example", "VIEWER").await;
    let (second, _) = invite(&owner, "second@sharma.example", "ADMIN").await;
    invite(&owner, "late@sharma.example", "VIEWER").await;
    let expire = "UPDATE invitations SET expires_at = now() - interval '1 minute' WHERE email = 'late@sharma.example'";
    app.superuser().await.batch_execute(expire).await.unwrap();
    let list = async |arguments: &str| {
        let data =
            owner.query(&format!("{{ invitations{arguments} {{ totalCount nodes {{ email role acceptedAt invitedBy {{ email }} }} }} }}")).await;
        let nodes = data["invitations"]["nodes"].as_array().unwrap().clone();
        assert!(nodes.iter().all(|node| node["invitedBy"]["email"] == "owner@sharma.example"), "{data}");
        let emails: Vec<_> = nodes.iter().map(|node| node["email"].as_str().unwrap().split('@').next().unwrap().to_owned()).collect();
        (emails, data["invitations"]["totalCount"].as_i64().unwrap())
    };
    let all = |names: &[&str], total: i64| (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), total);
    assert_eq!(list("").await, all(&["late", "second", "first", "sales"], 4));
    assert_eq!(list("(first: 2, orderBy: {field: CREATED_AT})").await, all(&["sales", "first"], 4));
    assert_eq!(list("(filter: {open: true})").await, all(&["second", "first"], 2));
    assert_eq!(list("(filter: {open: false})").await, all(&["late", "sales"], 2));
    assert_eq!(sales.codes("{ invitations { totalCount } }", json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    let revoke = json!({"invitationId": first_id});
    let gone = owner.done("invitationRevoke", revoke.clone(), "invitation { id email }").await;
    assert_eq!(gone["invitation"], json!({"id": first_id, "email": "first@sharma.example"}));
    refused(&accept(&app, &first).await);
    assert_eq!(noted(&app, "invitation.revoke").await, 1);
    let again = owner.mutate("invitationRevoke", revoke, "invitation { id }").await;
    assert_eq!((&again["invitation"], &again["userErrors"][0]["code"]), (&Value::Null, &json!("NOT_FOUND")));
    assert!(accept(&app, &second).await["accessToken"].is_string(), "the other one counts still");
    let data = owner.query("{ invitations { nodes { id email } } }").await;
    let accepted = data["invitations"]["nodes"].as_array().unwrap().iter().find(|node| node["email"] == "second@sharma.example").unwrap();
    let late = owner.mutate("invitationRevoke", json!({"invitationId": accepted["id"]}), "invitation { id }").await;
    assert_eq!((&late["userErrors"][0]["code"], &late["userErrors"][0]["field"]), (&json!("CONFLICT"), &json!(["input", "invitationId"])));
}
