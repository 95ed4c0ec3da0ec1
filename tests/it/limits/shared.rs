//! Budgets and classes over several servers with a Redis in common, and without it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use payaid::access::limits::Claim;
use payaid::access::limits::key::{Key, Of};
use payaid::base::allowance::Allowance;
use payaid::base::clock::SystemClock;
use payaid::platform::cluster::redis;
use payaid::platform::config::ServerConfig;
use serde_json::json;
use std::num::NonZeroU32;

use super::defaults;
use crate::harness::process::{Folder, Payaid};
use crate::harness::servers::shared;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

const SCHEMA: &str = "{ __type(name: \"Contact\") { name } }";
const POINT: &str = "{ rateLimit { remaining } }";

/// Eight clients at once, four processes, one Redis, and limits that give nothing back while the test runs: exactly what is allowed is admitted.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_allowance_is_admitted_over_four_processes() {
    let redis = redis::Server::start().await.unwrap();
    let home = TestApp::start().await;
    let owner = home.sign_up("Sharma", "owner@sharma.example").await;
    let url = shared().await.primary.url(&home.database, "payaid_server");
    let key = secrecy::ExposeSecret::expose_secret(&home.app.config.auth.jwt_private_key).to_owned();
    let folder = Folder::create();
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("JWT_PRIVATE_KEY", &key),
        ("LISTEN", "127.0.0.1:0"),
        ("REDIS_URL", &redis.url()),
        ("BUDGET_FREE", "157/30d"),
        ("LIMIT_ANONYMOUS", "23/30d"),
        ("INTROSPECTION", "everybody"),
        // The machine may be busy, and a server that does not get an answer would go on by itself.
        ("LIMIT_REDIS_WAIT", "20s"),
        ("DATABASE_POOL_WAIT", "20s"),
    ];
    let mut servers: Vec<Payaid> = (0..4).map(|_| Payaid::start(folder.path(), &["serve"], &environment)).collect();
    let mut addresses = Vec::new();
    for server in &mut servers {
        let line = server.says("listening address=").await;
        addresses.push(format!("http://{}/graphql", line.rsplit('=').next().unwrap()));
    }
    let clients = |token: Option<String>| -> Vec<Client> { (0..8).map(|n| Client::new(addresses[n % 4].clone(), token.clone())).collect() };
    let admitted = async |clients: Vec<Client>, query: &'static str, each: usize| {
        let work = clients.into_iter().map(|client| async move {
            let mut admitted = 0;
            for _ in 0..each {
                let answer = client.ask(query, json!({}), &[]).await;
                assert!([200, 429].contains(&answer.status), "{}", answer.body);
                admitted += usize::from(answer.status == 200);
            }
            admitted
        });
        futures_util::future::join_all(work).await.into_iter().sum::<usize>()
    };
    assert_eq!(admitted(clients(owner.token.clone()), POINT, 40).await, 157);
    assert_eq!(admitted(clients(None), SCHEMA, 6).await, 23);
    for server in servers {
        server.stop(Signal::SIGTERM).await;
    }
}

/// Two servers of one database with a Redis of their own, who know of each other.
struct Pair {
    servers: [TestApp; 2],
    redis: redis::Server,
    owner: [Client; 2],
}

impl Pair {
    async fn start(adjust: impl Fn(&mut ServerConfig)) -> Self {
        let redis = redis::Server::start().await.unwrap();
        let adjust = |config: &mut ServerConfig| {
            defaults(config);
            config.limits.limit_sign_up = Allowance::per(100, 60);
            config.redis.url = Some(redis.url());
            adjust(config);
        };
        let first = TestApp::with(adjust, Arc::new(SystemClock)).await;
        let second = TestApp::beside(&first, adjust).await;
        let owner = first.sign_up("Sharma", "owner@sharma.example").await;
        let pair = Self { owner: [owner.clone(), Client::new(second.url("/graphql"), owner.token)], servers: [first, second], redis };
        until("the servers know of each other", async || pair.servers.iter().all(|server| server.app.services.limits.servers() == 2)).await;
        pair
    }

    fn are_shared(&self) -> bool {
        self.servers.iter().all(|server| server.app.services.limits.are_shared())
    }

    /// How many of so many operations a server admits, and the longest that one took.
    async fn admitted(&self, server: usize, query: &str, count: usize) -> (usize, Duration) {
        let (mut admitted, mut longest) = (0, Duration::ZERO);
        for _ in 0..count {
            let begun = Instant::now();
            let answer = self.owner[server].ask(query, json!({}), &[]).await;
            longest = longest.max(begun.elapsed());
            assert!([200, 429].contains(&answer.status), "{}", answer.body);
            admitted += usize::from(answer.status == 200);
        }
        (admitted, longest)
    }
}

/// While operations run on both servers Redis is broken: everybody is answered, each server goes on with its share of a thousand points, and the counts are
/// shared again by themselves when it is mended.
async fn goes_on(pair: &mut Pair, break_it: impl AsyncFnOnce(&mut redis::Server), mend: impl AsyncFnOnce(&mut redis::Server)) {
    let owner = pair.owner.clone();
    let load = tokio::spawn(async move {
        for n in 0..100 {
            let answer = owner[n % 2].ask("{ __typename }", json!({}), &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    });
    until("some were answered", async || pair.owner[0].query("{ rateLimit { remaining } }").await["rateLimit"]["remaining"].as_i64().unwrap() < 980)
        .await;
    break_it(&mut pair.redis).await;
    // Those that find out wait for 15 ms, and nobody after them. The quickest of them, by as much as a pause of that length is too long meanwhile: the
    // machine may be busy.
    let limits = &pair.servers[0].app.services.limits;
    let key = Key::of_address(None, Of::Address);
    let claim = Claim { key, allowance: Allowance::per(1_000, 60), cells: NonZeroU32::MIN, strict: false };
    let (mut waits, pause) = (Vec::new(), Duration::from_millis(15));
    // Those who were answered meanwhile may have found it out before.
    while limits.are_shared() {
        let begun = Instant::now();
        let taken = async {
            limits.take(key, &[claim]).await.unwrap();
            begun.elapsed()
        };
        let paused = async {
            tokio::time::sleep(pause).await;
            begun.elapsed()
        };
        let (taken, paused) = futures_util::join!(taken, paused);
        waits.push(taken.saturating_sub(paused.saturating_sub(pause)));
    }
    assert!(waits.iter().min().is_none_or(|wait| *wait < Duration::from_millis(20)), "{waits:?}");
    load.await.unwrap();
    let mut quick = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        limits.take(key, &[claim]).await.unwrap();
        quick = quick.min(begun.elapsed());
    }
    assert!(quick < Duration::from_millis(1), "{quick:?}");
    until("both count alone", async || {
        pair.admitted(1, "{ __typename }", 1).await;
        !pair.servers[1].app.services.limits.are_shared()
    })
    .await;
    // Half of the points each, of which the load has taken some, and no more.
    for server in 0..2 {
        let (admitted, _) = pair.admitted(server, POINT, 510).await;
        assert!((350..=500).contains(&admitted), "{admitted}");
        assert_eq!(pair.admitted(server, POINT, 1).await.0, 0);
    }
    mend(&mut pair.redis).await;
    until("the counts are shared again", async || pair.are_shared()).await;
    // What each had left for itself is used up: Redis decides again.
    until("both are let in", async || pair.admitted(0, POINT, 1).await.0 + pair.admitted(1, POINT, 1).await.0 == 2).await;
}

/// A thousand points for ever.
fn a_thousand(config: &mut ServerConfig) {
    config.limits.budget_free = Allowance::per(1_000, 30 * 86_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_killed_servers_go_on_with_their_shares() {
    let mut pair = Pair::start(a_thousand).await;
    goes_on(&mut pair, async |redis| redis.kill().await, async |redis| redis.restart().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_holds_nobody_up() {
    let mut pair = Pair::start(a_thousand).await;
    let signal = |redis: &redis::Server, signal| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(redis.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    };
    goes_on(&mut pair, async |redis| signal(redis, Signal::SIGSTOP), async |redis| signal(redis, Signal::SIGCONT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_is_done_without() {
    let mut pair = Pair::start(a_thousand).await;
    let memory = async |redis: &redis::Server, most: &str| {
        let client = ::redis::Client::open(redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut set = ::redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(most).query_async::<()>(&mut connection).await.unwrap();
    };
    goes_on(&mut pair, async |redis| memory(redis, "1").await, async |redis| memory(redis, "0").await).await;
}

/// A class that must stay strict knows, without Redis, what this server admitted before.
#[tokio::test(flavor = "multi_thread")]
async fn classes_stay_strict_without_redis() {
    let mut pair = Pair::start(|config| config.limits.limit_anonymous = Allowance::per(10, 30 * 86_400)).await;
    let anonymous: Vec<Client> = pair.servers.iter().map(TestApp::anonymous).collect();
    let admitted = async |server: usize, count: usize| {
        let mut admitted = 0;
        for _ in 0..count {
            admitted += usize::from(anonymous[server].ask(SCHEMA, json!({}), &[]).await.status == 200);
        }
        admitted
    };
    assert_eq!([admitted(0, 4).await, admitted(1, 2).await], [4, 2]);
    pair.redis.kill().await;
    // Of its share of five the first has admitted four already, the second two.
    assert_eq!([admitted(0, 10).await, admitted(1, 10).await], [1, 3]);
}
