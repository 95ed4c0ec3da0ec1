//! The program as people and machines run it: what it prints, how it ends, and what it says when something is in the way.

use std::path::Path;

use nix::sys::signal::Signal;
use payaid::access::tokens;
use payaid::commands::{schema, seed};
use payaid::platform::cluster::postgres::SUPERUSER;
use serde_json::{Value, json};

use crate::harness::app::PASSWORD;
use crate::harness::process::{Folder, Payaid, processes_naming};
use crate::harness::servers::{execute, shared};
use crate::harness::waiting::{until, until_blocked};
use crate::harness::{Client, TestApp};

const CONTACTS: &str = "{ contacts { totalCount } }";

/// The address in a line such as `  GraphQL   http://127.0.0.1:41234/graphql`.
fn address(line: &str) -> String {
    line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("{line}")).to_owned()
}

async fn get(url: &str) -> (u16, String) {
    let response = Client::new(url.to_owned(), None).request(reqwest::Method::GET, url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The folders that the command lines of a private PostgreSQL and its guard name: its data and its socket.
fn traces(data_dir: &Path) -> Vec<String> {
    let data = data_dir.join("postgres/pgdata");
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    vec![data.display().to_string(), pid_file.lines().nth(4).unwrap().to_owned()]
}

/// Everything about `payaid dev` on one folder, from the first start to data that is broken and made anew.
#[tokio::test(flavor = "multi_thread")]
async fn dev_runs_everything_from_nothing_and_leaves_nothing_behind() {
    let folder = Folder::create();
    let data_dir = folder.path().join(".payaid");
    let dev = ["dev", "--port", "0"];
    let missing = Payaid::run(folder.path(), &dev, &[("PAYAID_POSTGRES_BIN", "/nowhere")]).await;
    assert!(missing.refusal().starts_with("PAYAID_POSTGRES_BIN is /nowhere"), "{missing:?}");

    let mut first = Payaid::start(folder.path(), &dev, &[]);
    let explorer = address(&first.says("Explorer  http://").await);
    let graphql = address(&first.says("GraphQL   http://").await);
    for (name, email) in seed::DEMO_OWNERS {
        assert_eq!(first.says(email).await, format!("  Sign in   {email}  password {}  ({name})", seed::DEMO_PASSWORD));
    }
    assert!(first.said().contains("Loading the demo data of Sharma Textiles."));
    let anonymous = Client::new(graphql.clone(), None);
    let signed_in = anonymous.done("signIn", json!({"email": "owner@sharma.example", "password": "payaid-demo"}), "accessToken").await;
    let token = signed_in["accessToken"].as_str().unwrap().to_owned();
    let total = Client::new(graphql.clone(), Some(token.clone())).query(CONTACTS).await["contacts"]["totalCount"].as_i64().unwrap();
    assert!(total > 100, "{total}");
    let (status, page) = get(&explorer).await;
    assert!(status == 200 || (status == 404 && page.contains("npm run build")), "{status} {page}");
    let (status, config) = get(&format!("{explorer}/config.json")).await;
    assert!(status == 200 && config.contains("owner@nilgiri.example"), "{status} {config}");

    let well = Payaid::run(folder.path(), &["doctor", "--json"], &[]).await;
    assert!(well.status.success(), "{well:?}");
    let well: Value = serde_json::from_str(&well.stdout).unwrap_or_else(|error| panic!("{error}: {well:?}"));
    assert_eq!(well["well"], true, "{well:#}");

    let second = Payaid::run(folder.path(), &dev, &[]).await;
    let refusal = second.refusal();
    assert!(refusal.starts_with("another payaid is using ") && refusal.ends_with(": stop that one first"), "{refusal}");
    let port = graphql.trim_end_matches("/graphql").rsplit(':').next().unwrap();
    let taken = Payaid::run(folder.path(), &["dev", "--port", port, "--data-dir", "other"], &[]).await;
    assert_eq!(taken.refusal(), format!("port {port} is in use: stop what uses it, or choose another port"));
    assert!(!folder.path().join("other").exists());
    let database = format!("postgres://payaid_server@{}/x", "127.0.0.1:1");
    let not_private = Payaid::run(folder.path(), &["dev", "--port", "0", "--reset"], &[("DATABASE_URL", &database)]).await;
    assert!(not_private.refusal().starts_with("--reset is for the private database alone"), "{not_private:?}");
    let unreachable = Payaid::run(folder.path(), &dev, &[("DATABASE_URL", &database)]).await;
    assert!(unreachable.refusal().contains("the database cannot be reached"), "{unreachable:?}");
    // None of those who were refused took from the first what is its own.
    assert!(Payaid::run(folder.path(), &["doctor"], &[]).await.status.success());

    let used = traces(&data_dir);
    assert!(!processes_naming(&used).is_empty());
    let ended = first.stop(Signal::SIGINT).await;
    assert!(ended.stdout.ends_with("Stopping.\nStopped.\n") && ended.stderr.is_empty(), "{ended:?}");
    assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals: {ended:?}");
    assert_eq!(processes_naming(&used), Vec::<String>::new());
    assert!(!Path::new(&used[1]).exists() && !data_dir.join("database-url").exists());

    // The data and the key that signed the token are there again.
    let with_replicas = Payaid::run(folder.path(), &["dev", "--port", "0", "--replicas", "2"], &[("DATABASE_URL", &database)]).await;
    assert!(with_replicas.refusal().starts_with("--replicas is for the private database alone"), "{with_replicas:?}");
    let mut replicated = Payaid::start(folder.path(), &["dev", "--port", "0", "--replicas", "2"], &[]);
    replicated.says("on a private PostgreSQL with 2 replicas").await;
    let graphql_of_it = address(&replicated.says("GraphQL   http://").await);
    let reader = Client::new(graphql_of_it, Some(token.clone()));
    let mut nodes = std::collections::BTreeSet::new();
    until("reads on both replicas", async || {
        let answer = reader.ask(CONTACTS, json!({}), &[("x-debug", "routing")]).await;
        assert_eq!(answer.data()["contacts"]["totalCount"], total);
        nodes.insert(answer.node().unwrap().to_owned());
        nodes.contains("replica-1") && nodes.contains("replica-2")
    })
    .await;
    replicated.stop(Signal::SIGINT).await;

    let mut again = Payaid::start(folder.path(), &dev, &[]);
    let graphql = address(&again.says("GraphQL   http://").await);
    assert!(!again.said().contains("Loading"), "{}", again.said());
    assert_eq!(Client::new(graphql, Some(token)).query(CONTACTS).await["contacts"]["totalCount"], total);
    let used = traces(&data_dir);
    again.signal(Signal::SIGKILL);
    assert_eq!(again.end().await.status.code(), None);
    until("everything of a killed payaid is gone", async || processes_naming(&used).is_empty()).await;

    std::fs::remove_file(data_dir.join("postgres/pgdata/global/pg_control")).unwrap();
    let broken = Payaid::run(folder.path(), &dev, &[]).await;
    let refusal = broken.refusal();
    assert!(refusal.contains("is incomplete: begin anew with `payaid dev --reset`"), "{refusal}");
    let mut anew = Payaid::start(folder.path(), &["dev", "--port", "0", "--reset"], &[]);
    anew.says("Loading the demo data of Sharma Textiles.").await;
    let used = traces(&data_dir);
    // In the middle of the work it ends as well.
    anew.stop(Signal::SIGTERM).await;
    assert_eq!(processes_naming(&used), Vec::<String>::new());

    std::fs::create_dir_all(folder.path().join("foreign/postgres")).unwrap();
    std::fs::write(folder.path().join("foreign/postgres/PG_VERSION"), "15\n").unwrap();
    let foreign = Payaid::run(folder.path(), &["dev", "--port", "0", "--data-dir", "foreign"], &[]).await;
    assert!(foreign.refusal().contains("holds a database that payaid did not make: choose another folder"), "{foreign:?}");
}

/// What `serve` needs.
struct Serving {
    url: String,
    key: String,
}

impl Serving {
    async fn on(database: &str) -> Self {
        Self { url: shared().await.primary.url(database, "payaid_server"), key: tokens::generate_key().unwrap() }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        vec![("DATABASE_URL", &self.url), ("JWT_PRIVATE_KEY", &self.key), ("LISTEN", "127.0.0.1:0"), ("LOG_FORMAT", "json")]
    }

    fn with<'a>(&'a self, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut environment = self.environment();
        environment.retain(|(kept, _)| *kept != name);
        environment.push((name, value));
        environment
    }
}

/// The address that a server logs, in JSON.
async fn listening(server: &mut Payaid) -> String {
    let line: Value = serde_json::from_str(&server.says("\"listening\"").await).unwrap();
    format!("http://{}", line["address"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_is_ready_and_finishes_what_it_has_begun() {
    let folder = Folder::create();
    let app = TestApp::start().await;
    app.sign_up("Sharma", "owner@sharma.example").await;
    let serving = Serving::on(&app.database).await;
    let mut server = Payaid::start(folder.path(), &["serve"], &serving.with("DATABASE_LOCK_TIMEOUT", "30s"));
    let address = listening(&mut server).await;
    let (status, ready) = get(&format!("{address}/readyz")).await;
    assert_eq!(status, 200, "{ready}");
    let health = Payaid::run(folder.path(), &["healthcheck"], &[("LISTEN", address.trim_start_matches("http://"))]).await;
    assert!(health.status.success(), "{health:?}");
    let anonymous = Client::new(format!("{address}/graphql"), None);
    let signed_in = anonymous.done("signIn", json!({"email": "owner@sharma.example", "password": PASSWORD}), "accessToken").await;
    let owner = Client::new(anonymous.url.clone(), Some(signed_in["accessToken"].as_str().unwrap().to_owned()));

    // An operation that cannot end before it is let.
    let mut lock = app.superuser().await;
    let held = lock.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asked = tokio::spawn(async move { owner.query(CONTACTS).await });
    let watching = app.superuser().await;
    until_blocked(&watching, 1).await;
    server.signal(Signal::SIGTERM);
    server.says("asked to stop").await;
    until("it accepts nothing more", async || tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.is_err()).await;
    assert!(!asked.is_finished());
    held.rollback().await.unwrap();
    assert_eq!(asked.await.unwrap()["contacts"]["totalCount"], 0);
    let ended = server.end().await;
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    assert!(ended.stdout.lines().last().unwrap().contains("\"stopped\""), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_what_it_cannot_start_with() {
    let folder = Folder::create();
    let serving = Serving::on("postgres").await;
    let run = async |environment: Vec<(&str, &str)>| Payaid::run(folder.path(), &["serve"], &environment).await;
    let nothing = run(vec![("LISTEN", "127.0.0.1:0")]).await;
    assert!(!nothing.status.success());
    for name in ["DATABASE_URL", "JWT_PRIVATE_KEY"] {
        assert!(nothing.stderr.contains(name), "{nothing:?}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (name, value, said) in [
        ("DATABASE_URL", "nonsense", "DATABASE_URL"),
        ("DATABASE_READ_URL", "nonsense", "DATABASE_READ_URL"),
        ("REDIS_URL", "nonsense", "REDIS_URL"),
        ("JWT_PRIVATE_KEY", "nonsense", "JWT_PRIVATE_KEY is no Ed25519 private key"),
        ("JWT_PREVIOUS_PUBLIC_KEYS", "nonsense", "JWT_PREVIOUS_PUBLIC_KEYS"),
        ("LISTEN", taken.as_str(), "is in use: stop what uses it"),
    ] {
        let ended = run(serving.with(name, value)).await;
        assert!(ended.refusal().contains(said), "{name}: {ended:?}");
    }
    // A database that is away is no reason not to start: it may come back.
    let mut server = Payaid::start(folder.path(), &["serve"], &serving.with("DATABASE_URL", "postgres://payaid_server@127.0.0.1:1/payaid"));
    let address = listening(&mut server).await;
    assert_eq!(get(&format!("{address}/livez")).await.0, 200);
    let (status, ready) = get(&format!("{address}/readyz")).await;
    assert!(status == 503 && ready.contains("unreachable"), "{status} {ready}");
    server.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_schema_and_worker_do_their_work_and_end() {
    let folder = Folder::create();
    let servers = shared().await;
    execute(&servers.primary.url("postgres", SUPERUSER), "CREATE DATABASE from_the_command_line").await;
    let (owner, server) = ["postgres", "payaid_server"].map(|role| servers.primary.url("from_the_command_line", role)).into();
    let run = async |arguments: &[&str], environment: &[(&str, &str)]| Payaid::run(folder.path(), arguments, environment).await;
    let nowhere = run(&["migrate"], &[]).await;
    assert!(nowhere.refusal().contains("set DATABASE_DIRECT_URL"), "{nowhere:?}");
    let away = run(&["migrate"], &[("DATABASE_DIRECT_URL", "postgres://postgres@127.0.0.1:1/x")]).await;
    assert!(away.refusal().contains("the database cannot be reached"), "{away:?}");
    let environment = [("DATABASE_DIRECT_URL", owner.as_str()), ("DATABASE_URL", server.as_str())];
    let pending = run(&["migrate", "--pending"], &environment).await;
    assert!(pending.refusal().contains("were not run yet: run `payaid migrate`"), "{pending:?}");
    let migrated = run(&["migrate"], &environment).await;
    assert!(migrated.status.success() && migrated.stdout.ends_with("The database has the newest schema.\n"), "{migrated:?}");
    assert!(run(&["migrate", "--pending"], &environment).await.status.success());
    assert!(run(&["migrate", "--check"], &[]).await.status.success());

    let printed = run(&["schema"], &[]).await;
    assert!(printed.status.success() && printed.stdout == schema::text().unwrap(), "{}", printed.stderr);
    std::fs::write(folder.path().join("schema.graphql"), "type Query { old: Int }").unwrap();
    let drifted = run(&["schema", "--check"], &[]).await;
    assert!(drifted.refusal().starts_with("schema.graphql is not the schema"), "{drifted:?}");

    let (key, queue) = (tokens::generate_key().unwrap(), servers.primary.url("from_the_command_line", "payaid_worker"));
    let environment = [("DATABASE_URL", server.as_str()), ("JWT_PRIVATE_KEY", key.as_str()), ("WORKER_DATABASE_URL", queue.as_str())];
    let once = run(&["worker", "--once"], &environment).await;
    assert!(once.status.success() && once.stdout.contains("are deleted"), "{once:?}");
    let away = run(&["worker", "--once"], &[("DATABASE_URL", "postgres://payaid_server@127.0.0.1:1/x"), ("JWT_PRIVATE_KEY", key.as_str())]).await;
    assert!(away.refusal().contains("database cannot be reached"), "{away:?}");
    let mut worker = Payaid::start(folder.path(), &["worker", "--worker-listen", "127.0.0.1:0"], &environment);
    let line = worker.says("answering /livez").await;
    worker.says("working").await;
    let at = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    let metrics = reqwest::get(format!("http://{at}/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("database_connections"), "{metrics}");
    assert!(reqwest::get(format!("http://{at}/readyz")).await.unwrap().status().is_success());
    worker.stop(Signal::SIGTERM).await;
    // A login that may not work on the queue is told so, and tries again.
    let mut stranger = Payaid::start(folder.path(), &["worker"], &environment[..2]);
    stranger.says("the queue cannot be worked on").await;
    stranger.stop(Signal::SIGTERM).await;
}
