//! Classes that the schema has no fields of yet, and what of them a server admits alone.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::access::document::{Document, TypeMap};
use crate::access::scope::Means;
use crate::access::{Permissions, Role};
use crate::base::clock::SystemClock;
use crate::platform::config::{DocumentConfig, RedisConfig};
use crate::platform::redis::Redis;

const SDL: &str = r#"
    type Query { ask(question: String): Int @cost(weight: "100") @rateLimit(class: "agents") }
    type Mutation {
        pay: Int @cost(weight: "10") @rateLimit(class: "payments")
        message: Int @cost(weight: "10") @rateLimit(class: "contact-form")
    }
"#;

fn selection(text: &str) -> Arc<Selection> {
    let document = Document::prepare(text, &TypeMap::from_sdl(SDL).unwrap(), &DocumentConfig::default()).unwrap();
    document.selection(None).unwrap()
}

fn member(user: u128, means: Means) -> Scope {
    Scope {
        organization: Uuid::nil(),
        user: Uuid::from_u128(user),
        means,
        role: Role::Owner,
        permissions: Permissions::default(),
        plan: Plan::Enterprise,
        time_zone: chrono_tz::Asia::Kolkata,
        request_id: "test".into(),
        clock: Arc::new(SystemClock),
    }
}

/// How many of so many operations are admitted.
async fn admitted(limits: &Limits, scope: Option<&Scope>, ip: &str, text: &str, count: usize) -> usize {
    let (selection, asking) = (selection(text), Asking { scope, ip: ip.parse().ok(), request_id: "test" });
    let mut admitted = 0;
    for _ in 0..count {
        match admit(limits, asking, Some(&selection), selection.price().points(&async_graphql::Variables::default())).await {
            Ok(_) => admitted += 1,
            Err(refused) => assert_eq!(refused.error.code, Code::RateLimited, "{:?}", refused.error),
        }
    }
    admitted
}

/// Limits whose Redis is not there, on one of so many servers.
fn alone_of(servers: u32) -> Limits {
    let redis = Redis::new(&RedisConfig { url: Some("redis+unix:///nowhere/redis.sock".to_owned()) }).unwrap();
    Limits::new(&LimitConfig { limit_servers: servers, ..LimitConfig::default() }, redis, Arc::new(SystemClock))
}

#[tokio::test]
async fn each_class_has_its_own_number() {
    let limits = Limits::new(&LimitConfig::default(), None, Arc::new(SystemClock));
    let [asha, ravi] = [1, 2].map(|user| member(user, Means::Session(Uuid::from_u128(user))));
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "mutation { pay }", 6).await, 5);
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "{ ask }", 21).await, 20);
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "mutation { message }", 101).await, 100);
    // By user, whatever she asks by; the contact form by address.
    let key = member(1, Means::Key(Uuid::from_u128(9)));
    assert_eq!(admitted(&limits, Some(&key), "192.0.2.1", "mutation { pay }", 1).await, 0);
    assert_eq!(admitted(&limits, Some(&ravi), "192.0.2.1", "mutation { pay }", 6).await, 5);
    assert_eq!(admitted(&limits, Some(&ravi), "192.0.2.1", "mutation { message }", 1).await, 0);
    assert_eq!(admitted(&limits, Some(&ravi), "192.0.2.2", "mutation { message }", 9).await, 9);
}

#[tokio::test]
async fn each_field_counts_in_its_class() {
    let limits = Limits::new(&LimitConfig::default(), None, Arc::new(SystemClock));
    let [asha, ravi] = [1, 2].map(|user| member(user, Means::Session(Uuid::from_u128(user))));
    assert_eq!(
        admitted(&limits, Some(&asha), "192.0.2.1", "mutation { a: pay b: pay c: pay ...F } fragment F on Mutation { d: pay e: pay f: pay }", 1)
            .await,
        0
    );
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "mutation { a: pay b: pay c: pay d: pay e: pay }", 2).await, 1);
    assert_eq!(admitted(&limits, Some(&ravi), "192.0.2.1", "mutation { a: pay b: pay }", 9).await, 2);
    assert_eq!(admitted(&limits, Some(&ravi), "192.0.2.1", "mutation { pay }", 9).await, 1);
}

#[tokio::test]
async fn without_redis_no_server_lets_more_of_a_class_through_than_its_share() {
    let asha = member(1, Means::Session(Uuid::from_u128(1)));
    let limits = alone_of(4);
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "mutation { a: pay b: pay c: pay d: pay e: pay }", 1).await, 0);
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "mutation { pay }", 9).await, 1);
    assert_eq!(admitted(&limits, Some(&asha), "192.0.2.1", "{ ask }", 30).await, 5);
    assert_eq!(admitted(&alone_of(1), Some(&asha), "192.0.2.1", "{ ask }", 30).await, 20);
}

#[test]
fn waits_are_spread_by_a_tenth_to_a_fifth() {
    for id in ["", "a", "0193", "zzzzzzzzzzzzzzzz"] {
        let wait = spread(Duration::from_secs(100), id);
        assert!((Duration::from_secs(110)..=Duration::from_secs(120)).contains(&wait), "{id}: {wait:?}");
    }
    assert_ne!(spread(Duration::from_secs(100), "a"), spread(Duration::from_secs(100), "b"));
}
