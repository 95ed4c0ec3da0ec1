//! Nodes that are killed while they are read from and written to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use payaid::platform::cluster::postgres::Server;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{COUNT, ROUTING};
use crate::harness::Client;
use crate::harness::cluster::{Cluster, again, all_fit, ms, say, scaled};

const CREATE: &str = "mutation($name: String!) { contactCreate(input: {name: $name}) { contact { id } userErrors { message } } }";

/// A read: when it ended, how long it took, which node answered; or what was answered instead.
type Read = (Instant, Duration, Result<String, String>);

/// Reads that go on until they are told to stop.
struct Readers {
    stop: Arc<AtomicBool>,
    reads: Arc<Mutex<Vec<Read>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Readers {
    fn start(clients: &[Client]) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let tasks = clients.iter().map(|client| tokio::spawn(Self::read(client.clone(), Arc::clone(&stop), Arc::clone(&reads)))).collect();
        Self { stop, reads, tasks }
    }

    async fn read(client: Client, stop: Arc<AtomicBool>, reads: Arc<Mutex<Vec<Read>>>) {
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = client.ask(COUNT, json!({}), &[ROUTING]).await;
            let outcome = match answer.body.get("errors") {
                None => Ok(answer.node().unwrap().to_owned()),
                Some(errors) => Err(errors.to_string()),
            };
            reads.lock().unwrap().push((Instant::now(), begun.elapsed(), outcome));
        }
    }

    async fn stop(self) -> Vec<Read> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.reads.lock().unwrap())
    }
}

fn failed(reads: &[Read]) -> Vec<&String> {
    reads.iter().filter_map(|(_, _, outcome)| outcome.as_ref().err()).collect()
}

fn longest<'r>(reads: impl Iterator<Item = &'r Read>) -> Duration {
    reads.map(|(_, took, _)| *took).max().unwrap_or_default()
}

fn by_node<'r>(reads: impl Iterator<Item = &'r Read>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, _, outcome) in reads {
        *counts.entry(outcome.clone().unwrap_or_else(|_| "failed".to_owned())).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_under_load_fails_no_read() {
    let mut cluster = Cluster::start(2).await;
    let app = cluster.app(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for replica in &cluster.replicas {
        replica.catch_up(&cluster.primary).await.unwrap();
    }
    let (mut worst, mut all) = (Duration::ZERO, 0);
    for round in 0..scaled(1, 5) {
        all_fit(&app).await;
        let readers = Readers::start(&vec![owner.clone(); 16]);
        tokio::time::sleep(Duration::from_millis(700)).await;
        let killed = Instant::now();
        cluster.replicas[round % 2].kill().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let reads = readers.stop().await;
        assert_eq!(failed(&reads), Vec::<&String>::new());
        let name = format!("replica-{}", round % 2 + 1);
        let (before, after): (Vec<&Read>, Vec<&Read>) = reads.iter().partition(|(ended, _, _)| *ended < killed);
        let (nodes_before, nodes_after) = (by_node(before.iter().copied()), by_node(after.iter().copied()));
        assert!(nodes_before.get(&name).is_some_and(|reads| *reads > 10), "it was hardly read from before: {nodes_before:?}");
        // A machine that is busy with other tests is slow without any fault.
        let usual = scaled(longest(before.into_iter()), Duration::ZERO);
        let moved = longest(after.into_iter()).saturating_sub(usual);
        say("killed under load", format!("{} reads, none failed, before {nodes_before:?}, after {nodes_after:?}", reads.len()));
        (worst, all) = (worst.max(moved), all + reads.len());
        assert!(moved <= Duration::from_millis(500), "a read took {} more than usual", ms(moved));
        cluster.replicas[round % 2].restart().await.unwrap();
    }
    say(scaled("longest read after the kill, beyond the longest before", "longest read after the kill"), ms(worst));
    // It is taken back, and read from.
    all_fit(&app).await;
    let readers = Readers::start(&vec![owner.clone(); 4]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let reads = readers.stop().await;
    assert_eq!(failed(&reads), Vec::<&String>::new());
    assert_eq!(by_node(reads.iter()).keys().collect::<Vec<_>>(), ["replica-1", "replica-2"]);
}

/// A node that hangs closes no connection: what waits for it is moved once it counts as out.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_under_load_fails_no_read() {
    let cluster = Cluster::start(2).await;
    let app = cluster.app(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for replica in &cluster.replicas {
        replica.catch_up(&cluster.primary).await.unwrap();
    }
    let readers = Readers::start(&vec![owner.clone(); 16]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let processes = processes_of(&cluster.replicas[0]);
    let stopped = Instant::now();
    signal(&processes, Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_millis(3000)).await;
    // Before anything can fail, and leave them so.
    let reads = tokio::time::timeout(Duration::from_secs(20), readers.stop()).await;
    signal(&processes, Signal::SIGCONT);
    let reads = reads.expect("no read is held for ever");
    assert_eq!(failed(&reads), Vec::<&String>::new());
    let caught = longest(reads.iter());
    say("longest read while a replica hangs", ms(caught));
    assert!(caught > Duration::from_millis(400), "no read was caught by it, so this has shown nothing");
    assert!(caught < Duration::from_millis(4000));
    let later: Vec<&Read> = reads.iter().filter(|(ended, took, _)| *ended - *took > stopped + Duration::from_secs(2)).collect();
    assert!(later.len() > 20 && !by_node(later.into_iter()).contains_key("replica-1"), "it is still read from");
    all_fit(&app).await;
}

/// The processes of a server, the first one last, so that it restarts none that is stopped.
fn processes_of(server: &Server) -> Vec<Pid> {
    let first = server.pid().to_string();
    let parent =
        |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?.rsplit(')').next()?.split_whitespace().nth(1).map(str::to_owned);
    let names = std::path::Path::new("/proc").read_dir().unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let children = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && parent(name).as_deref() == Some(first.as_str()));
    children.chain([first.clone()]).map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // A backend may have ended meanwhile.
        let _ = kill(*process, signal);
    }
}

/// Writes that go on until they are told to stop: the ids that were acknowledged, and when; and the statuses of those that failed.
async fn write(client: Client, stop: Arc<AtomicBool>) -> (Vec<(String, Instant)>, Vec<(u16, String, Option<String>)>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let answer = client.ask(CREATE, json!({"name": "Asha"}), &[]).await;
        match answer.body["data"]["contactCreate"]["contact"]["id"].as_str() {
            Some(id) => acknowledged.push((id.to_owned(), Instant::now())),
            None => {
                let code = answer.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned();
                refused.push((answer.status, code, answer.header("retry-after").map(str::to_owned)));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    (acknowledged, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_loses_no_write_and_stops_no_read() {
    let mut cluster = Cluster::start(2).await;
    let app = cluster.app(|config| config.database.pool_wait = Duration::from_secs(5)).await;
    let beside = cluster.app(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut writers = Vec::new();
    for _ in 0..8 {
        writers.push(again(&app, "owner@sharma.example").await);
    }
    let key = owner.done("apiKeyCreate", json!({"name": "Reader", "scopes": ["contacts.read"]}), "key").await["key"].clone();
    for replica in &cluster.replicas {
        replica.catch_up(&cluster.primary).await.unwrap();
    }
    // The other server has met the primary, and knows what had been written when it began.
    Client::new(beside.url("/graphql"), writers[0].token.clone()).query(COUNT).await;
    // Reads of a session that has not written for a while: its sign-in has arrived everywhere.
    let readers = Readers::start(&vec![owner.clone(); 8]);
    let stop = Arc::new(AtomicBool::new(false));
    let writing: Vec<_> = writers.iter().map(|client| tokio::spawn(write(client.clone(), Arc::clone(&stop)))).collect();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let killed = Instant::now();
    cluster.primary.kill().await.unwrap();
    // A server that has never seen this session asks who it is while the primary is away.
    let stranger = Client::new(beside.url("/graphql"), owner.token.clone());
    let answer = stranger.ask(COUNT, json!({}), &[ROUTING]).await;
    assert!(answer.data()["contacts"]["totalCount"].is_i64() && answer.node().unwrap().starts_with("replica"), "{answer:?}");
    // And whose this key is.
    let program = Client::new(beside.url("/graphql"), key.as_str().map(str::to_owned));
    assert!(program.query(COUNT).await["contacts"]["totalCount"].is_i64());
    let ready = stranger.request(reqwest::Method::GET, &beside.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200, "taken out of the load balancer, it could not go on reading");
    tokio::time::sleep(Duration::from_millis(scaled(1500, 8000))).await;
    cluster.primary.restart().await.unwrap();
    let back = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop.store(true, Ordering::Relaxed);
    let reads = readers.stop().await;
    assert_eq!(failed(&reads), Vec::<&String>::new());
    assert!(reads.iter().filter(|(ended, _, _)| *ended > killed && *ended < back).count() > 20, "hardly anything was read meanwhile");
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for task in writing {
        let (ids, codes) = task.await.unwrap();
        let first = ids.iter().map(|(_, at)| *at).find(|at| *at > back).expect("each writer writes again");
        assert!(first - back < Duration::from_secs(5));
        say("a writer's first write after the return", ms(first - back));
        acknowledged.extend(ids);
        refused.extend(codes);
    }
    assert!(!refused.is_empty());
    for refusal in &refused {
        assert_eq!((refusal.0, refusal.1.as_str(), refusal.2.is_some()), (503, "DATABASE_UNAVAILABLE", true), "{refusal:?}");
    }
    let primary = Cluster::superuser(&cluster.primary).await;
    let rows = primary.query("SELECT id::text FROM contacts", &[]).await.unwrap();
    let there: std::collections::HashSet<String> =
        rows.iter().map(|row| crate::harness::identifier("contact", row.get::<_, String>(0).parse().unwrap())).collect();
    let lost = acknowledged.iter().filter(|(id, _)| !there.contains(id)).count();
    say(
        "reads, none failed",
        format!("{} ({:?} while the primary was away)", reads.len(), by_node(reads.iter().filter(|(ended, ..)| *ended > killed && *ended < back))),
    );
    say("acknowledged writes, lost", format!("{}, {lost}", acknowledged.len()));
    say("refused meanwhile, all 503 with Retry-After", refused.len());
    assert_eq!(lost, 0);
}
