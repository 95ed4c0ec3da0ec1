//! Policies beside those that hold tenants apart: each shows what it is for and nothing more, with nothing but the setting that it looks at, and shows
//! nothing when it is gone; and so it is with what may be written. Those of the tenants are tried in `catalog.rs`.

use crate::harness::{TestApp, crowd};

/// What there is to be shown, beside what two tenants have.
const MORE: &str = "
SET session_replication_role = replica;
DELETE FROM heartbeats;
INSERT INTO heartbeats (system_identifier, timeline, at) VALUES (1, 1, now());
INSERT INTO provider_quotas (provider, begins_at, used) VALUES ('p', now(), 1);
INSERT INTO trusted_documents (id, hash, text, imported_at) VALUES ('d', encode(sha256('t'), 'hex'), 't', now());
INSERT INTO inbound_events (id, provider, event_id, body, received_at, processed_at) VALUES
  (gen_random_uuid(), 'p', 'old', '', now() - interval '31 days', now()), (gen_random_uuid(), 'p', 'new', '', now(), NULL);
UPDATE audit_entries SET tx = 9000000000000000 WHERE id = (SELECT id FROM audit_entries ORDER BY id LIMIT 1);
UPDATE jobs SET tx = 9000000000000000 WHERE id = (SELECT id FROM jobs ORDER BY id LIMIT 1);
UPDATE jobs SET state = 'DONE', finished_at = now() - interval '8 days' WHERE id = (SELECT id FROM jobs ORDER BY id DESC LIMIT 1);
UPDATE invitations SET expires_at = now() - interval '8 days' WHERE id = (SELECT id FROM invitations ORDER BY id LIMIT 1);
UPDATE sessions SET expires_at = now() - interval '8 days' WHERE id = (SELECT id FROM sessions ORDER BY id LIMIT 1);
UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE id = (SELECT id FROM webhook_deliveries WHERE state = 'DELIVERED' LIMIT 1);
UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE id = (SELECT id FROM webhook_deliveries WHERE state = 'PENDING' LIMIT 1);
";

/// Of a policy: the role it is for, its table and name, the setting that it looks at with the value that it gets, and which rows it shows.
const CASES: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("payaid_server", "api_keys", "token", "app.token_hash", "SELECT secret_hash FROM api_keys ORDER BY id LIMIT 1", "secret_hash = $"),
    ("payaid_server", "heartbeats", "beating", "app.heartbeat", "SELECT 'on'", "true"),
    ("payaid_server", "inbound_events", "inbound", "app.inbound", "SELECT 'on'", "true"),
    ("payaid_server", "invitations", "token", "app.token_hash", "SELECT token_hash FROM invitations ORDER BY id LIMIT 1", "token_hash = $"),
    ("payaid_server", "memberships", "own", "app.user_id", "SELECT id::text FROM users ORDER BY email LIMIT 1", "user_id::text = $"),
    ("payaid_server", "messages", "reported", "app.provider_reference", "SELECT 'r1'", "provider_reference = $"),
    ("payaid_server", "organizations", "tenant", "app.organization_id", "SELECT id::text FROM organizations WHERE name = 'A'", "id::text = $"),
    (
        "payaid_server",
        "organizations",
        "tenant",
        "app.user_id",
        "SELECT id::text FROM users ORDER BY email LIMIT 1",
        "id IN (SELECT organization_id FROM memberships WHERE user_id::text = $ AND removed_at IS NULL)",
    ),
    ("payaid_server", "provider_quotas", "counting", "app.quotas", "SELECT 'on'", "true"),
    ("payaid_server", "sessions", "own", "app.user_id", "SELECT user_id::text FROM sessions ORDER BY id LIMIT 1", "user_id::text = $"),
    ("payaid_server", "sessions", "token", "app.token_hash", "SELECT family_hash FROM sessions ORDER BY id LIMIT 1", "family_hash = $"),
    ("payaid_server", "trusted_documents", "readable", "app.documents", "SELECT 'on'", "true"),
    ("payaid_server", "users", "visible", "app.user_id", "SELECT id::text FROM users ORDER BY email LIMIT 1", "id::text = $"),
    ("payaid_server", "users", "visible", "app.email", "SELECT 'a@a.example'", "email = $"),
    (
        "payaid_server",
        "users",
        "visible",
        "app.organization_id",
        "SELECT id::text FROM organizations WHERE name = 'A'",
        "id IN (SELECT user_id FROM memberships WHERE organization_id::text = $)",
    ),
    ("payaid_janitor", "audit_entries", "ahead", "app.user_id", "SELECT ''", "tx = 9000000000000000"),
    ("payaid_janitor", "inbound_events", "old", "app.user_id", "SELECT ''", "event_id = 'old'"),
    ("payaid_janitor", "invitations", "expired", "app.user_id", "SELECT ''", "expires_at < now()"),
    // Either shows its own beside the other's.
    ("payaid_janitor", "jobs", "ahead", "app.user_id", "SELECT ''", "tx = 9000000000000000 OR state = 'DONE'"),
    ("payaid_janitor", "jobs", "over", "app.user_id", "SELECT ''", "tx = 9000000000000000 OR state = 'DONE'"),
    ("payaid_janitor", "sessions", "expired", "app.user_id", "SELECT ''", "expires_at < now()"),
    ("payaid_janitor", "webhook_deliveries", "old", "app.user_id", "SELECT ''", "state <> 'PENDING' AND created_at < now() - interval '30 days'"),
    ("payaid_owner", "trusted_documents", "imported", "app.user_id", "SELECT ''", "true"),
    ("payaid_search", "contacts", "search", "app.user_id", "SELECT ''", "true"),
];

/// Policies about writing alone: what is tried with the user set, how many rows it concerns, and what of another's it does not.
const WRITES: &[(&str, &str, &str, u64, &str)] = &[
    (
        "users",
        "insert_self",
        "INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES (app_user_id(), 'n@n.example', 'N', '-', now(), now())",
        1,
        "INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES (gen_random_uuid(), 'n@n.example', 'N', '-', now(), now())",
    ),
    ("users", "update_self", "UPDATE users SET name = name", 1, "UPDATE users SET id = gen_random_uuid()"),
    ("sessions", "update_own", "UPDATE sessions SET family_hash = family_hash", 2, "UPDATE sessions SET user_id = gen_random_uuid()"),
];

async fn filled() -> TestApp {
    let app = TestApp::start().await;
    let owners = [app.sign_up("A", "a@a.example").await, app.sign_up("B", "b@b.example").await];
    app.sign_in("a@a.example", crate::harness::app::PASSWORD).await;
    for owner in &owners {
        crowd::fill(&app, owner, 2).await;
    }
    app.superuser().await.batch_execute(MORE).await.unwrap_or_else(|error| panic!("{error:?}"));
    app
}

#[tokio::test]
async fn each_policy_shows_what_it_is_for() {
    let app = filled().await;
    let client = app.superuser().await;
    for (role, table, policy, setting, value, rows) in CASES {
        let value: String = client.query_one(*value, &[]).await.unwrap().get(0);
        let rows = rows.replace('$', &format!("'{value}'"));
        let count = async |condition: &str| {
            let row = client.query_one(&format!("SELECT count(*) FROM {table} WHERE {condition}"), &[]).await;
            row.unwrap_or_else(|error| panic!("{table}.{policy}: {error:?}")).get::<_, i64>(0)
        };
        let (all, expected) = (count("true").await, count(&rows).await);
        assert!(expected > 0 && (rows == "true" || expected < all), "{table}.{policy}: {expected} of {all} rows tell nothing");
        let shown = async |value: &str, before: &str| {
            // With every right, so that nothing but the policies decides.
            let prepare = format!(
                "BEGIN; GRANT SELECT ON {table} TO {role}; GRANT USAGE ON SCHEMA public TO {role}; {before}; \
                 SELECT set_config('{setting}', '{value}', true); SET LOCAL ROLE {role}"
            );
            client.batch_execute(&prepare).await.unwrap();
            let shown = count("true").await;
            client.batch_execute("ROLLBACK").await.unwrap();
            shown
        };
        assert_eq!(shown(&value, "SELECT").await, expected, "{table}.{policy}");
        let is_without = role != &"payaid_server" || shown("", "SELECT").await == 0;
        assert!(is_without, "{table}.{policy} shows something without its setting");
        let gone = shown(&value, &format!("DROP POLICY {policy} ON {table}")).await;
        let beside = *table == "jobs" && gone == 1;
        assert!(gone == 0 || beside, "{table}.{policy} is gone, and {gone} rows are shown");
        let opened = shown(&value, &format!("ALTER POLICY {policy} ON {table} USING (true)")).await;
        assert_eq!(opened, all, "{table}.{policy} is open");
    }
}

/// A policy that is about reading lets nobody write, and one about everything lets those rows be written that it shows, and no others.
#[tokio::test]
async fn each_policy_lets_write_what_it_is_for() {
    let app = filled().await;
    let client = app.superuser().await;
    let mut tried_writing = 0;
    for (role, table, policy, setting, value, rows) in CASES {
        let value: String = client.query_one(*value, &[]).await.unwrap().get(0);
        let rows = rows.replace('$', &format!("'{value}'"));
        let columns = format!(
            "SELECT string_agg(quote_ident(column_name), ', '), (SELECT cmd FROM pg_policies WHERE tablename = '{table}' AND policyname = '{policy}') \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
        );
        let row = client.query_one(&columns, &[]).await.unwrap();
        let (columns, about): (String, String) = (row.get(0), row.get(1));
        // One of the rows is put aside before, to be written anew: with every right and without triggers, so that nothing but the policies decides.
        let tried = async |statement: &str, aside: &str, value: &str, before: &str| {
            let prepare = format!(
                "BEGIN; SET LOCAL session_replication_role = replica; GRANT ALL ON {table} TO {role}; GRANT USAGE ON SCHEMA public TO {role}; \
                 CREATE TEMP TABLE aside ON COMMIT DROP AS SELECT * FROM {table} WHERE {aside} LIMIT 1; GRANT SELECT ON aside TO {role}; {before}; \
                 SELECT set_config('{setting}', '{value}', true)"
            );
            client.batch_execute(&prepare).await.unwrap();
            let there = client.query_one("SELECT count(*) FROM aside", &[]).await.unwrap().get::<_, i64>(0);
            if statement.starts_with("INSERT") {
                client.batch_execute(&format!("DELETE FROM {table}")).await.unwrap();
            }
            client.batch_execute(&format!("SET LOCAL ROLE {role}")).await.unwrap();
            let written = client.execute(statement, &[]).await;
            client.batch_execute("ROLLBACK").await.unwrap();
            let written = written.map_err(|error| error.as_db_error().unwrap().message().to_owned());
            assert!(written.as_ref().err().is_none_or(|error| error.contains("row-level security")), "{table}.{policy}: {written:?}");
            (there > 0).then(|| written.unwrap_or(0))
        };
        let insert = format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM aside");
        let (delete, drop) = (format!("DELETE FROM {table}"), format!("DROP POLICY {policy} ON {table}"));
        let shown = client.query_one(&format!("SELECT count(*) FROM {table} WHERE {rows}"), &[]).await.unwrap().get::<_, i64>(0);
        let shown = u64::try_from(shown).unwrap();
        let own = match (*table, *policy) {
            ("jobs", "ahead") => "tx = 9000000000000000",
            ("jobs", _) => "state = 'DONE'",
            _ => &rows,
        };
        if about != "ALL" {
            assert_eq!(about, "SELECT", "{table}.{policy}");
            // Policies beside it let a person add herself, and the janitor delete what is over.
            let beside = [("users", "app.user_id"), ("jobs", "app.user_id")].map(|own| u64::from(own == (*table, *setting)));
            assert_eq!(tried(&insert, own, &value, "SELECT").await, Some(beside[0]), "{table}.{policy} lets somebody add");
            assert_eq!(tried(&delete, "true", &value, "SELECT").await, Some(beside[1]), "{table}.{policy} lets somebody delete");
            continue;
        }
        tried_writing += 1;
        // What one belongs to is seen, and changed only by those who work there; what is ahead is seen, and only what is over deleted.
        let (added, deleted) = match (*table, *setting) {
            ("organizations", "app.user_id") => (0, shown),
            ("jobs", _) => (1, 1),
            _ => (1, shown),
        };
        assert_eq!(tried(&insert, own, &value, "SELECT").await, Some(added), "{table}.{policy} adds");
        assert_eq!(tried(&delete, "true", &value, "SELECT").await, Some(deleted), "{table}.{policy} deletes");
        assert_eq!(tried(&insert, own, &value, &drop).await, Some(0), "{table}.{policy} is gone");
        assert_eq!(tried(&delete, "true", &value, &drop).await, Some(0), "{table}.{policy} is gone");
        let open = format!("ALTER POLICY {policy} ON {table} USING (true) WITH CHECK (true)");
        if *role == "payaid_server" {
            assert_eq!(tried(&insert, own, "", "SELECT").await, Some(0), "{table}.{policy} adds without its setting");
            assert_eq!(tried(&insert, own, "", &open).await, Some(1), "{table}.{policy} is open");
        } else if rows != "true" {
            let other = format!("NOT coalesce({own}, false)");
            assert_eq!(tried(&insert, &other, &value, "SELECT").await, Some(0), "{table}.{policy} adds what it does not show");
            assert_eq!(tried(&insert, &other, &value, &open).await, Some(1), "{table}.{policy} is open");
        }
    }
    assert_eq!(tried_writing, 11);
}

#[tokio::test]
async fn each_policy_about_writing_lets_oneself_change() {
    let app = filled().await;
    let client = app.superuser().await;
    let user: String = client.query_one("SELECT id::text FROM users WHERE email = 'a@a.example'", &[]).await.unwrap().get(0);
    for (table, policy, own, expected, another) in WRITES {
        let user = if *policy == "insert_self" { uuid::Uuid::from_u128(7).to_string() } else { user.clone() };
        let tried = async |statement: &str, before: &str| {
            let prepare = format!(
                "BEGIN; SET LOCAL session_replication_role = replica; GRANT ALL ON {table} TO payaid_server; {before}; \
                 SELECT set_config('app.user_id', '{user}', true); SET LOCAL ROLE payaid_server"
            );
            client.batch_execute(&prepare).await.unwrap();
            let changed = client.execute(statement, &[]).await;
            client.batch_execute("ROLLBACK").await.unwrap();
            changed.map_err(|error| error.as_db_error().unwrap().message().to_owned())
        };
        let is_refused = |tried: Result<u64, String>| tried.map_or_else(|error| error.contains("row-level security"), |changed| changed == 0);
        assert_eq!(tried(own, "SELECT").await, Ok(*expected), "{table}.{policy}");
        assert!(is_refused(tried(another, "SELECT").await), "{table}.{policy}: {another}");
        assert!(is_refused(tried(own, &format!("DROP POLICY {policy} ON {table}")).await), "{table}.{policy} is gone");
    }
}

#[tokio::test]
async fn no_policy_is_left_out() {
    let app = TestApp::start().await;
    let rows = app.superuser().await.query("SELECT tablename::text, policyname::text, cmd FROM pg_policies", &[]).await.unwrap();
    let known = |table: &str, policy: &str, about: &str| match about {
        "ALL" | "SELECT" => CASES.iter().any(|(_, of, name, ..)| (*of, *name) == (table, policy)),
        _ => WRITES.iter().any(|(of, name, ..)| (*of, *name) == (table, policy)),
    };
    let all: Vec<(String, String, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    // Those of the tenants are tried together, but for the tenants themselves.
    let is_together = |table: &str, policy: &str| policy == "tenant" && table != "organizations";
    let unknown: Vec<_> = all.iter().filter(|(table, policy, about)| !is_together(table, policy) && !known(table, policy, about)).collect();
    assert!(unknown.is_empty(), "nobody has tried {unknown:?}");
}
