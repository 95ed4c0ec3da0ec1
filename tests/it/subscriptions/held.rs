//! What is held back until it is complete, and what is read of what was long ago.

use std::time::Duration;

use payaid::access::events::EventPosition;
use payaid::access::events::watch::Interest;
use serde_json::json;
use uuid::Uuid;

use super::{contact, next, opened};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::waiting::until;

const SUBSCRIPTION: &str = "subscription { contactChanged { kind contact { name } } }";

/// Whoever begins to listen looks once by herself: the word of what was committed just before came while nobody listened.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_while_a_subscription_began_is_told_without_another_word() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let other = app.sign_up("Rao", "owner@rao.example").await;
    // The server listens already, and so does not look because it has begun to.
    let mut followed = opened(&app, &other, SUBSCRIPTION).await;
    contact(&other, "Foreign").await;
    next(&mut followed).await;
    let mut superuser = app.superuser().await;
    app.app.services.events.flush().await;
    let older = superuser.transaction().await.unwrap();
    older.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap();
    contact(&owner, "Asha").await;
    let mut socket = opened(&app, &owner, SUBSCRIPTION).await;
    older.rollback().await.unwrap();
    assert_eq!(next(&mut socket).await.0, json!({"kind": "CREATED", "contact": {"name": "Asha"}}));
}

/// Others are told from where everybody has read to, though nothing that concerns her has happened for long.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_from_long_ago_has_nobody_read_it_all_again() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    contact(&owner, "Asha").await;
    let db = app.superuser().await;
    let row = db.query_one("SELECT organization_id::text, tx, seq FROM audit_entries WHERE noun = 'contact'", &[]).await.unwrap();
    let (organization, since): (Uuid, _) = (row.get::<_, &str>(0).parse().unwrap(), EventPosition { tx: row.get(1), seq: row.get(2) });
    for _ in 0..3 {
        app.sign_in("owner@sharma.example", PASSWORD).await;
    }
    let last: i64 = db.query_one("SELECT max(tx) FROM audit_entries", &[]).await.unwrap().get(0);
    let events = &app.app.services.events;
    let interest = |since| Interest { nouns: vec!["contact"], since };
    until("a subscription that goes on from then stands at the present", async || {
        let mut long = events.subscribe(organization, interest(Some(since))).await.unwrap();
        assert_eq!(long.position(), since);
        let waiting = tokio::time::timeout(Duration::from_millis(100), long.next()).await;
        assert!(waiting.is_err(), "{waiting:?}");
        // Only her place is known to the others, and nothing has come since.
        let beside = events.subscribe(organization, interest(None)).await.unwrap();
        beside.position().tx > last
    })
    .await;
}
