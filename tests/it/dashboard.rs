//! The dashboard's figures against data made by hand, and what they cost.

use std::sync::Arc;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::app::PASSWORD;
use crate::harness::client::codes;
use crate::harness::clock::HeldClock;
use crate::harness::schema::Schema;
use crate::harness::statements::Recorder;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};

const OWNER: &str = "owner@sharma.example";

const ALL: &str = "from to contactsByStage { stage count } \
    pipelineByStage { stageId stageName pipelineId pipelineName count value { amount currency } weightedValue { amount currency } } \
    wonByMonth { month count value { amount currency } } tasks { open overdue dueToday dueThisWeek } \
    recentActivity { activityId kind subject occurredAt durationMinutes contactId contactName dealId dealTitle authorId authorName }";

/// Half past eleven in the evening of 31 October in India.
const BEGINNING: &str = "2026-10-31T18:00:00Z";

async fn stage(owner: &Client, name: &str) -> Value {
    let data = owner.query("{ pipelines { stages { id name } } }").await;
    data["pipelines"][0]["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == name).unwrap()["id"].clone()
}

async fn deal(owner: &Client, amount: &str, currency: &str, stage_name: &str) {
    let input = json!({"title": "Looms", "value": {"amount": amount, "currency": currency}});
    let id = owner.done("dealCreate", input, "deal { id }").await["deal"]["id"].clone();
    if stage_name != "New" {
        let input =
            json!({"id": id, "version": 1, "stageId": stage(owner, stage_name).await, "reason": (stage_name == "Lost").then_some("Too dear")});
        owner.done("dealStageSet", input, "deal { id }").await;
    }
}

/// An organization that won deals on both sides of a month's end and now, on Saturday 21 November at half past three in India, has some of each.
async fn business() -> (TestApp, Client) {
    let clock = Arc::new(HeldClock::at(BEGINNING));
    let app = TestApp::with(|_| (), clock.clone()).await;
    let owner = app.sign_up("Sharma", OWNER).await;
    deal(&owner, "100.00", "INR", "Won").await;
    // Half past one in the night of 1 November in India, and still October in Greenwich.
    clock.advance(Duration::hours(2));
    let owner = app.sign_in(OWNER, PASSWORD).await;
    deal(&owner, "250.50", "INR", "Won").await;
    deal(&owner, "10.00", "USD", "Won").await;
    deal(&owner, "0.50", "INR", "Won").await;
    deal(&owner, "900.00", "INR", "Lost").await;
    clock.advance(Duration::days(20) + Duration::hours(14));
    let owner = app.sign_in(OWNER, PASSWORD).await;
    deal(&owner, "1000.00", "INR", "New").await;
    deal(&owner, "0.05", "INR", "New").await;
    deal(&owner, "20.00", "USD", "New").await;
    deal(&owner, "20.00", "USD", "Negotiation").await;
    let mut contact = Value::Null;
    for stage in ["LEAD", "CUSTOMER", "LEAD"] {
        contact = owner.done("contactCreate", json!({"name": "Asha", "stage": stage}), "contact { id }").await["contact"]["id"].clone();
    }
    for (due, status) in [
        (Some("2026-11-15T18:00:00Z"), "OPEN"),        // Sunday of the week before
        (Some("2026-11-21T09:00:00Z"), "IN_PROGRESS"), // an hour ago
        (Some("2026-11-21T18:00:00Z"), "OPEN"),        // today until half past eleven in the evening
        (Some("2026-11-21T19:00:00Z"), "OPEN"),        // Sunday in India
        (Some("2026-11-22T18:30:00Z"), "OPEN"),        // Monday in India
        (None, "OPEN"),
        (Some("2026-11-21T08:00:00Z"), "DONE"),
        (Some("2026-11-21T08:00:00Z"), "CANCELLED"),
    ] {
        owner.done("taskCreate", json!({"title": "Call", "dueAt": due, "status": status}), "task { id }").await;
    }
    for (subject, at) in [("second", "2026-11-20T10:00:00Z"), ("third", "2026-11-19T10:00:00Z"), ("first", "2026-11-21T09:59:00Z")] {
        let input = json!({"kind": "CALL", "subject": subject, "occurredAt": at, "contactId": contact});
        owner.done("activityCreate", input, "activity { id }").await;
    }
    (app, owner)
}

#[tokio::test]
async fn the_figures_are_those_of_the_data() {
    let (app, owner) = business().await;
    let other = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    deal(&other, "77.00", "INR", "Won").await;
    other.done("contactCreate", json!({"name": "Bina"}), "contact { id }").await;
    other.done("taskCreate", json!({"title": "Call", "dueAt": "2026-11-21T09:00:00Z"}), "task { id }").await;
    let data = owner.query(&format!("{{ dashboard {{ {ALL} }} }}")).await;
    let dashboard = &data["dashboard"];
    let money = |amount: &str, currency: &str| json!({"amount": amount, "currency": currency});
    assert_eq!((&dashboard["from"], &dashboard["to"]), (&json!("2026-04-01"), &json!("2027-03-31")));
    let contacts: Vec<_> = dashboard["contactsByStage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["stage"].as_str().unwrap(), entry["count"].as_i64().unwrap()))
        .collect();
    assert_eq!(contacts, [("LEAD", 2), ("PROSPECT", 0), ("CUSTOMER", 1), ("FORMER", 0)]);
    let stages: Vec<_> = dashboard["pipelineByStage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| json!([entry["stageName"], entry["count"], entry["value"], entry["weightedValue"]]))
        .collect();
    let expected = json!([
        ["New", 3, [money("1000.05", "INR"), money("20.00", "USD")], [money("100.01", "INR"), money("2.00", "USD")]],
        ["Qualified", 0, [], []],
        ["Proposal", 0, [], []],
        ["Negotiation", 1, [money("20.00", "USD")], [money("14.00", "USD")]],
    ]);
    assert_eq!(json!(stages), expected);
    let months = dashboard["wonByMonth"].as_array().unwrap();
    assert_eq!(months.len(), 12);
    for entry in months {
        let (count, value) = match entry["month"].as_str().unwrap() {
            "2026-10-01" => (1, json!([money("100.00", "INR")])),
            "2026-11-01" => (3, json!([money("251.00", "INR"), money("10.00", "USD")])),
            _ => (0, json!([])),
        };
        assert_eq!((&entry["count"], &entry["value"]), (&json!(count), &value), "{entry}");
    }
    assert_eq!(dashboard["tasks"], json!({"open": 6, "overdue": 2, "dueToday": 2, "dueThisWeek": 3}));
    let recent: Vec<_> = dashboard["recentActivity"].as_array().unwrap().iter().map(|entry| entry["subject"].as_str().unwrap()).collect();
    assert_eq!(recent, ["first", "second", "third"]);
    let newest = &dashboard["recentActivity"][0];
    assert_eq!((&newest["contactName"], &newest["dealTitle"], &newest["authorName"]), (&json!("Asha"), &Value::Null, &json!("Owner of Sharma")));
    let found =
        owner.data("query($id: ID!) { activity(id: $id) { subject contact { id } author { id } } }", json!({"id": newest["activityId"]})).await;
    let expected = json!({"subject": "first", "contact": {"id": newest["contactId"]}, "author": {"id": newest["authorId"]}});
    assert_eq!(found["activity"], expected);
    let stages = owner.query("{ pipelines { id name stages { id name } } }").await["pipelines"][0].clone();
    let (first, stage) = (&dashboard["pipelineByStage"][0], &stages["stages"][0]);
    assert_eq!((&first["stageId"], &first["stageName"]), (&stage["id"], &stage["name"]));
    assert_eq!((&first["pipelineId"], &first["pipelineName"]), (&stages["id"], &stages["name"]));
    let month = owner.query("{ dashboard(period: THIS_MONTH) { from to wonByMonth { month count } recentActivity(first: 1) { subject } } }").await;
    let expected = json!({
        "from": "2026-11-01", "to": "2026-11-30", "wonByMonth": [{"month": "2026-11-01", "count": 3}], "recentActivity": [{"subject": "first"}],
    });
    assert_eq!(month["dashboard"], expected);
}

/// Whatever is selected, however often and for however many periods.
#[tokio::test]
async fn five_statements_whatever_is_selected() {
    // On the machine's clock, which does not stand still while an operation runs.
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", OWNER).await;
    populate(&owner, "own").await;
    deal(&owner, "100.00", "INR", "Won").await;
    let schema = Schema::served();
    let (everything, periods) = (schema.selection("Dashboard", 9), &schema.enums["DashboardPeriod"]);
    assert_eq!(periods.len(), 5);
    assert!(everything.contains("contactName") && everything.contains("weightedValue { __typename amount"), "{everything}");
    let of = |period: &String| {
        let first = period.len() % 7 + 1;
        let again = schema.objects["Dashboard"].iter().filter(|field| !schema.is_leaf(&field.of));
        let again: Vec<_> = again.map(|field| format!("{0}Again: {0} {1}", field.name, schema.selection(&field.of, 9))).collect();
        let more = format!("fewer: recentActivity(first: {first}) {{ subject }} {}", again.join(" "));
        format!("{period}: dashboard(period: {period}) {{ {more} ... on Dashboard {everything} }}")
    };
    let all = format!("{{ {} }}", periods.iter().map(of).collect::<Vec<_>>().join(" "));
    for query in [format!("{{ dashboard {everything} }}"), all] {
        // The first request may have to look up who is asking.
        owner.query("{ viewer { role } }").await;
        let recorder = Recorder::start(&app).await;
        let data = owner.query(&query).await;
        let statements = recorder.finish();
        for (period, dashboard) in data.as_object().unwrap() {
            for field in ["contactsByStage", "pipelineByStage", "wonByMonth", "tasks", "recentActivity"] {
                assert!(!dashboard[field].is_null(), "{period} {field}");
                let again = &dashboard[format!("{field}Again")];
                assert!(again.is_null() || *again == dashboard[field], "{period} {field}");
            }
            let won: i64 = dashboard["wonByMonth"].as_array().unwrap().iter().map(|month| month["count"].as_i64().unwrap()).sum();
            assert_eq!(won, i64::from(period != "LAST_FINANCIAL_YEAR"), "{period}: {dashboard:#}");
        }
        assert!(statements.len() <= 5, "{} statements: {statements:#?}", statements.len());
    }
}

/// Each field by itself and through a fragment under another name; where no name is selected, nothing but the activities is looked at.
#[tokio::test]
async fn names_are_read_where_one_is_selected() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", OWNER).await;
    let contact = populate(&owner, "own").await["contact"].clone();
    let call = json!({"contactId": contact, "kind": "CALL", "subject": "Call", "durationMinutes": 30, "occurredAt": "2026-04-02T10:00:00Z"});
    owner.done("activityCreate", call, "activity { id }").await;
    let fields = Schema::served().objects["DashboardActivity"].iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    let all = owner.query(&format!("{{ dashboard {{ recentActivity {{ {} }} }} }}", fields.join(" "))).await;
    let all = all["dashboard"]["recentActivity"].as_array().unwrap();
    for field in fields {
        assert!(all.iter().any(|entry| !entry[&field].is_null()), "{field}: {all:#?}");
        let recorder = Recorder::start(&app).await;
        let alone = owner.query(&format!("{{ dashboard {{ recentActivity {{ {field} }} }} }}")).await;
        let statements = recorder.finish();
        let spread = format!("{{ dashboard {{ recentActivity {{ ...of }} }} }} fragment of on DashboardActivity {{ alone: {field} }}");
        let spread = owner.query(&spread).await;
        for (index, entry) in all.iter().enumerate() {
            assert_eq!(alone["dashboard"]["recentActivity"][index][&field], entry[&field], "{field}");
            assert_eq!(spread["dashboard"]["recentActivity"][index]["alone"], entry[&field], "{field}");
        }
        let is_name = ["contactName", "dealTitle", "authorName"].contains(&field.as_str());
        assert_eq!(statements.len(), 1, "{field}: {statements:#?}");
        assert_eq!(statements[0].contains("JOIN"), is_name, "{field}: {statements:#?}");
    }
}

/// Each row is refused, not the first alone, although the guards of the others are not asked again where the first was let through.
#[tokio::test]
async fn what_a_key_may_not_see_is_withheld_in_every_row() {
    let (_app, owner) = business().await;
    let query = "{ dashboard { recentActivity { subject contactName } } }";
    let rows = async |scopes: Value| {
        let key = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": scopes}), "key").await["key"].as_str().unwrap().to_owned();
        let client = Client::new(owner.url.clone(), Some(key));
        client.send(query, json!({})).await;
        client.send(query, json!({})).await
    };
    for _ in 0..2 {
        let withheld = rows(json!(["dashboard.read", "activities.read"])).await;
        let names = withheld["data"]["dashboard"]["recentActivity"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["subject"].as_str(), row["contactName"].as_str()));
        assert_eq!(names.collect::<Vec<_>>(), ["first", "second", "third"].map(|subject| (Some(subject), None)), "{withheld:#}");
        let paths = withheld["errors"].as_array().unwrap().iter().map(|error| error["path"].clone());
        assert_eq!(paths.collect::<Vec<_>>(), [0, 1, 2].map(|row| json!(["dashboard", "recentActivity", row, "contactName"])));
        assert!(codes(&withheld).iter().all(|code| code == "INSUFFICIENT_PERMISSIONS"), "{withheld:#}");
        let shown = rows(json!(["dashboard.read", "activities.read", "contacts.read"])).await;
        let names = shown["data"]["dashboard"]["recentActivity"].as_array().unwrap().iter().map(|row| row["contactName"].as_str());
        assert_eq!(names.collect::<Vec<_>>(), [Some("Asha"); 3], "{shown:#}");
    }
}
