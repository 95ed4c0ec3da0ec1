//! Bad input: a clear error with its code, nothing half done, and the server well afterwards.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::client::codes;
use crate::harness::waiting::LIMIT;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp};

async fn started() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    (app, owner)
}

/// Sends a body as it is and returns status and answer.
async fn post(client: &Client, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request =
        client.request(Method::POST, &client.url).header("content-type", "application/json").header("accept", "application/graphql-response+json");
    let response = request.body(body).send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

async fn is_well(client: &Client) {
    assert_eq!(client.query("{ viewer { role } }").await["viewer"]["role"], "OWNER");
}

fn user_error(payload: &Value) -> (String, String) {
    let error = &payload["userErrors"][0];
    let field: Vec<&str> = error["field"].as_array().unwrap_or_else(|| panic!("{payload}")).iter().map(|part| part.as_str().unwrap()).collect();
    assert!(error["message"].as_str().unwrap().len() > 10, "{payload}");
    (error["code"].as_str().unwrap().to_owned(), field.join("."))
}

fn refused(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let (_app, owner) = started().await;
    for body in [
        &b"{"[..],
        b"",
        b"null",
        b"42",
        b"\"{ viewer { role } }\"",
        b"{}",
        b"{\"query\": 5}",
        b"{\"query\": \"{ viewer { role } }\", \"variables\": 5}",
        b"{\"query\": \"{ viewer { role } }\", \"operationName\": 5}",
        b"{\"query\": \"{ viewer { \xff\xfe } }\"}",
    ] {
        let (status, answer) = post(&owner, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}: {answer}", String::from_utf8_lossy(body));
        assert_eq!(codes(&answer), ["VALIDATION_ERROR"], "{answer}");
        assert!(answer.get("data").is_none(), "{answer}");
    }
    is_well(&owner).await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes() {
    let (app, owner) = started().await;
    // Said in advance, and found out while it comes. The answer comes before the body's end, so it is read beside the writing.
    for (framing, piece) in
        [("Content-Length: 10485760", "x".repeat(65_536)), ("Transfer-Encoding: chunked", format!("10000\r\n{}\r\n", "x".repeat(65_536)))]
    {
        let (mut answers, mut body) = tokio::net::TcpStream::connect(app.address).await.unwrap().into_split();
        let head = format!("POST /graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n", app.address);
        body.write_all(head.as_bytes()).await.unwrap();
        let writing = tokio::spawn(async move {
            for _ in 0..160 {
                if body.write_all(piece.as_bytes()).await.is_err() {
                    break;
                }
            }
        });
        let mut status = [0; 12];
        tokio::time::timeout(LIMIT, answers.read_exact(&mut status)).await.unwrap().unwrap();
        assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 413", "{framing}");
        writing.abort();
    }
    is_well(&owner).await;
}

/// A client that relies on the header must not believe that a repeated mutation is done once.
#[tokio::test]
async fn an_idempotency_key_is_refused_while_it_is_not_understood() {
    let (_app, owner) = started().await;
    let body = json!({"query": "mutation { contactCreate(input: {name: \"Asha\"}) { contact { id } } }"});
    let answer = owner.request(Method::POST, &owner.url).header("idempotency-key", "1").json(&body).send().await.unwrap();
    assert_eq!(codes(&answer.json().await.unwrap()), ["VALIDATION_ERROR"]);
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
}

#[tokio::test]
async fn documents_that_do_not_fit_the_schema() {
    let (_app, owner) = started().await;
    let cases = [
        ("{ nonsense }", json!({})),
        ("{ contacts { nodes { nonsense } } }", json!({})),
        ("{ contacts(first: \"ten\") { totalCount } }", json!({})),
        ("query($first: Int!) { contacts(first: $first) { totalCount } }", json!({})),
        ("query($first: Int!) { contacts(first: $first) { totalCount } }", json!({"first": "ten"})),
        ("mutation { contactCreate(input: {nonsense: 1}) { contact { id } } }", json!({})),
        ("mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }", json!({"input": {"name": 5}})),
        (
            "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id } } }",
            json!({"input": {"name": "Asha", "stage": "NONSENSE"}}),
        ),
        ("{ contacts(filter: {stage: {eq: NONSENSE}}) { totalCount } }", json!({})),
        ("{ contacts { nodes } }", json!({})),
        ("query { viewer { role } ", json!({})),
    ];
    for (query, variables) in cases {
        let answer = owner.send(query, variables).await;
        assert!(!codes(&answer).is_empty() && codes(&answer).iter().all(|code| code == "VALIDATION_ERROR"), "{query}: {answer}");
        assert!(answer["data"].is_null(), "{query}: {answer}");
    }
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 0);
}

#[tokio::test]
async fn identifiers_that_are_broken_or_of_another_kind() {
    let (_app, owner) = started().await;
    let world = populate(&owner, "own").await;
    let deal = &world["deal"];
    for id in [
        "",
        "contact",
        "contact_",
        "contact_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "'; DROP TABLE contacts; --",
        "contact_01h455vb4pex5vsknk084sn02Q",
        deal,
        "\u{0}",
    ] {
        let codes = owner.codes("query($id: ID!) { contact(id: $id) { id } }", json!({"id": id})).await;
        assert_eq!(codes, ["INVALID_ID"], "{id:?}");
        let node = owner.codes("query($id: ID!) { node(id: $id) { id } }", json!({"id": if id == deal { "deal_" } else { id }})).await;
        assert_eq!(node, ["INVALID_ID"], "{id:?}");
    }
    let random = "contact_01h455vb4pex5vsknk084sn02q";
    assert!(owner.data("query($id: ID!) { contact(id: $id) { id } node(id: $id) { id } }", json!({"id": random})).await["contact"].is_null());
}

#[tokio::test]
async fn pages_of_impossible_sizes_and_cursors_of_another_ordering() {
    let (_app, owner) = started().await;
    populate(&owner, "own").await;
    let cursor = owner.query("{ contacts(orderBy: {field: NAME}) { pageInfo { endCursor } } }").await["contacts"]["pageInfo"]["endCursor"].clone();
    for arguments in [
        json!({"first": -1}),
        json!({"first": 1000}),
        json!({"last": -1}),
        json!({"last": 101}),
        json!({"first": 1, "last": 1}),
        json!({"after": "rubbish"}),
        json!({"after": ""}),
        json!({"after": cursor}),
        json!({"before": cursor}),
        json!({"after": "a".repeat(5000)}),
    ] {
        let query = "query($first: Int, $last: Int, $after: String, $before: String) { contacts(first: $first, last: $last, after: $after, before: $before) { totalCount } }";
        let answer = owner.send(query, arguments.clone()).await;
        assert_eq!(codes(&answer), ["VALIDATION_ERROR"], "{arguments}");
        assert!(answer["errors"][0]["message"].as_str().unwrap().len() > 20, "{answer}");
    }
    assert_eq!(owner.query("{ contacts(first: 0) { nodes { id } totalCount } }").await["contacts"], json!({"nodes": [], "totalCount": 1}));
}

#[tokio::test]
async fn values_that_fail_their_check() {
    let (_app, owner) = started().await;
    for (input, field) in [
        (json!({"name": ""}), "input.name"),
        (json!({"name": "x".repeat(201)}), "input.name"),
        (json!({"name": "a\u{0}b"}), "input.name"),
        (json!({"name": "Asha", "email": "asha"}), "input.email"),
        (json!({"name": "Asha", "phone": "12345"}), "input.phone"),
        (json!({"name": "Asha", "phone": "98765 4321\u{0}"}), "input.phone"),
        (json!({"name": "Asha", "stateCode": "99"}), "input.stateCode"),
        (json!({"name": "Asha", "notes": "a\u{0}"}), "input.notes"),
        (json!({"name": "Asha", "tags": vec!["t"; 21]}), "input.tags"),
    ] {
        let payload = owner.mutate("contactCreate", input.clone(), "contact { id }").await;
        assert_eq!(user_error(&payload), refused("VALIDATION_ERROR", field), "{input}");
        assert!(payload["contact"].is_null());
    }
    let payload = owner.mutate("contactCreate", json!({"name": "", "email": "asha", "phone": "1"}), "contact { id }").await;
    assert_eq!(payload["userErrors"].as_array().unwrap().len(), 3, "all problems at once: {payload}");
    for gstin in ["27AAPFU0939F1ZW", "27AAPFU0939F1Z", "00AAPFU0939F1ZV", "27AAPFU0939F1Z\u{0}"] {
        let payload = owner.mutate("companyCreate", json!({"name": "Acme", "gstin": gstin}), "company { id }").await;
        assert_eq!(user_error(&payload), refused("VALIDATION_ERROR", "input.gstin"), "{gstin}");
    }
    for amount in ["-1", "0.001", "99999999999999999999"] {
        let payload = owner.mutate("dealCreate", json!({"title": "Deal", "value": {"amount": amount}}), "deal { id }").await;
        assert_eq!(user_error(&payload).0, "VALIDATION_ERROR", "{amount}: {payload}");
    }
    let float = json!({"input": {"title": "Deal", "value": {"amount": 10.5}}});
    assert_eq!(owner.codes("mutation($input: DealCreateInput!) { dealCreate(input: $input) { deal { id } } }", float).await, ["VALIDATION_ERROR"]);
    let all = owner.query("{ contacts { totalCount } companies { totalCount } deals { totalCount } }").await;
    assert_eq!(all, json!({"contacts": {"totalCount": 0}, "companies": {"totalCount": 0}, "deals": {"totalCount": 0}}));
}

#[tokio::test]
async fn null_characters_in_searches_and_filters() {
    let (_app, owner) = started().await;
    populate(&owner, "own").await;
    for query in [
        "query($text: String!) { contacts(search: $text) { totalCount } }",
        "query($text: String!) { contacts(filter: {email: {eq: $text}}) { totalCount } }",
        "query($text: String!) { contacts(filter: {city: {in: [$text]}}) { totalCount } }",
        "query($text: String!) { contacts(filter: {tag: $text}) { totalCount } }",
    ] {
        for text in ["\u{0}", "a\u{0}b", "' OR 1=1 --", "\\", "%", "a & | ! <-> :* (", "😀", "\u{feff}"] {
            let answer = owner.send(query, json!({"text": text})).await;
            assert!(codes(&answer).iter().all(|code| code == "VALIDATION_ERROR"), "{query} {text:?}: {answer}");
        }
    }
    is_well(&owner).await;
}

#[tokio::test]
async fn a_version_that_is_not_the_present_one() {
    let (_app, owner) = started().await;
    let world = populate(&owner, "own").await;
    let input = |version: i32, name: &str| json!({"id": world["contact"], "version": version, "changes": {"name": name}});
    owner.done("contactUpdate", input(1, "First"), "contact { version }").await;
    let payload = owner.mutate("contactUpdate", input(1, "Second"), "contact { name }").await;
    assert_eq!(user_error(&payload), refused("CONFLICT", "input.version"));
    let contact = owner.data("query($id: ID!) { contact(id: $id) { name version } }", json!({"id": world["contact"]})).await;
    assert_eq!(contact["contact"], json!({"name": "First", "version": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_wins() {
    let (_app, owner) = started().await;
    let world = populate(&owner, "own").await;
    let changes = (0..8).map(|index| {
        let (owner, id) = (owner.clone(), world["contact"].clone());
        async move {
            owner.mutate("contactUpdate", json!({"id": id, "version": 1, "changes": {"name": format!("Name {index}")}}), "contact { name }").await
        }
    });
    let payloads = futures_util::future::join_all(changes).await;
    assert_eq!(payloads.iter().filter(|payload| payload["userErrors"] == json!([])).count(), 1, "{payloads:#?}");
    assert!(payloads.iter().filter(|payload| payload["userErrors"] != json!([])).all(|payload| payload["userErrors"][0]["code"] == "CONFLICT"));
}

#[tokio::test]
async fn an_email_address_that_is_taken() {
    let (_app, owner) = started().await;
    owner.done("contactCreate", json!({"name": "Asha", "email": "asha@example.in"}), "contact { id }").await;
    let payload = owner.mutate("contactCreate", json!({"name": "Other", "email": " ASHA@example.in "}), "contact { id }").await;
    assert_eq!(user_error(&payload), refused("CONFLICT", "input.email"));
    let other = owner.done("contactCreate", json!({"name": "Bina", "email": "bina@example.in"}), "contact { id }").await;
    let update = json!({"id": other["contact"]["id"], "version": 1, "changes": {"email": "asha@example.in"}});
    assert_eq!(user_error(&owner.mutate("contactUpdate", update, "contact { id }").await), refused("CONFLICT", "input.changes.email"));
    assert_eq!(owner.query("{ contacts { totalCount } }").await["contacts"]["totalCount"], 2);
}

#[tokio::test]
async fn a_stage_of_another_pipeline() {
    let (_app, owner) = started().await;
    let world = populate(&owner, "own").await;
    let stages = json!([{"name": "In", "kind": "OPEN", "probability": 10}, {"name": "Yes", "kind": "WON", "probability": 100}, {"name": "No", "kind": "LOST", "probability": 0}]);
    let other = owner.done("pipelineCreate", json!({"name": "Other", "stages": stages}), "pipeline { id stages { id } }").await;
    let foreign = other["pipeline"]["stages"][0]["id"].clone();
    let create = json!({"title": "Deal", "value": {"amount": "1"}, "pipelineId": world["pipeline"], "stageId": foreign});
    assert_eq!(user_error(&owner.mutate("dealCreate", create, "deal { id }").await), refused("VALIDATION_ERROR", "input.stageId"));
    let set = json!({"id": world["deal"], "version": 1, "stageId": foreign});
    assert_eq!(user_error(&owner.mutate("dealStageSet", set, "deal { id }").await), refused("VALIDATION_ERROR", "input.stageId"));
    assert_eq!(owner.query("{ deals { totalCount } }").await["deals"]["totalCount"], 1);
}

#[tokio::test]
async fn bulk_actions_do_all_or_nothing() {
    let (_app, owner) = started().await;
    let world = populate(&owner, "own").await;
    let random = "contact_01h455vb4pex5vsknk084sn02q";
    let update = json!({"ids": [world["contact"], random], "changes": {"city": "Pune"}});
    assert_eq!(user_error(&owner.mutate("contactBulkUpdate", update, "contacts { id }").await), refused("NOT_FOUND", "input.ids"));
    let delete = json!({"ids": [world["contact"], random]});
    assert_eq!(user_error(&owner.mutate("contactBulkDelete", delete, "deletedIds").await), refused("NOT_FOUND", "input.ids"));
    for ids in [json!([]), json!(vec![random; 101])] {
        assert_eq!(user_error(&owner.mutate("contactBulkDelete", json!({"ids": ids}), "deletedIds").await), refused("VALIDATION_ERROR", "input.ids"));
    }
    let contact = owner.data("query($id: ID!) { contact(id: $id) { city version } }", json!({"id": world["contact"]})).await;
    assert_eq!(contact["contact"], json!({"city": null, "version": 1}));
}
