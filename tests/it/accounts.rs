//! Signing up, in and out; sessions; members and their roles.

mod invitations;
mod races;
mod throttle;

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::platform::config::RedisConfig;
use serde_json::{Value, json};

use crate::harness::app::PASSWORD;
use crate::harness::clock::HeldClock;
use crate::harness::servers::shared;
use crate::harness::{Client, TestApp};

const TOKENS: &str = "accessToken refreshToken expiresAt viewer { user { email } organization { name plan } role permissions }";

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Value {
    app.anonymous().mutate("signIn", json!({"email": email, "password": password}), TOKENS).await
}

fn with_token(app: &TestApp, payload: &Value) -> Client {
    Client::new(app.url("/graphql"), Some(payload["accessToken"].as_str().unwrap_or_else(|| panic!("{payload}")).to_owned()))
}

async fn refresh(app: &TestApp, token: &Value) -> Value {
    app.anonymous().mutate("sessionRefresh", json!({"refreshToken": token}), TOKENS).await
}

/// The statement that removes a member past the API, so that no server hears of it.
fn remove_quietly(email: &str) -> String {
    format!("UPDATE memberships SET removed_at = now() WHERE user_id = (SELECT id FROM users WHERE email = '{email}')")
}

const ASK: &str = "{ viewer { role } }";

#[tokio::test]
async fn signing_up_makes_an_organization_with_a_pipeline() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma Textiles", "Owner@Sharma.example").await;
    let data = owner.query("{ viewer { user { email } organization { name plan stateCode state timeZone } role permissions } pipelines { isDefault stages { name kind } } }").await;
    assert_eq!(data["viewer"]["user"]["email"], "owner@sharma.example");
    assert_eq!(
        data["viewer"]["organization"],
        json!({"name": "Sharma Textiles", "plan": "FREE", "stateCode": "27", "state": "Maharashtra", "timeZone": "Asia/Kolkata"})
    );
    assert_eq!(data["viewer"]["role"], "OWNER");
    assert_eq!(data["pipelines"].as_array().unwrap().len(), 1);
    assert!(data["pipelines"][0]["stages"].as_array().unwrap().len() >= 4);
    let again = json!({"organizationName": "Other", "stateCode": "27", "name": "X", "email": "owner@sharma.example", "password": PASSWORD});
    let payload = app.anonymous().mutate("signUp", again, "accessToken").await;
    assert_eq!((&payload["userErrors"][0]["code"], &payload["userErrors"][0]["field"]), (&json!("CONFLICT"), &json!(["input", "email"])));
    let bad = json!({"organizationName": "", "stateCode": "99", "name": "", "email": "x", "password": "short", "gstin": "27AAPFU0939F1ZW"});
    let payload = app.anonymous().mutate("signUp", bad, "accessToken").await;
    assert_eq!(payload["userErrors"].as_array().unwrap().len(), 6, "{payload}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let app = TestApp::start().await;
    app.sign_up("Sharma", "owner@sharma.example").await;
    let wrong = sign_in(&app, "owner@sharma.example", "wrong password").await;
    let unknown = sign_in(&app, "nobody@sharma.example", "wrong password").await;
    assert_eq!(wrong, unknown);
    assert!(wrong["accessToken"].is_null() && wrong["userErrors"][0]["message"].as_str().unwrap().len() > 10, "{wrong}");
    let right = sign_in(&app, "OWNER@sharma.example", PASSWORD).await;
    assert_eq!(right["viewer"]["organization"]["name"], "Sharma");
}

#[tokio::test]
async fn tokens_that_are_broken_expired_or_of_another_server() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    assert_eq!(owner.query(ASK).await["viewer"]["role"], "OWNER");
    let token = owner.token.clone().unwrap();
    let changed = {
        let (head, tail) = token.rsplit_once('.').unwrap();
        format!("{head}.{}", tail.chars().rev().collect::<String>())
    };
    let none = format!("{}.{}.", data_encoding::BASE64URL_NOPAD.encode(b"{\"alg\":\"none\",\"typ\":\"at+jwt\"}"), token.split('.').nth(1).unwrap());
    for bad in ["rubbish", "a.b.c", "", &changed, &none] {
        let client = Client::new(app.url("/graphql"), Some(bad.to_owned()));
        let response =
            client.request(reqwest::Method::POST, &client.url).header("accept", "application/graphql-response+json").json(&json!({"query": ASK}));
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), 401, "{bad}");
        assert!(response.headers().contains_key("www-authenticate"));
        let answer: Value = response.json().await.unwrap();
        assert!(
            answer["errors"][0]["extensions"]["code"]
                .as_str()
                .is_some_and(|code| code == "INVALID_TOKEN" || (bad.is_empty() && code == "UNAUTHENTICATED")),
            "{bad}: {answer}"
        );
    }
    let other_key = TestApp::beside(&app, |config| config.auth.jwt_private_key = payaid::access::tokens::generate_key().unwrap().into()).await;
    assert_eq!(Client::new(other_key.url("/graphql"), Some(token)).codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
    clock.advance(chrono::Duration::minutes(16));
    assert_eq!(owner.codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_their_reuse_ends_the_session() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|_| (), clock.clone()).await;
    app.sign_up("Sharma", "owner@sharma.example").await;
    let first = sign_in(&app, "owner@sharma.example", PASSWORD).await;
    clock.advance(chrono::Duration::minutes(14));
    let second = refresh(&app, &first["refreshToken"]).await;
    assert_ne!(first["refreshToken"], second["refreshToken"]);
    assert_eq!(with_token(&app, &second).query(ASK).await["viewer"]["role"], "OWNER");
    clock.advance(chrono::Duration::seconds(5));
    let retried = refresh(&app, &first["refreshToken"]).await;
    assert!(retried["accessToken"].is_string(), "the same device may retry within ten seconds: {retried}");
    clock.advance(chrono::Duration::seconds(60));
    let reused = refresh(&app, &first["refreshToken"]).await;
    assert!(reused["accessToken"].is_null(), "{reused}");
    for token in [&second["refreshToken"], &retried["refreshToken"]] {
        assert!(refresh(&app, token).await["accessToken"].is_null(), "the session goes on after a reuse");
    }
    assert_eq!(with_token(&app, &second).codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
    for rubbish in ["", "x", "session_x.y"] {
        assert!(refresh(&app, &json!(rubbish)).await["accessToken"].is_null(), "{rubbish}");
    }
}

#[tokio::test]
async fn signing_out_and_changing_the_password_end_sessions() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = with_token(&app, &sign_in(&app, "owner@sharma.example", PASSWORD).await);
    let done = owner.data("mutation { signOut { success userErrors { code } } }", json!({})).await;
    assert_eq!(done["signOut"]["success"], true);
    assert_eq!(owner.codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
    assert_eq!(other.query(ASK).await["viewer"]["role"], "OWNER");
    let third = with_token(&app, &sign_in(&app, "owner@sharma.example", PASSWORD).await);
    let wrong = json!({"currentPassword": "wrong password", "newPassword": "a brand new one"});
    let payload = other.mutate("passwordChange", wrong, "success").await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["input", "currentPassword"]), "{payload}");
    other.done("passwordChange", json!({"currentPassword": PASSWORD, "newPassword": "a brand new one"}), "success").await;
    assert_eq!(third.codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
    assert_eq!(other.query(ASK).await["viewer"]["role"], "OWNER");
    assert!(sign_in(&app, "owner@sharma.example", PASSWORD).await["accessToken"].is_null());
    assert!(sign_in(&app, "owner@sharma.example", "a brand new one").await["accessToken"].is_string());
}

#[tokio::test]
async fn roles_take_effect_at_once() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let sales = app.member(&owner, "SALES", "sales@sharma.example").await;
    sales.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
    let audit = "{ auditLog { totalCount } }";
    assert_eq!(sales.codes(audit, json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    let members = owner.query("{ members { nodes { id role user { email } } } }").await;
    let member = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["role"] == "SALES").unwrap()["id"].clone();
    owner.done("memberRoleSet", json!({"memberId": member, "role": "VIEWER"}), "member { role }").await;
    let create = "mutation { contactCreate(input: {name: \"X\"}) { contact { id } } }";
    assert_eq!(sales.codes(create, json!({})).await, ["INSUFFICIENT_PERMISSIONS"]);
    owner.done("memberRoleSet", json!({"memberId": member, "role": "ADMIN"}), "member { role }").await;
    assert!(sales.query(audit).await["auditLog"]["totalCount"].as_i64().unwrap() > 2);
    let promote = sales
        .send("mutation($m: ID!) { memberRoleSet(input: {memberId: $m, role: OWNER}) { member { role } userErrors { code } } }", json!({"m": member}))
        .await;
    assert!(promote["data"]["memberRoleSet"]["member"].is_null(), "only an owner makes owners: {promote}");
    owner.done("memberRemove", json!({"memberId": member}), "member { removedAt }").await;
    assert_eq!(sales.codes(ASK, json!({})).await, ["INVALID_TOKEN"]);
    assert!(sign_in(&app, "sales@sharma.example", PASSWORD).await["accessToken"].is_null());
}

#[tokio::test]
async fn the_last_owner_stays() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let own = owner.query("{ members { nodes { id } } }").await["members"]["nodes"][0]["id"].clone();
    let demoted = owner.mutate("memberRoleSet", json!({"memberId": own, "role": "VIEWER"}), "member { role }").await;
    assert!(demoted["member"].is_null() && demoted["userErrors"][0]["message"].as_str().is_some(), "{demoted}");
    let removed = owner.mutate("memberRemove", json!({"memberId": own}), "member { role }").await;
    assert!(removed["member"].is_null(), "{removed}");
    assert_eq!(owner.query(ASK).await["viewer"]["role"], "OWNER");
}

#[tokio::test]
async fn one_person_in_two_organizations_switches_between_them() {
    let app = TestApp::start().await;
    let sharma = app.sign_up("Sharma", "owner@sharma.example").await;
    let nilgiri = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    let invited = nilgiri.done("memberInvite", json!({"email": "owner@sharma.example", "role": "FINANCE"}), "inviteToken").await;
    let accept = json!({"token": invited["inviteToken"], "name": "ignored", "password": PASSWORD});
    let accepted = app.anonymous().done("invitationAccept", accept.clone(), TOKENS).await;
    assert_eq!(accepted["viewer"]["organization"]["name"], "Nilgiri");
    assert_eq!(accepted["viewer"]["role"], "FINANCE");
    assert!(app.anonymous().mutate("invitationAccept", accept, TOKENS).await["accessToken"].is_null(), "an invitation is good once");
    let home = sharma.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].clone();
    let there = with_token(&app, &accepted);
    there.query("{ contacts { totalCount } }").await;
    let back = there.done("organizationSwitch", json!({"organizationId": home}), TOKENS).await;
    assert_eq!((&back["viewer"]["organization"]["name"], &back["viewer"]["role"]), (&json!("Sharma"), &json!("OWNER")));
    let stranger = nilgiri.mutate("organizationSwitch", json!({"organizationId": home}), TOKENS).await;
    let random = nilgiri.mutate("organizationSwitch", json!({"organizationId": "organization_01h455vb4pex5vsknk084sn02q"}), TOKENS).await;
    assert_eq!(stranger, random);
    assert!(stranger["accessToken"].is_null());
    // Nor is she told of it who signs in there.
    let sign_in = async |organization: &Value| {
        let input = json!({"email": "owner@nilgiri.example", "password": PASSWORD, "organizationId": organization});
        app.anonymous().mutate("signIn", input, "accessToken viewer { organization { name } } userErrors { code message field }").await
    };
    let stranger = sign_in(&home).await;
    assert_eq!(stranger, sign_in(&json!("organization_01h455vb4pex5vsknk084sn02q")).await);
    assert!(stranger["accessToken"].is_null(), "{stranger}");
    let own = nilgiri.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].clone();
    assert_eq!(sign_in(&own).await["viewer"]["organization"]["name"], "Nilgiri");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_throttled_with_and_without_redis() {
    for redis in [None, Some(shared().await.redis.url())] {
        let app = TestApp::with(|config| config.redis = RedisConfig { url: redis.clone() }, Arc::new(SystemClock)).await;
        let email = format!("owner{}@sharma.example", app.database);
        app.sign_up("Sharma", &email).await;
        let ask = async |password: &str| {
            let query = "mutation($email: String!, $password: String!) { signIn(input: {email: $email, password: $password}) { accessToken userErrors { code } } }";
            app.anonymous().send(query, json!({"email": email, "password": password})).await
        };
        for _ in 0..3 {
            assert!(ask(PASSWORD).await["data"]["signIn"]["accessToken"].is_string(), "success is not counted");
        }
        let mut refused = Value::Null;
        for _ in 0..12 {
            refused = ask("wrong password").await;
            if refused.to_string().contains("RATE_LIMITED") {
                break;
            }
        }
        assert!(refused.to_string().contains("RATE_LIMITED"), "{redis:?}: {refused}");
        assert!(ask(PASSWORD).await.to_string().contains("RATE_LIMITED"), "the right password is not tried either");
    }
}

#[tokio::test]
async fn redis_that_is_away_does_not_keep_anybody_out() {
    let app =
        TestApp::with(|config| config.redis = RedisConfig { url: Some("redis+unix:///nowhere/redis.sock".to_owned()) }, Arc::new(SystemClock)).await;
    app.sign_up("Sharma", "owner@sharma.example").await;
    let begun = std::time::Instant::now();
    assert!(sign_in(&app, "owner@sharma.example", PASSWORD).await["accessToken"].is_string());
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// No hash and no token of any account is in the audit log, whatever was done.
#[tokio::test]
async fn the_audit_log_keeps_no_secret() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    app.member(&owner, "SALES", "sales@sharma.example").await;
    owner.done("passwordChange", json!({"currentPassword": PASSWORD, "newPassword": "a brand new one"}), "success").await;
    let rows = app.superuser().await.query("SELECT coalesce(before::text, '') || coalesce(after::text, '') FROM audit_entries", &[]).await.unwrap();
    assert!(rows.len() >= 4, "{}", rows.len());
    for row in rows {
        let text: String = row.get(0);
        for secret in ["hash", "argon2", "token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
