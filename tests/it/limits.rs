//! Prices, budgets and limits, as a client meets them.

mod budgets;
mod documents;
mod prices;
mod property;
mod shared;

use std::sync::Arc;

use payaid::base::allowance::Allowance;
use payaid::platform::config::{DocumentConfig, Introspection, LimitConfig, ServerConfig};
use serde_json::Value;

use crate::harness::TestApp;
use crate::harness::clock::HeldClock;

/// The defaults, with which servers run.
fn defaults(config: &mut ServerConfig) {
    config.documents = DocumentConfig { introspection: Introspection::Everybody, ..DocumentConfig::default() };
    config.limits = LimitConfig::default();
}

/// A server with the defaults and a clock that stands still.
async fn started(adjust: impl FnOnce(&mut ServerConfig)) -> (TestApp, Arc<HeldClock>) {
    let clock = Arc::new(HeldClock::at("2026-11-21T09:30:00Z"));
    let app = TestApp::with(
        |config| {
            defaults(config);
            // The clock is moved by more than a token lives.
            config.auth.access_token_ttl = std::time::Duration::from_secs(86_400);
            adjust(config);
        },
        Arc::<HeldClock>::clone(&clock),
    )
    .await;
    (app, clock)
}

/// So many in a minute.
const fn a_minute(most: u32) -> Allowance {
    Allowance::per(most, 60)
}

/// The code and the message of an answer's first error.
fn refusal(answer: &Value) -> (&str, &str) {
    let error = &answer["errors"][0];
    (error["extensions"]["code"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}
