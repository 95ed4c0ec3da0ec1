//! Reads from real streaming replicas: nobody misses her own write, and whatever node is lost, no read is.

mod failover;
mod faults;
mod lag;
mod uncertain;

use std::sync::Arc;
use std::time::Duration;

use payaid::base::clock::SystemClock;
use serde_json::json;

use crate::harness::cluster::{Cluster, all_fit, hold};
use crate::harness::waiting::{until, until_blocked};
use crate::harness::{Client, TestApp};

const COUNT: &str = "{ contacts { totalCount } }";
const ROUTING: (&str, &str) = ("x-debug", "routing");

/// Waits until what a client has written has arrived, and her reads with it. What the log says of a place may not be flushed yet, so that to have
/// caught up with what is flushed would not do.
async fn on_replica(client: &Client) {
    until("a read on a replica", async || client.ask(COUNT, json!({}), &[ROUTING]).await.node().unwrap().starts_with("replica")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_level_of_consistency_shows_what_it_promises() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|config| config.database.max_lag = Duration::from_secs(50)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = crate::harness::cluster::again(&app, "owner@sharma.example").await;
    // Whoever reads, a server that has just begun shows all that was written before. It is there when it has all arrived.
    on_replica(&other).await;
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    let created = "mutation { contactCreate(input: {name: \"Asha\"}) { contact { name deals { totalCount } } } }";
    let written = owner.ask(created, json!({}), &[ROUTING]).await;
    assert_eq!(written.data()["contactCreate"]["contact"]["deals"]["totalCount"], 0, "a payload is read from the primary");
    assert_eq!(written.node(), Some("primary"));
    let token = written.token().expect("a mutation gives a token").to_owned();
    let read = async |client: &Client, headers: &[(&str, &str)]| {
        // On a busy machine a replica may count as out for a moment.
        all_fit(&app).await;
        let answer = client.ask(COUNT, json!({}), &[headers, &[ROUTING]].concat()).await;
        (answer.data()["contacts"]["totalCount"].as_i64().unwrap(), answer.node().unwrap().to_owned())
    };
    let (primary, replica_1) = ((1, "primary".to_owned()), (0, "replica-1".to_owned()));
    assert_eq!(read(&owner, &[]).await, primary, "the session that wrote");
    assert_eq!(read(&other, &[]).await, replica_1, "another session has written nothing of late that is not there");
    assert_eq!(read(&other, &[("x-consistency-token", &token)]).await, primary, "with the token of the one that wrote");
    assert_eq!(read(&other, &[("x-consistency", "strong")]).await, primary);
    assert_eq!(read(&owner, &[("x-consistency", "eventual")]).await, replica_1);
    assert_eq!(read(&owner, &[("x-consistency", "eventual"), ("x-consistency-token", &token)]).await, replica_1);
    let in_body = json!({"query": COUNT, "extensions": {"consistency": {"token": token}}});
    let answer: serde_json::Value = other.request(reqwest::Method::POST, &other.url).json(&in_body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["contacts"]["totalCount"], 1, "a token in the extensions of a request");
    // Somebody new: not even her organization is on the replica yet.
    let newcomer = app.sign_up("Rao", "owner@rao.example").await;
    assert_eq!(newcomer.query("{ viewer { organization { name } } }").await["viewer"]["organization"]["name"], "Rao");
    hold(&replica, false).await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let metrics = owner.request(reqwest::Method::GET, &app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    for expected in [
        "database_reads_total{node=\"primary\"}",
        "database_reads_total{node=\"replica-1\"}",
        "database_fallbacks_total{reason=\"strong\"}",
        "database_fallbacks_total{reason=\"behind\"}",
        "database_replica_wait_seconds",
        "database_replica_lag_seconds{node=\"replica-1\"}",
        "database_replica_well{node=\"replica-1\"} 1",
    ] {
        assert!(metrics.contains(expected), "{expected} is not measured");
    }
    on_replica(&owner).await;
    assert_eq!(read(&owner, &[]).await, (1, "replica-1".to_owned()));
    assert_eq!(read(&other, &[("x-consistency-token", &token)]).await, (1, "replica-1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_or_level_is_refused_and_a_foreign_token_is_safe() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for (header, value) in [("x-consistency-token", "nonsense"), ("x-consistency", "sometimes")] {
        let answer = owner.ask(COUNT, json!({}), &[(header, value)]).await;
        assert_eq!((answer.status, answer.body["errors"][0]["extensions"]["code"].as_str()), (422, Some("VALIDATION_ERROR")), "{header}");
        let answer = owner.ask("mutation { contactCreate(input: {name: \"Asha\"}) { contact { id } } }", json!({}), &[(header, value)]).await;
        assert_eq!(answer.status, 422, "{header}: a mutation as well");
    }
    // Of a server with another key: it cannot be read, so the primary answers.
    let token = owner.ask("mutation { contactCreate(input: {name: \"Asha\"}) { contact { id } } }", json!({}), &[]).await;
    let token = token.token().unwrap();
    let forged = format!("{}.{}", token.rsplit_once('.').unwrap().0, "A".repeat(43));
    let answer = owner.ask(COUNT, json!({}), &[("x-consistency-token", &forged), ROUTING]).await;
    assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(1), Some("primary")));
    // Who may not look behind the scenes is told nothing of them.
    let viewer = app.member(&owner, "VIEWER", "viewer@sharma.example").await;
    assert_eq!(viewer.ask(COUNT, json!({}), &[ROUTING]).await.body["extensions"]["consistency"]["node"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_learns_from_redis_what_a_session_wrote_on_another() {
    let cluster = Cluster::start(1).await;
    let redis = payaid::platform::cluster::redis::Server::start().await.unwrap();
    let with_redis = |config: &mut payaid::platform::config::ServerConfig| config.redis.url = Some(redis.url());
    let (one, two) = (cluster.app(with_redis).await, cluster.app(with_redis).await);
    let writer = one.sign_up("Sharma", "owner@sharma.example").await;
    // A server that has just begun shows all that was written before, without Redis.
    Client::new(two.url("/graphql"), writer.token.clone()).query(COUNT).await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    writer.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
    let reader = Client::new(two.url("/graphql"), writer.token.clone());
    assert_eq!(reader.query(COUNT).await["contacts"]["totalCount"], 1);
    // Another session reads the replica, which is how it shows that the one before was not read there by chance.
    let stranger = crate::harness::cluster::again(&two, "owner@sharma.example").await;
    let eventual = stranger.ask(COUNT, json!({}), &[("x-consistency", "eventual")]).await;
    assert_eq!(eventual.data()["contacts"]["totalCount"], 0);
    // Without Redis nobody can say what was written elsewhere, so the primary answers.
    drop(redis);
    writer.done("contactCreate", json!({"name": "Ravi"}), "contact { id }").await;
    let answer = reader.ask(COUNT, json!({}), &[ROUTING]).await;
    assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(2), Some("primary")));
    hold(&replica, false).await;
}

/// Were all replicas gone at once, their load may not take the primary along: so many read there at once, and no write waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn reads_take_turns_on_the_primary_and_leave_room_for_writes() {
    let cluster = Cluster::start(1).await;
    let app = cluster
        .app(|config| {
            config.database.primary_reads = Some(1);
            config.database.pool_wait = Duration::from_millis(300);
            // The first read waits for longer than the second one waits for its turn.
            config.database.lock_timeout = Duration::from_secs(4);
        })
        .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let primary = Cluster::superuser(&cluster.primary).await;
    primary.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let strong = [("x-consistency", "strong")];
    let held = owner.ask(COUNT, json!({}), &strong);
    let others = async {
        until_blocked(&Cluster::superuser(&cluster.primary).await, 1).await;
        let refused = owner.ask("{ tasks { totalCount } }", json!({}), &strong).await;
        assert_eq!((refused.status, refused.body["errors"][0]["extensions"]["code"].as_str()), (503, Some("DATABASE_UNAVAILABLE")));
        assert!(refused.header("retry-after").is_some());
        owner.done("companyCreate", json!({"name": "Rao"}), "company { id }").await;
    };
    let (held, ()) = tokio::join!(held, others);
    assert!(held.body["errors"].is_array(), "it waited for the lock: {:?}", held.body);
    primary.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(owner.ask(COUNT, json!({}), &strong).await.data()["contacts"]["totalCount"], 0);
}

/// The session that a token names.
fn session_of(client: &Client) -> String {
    let claims = client.token.as_ref().unwrap().split('.').nth(1).unwrap().as_bytes();
    let claims: serde_json::Value = serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims).unwrap()).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// A replica may not be further behind than what is remembered of sessions reaches back.
#[tokio::test(flavor = "multi_thread")]
async fn a_lag_beyond_what_is_remembered_is_refused_and_one_beyond_the_limit_is_not_read() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|config| config.database.max_lag = Duration::from_secs(1)).await;
    let mut config = app.app.config.database.clone();
    config.max_lag = Duration::from_secs(51);
    let refusal = payaid::platform::postgres::Databases::new(&config).err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(refusal.contains("DATABASE_MAX_LAG is at most 50 s"), "{refusal}");
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    until("the replica is too far behind", async || !app.app.services.databases.replicas()[0].is_fit()).await;
    let answer = owner.ask(COUNT, json!({}), &[("x-consistency", "eventual"), ROUTING]).await;
    answer.data();
    assert_eq!(answer.node(), Some("primary"));
    assert!(app.app.services.databases.replicas()[0].lag().unwrap() > chrono::TimeDelta::seconds(1));
    hold(&replica, false).await;
    all_fit(&app).await;
    assert_eq!(owner.ask(COUNT, json!({}), &[("x-consistency", "eventual"), ROUTING]).await.node(), Some("replica-1"));
}

/// Many who come at once find no connection yet, and the replica is not ill for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_on_a_replica_without_connections_does_not_take_it_out() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|config| config.database.pool_size = 2).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let reads = (0..64).map(|_| async { owner.ask(COUNT, json!({}), &[("x-consistency", "eventual"), ROUTING]).await });
    for answer in futures_util::future::join_all(reads).await {
        answer.data();
        assert_eq!(answer.node(), Some("replica-1"));
    }
}

/// A primary given by mistake as the replica is not read from, and neither is a copy of another database.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_none_is_not_used() {
    // A database with heartbeats in another cluster.
    let servers = crate::harness::servers::shared().await;
    let other = TestApp::start().await;
    let elsewhere = servers.replica.url(&other.database, "payaid_server");
    let read_there = |config: &mut payaid::platform::config::ServerConfig| config.database.read_urls = vec![elsewhere.clone()];
    let reading = TestApp::beside(&other, read_there).await;
    all_fit(&reading).await;
    let wrong = |config: &mut payaid::platform::config::ServerConfig| config.database.read_urls = vec![config.database.url.clone()];
    let app = TestApp::with(wrong, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let cluster = Cluster::start(0).await;
    let foreign = cluster.app(|_| ()).await;
    let config = payaid::platform::config::ServerConfig {
        database: payaid::platform::config::DatabaseConfig { read_urls: vec![elsewhere], ..foreign.app.config.database.clone() },
        ..foreign.app.config.clone()
    };
    let copied = TestApp::serve(config, Arc::new(SystemClock), foreign.database.clone()).await;
    // As long as it takes others to be found fit, and longer.
    all_fit(&reading).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for app in [&app, &copied] {
        assert!(!app.app.services.databases.replicas().iter().any(|replica| replica.is_fit()));
    }
    let answer = owner.ask(COUNT, json!({}), &[ROUTING]).await;
    assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(0), Some("primary")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_a_query_for_what_it_has_to_replay_is_left_for_the_primary() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    all_fit(&app).await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    replica.batch_execute("ALTER SYSTEM SET max_standby_streaming_delay = 0; ").await.unwrap();
    replica.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let primary = Cluster::superuser(&cluster.primary).await;
    // What a query waits for on the replica is taken away on the primary, again and again; each replay ends the queries that stand in its way.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let vacuum = tokio::spawn(async move {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            primary.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE; COMMIT").await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let metrics = async || owner.request(reqwest::Method::GET, &app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let begun = std::time::Instant::now();
    loop {
        owner.ask(COUNT, json!({}), &[("x-consistency", "eventual"), ROUTING]).await.data();
        if metrics().await.contains("database_reads_moved_total{from=\"replica-1\"}") || begun.elapsed() > Duration::from_secs(30) {
            break;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    vacuum.await.unwrap();
    assert!(metrics().await.contains("database_reads_moved_total{from=\"replica-1\"}"), "no query was ever ended, so this has shown nothing");
}

/// What the server remembers of a replica only chooses it: the replica itself refuses when it has not come so far.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_which_too_much_is_believed_refuses_by_itself() {
    let cluster = Cluster::start(1).await;
    let app = cluster.app(|config| config.database.max_lag = Duration::from_secs(50)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    for written in 1..=20 {
        owner.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
        app.app.services.databases.replicas()[0].has_replayed(payaid::platform::postgres::position::Lsn(u64::MAX - 1));
        let answer = owner.ask(COUNT, json!({}), &[ROUTING]).await;
        assert_eq!((answer.data()["contacts"]["totalCount"].as_i64(), answer.node()), (Some(written), Some("primary")));
    }
    let metrics = owner.request(reqwest::Method::GET, &app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("database_reads_moved_total{from=\"replica-1\"}"), "the replica was never asked, so this has shown nothing");
    hold(&replica, false).await;
}

/// A server that has just begun remembers nothing, and a Redis that was emptied neither.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_not_missed() {
    let cluster = Cluster::start(1).await;
    let redis = payaid::platform::cluster::redis::Server::start().await.unwrap();
    let with_redis = |config: &mut payaid::platform::config::ServerConfig| {
        config.redis.url = Some(redis.url());
        config.database.max_lag = Duration::from_secs(50);
    };
    let (one, two) = (cluster.app(with_redis).await, cluster.app(with_redis).await);
    let owner = one.sign_up("Sharma", "owner@sharma.example").await;
    let on = |app: &TestApp| Client::new(app.url("/graphql"), owner.token.clone());
    on(&two).query(COUNT).await;
    cluster.replicas[0].catch_up(&cluster.primary).await.unwrap();
    let replica = Cluster::superuser(&cluster.replicas[0]).await;
    hold(&replica, true).await;
    owner.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    assert_eq!(on(&two).query(COUNT).await["contacts"]["totalCount"], 1, "Redis was emptied");
    // Its connections are lost, and made anew when they are needed.
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").query_async::<()>(&mut connection).await.unwrap();
    until("Redis is asked again", async || {
        owner.done("contactCreate", json!({"name": "Ravi"}), "contact { id }").await;
        redis::cmd("EXISTS").arg(format!("payaid:written:{}", session_of(&owner))).query_async::<bool>(&mut connection).await.unwrap()
    })
    .await;
    let count = owner.query(COUNT).await["contacts"]["totalCount"].clone();
    assert_eq!(on(&two).query(COUNT).await["contacts"]["totalCount"], count);
    let young = cluster.app_that_starts(|config| config.database.max_lag = Duration::from_secs(50)).await;
    all_fit(&young).await;
    let answer = on(&young).ask(COUNT, json!({}), &[ROUTING]).await;
    assert_eq!((&answer.data()["contacts"]["totalCount"], answer.node()), (&count, Some("primary")), "the server is young");
    let eventual = on(&young).ask(COUNT, json!({}), &[("x-consistency", "eventual"), ROUTING]).await;
    assert_eq!(eventual.data()["contacts"]["totalCount"], 0, "the replica had it all the time, so this has shown nothing");
    hold(&replica, false).await;
}
