//! Documents that were imported: the files they come from, what is wrong with them, and how clients name them.

use payaid::access::documents::TextHash;
use payaid::commands::documents::{Summary, import};
use payaid::platform::cluster::postgres::SUPERUSER;
use payaid::platform::config::DocumentConfig;
use serde_json::{Value, json};

use super::{COUNT, ROLE, assert_refused, get, post};
use crate::harness::cluster::Cluster;
use crate::harness::process::{Folder, Payaid};
use crate::harness::servers::shared;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use crate::websocket::Socket;

/// Imports a file into an app's database; what was done, or what was said of each document.
pub async fn load(app: &TestApp, file: &Value, replace: bool) -> Result<Summary, Vec<String>> {
    load_at(&shared().await.primary.url(&app.database, SUPERUSER), file, replace).await
}

async fn load_at(url: &str, file: &Value, replace: bool) -> Result<Summary, Vec<String>> {
    let said = std::sync::Mutex::new(Vec::new());
    let outcome = import(url, file.to_string().as_bytes(), replace, &DocumentConfig::default(), &|line| said.lock().unwrap().push(line)).await;
    outcome.map_err(|error| {
        let mut lines = said.into_inner().unwrap();
        lines.retain(|line| !line.starts_with("Checking") && !line.starts_with("Storing"));
        lines.push(format!("{error:#}"));
        lines
    })
}

fn apollo(operations: Value) -> Value {
    json!({"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations})
}

fn done(imported: usize, replaced: usize, unchanged: usize) -> Result<Summary, Vec<String>> {
    Ok(Summary { imported, replaced, unchanged })
}

async fn started() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    (app, owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_documents_are_run_by_their_ids() {
    let (app, owner) = started().await;
    let create = "mutation Create($name: String!) { contactCreate(input: {name: $name}) { contact { name } userErrors { code } } }";
    assert_refused(&post(&owner, &json!({"documentId": "role"})).await, 404, "PERSISTED_QUERY_NOT_FOUND");
    let manifest = apollo(json!([
        {"id": "role", "body": format!("query Role {ROLE}"), "name": "Role", "type": "query"},
        {"id": TextHash::of(create).to_string(), "body": create, "name": "Create", "type": "mutation"},
    ]));
    assert_eq!(load(&app, &manifest, false).await, done(2, 0, 0));
    let map = json!({"count": COUNT, format!("sha256:{}", TextHash::of(ROLE)): ROLE, "long": format!("{COUNT}{}", " ".repeat(100_000))});
    assert_eq!(load(&app, &map, false).await, done(3, 0, 0));
    assert_eq!(load(&app, &map, false).await, done(0, 0, 3));

    until("the server notices", async || post(&owner, &json!({"documentId": "role"})).await.body["data"]["viewer"]["role"] == "OWNER").await;
    let mut socket = Socket::admitted(&app, &owner).await;
    for id in ["count".to_owned(), "long".to_owned(), format!("sha256:{}", TextHash::of(COUNT))] {
        let body = json!({"documentId": id});
        assert_eq!(post(&owner, &body).await.data()["contacts"]["totalCount"], 0, "{id}");
        let answer = get(&owner, &body).await;
        assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.header("cache-control")), (Some(0), Some("private, no-cache")));
        socket.tell(json!({"type": "subscribe", "id": "1", "payload": body})).await;
        assert_eq!(socket.hear().await["payload"]["data"]["contacts"]["totalCount"], 0, "{id}");
        assert_eq!(socket.hear().await["type"], "complete");
        assert_refused(&post(&app.anonymous(), &body).await, 401, "UNAUTHENTICATED");
    }
    // A text that long is for the operators alone to bring.
    assert_refused(&post(&owner, &json!({"query": map["long"]})).await, 422, "DOCUMENT_TOO_COMPLEX");

    let body = json!({"documentId": TextHash::of(create).to_string(), "variables": {"name": "Asha"}});
    assert_refused(&get(&owner, &body).await, 405, "VALIDATION_ERROR");
    assert_eq!(post(&owner, &body).await.data()["contactCreate"]["contact"]["name"], "Asha");
    assert_eq!(post(&owner, &json!({"documentId": "count"})).await.data()["contacts"]["totalCount"], 1);
    for body in [json!({"documentId": "count", "query": COUNT}), json!({"documentId": ""}), json!({"documentId": "x".repeat(257)})] {
        assert_refused(&post(&owner, &body).await, 400, "VALIDATION_ERROR");
    }
    let other = json!({"documentId": format!("sha256:{}", TextHash::of("{ other }"))});
    assert_refused(&post(&owner, &other).await, 404, "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn a_file_is_imported_whole_or_not_at_all() {
    let (app, owner) = started().await;
    let manifest = apollo(json!([
        {"id": "good", "body": ROLE, "name": "Role", "type": "query"},
        {"id": "broken", "body": "{ viewer {", "name": "Broken", "type": "query"},
        {"id": "unknown", "body": "{ nonsense }", "name": "Unknown", "type": "query"},
        {"id": "argument", "body": "{ contacts(first: \"ten\") { totalCount } }", "name": "Argument", "type": "query"},
        {"id": "variable", "body": "query A($first: Nonsense) { contacts(first: $first) { totalCount } }", "name": "A", "type": "query"},
        {"id": "second", "body": "query A { viewer { role } } query B { nonsense }", "name": "A", "type": "query"},
        {"id": "kind", "body": format!("query Kind {ROLE}"), "name": "Kind", "type": "mutation"},
        {"id": "name", "body": format!("query Other {ROLE}"), "name": "Name", "type": "query"},
        {"id": "subscription", "body": "subscription S { viewer { role } }", "name": "S"},
        {"id": "not an id", "body": ROLE, "name": "Id", "type": "query"},
        {"id": "sha256:7d", "body": ROLE, "name": "Hash", "type": "query"},
        {"id": "long", "body": format!("{ROLE}{}", " ".repeat(256 * 1024)), "name": "Long", "type": "query"},
        {"id": "deep", "body": format!("{}name{}", "{ a ".repeat(25), " }".repeat(25)), "name": "Deep", "type": "query"},
        {"id": "good", "body": COUNT, "name": "Twice", "type": "query"},
    ]));
    let said = load(&app, &manifest, false).await.unwrap_err();
    let expected = [
        "broken (Broken)",
        "unknown (Unknown)",
        "argument (Argument)",
        "variable (A)",
        "second (A)",
        "kind (Kind)",
        "name (Name)",
        "subscription (S)",
        "not an id (Id)",
        "sha256:7d (Hash): the SHA-256",
        "long (Long)",
        "deep (Deep)",
        "good (Twice)",
        "13 documents cannot be",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (line, beginning) in said.iter().zip(expected) {
        assert!(line.starts_with(beginning) && line.len() > beginning.len(), "{line}");
    }
    assert_refused(&post(&owner, &json!({"documentId": "good"})).await, 404, "PERSISTED_QUERY_NOT_FOUND");

    assert_eq!(load(&app, &json!({"one": ROLE, "two": COUNT}), false).await, done(2, 0, 0));
    let changed = json!({"one": "{ viewer { user { name } } }", "two": COUNT, "three": ROLE});
    let said = load(&app, &changed, false).await.unwrap_err();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("one: another text") && said[1].contains("--replace"), "{said:?}");
    let rows = app.superuser().await.query("SELECT id FROM trusted_documents ORDER BY id", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(load(&app, &changed, true).await, done(1, 1, 1));
    assert_eq!(post(&owner, &json!({"documentId": "one"})).await.data()["viewer"]["user"]["name"], "Owner of Sharma");
}

/// The command as operators run it: by the right login, with its words.
#[tokio::test(flavor = "multi_thread")]
async fn documents_are_imported_and_listed_from_the_command_line() {
    let servers = shared().await;
    let database = servers.database().await;
    let (owner, server) = (servers.primary.url(&database, SUPERUSER), servers.primary.url(&database, "payaid_server"));
    let folder = Folder::create();
    std::fs::write(folder.path().join("documents.json"), json!({"role": format!("query Role {ROLE}"), "count": COUNT}).to_string()).unwrap();
    let import = ["documents", "import", "documents.json"];
    let unnamed = Payaid::run(folder.path(), &import, &[]).await;
    assert!(unnamed.refusal().starts_with("no database is named"), "{unnamed:?}");
    let unprivileged = Payaid::run(folder.path(), &import, &[("DATABASE_URL", &server)]).await;
    assert!(unprivileged.stderr.contains("let DATABASE_DIRECT_URL name a member of payaid_owner"), "{unprivileged:?}");
    let missing = Payaid::run(folder.path(), &["documents", "import", "nothing.json"], &[("DATABASE_URL", &server)]).await;
    assert!(missing.refusal().starts_with("nothing.json cannot be read"), "{missing:?}");
    let done = Payaid::run(folder.path(), &import, &[("DATABASE_URL", &server), ("DATABASE_DIRECT_URL", &owner)]).await;
    assert_eq!(done.stdout, "Imported 2 documents; replaced 0; 0 were there already.\n", "{done:?}");
    let listed = Payaid::run(folder.path(), &["documents", "list"], &[("DATABASE_URL", &server)]).await;
    let lines: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(lines, [["count", "-", "27"], ["role", "Role", "30"]], "{listed:?}");
}

/// The server can neither add documents nor change them, whoever takes it over.
#[tokio::test]
async fn the_server_cannot_write_documents() {
    let app = TestApp::start().await;
    load(&app, &json!({"role": ROLE}), false).await.unwrap();
    let db = app.superuser().await;
    db.batch_execute("SET ROLE payaid_server; SET app.documents = 'on'").await.unwrap();
    assert_eq!(db.query("SELECT id FROM trusted_documents", &[]).await.unwrap().len(), 1);
    for statement in [
        "INSERT INTO trusted_documents SELECT 'x', hash, text, name, imported_at FROM trusted_documents",
        "UPDATE trusted_documents SET name = 'x'",
        "DELETE FROM trusted_documents",
    ] {
        assert_eq!(db.batch_execute(statement).await.unwrap_err().code().unwrap().code(), "42501", "{statement}");
    }
    db.batch_execute("RESET app.documents").await.unwrap();
    assert!(db.query("SELECT id FROM trusted_documents", &[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_primary_what_is_known_is_run_and_nothing_is_said_to_be_missing() {
    let mut cluster = Cluster::start(1).await;
    let app = cluster.app(|_| ()).await;
    let map = json!({"known": "{ __typename }", "other": "query Other { __typename }"});
    let url = cluster.primary.url(&app.database, SUPERUSER);
    load_at(&url, &map, false).await.unwrap();
    let run = async |id: &str| post(&app.anonymous(), &json!({"documentId": id})).await;
    assert_eq!(run("known").await.data()["__typename"], "Query");
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    cluster.primary.kill().await.unwrap();
    assert_eq!(run("known").await.data()["__typename"], "Query");
    // The replica has it; that it does not have another one says nothing, for it may be behind.
    until("the replica is asked", async || run("other").await.body["data"]["__typename"] == "Query").await;
    assert_refused(&run("unknown").await, 503, "DATABASE_UNAVAILABLE");
    cluster.replicas[0].kill().await.unwrap();
    assert_refused(&run("missing").await, 503, "DATABASE_UNAVAILABLE");
    for id in ["known", "other"] {
        assert_eq!(run(id).await.data()["__typename"], "Query", "{id}");
    }
}
