//! What the commands do: the schema's text, demo data, the worker's round, and migrations there and back.

use payaid::commands::{schema, seed};
use payaid::platform::cluster::postgres::SUPERUSER;
use payaid::platform::jobs::Perform;
use payaid::platform::postgres::migrate;
use serde_json::json;

use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::servers::{connect, execute, shared};
use crate::harness::world::populate;

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    assert!(schema::text().unwrap() == include_str!("../../schema.graphql"), "schema.graphql has drifted: write it anew by `make schema`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_data_is_loaded_once_and_its_owners_sign_in() {
    let servers = shared().await;
    let database = servers.database().await;
    let url = servers.primary.url(&database, "payaid_server");
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let summary = seed::demo(&url, now, &|_| ()).await.unwrap();
    assert_eq!(summary.loaded, seed::DEMO_OWNERS.map(|(name, _)| name));
    assert!(summary.found.is_empty());
    assert_eq!((summary.contacts, summary.deals, summary.tasks), (2_000, 3_000, 5_000));
    let again = seed::demo(&url, now, &|_| ()).await.unwrap();
    assert_eq!(again.found, summary.loaded);
    assert!(again.loaded.is_empty() && again.contacts == 0, "{again}");
    assert!(again.to_string().starts_with("Already there"), "{again}");
    let app = TestApp::on(database).await;
    let mut totals = [0; 3];
    for (name, email) in seed::DEMO_OWNERS {
        let owner = app.sign_in(email, seed::DEMO_PASSWORD).await;
        let query = "{ viewer { role organization { name } } contacts { totalCount } deals { totalCount } tasks { totalCount } }";
        let data = owner.query(query).await;
        assert_eq!(data["viewer"], json!({"role": "OWNER", "organization": {"name": name}}));
        for (total, list) in totals.iter_mut().zip(["contacts", "deals", "tasks"]) {
            let count = data[list]["totalCount"].as_i64().unwrap();
            assert!(count > 0, "{name} has no {list}");
            *total += count;
        }
    }
    assert_eq!(totals, [2_000, 3_000, 5_000]);
    assert_eq!((seed::DEMO_OWNERS[0].1, seed::DEMO_PASSWORD), ("owner@sharma.example", "payaid-demo"));
}

#[tokio::test]
async fn the_worker_deletes_what_expired_long_ago_and_nothing_else() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let nilgiri = app.sign_up("Nilgiri", "owner@nilgiri.example").await;
    populate(&owner, "own").await;
    populate(&nilgiri, "other").await;
    for email in ["owner@sharma.example", "owner@sharma.example", "owner@nilgiri.example"] {
        app.sign_in(email, PASSWORD).await;
    }
    let db = app.superuser().await;
    // Of each organization the newest session expired long ago, and of one an older session lately; one of two invitations as well.
    db.batch_execute(
        "UPDATE sessions SET expires_at = now() - interval '8 days'
         WHERE id IN (SELECT DISTINCT ON (organization_id) id FROM sessions ORDER BY organization_id, created_at DESC, id);
         UPDATE sessions SET expires_at = now() - interval '6 days'
         WHERE id = (SELECT id FROM sessions WHERE expires_at > now() AND organization_id IN
           (SELECT organization_id FROM sessions GROUP BY organization_id HAVING count(*) = 3) ORDER BY created_at DESC LIMIT 1);
         UPDATE invitations SET expires_at = now() - interval '8 days' WHERE email = 'own@invited.example'",
    )
    .await
    .unwrap();
    let counts = async || {
        let mut found = Vec::new();
        for table in ["sessions", "invitations", "users", "memberships", "organizations", "contacts", "deals", "tasks", "activities", "audit_entries"]
        {
            let count: i64 = db.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
            found.push((table, count));
        }
        found
    };
    let before = counts().await;
    assert_eq!(before[..2], [("sessions", 5), ("invitations", 2)]);
    app.app.performing().periodic("expired").await.unwrap();
    let after = counts().await;
    assert_eq!(after[..2], [("sessions", 3), ("invitations", 1)]);
    assert_eq!(after[2..], before[2..]);
    let long_ago = "SELECT count(*) FROM sessions WHERE expires_at < now() - interval '7 days'";
    assert_eq!(db.query_one(long_ago, &[]).await.unwrap().get::<_, i64>(0), 0);
    app.app.performing().periodic("expired").await.unwrap();
    assert_eq!(counts().await, after);
    assert_eq!(owner.query("{ viewer { role } }").await["viewer"]["role"], "OWNER");
}

/// What a migration could leave behind or forget: columns, indexes, constraints, policies, functions and privileges.
const CATALOG: &str = "\
    SELECT format('column %s.%s %s %s', table_name, column_name, data_type, is_nullable) FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT format('policy %s %s %s %s', tablename, policyname, cmd, qual) FROM pg_policies WHERE schemaname = 'public'
    UNION ALL SELECT format('function %s %s', oid::regprocedure, pg_get_userbyid(proowner)) FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE 'gin\\_%'
    UNION ALL SELECT format('privilege %s %s %s', table_name, grantee, privilege_type) FROM information_schema.role_table_grants
      WHERE table_schema = 'public'
    ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_has_a_way_back() {
    let servers = shared().await;
    execute(&servers.primary.url("postgres", SUPERUSER), "CREATE DATABASE there_and_back").await;
    let url = servers.primary.url("there_and_back", SUPERUSER);
    let db = connect(&url).await;
    let catalog = async || -> Vec<String> { db.query(CATALOG, &[]).await.unwrap().into_iter().map(|row| row.get(0)).collect() };
    let done = migrate::run(&url).await.unwrap();
    assert_eq!(done.len(), migrate::known().unwrap().len());
    let there = catalog().await;
    assert!(there.iter().any(|line| line.starts_with("policy deals ")), "{there:#?}");
    let mut undone = Vec::new();
    for _ in &done {
        undone.push(migrate::revert(&url).await.unwrap());
    }
    undone.reverse();
    assert_eq!(undone, done);
    assert!(migrate::revert(&url).await.is_err(), "there is nothing left to undo");
    let left: Vec<_> = catalog().await.into_iter().filter(|line| !line.contains("__diesel_schema_migrations")).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(migrate::run(&url).await.unwrap(), done);
    assert_eq!(catalog().await, there);
    assert!(migrate::pending(&url).await.unwrap().is_empty());
}
