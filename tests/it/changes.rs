//! Keeping a copy by `changes`: whoever goes on from cursor to cursor has in the end what is there, whatever happened meanwhile and in whatever order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use payaid::base::id::AnyId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio_postgres::Client as Connection;
use uuid::Uuid;

use crate::harness::cluster::Cluster;
use crate::harness::waiting::until;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp, identifier};

const PAGE: &str = "query($since: String, $first: Int!) { changes(since: $since, first: $first) { cursor hasMore nodes { kind noun id at \
    node { id ... on Contact { name } ... on Company { name } } } } }";

async fn page(client: &Client, since: &Value, first: i32) -> Value {
    client.data(PAGE, json!({"since": since, "first": first})).await["changes"].take()
}

/// All pages up to now, and the cursor after them. Other tests' transactions hold up what is told, so that `enough` says when it was all.
async fn all(client: &Client, since: &Value, enough: impl Fn(&[Value]) -> bool) -> (Vec<Value>, Value) {
    let (mut found, mut cursor) = (Vec::new(), since.clone());
    until("the changes are told", async || {
        let page = page(client, &cursor, 2).await;
        found.extend(page["nodes"].as_array().unwrap().clone());
        cursor = page["cursor"].clone();
        page["hasMore"] == false && enough(&found)
    })
    .await;
    (found, cursor)
}

fn shown(change: &Value) -> (String, String) {
    (change["kind"].as_str().unwrap().to_owned(), change["noun"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_changed_and_deleted_comes_after_the_cursor() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Rao", "owner@rao.example").await;
    populate(&owner, "before").await;
    let start = page(&owner, &json!(null), 50).await;
    assert_eq!((&start["nodes"], &start["hasMore"]), (&json!([]), &json!(false)), "without a cursor there is one, and nothing else");
    let world = populate(&owner, "own").await;
    populate(&other, "foreign").await;
    let (found, cursor) = all(&owner, &start["cursor"], |found| found.iter().any(|change| change["id"] == json!(world["activity"]))).await;
    // What others had under way may have held back the cursor of now.
    let found: Vec<_> = found.into_iter().filter(|change| change["noun"] != "message").collect();
    let found = &found[found.len() - 5..];
    let created: Vec<(String, String)> = found.iter().map(shown).collect();
    let expected = ["company", "contact", "deal", "task", "activity"].map(|noun| ("CREATED".to_owned(), noun.to_owned()));
    assert_eq!(created, expected, "in the order in which they were created");
    assert_eq!(found[1]["node"], json!({"id": world["contact"], "name": "Contact own"}));

    // An object comes once for a page, as it is now; what is gone comes without itself.
    let company = json!({"id": world["company"], "version": 1, "changes": {"name": "First"}});
    owner.done("companyUpdate", company, "company { id }").await;
    let company = json!({"id": world["company"], "version": 2, "changes": {"name": "Second"}});
    owner.done("companyUpdate", company, "company { id }").await;
    let short = owner.done("contactCreate", json!({"name": "Short"}), "contact { id }").await["contact"]["id"].clone();
    owner.done("contactDelete", json!({"id": short}), "deletedIds").await;
    owner.done("taskDelete", json!({"id": world["task"]}), "deletedIds").await;
    until("they are told", async || page(&owner, &cursor, 100).await["nodes"].as_array().unwrap().len() == 3).await;
    let whole = page(&owner, &cursor, 100).await;
    let nodes = whole["nodes"].as_array().unwrap();
    assert_eq!((shown(&nodes[0]), &nodes[0]["node"]["name"]), (("UPDATED".to_owned(), "company".to_owned()), &json!("Second")));
    assert_eq!((shown(&nodes[1]), &nodes[1]["id"], &nodes[1]["node"]), (("DELETED".to_owned(), "contact".to_owned()), &short, &json!(null)));
    assert_eq!((shown(&nodes[2]), &nodes[2]["id"]), (("DELETED".to_owned(), "task".to_owned()), &json!(world["task"])));
    let none = page(&owner, &whole["cursor"], 0).await;
    assert_eq!((&none["nodes"], &none["hasMore"]), (&json!([]), &json!(false)));

    // A cursor belongs to one member of one organization, and says so to programs.
    let member = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    for client in [&other, &member] {
        let answer = client.send(PAGE, json!({"since": cursor, "first": 1})).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["details"]["startAnew"]), (&json!("VALIDATION_ERROR"), &json!(true)), "{answer:#}");
    }
    for broken in ["", "x", "AAAA"] {
        assert_eq!(owner.codes(PAGE, json!({"since": broken, "first": 1})).await, ["VALIDATION_ERROR"]);
    }
}

/// Of a kind that is not seen any more all objects are to be dropped, and of one that is seen from now on all to be loaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_or_gain_of_rights_comes_before_all_else() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let key = async |name: &str, scopes: &[&str]| {
        let key = owner.done("apiKeyCreate", json!({"name": name, "scopes": scopes}), "key").await["key"].as_str().unwrap().to_owned();
        Client::new(owner.url.clone(), Some(key))
    };
    let before = key("Before", &["contacts.read", "deals.read"]).await;
    let after = key("After", &["contacts.read", "companies.read"]).await;
    let start = page(&before, &json!(null), 50).await["cursor"].clone();
    populate(&owner, "own").await;
    let (found, cursor) = all(&after, &start, |found| found.iter().any(|change| change["noun"] == "contact")).await;
    let of: Vec<(String, String)> = found.iter().map(shown).collect();
    let of: Vec<(&str, &str)> = of.iter().map(|(kind, noun)| (kind.as_str(), noun.as_str())).collect();
    let turned = [("HIDDEN", "pipeline"), ("HIDDEN", "stage"), ("HIDDEN", "deal"), ("SHOWN", "company")];
    assert_eq!(of, [turned.as_slice(), &[("CREATED", "company"), ("CREATED", "contact")]].concat());
    assert!(found[..4].iter().all(|change| change["id"].is_null() && change["at"].is_null() && change["node"].is_null()), "{found:?}");
    assert_eq!(page(&after, &cursor, 50).await["nodes"], json!([]), "it is said once");
}

/// A client's copy of the contacts: their names by their ids.
#[derive(Default)]
struct Copy {
    names: BTreeMap<String, String>,
    cursor: Value,
    pages: usize,
}

impl Copy {
    async fn turn(&mut self, client: &Client) -> bool {
        let page = page(client, &self.cursor, 7).await;
        for change in page["nodes"].as_array().unwrap() {
            let id = change["id"].as_str().unwrap().to_owned();
            match change["node"]["name"].as_str() {
                Some(name) => drop(self.names.insert(id, name.to_owned())),
                None => drop(self.names.remove(&id)),
            }
        }
        self.cursor = page["cursor"].clone();
        self.pages += 1;
        page["hasMore"] == true
    }
}

const WRITERS: u64 = 16;

/// One who writes past the server: begins, takes a number, waits, writes, waits, and commits or not; so that transactions end in another order than their
/// numbers say.
async fn write(db: &Connection, organization: Uuid, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    for round in 0..12 {
        let (early, late, fate) = (dice.random_range(0..15), dice.random_range(0..25), dice.random_range(0..10));
        let fresh = Uuid::from_u128(u128::from(seed) << 64 | round | 1 << 127);
        // Of what all write to, and of its own.
        let row = if fate < 4 { Uuid::from_u128(u128::from(dice.random_range(0..5_u64)) | 3 << 126) } else { fresh };
        db.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(early)).await;
        let log = |action: &str, before: &str, after: &str| {
            format!(
                "INSERT INTO audit_entries (organization_id, id, at, action, noun, row_id, before, after, request_id)
                 VALUES ('{organization}', gen_random_uuid(), now(), 'contact.{action}', 'contact', '{row}', {before}, {after}, 'r');"
            )
        };
        let mut sql = format!(
            "INSERT INTO contacts (organization_id, id, name, stage, status, source, created_at, updated_at)
             VALUES ('{organization}', '{row}', 'w{seed} r{round}', 'LEAD', 'ACTIVE', 'OTHER', now(), now())
             ON CONFLICT (organization_id, id) DO UPDATE SET name = EXCLUDED.name; {}",
            log("update", "'{}'", "'{}'")
        );
        if fate == 9 {
            sql.push_str(&format!(
                "DELETE FROM contacts WHERE organization_id = '{organization}' AND id = '{row}'; {}",
                log("delete", "'{}'", "NULL")
            ));
        }
        db.batch_execute(&sql).await.unwrap();
        tokio::time::sleep(Duration::from_millis(late)).await;
        db.batch_execute(if fate == 8 { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
    }
}

/// Sixteen write while two keep a copy, one of whom reads from wherever she is led; in the end both have what is there.
async fn nothing_is_missed(app: &TestApp, connections: Vec<Connection>) {
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let organization = owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].as_str().unwrap().to_owned();
    let organization = AnyId::parse(&organization).unwrap().uuid;
    let mut copy = Copy { cursor: page(&owner, &json!(null), 1).await["cursor"].clone(), ..Copy::default() };
    let writing = Arc::new(AtomicUsize::new(connections.len()));
    let connections: Vec<Arc<Connection>> = connections.into_iter().map(Arc::new).collect();
    for (seed, db) in connections.iter().enumerate() {
        let (db, writing) = (Arc::clone(db), Arc::clone(&writing));
        tokio::spawn(async move {
            write(&db, organization, u64::try_from(seed).unwrap()).await;
            writing.fetch_sub(1, Ordering::SeqCst);
        });
    }
    until("all have written", async || {
        copy.turn(&owner).await;
        writing.load(Ordering::SeqCst) == 0
    })
    .await;
    let there: BTreeMap<String, String> = connections[0]
        .query("SELECT id::text, name FROM contacts WHERE organization_id::text = $1", &[&organization.to_string()])
        .await
        .unwrap()
        .iter()
        .map(|row| (identifier("contact", row.get::<_, &str>(0).parse().unwrap()), row.get(1)))
        .collect();
    assert!(there.len() > 60, "{}", there.len());
    until("the copy is whole", async || !copy.turn(&owner).await && copy.names == there).await;
    // Nor does anything come that was not, or come again.
    for _ in 0..3 {
        assert!(!copy.turn(&owner).await && copy.names == there);
    }
    assert!(copy.pages > 20, "{}", copy.pages);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_while_sixteen_write() {
    let app = TestApp::start().await;
    let connections = futures_util::future::join_all((0..WRITERS).map(|_| app.superuser())).await;
    nothing_is_missed(&app, connections).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_on_a_replica() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|_| ()).await;
    let connections = futures_util::future::join_all((0..WRITERS).map(|_| Cluster::superuser(&cluster.primary))).await;
    nothing_is_missed(&app, connections).await;
}
