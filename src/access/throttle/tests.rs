//! The limits on one server, with a clock that is held.

use super::*;
use crate::base::{Clock, SharedClock};
use crate::platform::config::LimitConfig;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, Mutex};

struct Held(Mutex<DateTime<Utc>>);

impl Clock for Held {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

fn throttle() -> (Throttle, Arc<Held>) {
    let held = Arc::new(Held(Mutex::new("2026-04-01T09:30:00Z".parse().unwrap())));
    let clock: SharedClock = Arc::<Held>::clone(&held);
    (Throttle::new(Limits::new(&LimitConfig::default(), None, clock)), held)
}

async fn fail(throttle: &Throttle, account: &str, ip: &str) -> Code {
    let failing = async { Err::<(), _>(Error::new(Code::Unauthenticated, "wrong")) };
    throttle.attempt(account, Some(ip.parse().unwrap()), failing).await.unwrap_err().code
}

async fn succeed(throttle: &Throttle, account: &str, ip: &str) -> Result<()> {
    throttle.attempt(account, Some(ip.parse().unwrap()), async { Ok(()) }).await
}

#[tokio::test]
async fn the_fourth_failure_is_refused_and_time_forgives() {
    let (throttle, clock) = throttle();
    for _ in 0..3 {
        assert_eq!(fail(&throttle, "asha", "192.0.2.1").await, Code::Unauthenticated);
    }
    let refused = succeed(&throttle, "asha", "192.0.2.1").await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after.unwrap() <= Duration::from_secs(301), "{refused:?}");
    assert!(succeed(&throttle, "asha", "192.0.2.2").await.is_ok(), "from elsewhere");
    assert!(succeed(&throttle, "ravi", "192.0.2.1").await.is_ok(), "somebody else");
    *clock.0.lock().unwrap() += TimeDelta::seconds(301);
    assert!(succeed(&throttle, "asha", "192.0.2.1").await.is_ok());
    assert_eq!(fail(&throttle, "asha", "192.0.2.1").await, Code::Unauthenticated, "success cleared the account");
}

#[tokio::test]
async fn an_address_is_limited_over_all_accounts_by_its_failures_alone() {
    let (throttle, _) = throttle();
    for n in 0..100 {
        succeed(&throttle, &format!("user {n}"), "2001:db8:1:2::1").await.unwrap();
    }
    for n in 0..30 {
        assert_eq!(fail(&throttle, &format!("user {n}"), &format!("2001:db8:1:2::{n:x}")).await, Code::Unauthenticated, "{n}");
    }
    assert_eq!(fail(&throttle, "one more", "2001:db8:1:2::ffff").await, Code::RateLimited);
    assert_eq!(fail(&throttle, "one more", "2001:db8:1:3::1").await, Code::Unauthenticated);
}

#[tokio::test]
async fn an_account_is_limited_over_all_addresses_and_no_success_elsewhere_clears_that() {
    let (throttle, clock) = throttle();
    for n in 0..100 {
        assert_eq!(fail(&throttle, "asha", &format!("192.0.2.{n}")).await, Code::Unauthenticated, "{n}");
        let here = succeed(&throttle, "asha", "198.51.100.1").await;
        assert_eq!(here.is_ok(), n < 99, "{n}: {here:?}");
    }
    let refused = succeed(&throttle, "asha", "203.0.113.1").await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after.unwrap() <= Duration::from_secs(37), "{refused:?}");
    assert!(succeed(&throttle, "ravi", "192.0.2.1").await.is_ok(), "somebody else");
    *clock.0.lock().unwrap() += TimeDelta::seconds(37);
    assert!(succeed(&throttle, "asha", "203.0.113.1").await.is_ok());
}

#[tokio::test]
async fn what_is_no_failure_of_the_caller_does_not_count() {
    let (throttle, _) = throttle();
    for _ in 0..50 {
        let away = async { Err::<(), _>(Error::database_unavailable("away")) };
        assert_eq!(throttle.attempt("asha", None, away).await.unwrap_err().code, Code::DatabaseUnavailable);
    }
}

#[tokio::test]
async fn who_goes_on_while_she_is_refused_is_limited_more_tightly_for_a_while() {
    let (throttle, clock) = throttle();
    for _ in 0..43 {
        fail(&throttle, "asha", "192.0.2.1").await;
    }
    // Forty were refused, of which thirty are still remembered: each failure counts four times, and an hour later once again.
    *clock.0.lock().unwrap() += TimeDelta::seconds(301);
    assert_eq!(fail(&throttle, "asha", "192.0.2.1").await, Code::RateLimited);
    *clock.0.lock().unwrap() += TimeDelta::hours(1);
    for _ in 0..3 {
        assert_eq!(fail(&throttle, "asha", "192.0.2.1").await, Code::Unauthenticated);
    }
}
