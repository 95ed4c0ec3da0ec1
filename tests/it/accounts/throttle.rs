//! Guessing passwords at several servers, with a Redis in common and without.

use std::sync::Arc;

use payaid::base::allowance::Allowance;
use payaid::base::clock::SystemClock;
use payaid::platform::cluster::redis;
use serde_json::json;

use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::waiting::until;

const EMAIL: &str = "owner@sharma.example";
const HERE: &str = "192.0.2.1";
const WRONG: &str = "wrong password";

/// What came of an attempt to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    In,
    Wrong,
    Limited,
}

/// Two servers of one database behind a proxy, with a Redis of their own.
struct Pair {
    servers: [TestApp; 2],
    redis: redis::Server,
}

impl Pair {
    async fn start() -> Self {
        Self::allowing(Allowance::per(3, 900)).await
    }

    async fn allowing(failures: Allowance) -> Self {
        let redis = redis::Server::start().await.unwrap();
        let adjust = |config: &mut payaid::platform::config::ServerConfig| {
            config.redis.url = Some(redis.url());
            config.limits.limit_sign_in = failures;
            config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        };
        let first = TestApp::with(adjust, Arc::new(SystemClock)).await;
        let second = TestApp::beside(&first, adjust).await;
        first.sign_up("Sharma", EMAIL).await;
        Self { servers: [first, second], redis }
    }

    async fn attempt(&self, server: usize, password: &str, from: &str) -> Answer {
        let query = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken userErrors { code } } }";
        let client = self.servers[server].anonymous();
        let request = client.request(reqwest::Method::POST, &client.url).header("x-forwarded-for", from);
        let request = request.json(&json!({"query": query, "variables": {"input": {"email": EMAIL, "password": password}}}));
        let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        if answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED" {
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains("Try again in "), "{answer}");
            return Answer::Limited;
        }
        if answer["data"]["signIn"]["accessToken"].is_string() {
            return Answer::In;
        }
        assert_eq!(answer["data"]["signIn"]["userErrors"][0]["code"], "UNAUTHENTICATED", "{answer}");
        Answer::Wrong
    }

    async fn attempts(&self, wanted: &[(usize, &str, Answer)]) -> Result<(), String> {
        for (number, (server, password, answer)) in wanted.iter().enumerate() {
            let found = self.attempt(*server, password, HERE).await;
            if found != *answer {
                return Err(format!("attempt {number} of {wanted:?}: {found:?}"));
            }
        }
        Ok(())
    }
}

/// Redis has 15 ms to answer, which a busy machine may exceed: then a server counts for itself, rightly, and the same is tried with a fresh pair.
async fn at_last(wanted: &[(usize, &str, Answer)]) {
    let mut failure = Ok(());
    for _ in 0..5 {
        failure = Pair::start().await.attempts(wanted).await;
        if failure.is_ok() {
            return;
        }
    }
    panic!("{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_count_together() {
    use Answer::{Limited, Wrong};
    // Alone, neither has counted more than two.
    let (a, b) = ((0, WRONG, Wrong), (1, WRONG, Wrong));
    at_last(&[a, a, b, (1, WRONG, Limited), (0, WRONG, Limited), (1, PASSWORD, Limited), (0, PASSWORD, Limited)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_on_one_server_clears_the_failures_on_both() {
    use Answer::{In, Limited, Wrong};
    let (a, b) = ((0, WRONG, Wrong), (1, WRONG, Wrong));
    // On the first server alone these are four failures in a row.
    at_last(&[a, b, (1, PASSWORD, In), a, a, a, (0, WRONG, Limited), (1, WRONG, Limited)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_redis_each_server_counts_for_itself_and_knows_what_it_saw() {
    use Answer::{In, Limited, Wrong};
    let mut pair = Pair::allowing(Allowance::per(6, 900)).await;
    // Of six failures, three for each.
    until("the servers know of each other", async || pair.servers.iter().all(|server| server.app.services.limits.servers() == 2)).await;
    let (a, b) = ((0, WRONG, Wrong), (1, WRONG, Wrong));
    pair.attempts(&[a, a]).await.unwrap();
    pair.redis.kill().await;
    pair.attempts(&[a, (0, WRONG, Limited), (0, PASSWORD, Limited)]).await.unwrap();
    pair.attempts(&[b, b, (1, PASSWORD, In), b, b, b, (1, WRONG, Limited)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_limited_over_all_addresses_and_servers() {
    let pair = Pair::start().await;
    let mut tried = 0;
    // Each server sees half of them. Some more than a hundred may pass while Redis is too slow on a busy machine.
    while tried < 150 && pair.attempt(tried % 2, WRONG, &format!("10.0.0.{tried}")).await == Answer::Wrong {
        tried += 1;
    }
    assert!((100..150).contains(&tried), "{tried} were let through");
    let elsewhere = [pair.attempt(0, PASSWORD, "10.1.0.1").await, pair.attempt(1, PASSWORD, "10.1.0.2").await];
    assert!(elsewhere.contains(&Answer::Limited), "{elsewhere:?}");
}
