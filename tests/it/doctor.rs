//! `payaid doctor`: it finds all well on a healthy installation, and each fault with what to do about it.

use payaid::access::sealing::generate_key;
use payaid::platform::cluster::postgres::{Options, SUPERUSER, Server};
use payaid::platform::postgres::migrate;
use serde_json::Value;

use crate::harness::process::{Folder, Payaid};
use crate::harness::servers::{execute, shared};
use crate::harness::{TestApp, world};

/// What it looks at, in its order.
const PARTS: [&str; 11] =
    ["database", "roles", "migrations", "indexes", "row level security", "events", "replica", "redis", "language model", "mail", "encryption"];

struct Doctor {
    folder: Folder,
    database: String,
    key: String,
}

impl Doctor {
    fn of(url: String) -> Self {
        Self { folder: Folder::create(), database: url, key: generate_key().unwrap() }
    }

    /// What it says of each part.
    async fn examine(&self, environment: &[(&str, &str)]) -> Vec<Finding> {
        let mut all = vec![("DATABASE_URL", self.database.as_str()), ("ENCRYPTION_KEY", self.key.as_str())];
        all.extend(environment);
        let ended = Payaid::run(self.folder.path(), &["doctor", "--json"], &all).await;
        let found: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        assert_eq!(found["well"].as_bool().unwrap(), ended.status.success(), "{ended:?}");
        let findings: Vec<_> = found["findings"].as_array().unwrap().iter().map(Finding::of).collect();
        assert_eq!(ended.status.success(), findings.iter().all(|finding| finding.state != "wrong"), "{ended:?}");
        findings
    }

    /// Of all parts this one is wrong, which is said in these words, with this advice.
    async fn finds(&self, part: &str, said: &str, advice: &str, environment: &[(&str, &str)]) {
        let findings = self.examine(environment).await;
        let wrong: Vec<_> = findings.iter().filter(|finding| finding.state == "wrong").collect();
        let [Finding { part: found_in, found, advice: given, .. }] = wrong.as_slice() else { panic!("{part}: {findings:#?}") };
        assert!(found_in == part && found.contains(said) && given.contains(advice), "{part}, {said}, {advice}: {wrong:#?}");
    }
}

#[derive(Debug)]
struct Finding {
    part: String,
    state: String,
    found: String,
    advice: String,
}

impl Finding {
    fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        Self { part: text("part"), state: text("state"), found: text("found"), advice: text("advice") }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_installation_is_well_in_every_part() {
    let servers = shared().await;
    let app = TestApp::start().await;
    world::populate(&app.sign_up("Sharma", "owner@sharma.example").await, "doctor").await;
    servers.replica.catch_up(&servers.primary).await.unwrap();
    let doctor = Doctor::of(servers.primary.url(&app.database, "payaid_server"));
    let replica = servers.replica.url(&app.database, "payaid_server");
    let findings = doctor.examine(&[("DATABASE_READ_URL", &replica), ("REDIS_URL", &servers.redis.url())]).await;
    assert_eq!(findings.iter().map(|finding| finding.part.as_str()).collect::<Vec<_>>(), PARTS);
    for finding in &findings {
        assert!(finding.state == "ok" && finding.advice.is_empty(), "{findings:#?}");
    }
    // What is not used is well, and a superuser's login is worth a word.
    let as_superuser = Doctor::of(servers.primary.url(&app.database, SUPERUSER)).examine(&[]).await;
    assert_eq!(as_superuser.iter().filter(|finding| finding.state == "warning").map(|finding| finding.part.as_str()).collect::<Vec<_>>(), ["roles"]);
    let lines = Payaid::run(doctor.folder.path(), &["doctor"], &[("DATABASE_URL", &doctor.database), ("ENCRYPTION_KEY", &doctor.key)]).await;
    assert!(lines.status.success(), "{lines:?}");
    assert_eq!(lines.stdout.lines().filter(|line| line.starts_with("ok ")).count(), PARTS.len(), "{lines:?}");
    assert!(!lines.stdout.contains('\u{1b}'), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_database_is_found() {
    let servers = shared().await;
    let app = TestApp::start().await;
    world::populate(&app.sign_up("Sharma", "owner@sharma.example").await, "doctor").await;
    let doctor = Doctor::of(servers.primary.url(&app.database, "payaid_server"));
    let db = app.superuser().await;
    let policy = "CREATE POLICY own ON sessions FOR SELECT TO payaid_server USING (user_id = (SELECT app_user_id()))";
    let newest: String = db.query_one("SELECT max(version) FROM __diesel_schema_migrations", &[]).await.unwrap().get(0);
    let (unrun, run_again) = (
        format!("DELETE FROM __diesel_schema_migrations WHERE version = '{newest}'"),
        format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{newest}')"),
    );
    let rls = "row level security";
    let invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'contacts_by_created'::regclass";
    let valid = "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'contacts_by_created'::regclass";
    let closed = "ALTER POLICY tenant ON deals USING (organization_id = (SELECT app_organization_id()))";
    let page = include_str!("../../docs/subscriptions.md").split("## After a restore").nth(1).unwrap();
    let repair = page.split("```sql").nth(1).unwrap().split("```").next().unwrap().to_owned();
    for (damage, part, said, advice, repair) in [
        ("ALTER TABLE deals DISABLE ROW LEVEL SECURITY", rls, "not forced on: deals", "ENABLE", "ALTER TABLE deals ENABLE ROW LEVEL SECURITY"),
        ("ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY", rls, "not forced on: tasks", "FORCE", "ALTER TABLE tasks FORCE ROW LEVEL SECURITY"),
        // One of several on its table, so that the others still stand.
        ("DROP POLICY own ON sessions", rls, "missing: own on sessions", "as their migrations do", policy),
        ("ALTER POLICY tenant ON deals USING (true)", rls, "without a tenant in: deals", "stop the server", closed),
        (invalid, "indexes", "not usable: contacts_by_created", "REINDEX", valid),
        (&unrun, "migrations", &newest, "run `payaid migrate`", &run_again),
        (
            "UPDATE audit_entries SET tx = 1000000000000000 WHERE noun = 'contact'",
            "events",
            "from another cluster",
            "After a restore",
            repair.as_str(),
        ),
        ("DROP INDEX deals_won", "indexes", "missing: deals_won", "as their migrations do", "SELECT"),
    ] {
        db.batch_execute(damage).await.unwrap();
        doctor.finds(part, said, advice, &[]).await;
        db.batch_execute(repair).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_that_are_away_or_not_what_they_should_be_are_found() {
    let servers = shared().await;
    let database = servers.database().await;
    let doctor = Doctor::of(servers.primary.url(&database, "payaid_server"));
    let away = "postgres://payaid_server@127.0.0.1:1/payaid";
    doctor.finds("replica", "is no replica", "at a replica", &[("DATABASE_READ_URL", &doctor.database)]).await;
    doctor.finds("replica", "cannot be reached", "start it", &[("DATABASE_READ_URL", away)]).await;
    doctor.finds("replica", "cannot be understood", "write it as", &[("DATABASE_READ_URL", "nonsense")]).await;
    doctor.finds("encryption", "32 bytes", "look at ENCRYPTION_KEY", &[("ENCRYPTION_KEY", "c2hvcnQ=")]).await;
    doctor.finds("redis", "did not answer", "start it", &[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    doctor.finds("redis", "no address", "write it as", &[("REDIS_URL", "nonsense")]).await;
    let model = [("OLLAMA_ENABLED", "true"), ("OLLAMA_URL", "http://127.0.0.1:1")];
    doctor.finds("language model", "nothing answers", "ollama serve", &model).await;
    Doctor::of(away.to_owned()).finds("database", "cannot be reached", "is it running", &[]).await;
    Doctor::of(servers.primary.url("no_such_database", "payaid_server")).finds("database", "does not exist", "create the database", &[]).await;
    Doctor::of(servers.replica.url("postgres", "payaid_server")).finds("database", "cannot be written to", "at the primary", &[]).await;
    Doctor::of(String::new()).finds("database", "no database is named", "set DATABASE_URL", &[]).await;
}

/// Roles are the whole cluster's, so this has one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn roles_that_may_too_much_are_found() {
    let server = Server::start(Options { max_connections: 20, ..Options::temporary() }).await.unwrap();
    let superuser = server.url("postgres", SUPERUSER);
    let before = Doctor::of(superuser.clone());
    before.finds("database", "payaid_server", "payaid migrate", &[]).await;
    migrate::run(&superuser).await.unwrap();
    execute(&superuser, "CREATE ROLE other; CREATE ROLE stranger LOGIN").await;
    let doctor = Doctor::of(server.url("postgres", "payaid_server"));
    for (damage, part, said, advice, repair) in [
        ("ALTER ROLE payaid_server BYPASSRLS", "database", "bypasses", "tenants are not held apart", "ALTER ROLE payaid_server NOBYPASSRLS"),
        ("ALTER ROLE payaid_server SUPERUSER", "database", "is a superuser", "tenants are not held apart", "ALTER ROLE payaid_server NOSUPERUSER"),
        ("GRANT other TO payaid_server", "roles", "member of 1", "REVOKE", "REVOKE other FROM payaid_server"),
        ("ALTER TABLE tasks OWNER TO payaid_server", "roles", "owns 1", "REASSIGN", "ALTER TABLE tasks OWNER TO payaid_owner"),
        ("ALTER ROLE payaid_owner LOGIN", "roles", "can log in", "neither log in", "ALTER ROLE payaid_owner NOLOGIN"),
    ] {
        execute(&superuser, damage).await;
        doctor.finds(part, said, advice, &[]).await;
        execute(&superuser, repair).await;
    }
    Doctor::of(server.url("postgres", "stranger")).finds("database", "permission denied to set role", "GRANT payaid_server", &[]).await;
    let other_copy = shared().await.primary.url("postgres", SUPERUSER);
    let findings = doctor.examine(&[("DATABASE_READ_URL", &other_copy)]).await;
    assert!(findings.iter().any(|finding| finding.part == "replica" && finding.state == "wrong"), "{findings:#?}");
    server.stop().await;
}
