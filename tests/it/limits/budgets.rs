//! Budgets of points and classes of operations, on one server.

use chrono::Duration;
use serde_json::{Value, json};

use super::{a_minute, refusal, started};
use crate::harness::app::PASSWORD;
use crate::harness::client::Answer;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

/// Costs ten points, and none is given back.
const TEN: &str = "{ contacts(first: 0) { totalCount } a: rateLimit { cost } b: rateLimit { cost } c: rateLimit { cost } }";

async fn ten(client: &Client) -> Answer {
    client.ask(TEN, json!({}), &[]).await
}

fn cost(answer: &Answer) -> &Value {
    &answer.body["extensions"]["cost"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_used_up_and_comes_back_bit_by_bit() {
    let (app, clock) = started(|config| config.limits.budget_free = a_minute(60)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for n in 1..=6_i64 {
        let answer = ten(&owner).await;
        assert_eq!(answer.data()["a"]["cost"], 10);
        let expected = json!({"requested": 10, "actual": 10, "available": 60 - 10 * n, "limit": 60, "restoreRate": 1.0});
        assert_eq!(*cost(&answer), expected);
        assert_eq!(answer.header("ratelimit"), Some(&*format!("\"application\";r={};t={}", 60 - 10 * n, 10 * n)));
        assert_eq!(answer.header("ratelimit-policy"), Some("\"application\";q=60;w=60;qu=\"points\""));
    }
    let refused = ten(&owner).await;
    assert_eq!((refused.status, refusal(&refused.body).0), (429, "COST_EXCEEDED"), "{}", refused.body);
    // Ten seconds, and a tenth to a fifth more.
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((11..=13).contains(&wait), "{wait}");
    let details = &refused.body["errors"][0]["extensions"]["details"];
    assert_eq!(
        (&details["available"], &details["requested"], &details["retryAfterSeconds"]),
        (&json!(0), &json!(10), &json!(wait)),
        "{}",
        refused.body
    );
    assert_eq!(refused.header("ratelimit"), Some("\"application\";r=0;t=60"));
    clock.advance(Duration::seconds(9));
    assert_eq!(ten(&owner).await.status, 429);
    let fits = owner.ask("{ rateLimit { remaining limit policy resetAt } }", json!({}), &[]).await;
    let expected = json!({"remaining": 8, "limit": 60, "policy": "application", "resetAt": "2026-11-21T09:31:01.000000Z"});
    assert_eq!(fits.data()["rateLimit"], expected, "{}", fits.body);
    clock.advance(Duration::seconds(2));
    assert_eq!(ten(&owner).await.status, 200);
    clock.advance(Duration::seconds(600));
    assert_eq!(cost(&ten(&owner).await)["available"], 50, "no more than all of it comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operation_did_not_come_to_is_given_back() {
    let (app, _) = started(|config| config.limits.budget_free = a_minute(110)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for n in 1..=4_i64 {
        let answer = owner.ask("{ contacts(first: 100) { nodes { id } } }", json!({}), &[]).await;
        assert_eq!(
            *cost(&answer),
            json!({"requested": 102, "actual": 2, "available": 110 - 2 * n, "limit": 110, "restoreRate": 1.833}),
            "{}",
            answer.body
        );
    }
    // Also when the document was not valid, but for one point.
    assert_eq!(owner.codes("{ contacts(first: 100) { nodes { nothing } } }", json!({})).await, ["VALIDATION_ERROR"]);
    assert_eq!(owner.query("{ rateLimit { remaining } }").await["rateLimit"]["remaining"], 110 - 8 - 1 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_more_than_there_ever_is_says_so() {
    let (app, clock) = started(|config| config.limits.budget_free = a_minute(50)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let refused = owner.ask("{ contacts(first: 49) { nodes { id } } }", json!({}), &[]).await;
    assert_eq!((refused.status, refusal(&refused.body).0), (429, "COST_EXCEEDED"));
    assert!(refusal(&refused.body).1.contains("waiting does not help"), "{}", refused.body);
    assert_eq!(refused.header("retry-after"), None);
    assert!(refused.body["errors"][0]["extensions"]["details"].get("retryAfterSeconds").is_none());
    // Looking at it has cost a point.
    clock.advance(Duration::seconds(2));
    assert_eq!(owner.ask("{ contacts(first: 48) { nodes { id } } }", json!({}), &[]).await.status, 200);
}

async fn uses(client: &Client, most: usize) -> usize {
    for n in 0..most {
        let answer = ten(client).await;
        if answer.status == 429 {
            return n;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    most
}

fn policy(answer: &Answer) -> &str {
    answer.body["errors"][0]["extensions"]["details"]["policy"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_an_organization_have_ceilings_over_all_sessions_and_plans_set_them() {
    let (app, clock) = started(|config| {
        config.limits.budget_free = a_minute(60);
        config.limits.budget_pro = a_minute(120);
    })
    .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let again = app.sign_in("owner@sharma.example", PASSWORD).await;
    let third = app.sign_in("owner@sharma.example", PASSWORD).await;
    assert_eq!([uses(&owner, 9).await, uses(&again, 9).await, uses(&third, 9).await], [6, 6, 0]);
    assert_eq!(policy(&ten(&owner).await), "application");
    assert_eq!(policy(&ten(&third).await), "user");
    // Another organization is not touched, nor is another member.
    let nilgiri = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    assert_eq!(uses(&nilgiri, 9).await, 6);
    clock.advance(Duration::minutes(10));
    let mut members = Vec::new();
    for n in 0..9 {
        clock.advance(Duration::seconds(30));
        members.push(app.member(&owner, "VIEWER", &format!("viewer{n}@sharma.example")).await);
    }
    clock.advance(Duration::minutes(40));
    // Of ten times 60 points, the owner's two sessions and eight members take all.
    assert_eq!([uses(&owner, 9).await, uses(&again, 9).await], [6, 6]);
    for member in &members[..8] {
        assert_eq!(uses(member, 9).await, 6);
    }
    let refused = ten(&members[8]).await;
    assert_eq!((refused.status, policy(&refused)), (429, "organization"), "{}", refused.body);
    clock.advance(Duration::minutes(40));
    app.superuser().await.batch_execute("UPDATE organizations SET plan = 'PRO' WHERE name = 'Sharma'").await.unwrap();
    let fresh = app.sign_in("owner@sharma.example", PASSWORD).await;
    assert_eq!(uses(&fresh, 20).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_has_the_budget_of_an_address() {
    let (app, clock) = started(|config| {
        config.limits.budget_anonymous = a_minute(60);
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    app.sign_up("Sharma", "owner@sharma.example").await;
    let sign_in = async |from: &str| {
        let query = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }";
        let variables = json!({"input": {"email": "owner@sharma.example", "password": PASSWORD}});
        app.anonymous().ask(query, variables, &[("x-forwarded-for", from)]).await
    };
    for _ in 0..6 {
        assert_eq!(sign_in("2001:db8:1:2::1").await.status, 200);
    }
    let refused = sign_in("2001:db8:1:2:ffff::9").await;
    assert_eq!((refused.status, policy(&refused)), (429, "address"), "{}", refused.body);
    // Others are left in peace, and what a client writes itself into the header is not believed.
    assert_eq!(sign_in("2001:db8:1:3::1").await.status, 200);
    assert_eq!(sign_in("198.51.100.1, 2001:db8:1:2::1").await.status, 429);
    clock.advance(Duration::seconds(30));
    assert_eq!(sign_in("2001:db8:1:2::1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_callers_who_are_not_signed_in_are_few() {
    let (app, clock) = started(|_| ()).await;
    let anonymous = app.anonymous();
    let schema = "{ __type(name: \"Contact\") { name } }";
    for _ in 0..10 {
        assert_eq!(anonymous.ask(schema, json!({}), &[]).await.status, 200);
    }
    let refused = anonymous.ask(schema, json!({}), &[]).await;
    assert_eq!((refused.status, refusal(&refused.body).0), (429, "RATE_LIMITED"), "{}", refused.body);
    assert_eq!(refused.header("ratelimit-policy"), Some("\"anonymous\";q=10;w=3600;qu=\"requests\""));
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((396..=432).contains(&wait), "{wait}");
    // Signing in, and what asks for nothing, are not counted.
    assert_eq!(anonymous.ask("{ __typename }", json!({}), &[]).await.status, 200);
    app.sign_up("Sharma", "owner@sharma.example").await;
    app.sign_in("owner@sharma.example", PASSWORD).await;
    clock.advance(Duration::seconds(361));
    assert_eq!(anonymous.ask(schema, json!({}), &[]).await.status, 200);
    assert_eq!(anonymous.ask(schema, json!({}), &[]).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_organizations_are_counted_by_address() {
    let (app, clock) = started(|config| config.limits.limit_sign_up = a_minute(2)).await;
    for n in 0..2 {
        app.sign_up("Sharma", &format!("owner{n}@sharma.example")).await;
    }
    let input = json!({"organizationName": "S", "stateCode": "27", "name": "N", "email": "owner3@sharma.example", "password": PASSWORD});
    let query = "mutation($input: SignUpInput!) { signUp(input: $input) { accessToken } }";
    let refused = app.anonymous().ask(query, json!({"input": input}), &[]).await;
    assert_eq!((refused.status, refusal(&refused.body).0), (429, "RATE_LIMITED"), "{}", refused.body);
    assert!(refusal(&refused.body).1.starts_with("Too many new organizations: 2 in 60 seconds are allowed."), "{}", refused.body);
    // Nor may an owner make more of them; what can never be is not to be repeated.
    clock.advance(Duration::minutes(10));
    let owner = app.sign_in("owner0@sharma.example", PASSWORD).await;
    let three = "mutation($input: SignUpInput!) { a: signUp(input: $input) { accessToken } b: signUp(input: $input) { accessToken } c: signUp(input: $input) { accessToken } }";
    let refused = owner.ask(three, json!({"input": input}), &[]).await;
    assert_eq!((refused.status, refusal(&refused.body).0, refused.header("retry-after")), (429, "RATE_LIMITED", None), "{}", refused.body);
    assert_eq!(owner.ask(query, json!({"input": input}), &[]).await.status, 200);
    assert_eq!(app.anonymous().ask(query, json!({"input": input}), &[]).await.status, 200);
    assert_eq!(owner.ask(query, json!({"input": input}), &[]).await.status, 429, "owner and others count together");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_again_and_again_is_limited_more_tightly_for_a_while() {
    let (app, clock) = started(|config| config.limits.budget_free = a_minute(60)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    assert_eq!(uses(&owner, 9).await, 6);
    for _ in 0..15 {
        assert_eq!(ten(&owner).await.status, 429);
    }
    clock.advance(Duration::seconds(60));
    // Of sixteen refusals, fourteen are remembered: each point counts twice.
    let answer = ten(&owner).await;
    assert_eq!((answer.status, &cost(&answer)["available"]), (200, &json!(40)), "{}", answer.body);
    assert_eq!(uses(&owner, 9).await, 2);
    let refused = ten(&owner).await;
    assert!(refusal(&refused.body).1.contains("each counts 2 times for a while"), "{}", refused.body);
    clock.advance(Duration::minutes(30));
    assert_eq!(uses(&owner, 9).await, 6);
}

/// What comes to nothing costs a point, and so does looking for what there is not; who has none left is not listened to.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_paid_for() {
    let (app, clock) = started(|config| config.limits.budget_anonymous = a_minute(30)).await;
    let anonymous = app.anonymous();
    let tries = [
        json!({"query": "{ this is no document"}),
        json!({"query": "query A { __typename } query B { __typename }"}),
        json!({"query": "{ contacts { nodes { id } } }"}),
        json!({"documentId": "nothing"}),
        json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0".repeat(64)}}}),
    ];
    for (n, body) in tries.iter().cycle().take(10).enumerate() {
        // A comment makes each another document.
        let mut body = body.clone();
        if let Some(text) = body["query"].as_str() {
            body["query"] = format!("{text} # {n}").into();
        }
        anonymous.request(reqwest::Method::POST, &anonymous.url).json(&body).send().await.unwrap();
    }
    let left = anonymous.ask("{ __typename }", json!({}), &[]).await;
    assert_eq!(left.header("ratelimit"), Some("\"address\";r=19;t=22"), "{}", left.body);
    // Of the right form, and nobody's.
    let key = payaid::access::keys::ApiKey::fresh(uuid::Uuid::nil()).unwrap();
    let stranger = Client::new(anonymous.url.clone(), Some(key.text().to_owned()));
    assert_eq!(stranger.codes("{ __typename }", json!({})).await, ["INVALID_TOKEN"]);
    assert_eq!(stranger.codes("{ __typename }", json!({})).await, ["COST_EXCEEDED"]);
    clock.advance(Duration::seconds(20));
    assert_eq!(stranger.codes("{ __typename }", json!({})).await, ["INVALID_TOKEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_a_budget_of_its_own() {
    let (app, _) = started(|config| {
        config.limits.budget_free = a_minute(60);
        config.documents.introspection = payaid::platform::config::Introspection::Permitted;
    })
    .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut keys = Vec::new();
    for name in ["Website", "Accounts"] {
        let made = owner.done("apiKeyCreate", json!({"name": name, "scopes": ["contacts.read"]}), "key").await;
        keys.push(Client::new(owner.url.clone(), Some(made["key"].as_str().unwrap().to_owned())));
    }
    // Of the owner's sixty points, two mutations have taken twenty.
    assert_eq!([uses(&keys[0], 9).await, uses(&keys[1], 9).await, uses(&owner, 9).await], [6, 6, 4]);
    assert_eq!(policy(&ten(&keys[0]).await), "application");
    // Partners find their way by the schema, whatever their scopes.
    let (app, _) = started(|config| config.documents.introspection = payaid::platform::config::Introspection::Permitted).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let made = owner.done("apiKeyCreate", json!({"name": "Website", "scopes": ["contacts.read"]}), "key").await;
    let key = Client::new(owner.url.clone(), Some(made["key"].as_str().unwrap().to_owned()));
    assert_eq!(key.query("{ __schema { queryType { name } } }").await["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_a_batch_is_charged() {
    let (app, _) = started(|config| config.limits.budget_free = a_minute(60)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let batch = vec![json!({"query": TEN}); 8];
    let response = owner.request(reqwest::Method::POST, &owner.url).json(&batch).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["ratelimit"].to_str().unwrap()), (200, "\"application\";r=0;t=60"));
    assert!(response.headers().contains_key("retry-after"));
    let answers: Vec<Value> = response.json().await.unwrap();
    let codes: Vec<&str> = answers.iter().map(|answer| refusal(answer).0).collect();
    assert_eq!(codes, ["", "", "", "", "", "", "COST_EXCEEDED", "COST_EXCEEDED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_charged_as_any_other() {
    let (app, _) = started(|config| config.limits.budget_free = a_minute(60)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut socket = Socket::admitted(&app, &owner).await;
    for n in 0..8 {
        socket.subscribe(&n.to_string(), TEN).await;
        let answer = socket.hear().await;
        assert_eq!(answer["type"], if n < 6 { "next" } else { "error" }, "{answer}");
        if n < 6 {
            assert_eq!(answer["payload"]["extensions"]["cost"]["available"], 50 - 10 * n, "{answer}");
            assert_eq!(socket.hear().await["type"], "complete");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_points_and_refusals() {
    let (app, _) = started(|config| config.limits.budget_free = a_minute(60)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    uses(&owner, 9).await;
    let metrics = metrics(&app).await;
    for line in ["points_total{plan=\"FREE\"}", "points_total{plan=\"anonymous\"}", "refusals_total{policy=\"application\"}"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

async fn metrics(app: &TestApp) -> String {
    let client = app.anonymous();
    client.request(reqwest::Method::GET, &app.url("/metrics")).send().await.unwrap().text().await.unwrap()
}
