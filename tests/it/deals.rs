//! Deals on their way through the stages, what they are worth, and the pipelines they go through.

mod pipelines;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::clock::HeldClock;
use crate::harness::{Client, TestApp};

/// The stages of the default pipeline: identifiers by name.
async fn stages(owner: &Client) -> BTreeMap<String, Value> {
    let data = owner.query("{ pipelines { isDefault stages { id name } } }").await;
    let pipeline = data["pipelines"].as_array().unwrap().iter().find(|pipeline| pipeline["isDefault"] == true).unwrap().clone();
    pipeline["stages"].as_array().unwrap().iter().map(|stage| (stage["name"].as_str().unwrap().to_owned(), stage["id"].clone())).collect()
}

async fn create(owner: &Client, input: Value) -> Value {
    owner.done("dealCreate", input, "deal { id }").await["deal"]["id"].clone()
}

fn titles(data: &Value) -> Vec<&str> {
    data["deals"]["nodes"].as_array().unwrap().iter().map(|deal| deal["title"].as_str().unwrap()).collect()
}

/// The code and the field of a payload's only user error.
fn refusal(payload: &Value) -> (&str, String) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    let field: Vec<_> = errors[0]["field"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    (errors[0]["code"].as_str().unwrap(), field.join("."))
}

fn refused(payload: &Value, code: &str, field: &str) {
    assert_eq!(refusal(payload), (code, field.to_owned()), "{payload}");
}

#[tokio::test]
async fn a_deal_begins_in_the_first_stage_with_nothing_said() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let select = "deal { title status version probability value { amount currency } weightedValue { amount currency } stage { name position } \
        pipeline { isDefault } contact { id } company { id } owner { id } expectedClose closedAt closedReason notes \
        stageHistory { from { name } to { name } actor { email } } }";
    let payload = owner.done("dealCreate", json!({"title": " Looms "}), select).await;
    let nothing = json!({"amount": "0.00", "currency": "INR"});
    let expected = json!({
        "title": "Looms", "status": "OPEN", "version": 1, "probability": 10, "value": nothing, "weightedValue": nothing,
        "stage": {"name": "New", "position": 0}, "pipeline": {"isDefault": true}, "contact": null, "company": null, "owner": null,
        "expectedClose": null, "closedAt": null, "closedReason": null, "notes": null,
        "stageHistory": [{"from": null, "to": {"name": "New"}, "actor": {"email": "owner@sharma.example"}}],
    });
    assert_eq!(payload["deal"], expected);
    let stages = stages(&owner).await;
    let closed = owner.mutate("dealCreate", json!({"title": "Looms", "stageId": stages["Won"]}), "deal { id }").await;
    refused(&closed, "VALIDATION_ERROR", "input.stageId");
    let many = json!({"title": "", "probability": 101, "value": {"amount": "-1"}});
    let payload = owner.mutate("dealCreate", many, "deal { id }").await;
    assert_eq!(payload["userErrors"].as_array().unwrap().len(), 3, "{payload}");
}

#[tokio::test]
async fn a_deal_is_won_reopened_and_lost() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:00:00Z"));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let stages = stages(&owner).await;
    let id = create(&owner, json!({"title": "Looms", "value": {"amount": "1000.00"}})).await;
    let select = "deal { status version probability stage { name } closedAt closedReason weightedValue { amount } }";
    let step = async |version: i32, stage: &str, reason: Option<&str>| {
        clock.advance(Duration::seconds(30));
        let input = json!({"id": id, "version": version, "stageId": stages[stage], "reason": reason});
        owner.mutate("dealStageSet", input, select).await
    };
    let deal = |payload: &Value| {
        assert_eq!(payload["userErrors"], json!([]));
        payload["deal"].clone()
    };
    let open = |version: i32, stage: &str, probability: i32, weighted: &str| {
        json!({"status": "OPEN", "version": version, "probability": probability, "stage": {"name": stage}, "closedAt": null, "closedReason": null,
            "weightedValue": {"amount": weighted}})
    };
    assert_eq!(deal(&step(1, "Qualified", None).await), open(2, "Qualified", 30, "300.00"));
    refused(&step(2, "Proposal", Some("Why not")).await, "VALIDATION_ERROR", "input.reason");
    refused(&step(1, "Proposal", None).await, "CONFLICT", "input.version");
    let won = deal(&step(2, "Won", Some("Best price")).await);
    assert_eq!((&won["status"], &won["probability"], &won["closedReason"]), (&json!("WON"), &json!(100), &json!("Best price")));
    assert_eq!((&won["closedAt"], &won["weightedValue"]["amount"]), (&json!("2026-11-21T10:02:00.000000Z"), &json!("1000.00")));
    let fixed = owner.mutate("dealUpdate", json!({"id": id, "version": 3, "changes": {"probability": 20}}), select).await;
    refused(&fixed, "VALIDATION_ERROR", "input.changes.probability");
    assert_eq!(deal(&step(3, "Proposal", None).await), open(4, "Proposal", 50, "500.00"));
    refused(&step(4, "Lost", None).await, "VALIDATION_ERROR", "input.reason");
    let lost = deal(&step(4, "Lost", Some("Too dear")).await);
    assert_eq!((&lost["status"], &lost["probability"], &lost["closedReason"]), (&json!("LOST"), &json!(0), &json!("Too dear")));
    let again = deal(&step(5, "Lost", Some("Much too dear")).await);
    assert_eq!((&again["closedReason"], &again["closedAt"]), (&json!("Much too dear"), &lost["closedAt"]), "only the reason changes");
    let query = "query($id: ID!) { deal(id: $id) { stageHistory { from { name } to { name } at actor { email } } } }";
    let data = owner.data(query, json!({"id": id})).await;
    let history = data["deal"]["stageHistory"].as_array().unwrap();
    let moves: Vec<_> = history.iter().map(|step| (step["from"]["name"].as_str(), step["to"]["name"].as_str().unwrap())).collect();
    let expected = [(Some("Proposal"), "Lost"), (Some("Won"), "Proposal"), (Some("Qualified"), "Won"), (Some("New"), "Qualified"), (None, "New")];
    assert_eq!(moves, expected);
    assert_eq!(history[4]["at"], "2026-11-21T10:00:00.000000Z");
    assert_eq!(history[0]["at"], lost["closedAt"]);
    assert!(history.iter().all(|step| step["actor"]["email"] == "owner@sharma.example"), "{data}");
}

#[tokio::test]
async fn the_weighted_value_is_rounded_half_up() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for (amount, currency, probability, weighted) in [
        ("1000.05", "INR", 30, "300.02"),
        ("0.04", "INR", 10, "0.00"),
        ("0.05", "INR", 10, "0.01"),
        ("101", "JPY", 50, "51"),
        ("7", "USD", 0, "0.00"),
    ] {
        let input = json!({"title": "Looms", "value": {"amount": amount, "currency": currency}, "probability": probability});
        let payload = owner.done("dealCreate", input, "deal { probability weightedValue { amount currency } }").await;
        let expected = json!({"probability": probability, "weightedValue": {"amount": weighted, "currency": currency}});
        assert_eq!(payload["deal"], expected, "{amount} {currency}");
    }
}

#[tokio::test]
async fn moving_deals_together_returns_them_in_the_order_of_their_ids() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let stages = stages(&owner).await;
    let mut ids = Vec::new();
    for title in ["a", "b", "c", "d"] {
        ids.push(create(&owner, json!({"title": title})).await);
    }
    let [a, b, c, d] = ids.as_slice() else { panic!("{ids:?}") };
    for id in [b, d] {
        owner.done("dealStageSet", json!({"id": id, "version": 1, "stageId": stages["Qualified"]}), "deal { id }").await;
    }
    let select = "deals { title version stage { name } stageHistory { to { name } } }";
    let missing = json!({"ids": [a, "deal_01h455vb4pex5vsknk084sn02q"], "stageId": stages["Proposal"]});
    refused(&owner.mutate("dealBulkUpdate", missing, select).await, "NOT_FOUND", "input.ids");
    let lost = json!({"ids": ids, "stageId": stages["Lost"]});
    refused(&owner.mutate("dealBulkUpdate", lost, select).await, "VALIDATION_ERROR", "input.reason");
    refused(&owner.mutate("dealBulkUpdate", json!({"ids": ids}), select).await, "VALIDATION_ERROR", "input.changes");
    // The second and the fourth stand in the stage already: they stay, untouched.
    let payload = owner.done("dealBulkUpdate", json!({"ids": [d, a, b, c], "stageId": stages["Qualified"]}), select).await;
    let seen = |payload: &Value| -> Vec<(String, i64, usize)> {
        let deals = payload["deals"].as_array().unwrap().iter();
        deals
            .map(|deal| {
                assert_eq!(deal["stage"]["name"], "Qualified");
                let moves = deal["stageHistory"].as_array().unwrap().len();
                (deal["title"].as_str().unwrap().to_owned(), deal["version"].as_i64().unwrap(), moves)
            })
            .collect()
    };
    assert_eq!(
        seen(&payload),
        [("d", 2, 2), ("a", 2, 2), ("b", 2, 2), ("c", 2, 2)].map(|(title, version, moves)| (title.to_owned(), version, moves))
    );
    let back = owner.done("dealBulkUpdate", json!({"ids": [b, a], "stageId": stages["New"]}), "deals { title }").await;
    assert_eq!(back["deals"], json!([{"title": "b"}, {"title": "a"}]));
    let both = json!({"ids": [c, b, d, a], "stageId": stages["Qualified"], "changes": {"probability": 42}});
    let payload = owner.done("dealBulkUpdate", both, "deals { title version probability stage { name } stageHistory { to { name } } }").await;
    assert_eq!(
        seen(&payload),
        [("c", 3, 2), ("b", 4, 4), ("d", 3, 2), ("a", 4, 4)].map(|(title, version, moves)| (title.to_owned(), version, moves))
    );
    assert!(payload["deals"].as_array().unwrap().iter().all(|deal| deal["probability"] == 42), "{payload}");
}

#[tokio::test]
async fn deals_are_narrowed_by_value_and_expected_close() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for (title, amount, currency, close) in [
        ("small", "99.99", "INR", Some("2026-11-30")),
        ("middle", "100.00", "INR", Some("2026-12-01")),
        ("large", "500.01", "INR", None),
        ("abroad", "200.00", "USD", Some("2026-12-31")),
    ] {
        create(&owner, json!({"title": title, "value": {"amount": amount, "currency": currency}, "expectedClose": close})).await;
    }
    let query = "query($filter: DealFilter!) { deals(filter: $filter, orderBy: {field: VALUE}) { totalCount nodes { title } } }";
    for (filter, expected) in [
        (json!({"value": {"gte": "100"}}), vec!["middle", "large"]),
        (json!({"value": {"gte": "100.00", "lte": "500"}}), vec!["middle"]),
        (json!({"value": {"lte": "99.99"}}), vec!["small"]),
        (json!({"value": {"currency": "USD"}}), vec!["abroad"]),
        (json!({"value": {"currency": "USD", "gte": "200.01"}}), vec![]),
        (json!({"expectedClose": {"gte": "2026-12-01"}}), vec!["middle", "abroad"]),
        (json!({"expectedClose": {"lte": "2026-12-01"}}), vec!["small", "middle"]),
        (json!({"expectedClose": {"gte": "2026-12-01", "lte": "2026-12-01"}, "value": {"gte": "1"}}), vec!["middle"]),
        (json!({"status": {"eq": "WON"}}), vec![]),
    ] {
        let data = owner.data(query, json!({"filter": filter})).await;
        assert_eq!(titles(&data), expected, "{filter}");
        assert_eq!(data["deals"]["totalCount"], expected.len(), "{filter}");
    }
    assert_eq!(owner.codes(query, json!({"filter": {"value": {"gte": "1.005"}}})).await, ["VALIDATION_ERROR"]);
}
