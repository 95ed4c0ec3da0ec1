//! What happens while something else is under way: each test holds a change open, waits until the server stands before its lock, and commits it.

use serde_json::{Value, json};

use super::{TOKENS, remove_quietly, sign_in};
use crate::harness::app::PASSWORD;
use crate::harness::waiting::until_blocked;
use crate::harness::{Client, TestApp};

const EMAIL: &str = "asha@sharma.example";
/// What a change of the password comes to; that the hash stays the same shows that the change itself is noticed.
const CHANGE_PASSWORD: &str = "UPDATE users SET version = version + 1 WHERE email = 'asha@sharma.example';
    UPDATE sessions SET revoked_at = now() WHERE user_id = (SELECT id FROM users WHERE email = 'asha@sharma.example')";

async fn with_member() -> (TestApp, Client, Client) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let asha = app.member(&owner, "SALES", EMAIL).await;
    (app, owner, asha)
}

/// What a request comes to that begins while a change is open, and ends after it.
async fn during(app: &TestApp, change: &str, request: impl Future<Output = Value>) -> Value {
    let (db, watch) = (app.superuser().await, app.superuser().await);
    db.batch_execute(&format!("BEGIN; {change}")).await.unwrap();
    let commit = async {
        until_blocked(&watch, 1).await;
        db.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(request, commit).0
}

async fn sessions(app: &TestApp) -> i64 {
    let open = "SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = $1 AND revoked_at IS NULL";
    app.superuser().await.query_one(open, &[&EMAIL]).await.unwrap().get(0)
}

fn changed_meanwhile(payload: &Value) {
    let error = &payload["userErrors"][0];
    assert_eq!(error["code"], "UNAUTHENTICATED", "{payload}");
    assert!(error["message"].as_str().unwrap().contains("changed meanwhile, sign in again"), "{payload}");
}

#[tokio::test]
async fn nobody_signs_in_with_a_password_that_is_being_changed() {
    let (app, ..) = with_member().await;
    let payload = during(&app, CHANGE_PASSWORD, sign_in(&app, EMAIL, PASSWORD)).await;
    changed_meanwhile(&payload);
    assert_eq!((&payload["accessToken"], sessions(&app).await), (&Value::Null, 0));
    assert!(sign_in(&app, EMAIL, PASSWORD).await["accessToken"].is_string());
}

#[tokio::test]
async fn nobody_signs_in_who_is_being_removed() {
    let (app, ..) = with_member().await;
    let before = sessions(&app).await;
    let payload = during(&app, &remove_quietly(EMAIL), sign_in(&app, EMAIL, PASSWORD)).await;
    changed_meanwhile(&payload);
    assert_eq!((&payload["accessToken"], sessions(&app).await), (&Value::Null, before));
}

#[tokio::test]
async fn nobody_goes_elsewhere_from_a_session_that_is_being_ended() {
    let (app, _, asha) = with_member().await;
    let nilgiri = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    let invited = nilgiri.done("memberInvite", json!({"email": EMAIL, "role": "FINANCE"}), "inviteToken").await;
    let accept = json!({"token": invited["inviteToken"], "name": "Asha", "password": PASSWORD});
    app.anonymous().done("invitationAccept", accept, TOKENS).await;
    let there = nilgiri.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].clone();
    let going = asha.mutate("organizationSwitch", json!({"organizationId": there}), TOKENS);
    let payload = during(&app, CHANGE_PASSWORD, going).await;
    changed_meanwhile(&payload);
    assert_eq!((&payload["accessToken"], sessions(&app).await), (&Value::Null, 0));
}

#[tokio::test]
async fn an_invitation_is_not_accepted_with_a_password_that_is_being_changed() {
    let (app, ..) = with_member().await;
    let nilgiri = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    let invited = nilgiri.done("memberInvite", json!({"email": EMAIL, "role": "FINANCE"}), "inviteToken").await;
    let accept = json!({"token": invited["inviteToken"], "name": "Asha", "password": PASSWORD});
    let anonymous = app.anonymous();
    let payload = during(&app, CHANGE_PASSWORD, anonymous.mutate("invitationAccept", accept, TOKENS)).await;
    changed_meanwhile(&payload);
    let members = nilgiri.query("{ members { totalCount } }").await;
    assert_eq!(members["members"]["totalCount"], 1);
}

#[tokio::test]
async fn of_two_changes_of_a_password_the_first_counts() {
    let (app, _, asha) = with_member().await;
    let input = json!({"currentPassword": PASSWORD, "newPassword": "a brand new one"});
    let payload = during(&app, "UPDATE users SET version = version + 1", asha.mutate("passwordChange", input, "success")).await;
    changed_meanwhile(&payload);
    assert_eq!(payload["success"], false);
    assert!(sign_in(&app, EMAIL, PASSWORD).await["accessToken"].is_string(), "the password is the one before");
}

#[tokio::test]
async fn nothing_is_given_to_a_member_who_is_being_removed() {
    let (app, owner, asha) = with_member().await;
    let user = asha.query("{ viewer { user { id } } }").await["viewer"]["user"]["id"].clone();
    let giving = owner.mutate("taskCreate", json!({"title": "Call", "assigneeId": user}), "task { id }");
    let payload = during(&app, &remove_quietly(EMAIL), giving).await;
    let error = &payload["userErrors"][0];
    assert_eq!((&error["code"], &error["field"]), (&json!("NOT_FOUND"), &json!(["input", "assigneeId"])), "{payload}");
}
