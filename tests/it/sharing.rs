//! Reads of one row that share a connection: the same answers, each tenant's own, whatever becomes of the connection and of those before in line.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use payaid::platform::postgres::position::Lsn;
use serde_json::{Value, json};

use crate::harness::cluster::{Cluster, all_fit, hold};
use crate::harness::statements::Recorder;
use crate::harness::waiting::{until, until_blocked};
use crate::harness::{Client, TestApp};

const CONTACT: &str = "query($id: ID!) { contact(id: $id) { __typename id name email tags createdAt version } }";

/// How many reads of the primary were answered on the shared connection.
fn shared(app: &TestApp) -> u64 {
    app.app.services.databases.primary().lane().answered()
}

/// Asks until the connection is there and the statement prepared on it.
async fn until_shared(app: &TestApp, client: &Client, query: &str, id: &Value) {
    let before = shared(app);
    until("a read on the shared connection", async || {
        client.data(query, json!({"id": id})).await;
        shared(app) > before
    })
    .await;
}

async fn contact(owner: &Client, name: &str) -> Value {
    owner.done("contactCreate", json!({"name": name, "email": format!("{name}@rao.example")}), "contact { id }").await["contact"]["id"].clone()
}

/// An organization with a contact that is read on a shared connection.
async fn sharing() -> (TestApp, Client, Value) {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "asha").await;
    until_shared(&app, &owner, CONTACT, &id).await;
    (app, owner, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_answers_like_one_of_the_pool() {
    let (app, owner, id) = sharing().await;
    // Two fields of one query belong into one snapshot.
    let two = CONTACT.replace(" contact(", " one: contact(id: $id) { id } contact(");
    let (before, expected) = (shared(&app), owner.data(&two, json!({"id": id})).await["contact"].clone());
    assert_eq!((shared(&app), &expected["name"]), (before, &json!("asha")));
    let recorder = Recorder::start(&app).await;
    until("many reads on the shared connection", async || {
        for answer in join_all((0..10).map(|_| owner.data(CONTACT, json!({"id": id})))).await {
            assert_eq!(answer["contact"], expected);
        }
        shared(&app) >= before + 50
    })
    .await;
    let answered = shared(&app) - before;
    let read: Vec<_> = recorder.prepared().into_iter().filter(|(.., sql)| sql.contains("contacts")).map(|(connection, ..)| connection).collect();
    let on_one = read.iter().map(|one| read.iter().filter(|other| *other == one).count()).max();
    assert!(on_one.is_some_and(|count| count as u64 >= answered / 2), "{answered} were answered on one connection: {read:?}");
    let nobody = "query { contact(id: \"contact_00000000000000000000000000\") { id } }";
    assert_eq!(owner.query(nobody).await, json!({"contact": null}));
}

/// What is read beside the row belongs into its snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_others_around_it_has_a_connection_to_itself() {
    let (app, owner, id) = sharing().await;
    let around = [
        "query($id: ID!) { contact(id: $id) { id company { name } } }",
        "query($id: ID!) { contact(id: $id) { id deals { totalCount } } }",
        "query($id: ID!) { contact(id: $id) { id } companies { totalCount } }",
        "query($id: ID!) { a: contact(id: $id) { id } b: contact(id: $id) { name } }",
        "query($id: ID!, $more: Boolean = true) { contact(id: $id) { id ...More @include(if: $more) } } fragment More on Contact { owner { name } }",
        "query($id: ID!) { node(id: $id) { id } }",
        "query($id: ID!) { nodes(ids: [$id, $id]) { id } }",
    ];
    for query in around {
        let before = shared(&app);
        for _ in 0..5 {
            owner.data(query, json!({"id": id})).await;
        }
        assert_eq!(shared(&app), before, "{query}");
    }
    // And nothing that is written goes there.
    let before = shared(&app);
    for version in 1..5 {
        let input = json!({"id": id, "version": version, "changes": {"notes": format!("{version}")}});
        let payload = owner.done("contactUpdate", input, "contact { notes version }").await;
        assert_eq!(payload["contact"]["notes"], format!("{version}"));
        assert_eq!(owner.data(CONTACT, json!({"id": id})).await["contact"]["version"], version + 1);
    }
    assert!(shared(&app) <= before + 4);
    until_shared(&app, &owner, CONTACT, &id).await;
}

/// With many reads of all of them under way on one connection, none runs in a transaction of another: it would find nothing, or what it must not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tenants_that_share_a_connection_see_their_own() {
    let app = TestApp::start().await;
    let mut tenants = Vec::new();
    for name in ["sharma", "rao", "patel"] {
        let owner = app.sign_up(name, &format!("owner@{name}.example")).await;
        let id = contact(&owner, name).await;
        tenants.push((owner, id, name));
    }
    until_shared(&app, &tenants[0].0, CONTACT, &tenants[0].1).await;
    let before = shared(&app);
    let reader = async |number: usize| {
        for turn in 0..25 {
            let (owner, own, name) = &tenants[number % tenants.len()];
            let (_, foreign, _) = &tenants[(number + 1 + turn % 2) % tenants.len()];
            let found = owner.data(CONTACT, json!({"id": own})).await;
            assert_eq!(found["contact"]["name"], *name, "{found}");
            assert_eq!(owner.data(CONTACT, json!({"id": foreign})).await, json!({"contact": null}));
        }
    };
    until("thousands of reads on the shared connection", async || {
        join_all((0..24).map(reader)).await;
        shared(&app) > before + 2_000
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_that_is_lost_is_made_anew() {
    let (app, owner, id) = sharing().await;
    let cut = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    app.superuser().await.execute(cut, &[]).await.unwrap();
    // Those of the pool are lost as well, and found out when they are used.
    let before = shared(&app);
    until("an answer on another shared connection", async || {
        owner.send(CONTACT, json!({"id": id})).await;
        shared(&app) > before
    })
    .await;
}

/// One that hangs closes no connection: what waits for it goes another way, and so does what comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_that_hangs_holds_nobody_up() {
    struct Stopped(Pid);
    impl Drop for Stopped {
        fn drop(&mut self) {
            let _ = kill(self.0, Signal::SIGCONT);
        }
    }
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "asha").await;
    let mut process = None;
    until("a read by a known process", async || {
        let (before, recorder) = (shared(&app), Recorder::start(&app).await);
        owner.data(CONTACT, json!({"id": id})).await;
        let mut read = recorder.prepared().into_iter().filter(|(.., sql)| sql.contains("contacts"));
        process = read.next().map(|(process, ..)| Pid::from_raw(process.parse().unwrap()));
        shared(&app) > before
    })
    .await;
    let process = process.unwrap();
    kill(process, Signal::SIGSTOP).unwrap();
    let _stopped = Stopped(process);
    for answer in join_all((0..40).map(|_| owner.data(CONTACT, json!({"id": id})))).await {
        assert_eq!(answer["contact"]["name"], "asha");
    }
    until_shared(&app, &owner, CONTACT, &id).await;
}

/// Whoever waits for a lock holds nobody up, and has the answer that she would have had by herself.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_waits_is_taken_out_of_the_line() {
    let patient = |config: &mut payaid::platform::config::ServerConfig| {
        config.database.lock_timeout = Duration::from_secs(200);
        config.database.statement_timeout = Duration::from_secs(200);
        config.http.operation_timeout = Duration::from_secs(200);
    };
    let app = TestApp::with(patient, std::sync::Arc::new(payaid::base::clock::SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "asha").await;
    let company = owner.done("companyCreate", json!({"name": "Rao"}), "company { id }").await["company"]["id"].clone();
    let of_company = "query($id: ID!) { company(id: $id) { name } }";
    until_shared(&app, &owner, CONTACT, &id).await;
    until_shared(&app, &owner, of_company, &company).await;
    let (locking, looking) = (app.superuser().await, app.superuser().await);
    locking.batch_execute("BEGIN; LOCK TABLE contacts").await.unwrap();
    let (asker, asked) = (owner.clone(), id.clone());
    let waiting = tokio::spawn(async move { asker.data(CONTACT, json!({"id": asked})).await });
    until_blocked(&looking, 1).await;
    until_shared(&app, &owner, of_company, &company).await;
    assert!(!waiting.is_finished());
    locking.batch_execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap()["contact"]["name"], "asha");
}

/// Callers decide how many statements there are: a connection on which there are too many is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_with_too_many_statements_is_replaced() {
    let app = TestApp::with(|config| config.database.max_prepared = 3, std::sync::Arc::new(payaid::base::clock::SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "asha").await;
    for fields in ["name", "email", "phone", "city", "tags", "notes", "name email", "name phone"] {
        until_shared(&app, &owner, &format!("query($id: ID!) {{ contact(id: $id) {{ {fields} }} }}"), &id).await;
    }
}

/// On a replica, what is shared shows a caller her own writes all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_to_a_replica_shows_what_was_written() {
    let cluster = Cluster::start(1).await;
    let patient = |config: &mut payaid::platform::config::ServerConfig| {
        config.database.replica_wait = Duration::from_secs(2);
        config.database.max_lag = Duration::from_secs(50);
    };
    let app = cluster.app(patient).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let id = contact(&owner, "asha").await;
    let answered = || app.app.services.databases.replicas()[0].pool.lane().answered();
    let (begun, mut version) = (Instant::now(), 1);
    while answered() < 20 {
        all_fit(&app).await;
        let input = json!({"id": id, "version": version, "changes": {"notes": "more"}});
        owner.done("contactUpdate", input, "contact { version }").await;
        version += 1;
        for _ in 0..3 {
            assert_eq!(owner.data(CONTACT, json!({"id": id})).await["contact"]["version"], version);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", answered());
    }
    // One of which too much is believed refuses by itself.
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    for _ in 0..3 {
        let input = json!({"id": id, "version": version, "changes": {"notes": "more"}});
        owner.done("contactUpdate", input, "contact { version }").await;
        version += 1;
        let before = answered();
        app.app.services.databases.replicas()[0].has_replayed(Lsn(u64::MAX - 1));
        assert_eq!(owner.data(CONTACT, json!({"id": id})).await["contact"]["version"], version);
        assert_eq!(answered(), before);
    }
    hold(&replica, false).await;
}
