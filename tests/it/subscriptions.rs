//! Subscriptions: what was committed is told once, in order, to whom it concerns and who may see it, and where it went on is not lost.

mod held;
mod many;
mod servers;
mod streams;

use serde_json::{Value, json};

use crate::harness::schema::Schema;
use crate::harness::waiting::until;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

/// Waits until all that is committed is complete, so that whoever subscribes now is told none of it.
pub async fn settled(app: &TestApp) {
    let superuser = app.superuser().await;
    let incomplete = "SELECT count(*) FROM (SELECT tx FROM audit_entries UNION ALL SELECT tx FROM jobs) AS written
        WHERE tx >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
    until("older transactions have ended", async || superuser.query_one(incomplete, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

/// A socket with one subscription that is open.
pub async fn opened(app: &TestApp, client: &Client, subscription: &str) -> Socket {
    let before = app.app.services.events.subscribers();
    let mut socket = Socket::admitted(app, client).await;
    socket.subscribe("s", subscription).await;
    until("the subscription is open", async || app.app.services.events.subscribers() > before).await;
    socket
}

/// The next answer of a subscription, under its only field, and its position.
pub async fn next(socket: &mut Socket) -> (Value, String) {
    let mut message = socket.hear().await;
    assert!(message["type"] == "next" && message["payload"].get("errors").is_none(), "{message:#}");
    let position = message["payload"]["extensions"]["position"].as_str().unwrap().to_owned();
    let data = message["payload"]["data"].as_object_mut().unwrap();
    let field = data.keys().next().unwrap().clone();
    (data[&field].take(), position)
}

/// The code with which a subscription is refused or ended.
async fn refused(app: &TestApp, client: &Client, subscription: &str) -> String {
    Socket::admitted(app, client).await.refusal(subscription).await
}

pub async fn contact(client: &Client, name: &str) -> String {
    client.done("contactCreate", json!({"name": name}), "contact { id }").await["contact"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_as_it_is_committed() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Rao", "owner@rao.example").await;
    let mut socket = opened(&app, &owner, "subscription { contactChanged { kind contactId contact { name city } position } }").await;
    let mut all = opened(&app, &owner, "subscription { changed { kind noun id at node { id ... on Contact { name } } } }").await;
    contact(&other, "Foreign").await;
    let id = contact(&owner, "Asha").await;
    let (told, position) = next(&mut socket).await;
    assert_eq!((&told["kind"], &told["contactId"]), (&json!("CREATED"), &json!(id)));
    assert_eq!((&told["contact"], &told["position"]), (&json!({"name": "Asha", "city": null}), &json!(position)));
    let (told, _) = next(&mut all).await;
    assert_eq!((&told["kind"], &told["noun"], &told["node"]), (&json!("CREATED"), &json!("contact"), &json!({"id": id, "name": "Asha"})));

    // What the database changes by itself is told as well.
    let note = json!({"kind": "NOTE", "subject": "Note", "occurredAt": "2026-04-01T10:00:00Z", "contactId": id});
    owner.done("activityCreate", note, "activity { id }").await;
    assert_eq!(next(&mut all).await.0["noun"], "activity");
    owner.done("contactUpdate", json!({"id": id, "version": 1, "changes": {"city": "Pune"}}), "contact { id }").await;
    assert_eq!(
        (next(&mut socket).await.0["contact"].take(), next(&mut all).await.0["kind"].take()),
        (json!({"name": "Asha", "city": "Pune"}), json!("UPDATED"))
    );
    owner.done("contactDelete", json!({"id": id}), "deletedIds").await;
    let (told, _) = next(&mut socket).await;
    assert_eq!((&told["kind"], &told["contactId"], &told["contact"]), (&json!("DELETED"), &json!(id), &json!(null)));
    let both = [next(&mut all).await.0, next(&mut all).await.0];
    assert!(both.iter().all(|told| told["kind"] == "DELETED" && told["node"].is_null()), "{both:?}");
    assert!(both.iter().any(|told| told["noun"] == "activity") && both.iter().any(|told| told["id"] == json!(id)), "{both:?}");

    // What is given up is told no more.
    socket.tell(json!({"type": "complete", "id": "s"})).await;
    until("it is closed", async || app.app.services.events.subscribers() == 1).await;
    contact(&owner, "Binod").await;
    assert_eq!(socket.data("{ contacts { totalCount } }").await["contacts"]["totalCount"], 1, "nothing else came before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_leaves_out_what_it_leaves_out_of_lists() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut socket = opened(&app, &owner, r#"subscription { contactChanged(filter: {city: {eq: "Pune"}}) { kind contact { name } } }"#).await;
    // Fragments that have to be put together are answered as well.
    let twice = r#"subscription { contactChanged(filter: {city: {eq: "Pune"}}) { kind contact { name owner { id } } ...F } } fragment F on ContactChange { contact { owner { name } } }"#;
    let mut twice = opened(&app, &owner, twice).await;
    let asha = contact(&owner, "Asha").await;
    let binod = contact(&owner, "Binod").await;
    owner.done("contactUpdate", json!({"id": binod, "version": 1, "changes": {"city": "Pune"}}), "contact { id }").await;
    // Its creation is told as well, where that is answered only when it has moved to Pune.
    for (socket, expected) in [(&mut socket, json!({"name": "Binod"})), (&mut twice, json!({"name": "Binod", "owner": null}))] {
        let mut told = next(socket).await.0;
        if told["kind"] == "CREATED" {
            assert_eq!(told["contact"], expected);
            told = next(socket).await.0;
        }
        assert_eq!(told, json!({"kind": "UPDATED", "contact": expected}));
    }
    owner.done("contactDelete", json!({"id": asha}), "deletedIds").await;
    assert_eq!(next(&mut socket).await.0, json!({"kind": "DELETED", "contact": null}), "of what is gone nobody knows what it was like");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_subscriptions_tells_of_its_noun() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let schema = Schema::served();
    assert_eq!(schema.subscriptions.len(), payaid::features::NOUNS.len() + 1);
    let all: Vec<&str> = payaid::features::NOUNS.iter().map(|noun| noun.field).collect();
    let named: Vec<&str> = schema.subscriptions.iter().map(|root| root.name.as_str()).filter(|name| *name != "changed").collect();
    assert_eq!(named, all);
    let mut sockets = Vec::new();
    for root in &schema.subscriptions {
        sockets.push(opened(&app, &owner, &format!("subscription {{ {} {{ __typename kind }} }}", root.name)).await);
    }
    let world = populate(&owner, "own").await;
    let stage = json!({"id": world["stage"], "version": 1, "changes": {"name": "Other"}});
    owner.done("pipelineStageUpdate", stage, "stage { id }").await;
    owner.done("pipelineUpdate", json!({"id": world["pipeline"], "version": 1, "changes": {"name": "Other"}}), "pipeline { id }").await;
    for (socket, root) in sockets.iter_mut().zip(&schema.subscriptions) {
        assert_eq!(next(socket).await.0["__typename"], json!(root.returns), "{}", root.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_subscription_is_refused() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for (document, code) in [
        ("subscription { contactChanged { kind } dealChanged { kind } }", "VALIDATION_ERROR"),
        ("subscription { __typename }", "VALIDATION_ERROR"),
        ("subscription { contactChanged @skip(if: true) { kind } }", "VALIDATION_ERROR"),
        ("subscription { contacts { totalCount } }", "VALIDATION_ERROR"),
        ("subscription { contactChanged(since: \"x\") { kind } }", "VALIDATION_ERROR"),
        ("subscription { changed(nouns: [\"session\"]) { kind } }", "VALIDATION_ERROR"),
        ("query { contactChanged { kind } }", "VALIDATION_ERROR"),
    ] {
        assert_eq!(refused(&app, &owner, document).await, code, "{document}");
    }
    // A subscription stays open, for which HTTP has no room.
    let answer = owner.send("subscription { contactChanged { kind } }", json!({})).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("WebSocket"), "{answer}");
    let mut anonymous = Socket::connect(&app).await;
    anonymous.tell(json!({"type": "connection_init"})).await;
    anonymous.hear().await;
    assert_eq!(anonymous.refusal("subscription { changed { kind } }").await, "UNAUTHENTICATED");
    let key = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": ["contacts.read"]}), "key").await["key"].as_str().unwrap().to_owned();
    let key = Client::new(owner.url.clone(), Some(key));
    for noun in payaid::features::NOUNS.iter().filter(|noun| noun.read.code() != "contacts.read") {
        assert_eq!(refused(&app, &key, &format!("subscription {{ {} {{ kind }} }}", noun.field)).await, "INSUFFICIENT_PERMISSIONS");
        let named = format!("subscription {{ changed(nouns: [\"{}\"]) {{ kind }} }}", noun.prefix);
        assert_eq!(refused(&app, &key, &named).await, "INSUFFICIENT_PERMISSIONS");
    }
    // Of everything a key is told what it may see.
    let mut socket = opened(&app, &key, "subscription { changed { noun } }").await;
    owner.done("companyCreate", json!({"name": "Mills"}), "company { id }").await;
    contact(&owner, "Asha").await;
    assert_eq!(next(&mut socket).await.0["noun"], "contact");
}

/// Rights are looked at for each event: who has lost one hears so instead of what has happened, and keeps what she may still see.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_lost_ends_the_subscription_that_needs_it() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    settled(&app).await;
    let mut jobs = opened(&app, &admin, "subscription { jobChanged { kind } }").await;
    let mut contacts = opened(&app, &admin, "subscription { contactChanged { contact { name } } }").await;
    owner.done("memberInvite", json!({"email": "one@sharma.example", "role": "VIEWER"}), "inviteToken").await;
    assert_eq!(next(&mut jobs).await.0["kind"], "CREATED");
    let members = owner.query("{ members { nodes { id role } } }").await["members"]["nodes"].as_array().unwrap().clone();
    let id = members.iter().find(|member| member["role"] == "ADMIN").unwrap()["id"].clone();
    owner.done("memberRoleSet", json!({"memberId": id, "role": "VIEWER"}), "member { role }").await;
    owner.done("memberInvite", json!({"email": "two@sharma.example", "role": "VIEWER"}), "inviteToken").await;
    let error = jobs.hear().await;
    assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("INSUFFICIENT_PERMISSIONS")), "{error:#}");
    contact(&owner, "Asha").await;
    assert_eq!(next(&mut contacts).await.0["contact"]["name"], "Asha");
}

/// Rights are looked at for each event: who was removed meanwhile hears nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_removed_is_told_nothing_more() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let member = app.member(&owner, "VIEWER", "viewer@sharma.example").await;
    let mut socket = opened(&app, &member, "subscription { contactChanged { contact { name } } }").await;
    contact(&owner, "Asha").await;
    assert_eq!(next(&mut socket).await.0["contact"]["name"], "Asha");
    let members = owner.query("{ members { nodes { id role } } }").await;
    let members = members["members"]["nodes"].as_array().unwrap();
    let id = members.iter().find(|member| member["role"] == "VIEWER").unwrap()["id"].clone();
    owner.done("memberRemove", json!({"memberId": id}), "member { id }").await;
    contact(&owner, "Binod").await;
    let error = socket.hear().await;
    assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("INVALID_TOKEN")), "{error:#}");
    assert_eq!(socket.closed().await.0, 4403);
}

/// From any position on, everything after it comes once, in the same order, and what happens meanwhile follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_on_where_it_was_left() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut first = opened(&app, &owner, "subscription { contactChanged { contactId } }").await;
    let mut told = Vec::new();
    for number in 0..30 {
        contact(&owner, &format!("Contact {number}")).await;
        told.push(next(&mut first).await);
    }
    drop(first);
    until("it is closed", async || app.app.services.events.subscribers() == 0).await;
    let owner_again = &owner;
    let late = (0..5).map(|number| async move { contact(owner_again, &format!("Late {number}")).await });
    let late: Vec<String> = futures_util::future::join_all(late).await;
    for from in [0, 11, 29] {
        let since = &told[from].1;
        let mut socket = Socket::admitted(&app, &owner).await;
        socket.subscribe("s", &format!("subscription {{ contactChanged(since: \"{since}\") {{ contactId }} }}")).await;
        for expected in &told[from + 1..] {
            assert_eq!(next(&mut socket).await, *expected);
        }
        let mut rest = Vec::new();
        for _ in 0..5 {
            rest.push(next(&mut socket).await.0["contactId"].as_str().unwrap().to_owned());
        }
        let mut expected = late.clone();
        rest.sort();
        expected.sort();
        assert_eq!(rest, expected);
        drop(socket);
    }
    // A cursor of somebody else, or of another organization, leads nowhere.
    let other = app.sign_up("Rao", "owner@rao.example").await;
    let text = format!("subscription {{ changed(since: \"{}\") {{ kind }} }}", told[0].1);
    assert_eq!(refused(&app, &other, &text).await, "VALIDATION_ERROR");
}
