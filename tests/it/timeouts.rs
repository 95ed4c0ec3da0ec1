//! Operations that take too long: they end, they say what became of a change, and the server is well afterwards.

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use payaid::platform::config::ServerConfig;
use serde_json::{Value, json};

use crate::harness::client::codes;
use crate::harness::crowd::fill;
use crate::harness::waiting::{until, until_blocked};
use crate::harness::world::{World, populate};
use crate::harness::{Client, TestApp};

const CONTACTS: &str = "{ contacts { totalCount } }";
const RENAME: &str = "mutation($id: ID!, $version: Int!, $name: String!) { contactUpdate(input: {id: $id, version: $version, changes: {name: $name}}) \
    { contact { name company { name } } userErrors { code field message } } }";

/// An organization with one of everything, on a server whose statements wait long for locks unless the test says otherwise.
struct Stage {
    app: TestApp,
    owner: Client,
    world: World,
    db: tokio_postgres::Client,
    /// Holds the locks.
    other: tokio_postgres::Client,
}

impl Stage {
    async fn set(adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        let app = TestApp::with(
            |config| {
                config.database.lock_timeout = Duration::from_secs(60);
                config.database.statement_timeout = Duration::from_secs(60);
                config.http.operation_timeout = Duration::from_secs(60);
                adjust(config);
            },
            Arc::new(SystemClock),
        )
        .await;
        let owner = app.sign_up("Sharma", "owner@sharma.example").await;
        let world = populate(&owner, "slow").await;
        let (db, other) = (app.superuser().await, app.superuser().await);
        Self { app, owner, world, db, other }
    }

    /// A second server, whose operations may take a second. Only what is expected to take longer is sent there.
    async fn hasty(&self, adjust: impl FnOnce(&mut ServerConfig)) -> (TestApp, Client) {
        let hasty = TestApp::beside(&self.app, |config| {
            config.database.lock_timeout = Duration::from_secs(60);
            config.database.statement_timeout = Duration::from_secs(60);
            config.http.operation_timeout = Duration::from_secs(1);
            adjust(config);
        })
        .await;
        let client = Client::new(hasty.url("/graphql"), self.owner.token.clone());
        // What comes once for a connection and a session shall not count.
        until("the server answers", async || client.send(CONTACTS, json!({})).await["data"]["contacts"]["totalCount"] == 1).await;
        (hasty, client)
    }

    async fn lock(&self, what: &str) {
        self.other.batch_execute(&format!("BEGIN; {what}")).await.unwrap();
    }

    async fn release(&self) {
        self.other.batch_execute("ROLLBACK").await.unwrap();
    }

    async fn lock_contact(&self) {
        self.lock("SELECT FROM contacts FOR UPDATE").await;
    }

    /// The contact's name, and how many entries the audit log has of it.
    async fn contact(&self) -> (String, i64) {
        let row = self.db.query_one("SELECT name, (SELECT count(*) FROM audit_entries WHERE row_id = contacts.id) FROM contacts", &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    fn rename(&self) -> Value {
        json!({"id": self.world["contact"], "version": 1, "name": "Renamed"})
    }
}

/// An operation by HTTP: the status and the answer.
async fn post(client: &Client, query: &str, variables: Value) -> (u16, Value) {
    let request = client.request(reqwest::Method::POST, &client.url).header("accept", "application/graphql-response+json");
    let response = request.json(&json!({"query": query, "variables": variables})).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Every connection has come back to the pool, and the server answers.
async fn is_well(app: &TestApp, client: &Client) {
    let all_free = async || {
        let (open, free, waiting) = app.app.services.databases.primary().status();
        open == free && waiting == 0
    };
    until("all connections are free", all_free).await;
    until("the server answers", async || client.send(CONTACTS, json!({})).await["data"]["contacts"]["totalCount"] == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_given_up() {
    let stage = Stage::set(|_| ()).await;
    // The statement goes on for a moment, as PostgreSQL does not notice that nobody waits any more.
    let (hasty, client) = stage.hasty(|config| config.database.statement_timeout = Duration::from_millis(2500)).await;
    stage.lock("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await;
    let (status, answer) = post(&client, CONTACTS, json!({})).await;
    assert_eq!((status, codes(&answer)), (504, vec!["TIMEOUT".to_owned()]), "{answer:#}");
    assert!(answer.get("data").is_none(), "{answer:#}");
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "The operation took longer than it may, and was given up. Ask for less at once.");
    assert!(
        error["extensions"]["requestId"].is_string() && error["extensions"]["docUrl"].as_str().unwrap().ends_with("errors.md#timeout"),
        "{error}"
    );
    // Though the lock is still held.
    let free = async || {
        let (open, free, _) = hasty.app.services.databases.primary().status();
        open == free
    };
    until("the connection is free", free).await;
    stage.release().await;
    is_well(&hasty, &client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_fails_its_field_and_those_that_travel_with_it() {
    let stage = Stage::set(|config| config.database.statement_timeout = Duration::from_secs(1)).await;
    stage.lock("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await;
    let (status, answer) = post(&stage.owner, "{ contacts { totalCount } }", json!({})).await;
    assert_eq!((status, codes(&answer)), (200, vec!["TIMEOUT".to_owned()]), "{answer:#}");
    assert_eq!((&answer["errors"][0]["path"], &answer["data"]["contacts"]), (&json!(["contacts"]), &Value::Null), "{answer:#}");
    assert!(!answer.to_string().contains("Nothing was changed"), "{answer:#}");
    // What shares its snapshot fails with it, and is no fault of the server.
    let (_, answer) = post(&stage.owner, "{ contacts { totalCount } companies { totalCount } tasks { totalCount } }", json!({})).await;
    let mut found = codes(&answer);
    found.sort();
    found.dedup();
    assert!(found.contains(&"TIMEOUT".to_owned()), "{answer:#}");
    found.retain(|code| !["TIMEOUT", "DATABASE_UNAVAILABLE"].contains(&code.as_str()));
    assert_eq!(found, Vec::<String>::new(), "{answer:#}");
    stage.release().await;
    is_well(&stage.app, &stage.owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_meets_another_is_refused_and_can_be_repeated() {
    let stage = Stage::set(|config| config.database.lock_timeout = Duration::from_millis(300)).await;
    let before = stage.contact().await;
    stage.lock_contact().await;
    let (status, answer) = post(&stage.owner, RENAME, stage.rename()).await;
    let payload = &answer["data"]["contactUpdate"];
    assert_eq!((status, &payload["contact"]), (200, &Value::Null), "{answer:#}");
    let refused = json!([{"code": "CONFLICT", "field": [], "message": "Somebody else is changing the same object; try again."}]);
    assert_eq!(payload["userErrors"], refused, "{answer:#}");
    assert_eq!(stage.contact().await, before);
    stage.release().await;
    let again = stage.owner.data(RENAME, stage.rename()).await;
    assert_eq!(again["contactUpdate"]["contact"]["name"], "Renamed");
    is_well(&stage.app, &stage.owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_statement_takes_too_long_is_not_made_and_says_so() {
    let stage = Stage::set(|config| config.database.statement_timeout = Duration::from_secs(1)).await;
    let before = stage.contact().await;
    stage.lock_contact().await;
    let (status, answer) = post(&stage.owner, RENAME, stage.rename()).await;
    assert_eq!((status, codes(&answer)), (200, vec!["TIMEOUT".to_owned()]), "{answer:#}");
    assert_eq!((&answer["data"]["contactUpdate"], &answer["errors"][0]["path"]), (&Value::Null, &json!(["contactUpdate"])), "{answer:#}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().ends_with(" Nothing was changed."), "{answer:#}");
    assert_eq!(stage.contact().await, before);
    stage.release().await;
    is_well(&stage.app, &stage.owner).await;
    assert_eq!(stage.contact().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_though_what_is_shown_of_it_takes_too_long() {
    let stage = Stage::set(|config| config.database.statement_timeout = Duration::from_secs(1)).await;
    stage.lock("LOCK TABLE companies IN ACCESS EXCLUSIVE MODE").await;
    let (status, answer) = post(&stage.owner, RENAME, stage.rename()).await;
    assert_eq!((status, codes(&answer)), (200, vec!["TIMEOUT".to_owned()]), "{answer:#}");
    assert_eq!(answer["data"]["contactUpdate"]["contact"], json!({"name": "Renamed", "company": null}), "{answer:#}");
    assert_eq!(answer["errors"][0]["path"], json!(["contactUpdate", "contact", "company"]), "{answer:#}");
    assert!(!answer.to_string().contains("Nothing was changed"), "{answer:#}");
    stage.release().await;
    assert_eq!(stage.contact().await.0, "Renamed");
    is_well(&stage.app, &stage.owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_given_up_is_made_whole_or_not_at_all() {
    let stage = Stage::set(|_| ()).await;
    let (name, entries) = stage.contact().await;
    let given_up =
        "The operation took longer than it may, and was given up. A change that had begun may still be made: read the object before you repeat it.";
    stage.lock_contact().await;
    // Cut by the database after nobody waits for it any more.
    let (hasty, client) = stage.hasty(|config| config.database.statement_timeout = Duration::from_millis(2500)).await;
    let (status, answer) = post(&client, RENAME, stage.rename()).await;
    assert_eq!((status, codes(&answer), &answer["errors"][0]["message"]), (504, vec!["TIMEOUT".to_owned()], &json!(given_up)), "{answer:#}");
    is_well(&hasty, &client).await;
    assert_eq!(stage.contact().await, (name, entries));
    // Let through after nobody waits for it any more.
    let (hasty, client) = stage.hasty(|_| ()).await;
    let (status, answer) = post(&client, RENAME, stage.rename()).await;
    assert_eq!((status, codes(&answer), &answer["errors"][0]["message"]), (504, vec!["TIMEOUT".to_owned()], &json!(given_up)), "{answer:#}");
    until_blocked(&stage.db, 1).await;
    stage.release().await;
    until("the change is made", async || stage.contact().await.0 == "Renamed").await;
    assert_eq!(stage.contact().await, ("Renamed".to_owned(), entries + 1));
    is_well(&hasty, &client).await;
}

/// A hundred contacts, their deals, whose contacts, and so on: tens of thousands of objects from few statements.
fn much_to_compute() -> String {
    let levels = 5;
    format!("{{ contacts(first: 100) {{ nodes {{ {}name{} }} }} }}", "deals(first: 2) { nodes { contact { ".repeat(levels), " } } }".repeat(levels))
}

/// What has nothing to wait for is given up as well when its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_only_computes_has_the_same_limit() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 100).await;
    let hasty = TestApp::beside(&app, |config| config.http.operation_timeout = Duration::from_millis(100)).await;
    let client = Client::new(hasty.url("/graphql"), owner.token.clone());
    // What comes once for a connection and a session shall not count.
    until("the server answers", async || client.send("{ contacts { totalCount } }", json!({})).await["data"]["contacts"]["totalCount"] == 100).await;
    let fields: String = (0..96).map(|n| format!("f{n}: name ")).collect();
    let answer = client.send(&much_to_compute().replace("name", &fields), json!({})).await;
    assert_eq!(codes(&answer), ["TIMEOUT"], "{}", answer.to_string().len());
}

/// However many of them run, a request that needs little is answered before they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_that_compute_let_others_come_to_their_turn() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&app, &owner, 100).await;
    let computing: Vec<_> = (0..4)
        .map(|_| {
            let owner = owner.clone();
            tokio::spawn(async move { owner.send(&much_to_compute(), json!({})).await })
        })
        .collect();
    let alive = app.anonymous().request(reqwest::Method::GET, &app.url("/livez")).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    assert!(computing.iter().any(|operation| !operation.is_finished()), "the question was answered last");
    for operation in computing {
        let answer = operation.await.unwrap();
        assert_eq!(answer["data"]["contacts"]["nodes"].as_array().map(Vec::len), Some(100), "{}", answer["errors"]);
    }
}
