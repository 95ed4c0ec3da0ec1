//! What PostgreSQL's own catalog says about tenancy: the rules hold for every table, also for those of tomorrow.

use crate::harness::TestApp;
use crate::harness::snapshot;

/// Tables that are not one tenant's, with the reason.
const SHARED: &[(&str, &str)] = &[
    ("__diesel_schema_migrations", "which migrations were run"),
    ("inbound_events", "what others have sent, who send to no tenant; a policy of its own shows it"),
    ("heartbeats", "one row about replication, which names nobody"),
    ("provider_quotas", "how much a provider was sent, by the server's own account with it"),
    ("trusted_documents", "what clients of all tenants ask; policies of its own show it"),
    ("users", "a person may belong to several organizations; policies of its own show it"),
    ("organizations", "its id is the tenant; policies of its own show it"),
];

/// Functions that run as another role than the caller, with what they are for.
const DEFINERS: &[&str] = &[
    "contact_search",
    "delete_expired",
    "delete_finished_jobs",
    "delete_old_webhooks",
    "delete_spent_entries",
    "enqueue_errand",
    "events_ahead",
    "note_position",
    "wake_worker",
    "wake_workers",
];

async fn texts(app: &TestApp, sql: &str) -> Vec<String> {
    let rows = app.superuser().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Unique over all tenants: hashes of random tokens, which are looked up before the tenant is known, and of which a collision tells nothing about anybody.
const HASHES: &str = "'api_keys_secret_hash_key', 'invitations_token_hash_key', 'sessions_family_hash_key'";

/// A rule that nothing in the database breaks.
struct Rule {
    name: &'static str,
    /// What breaks it. `$shared` stands for the tables that are not one tenant's, `$hashes` for [`HASHES`].
    sql: &'static str,
    /// Statements that break it, and what is found then.
    broken: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "row level security is forced",
        sql: "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') \
            AND relname <> '__diesel_schema_migrations' AND NOT (relrowsecurity AND relforcerowsecurity)",
        broken: &[
            ("ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY", "contacts"),
            ("ALTER TABLE users DISABLE ROW LEVEL SECURITY", "users"),
            ("CREATE MATERIALIZED VIEW all_contacts AS SELECT * FROM contacts", "all_contacts"),
        ],
    },
    Rule {
        name: "tables have an organization",
        sql: "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') AND relname NOT IN ($shared) \
            AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'organization_id' AND attnotnull AND atttypid = 'uuid'::regtype)",
        broken: &[
            ("CREATE TABLE loose (id uuid PRIMARY KEY)", "loose"),
            ("CREATE TABLE loose (organization_id uuid)", "loose"),
            ("CREATE TABLE loose (organization_id text NOT NULL)", "loose"),
        ],
    },
    Rule {
        name: "tables have the tenant's policy",
        sql: "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') AND relname NOT IN ($shared) \
            AND NOT EXISTS (SELECT FROM pg_policies WHERE tablename = relname AND 'payaid_server' = ANY(roles) AND qual LIKE '%app_organization_id()%' \
            AND coalesce(with_check, qual) LIKE '%app_organization_id()%' AND policyname = 'tenant' AND cmd = 'ALL')",
        broken: &[
            ("DROP POLICY tenant ON contacts", "contacts"),
            ("ALTER POLICY tenant ON deals USING (true)", "deals"),
            ("ALTER POLICY tenant ON deals WITH CHECK (true)", "deals"),
            ("ALTER POLICY tenant ON tasks TO payaid_janitor", "tasks"),
        ],
    },
    Rule {
        name: "keys begin with the organization",
        sql: "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1] \
            WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT IN ($shared) AND a.attname <> 'organization_id' \
            AND contype IN ('p', 'u', 'f') AND conname NOT IN ($hashes) AND NOT (contype = 'f' AND confrelid = 'users'::regclass)",
        broken: &[
            ("ALTER TABLE contacts ADD CONSTRAINT across UNIQUE (email)", "contacts across"),
            ("ALTER TABLE contacts ADD CONSTRAINT contacts_phone_hash_key UNIQUE (phone)", "contacts contacts_phone_hash_key"),
            (
                "ALTER TABLE contacts ADD UNIQUE (organization_id, id, name); ALTER TABLE tasks ADD COLUMN name text; ALTER TABLE tasks ADD CONSTRAINT turned \
              FOREIGN KEY (name, contact_id, organization_id) REFERENCES contacts (name, id, organization_id)",
                "tasks turned",
            ),
        ],
    },
    Rule {
        // Not every unique index has a constraint, and an exclusion may be over expressions alone.
        name: "unique indexes begin with the organization",
        sql: "SELECT indrelid::regclass || ' ' || indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indrelid \
            LEFT JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = indkey[0] WHERE (indisunique OR indisexclusion) \
            AND relnamespace = 'public'::regnamespace AND indrelid::regclass::text NOT IN ($shared) AND coalesce(a.attname, '') <> 'organization_id' \
            AND indexrelid::regclass::text NOT IN ($hashes)",
        broken: &[
            ("CREATE UNIQUE INDEX across ON contacts (email) WHERE id IS NULL", "contacts across"),
            ("CREATE UNIQUE INDEX across ON contacts (lower(email)) WHERE id IS NULL", "contacts across"),
            ("ALTER TABLE contacts ADD CONSTRAINT across EXCLUDE (lower(email) WITH =) WHERE (id IS NULL)", "contacts across"),
        ],
    },
    Rule {
        name: "references to a tenant's table carry the organization",
        sql: "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace \
            AND cardinality(conkey) < 2 AND confrelid NOT IN ('organizations'::regclass, 'users'::regclass)",
        broken: &[(
            "ALTER TABLE contacts ADD UNIQUE (id); ALTER TABLE tasks ADD CONSTRAINT loose FOREIGN KEY (contact_id) REFERENCES contacts (id)",
            "tasks loose",
        )],
    },
    Rule {
        name: "no role passes by the policies",
        sql: "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'payaid\\_%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)",
        broken: &[("CREATE ROLE payaid_other BYPASSRLS", "payaid_other"), ("CREATE ROLE payaid_other SUPERUSER", "payaid_other")],
    },
    Rule {
        name: "the server owns nothing",
        sql: "SELECT relname::text FROM pg_class WHERE relowner = 'payaid_server'::regrole \
            UNION ALL SELECT proname::text FROM pg_proc WHERE proowner = 'payaid_server'::regrole",
        broken: &[
            ("ALTER TABLE contacts OWNER TO payaid_server", "contacts"),
            ("ALTER FUNCTION app_organization_id() OWNER TO payaid_server", "app_organization_id"),
        ],
    },
    Rule {
        name: "the server is a member of no other role",
        sql: "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'payaid_server'::regrole",
        broken: &[("CREATE ROLE payaid_other; GRANT payaid_other TO payaid_server", "payaid_other")],
    },
    Rule {
        name: "views show what their reader may see",
        sql: "SELECT relname::text FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace \
            AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false)",
        broken: &[("CREATE VIEW all_contacts AS SELECT * FROM contacts", "all_contacts")],
    },
    Rule {
        name: "functions that act as another role have a fixed search path and are not open to everybody",
        sql: "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace \
            AND (proconfig IS NULL OR NOT proconfig::text LIKE '%search_path=pg_catalog%' OR has_function_privilege('public', oid, 'EXECUTE'))",
        broken: &[
            ("ALTER FUNCTION contact_search RESET search_path", "contact_search"),
            ("GRANT EXECUTE ON FUNCTION contact_search TO public", "contact_search"),
        ],
    },
];

impl Rule {
    /// What breaks it, but for these hashes, in the database that a connection is to.
    async fn breaches(&self, client: &tokio_postgres::Client, hashes: &str) -> Vec<String> {
        let shared: Vec<String> = SHARED.iter().map(|(name, _)| format!("'{name}'")).collect();
        let sql = self.sql.replace("$shared", &shared.join(", ")).replace("$hashes", hashes);
        let rows = client.query(&sql, &[]).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn nothing_in_the_database_breaks_a_rule() {
    let app = TestApp::start().await;
    let client = app.superuser().await;
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f')";
    assert!(texts(&app, tables).await.len() >= 14);
    for rule in RULES {
        assert_eq!(rule.breaches(&client, HASHES).await, Vec::<String>::new(), "{}", rule.name);
        if rule.sql.contains("$hashes") {
            let excepted = rule.breaches(&client, "''").await;
            let needed = HASHES.split(", ").all(|name| excepted.iter().any(|found| found.ends_with(&format!(" {}", name.trim_matches('\'')))));
            assert!(needed && excepted.len() == 3, "{}: exceptions that are not needed: {excepted:?}", rule.name);
        }
        for (broken, expected) in rule.broken {
            client.batch_execute(&format!("BEGIN; {broken}")).await.unwrap_or_else(|error| panic!("{broken}: {error:?}"));
            let found = rule.breaches(&client, HASHES).await;
            client.batch_execute("ROLLBACK").await.unwrap();
            assert!(found.iter().any(|found| found == expected), "{} is broken unseen by {broken}: {found:?}", rule.name);
        }
    }
}

#[tokio::test]
async fn functions_that_act_as_another_role_are_few_and_known() {
    let app = TestApp::start().await;
    let definers = "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(texts(&app, definers).await, DEFINERS);
}

#[tokio::test]
async fn the_audit_log_can_only_grow() {
    let app = TestApp::start().await;
    let rights = "SELECT privilege_type::text FROM information_schema.role_table_grants WHERE grantee = 'payaid_server' AND table_name = 'audit_entries' ORDER BY 1";
    assert_eq!(texts(&app, rights).await, ["INSERT", "SELECT"]);
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    owner.done("contactCreate", serde_json::json!({"name": "Asha"}), "contact { id }").await;
    let client = app.superuser().await;
    client.batch_execute("SET ROLE payaid_server").await.unwrap();
    for statement in ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"] {
        let error = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{statement}");
    }
}

/// Every policy there is, in full, so that none is dropped, opened or added without a reviewer's seeing it.
const POLICIES: &str = "SELECT format('%s on %s to %s for %s%s%s', policyname, tablename, array_to_string(roles, ', '), cmd, \
    ' using ' || qual, ' with check ' || with_check) FROM pg_policies WHERE schemaname = 'public' ORDER BY tablename, policyname";

#[tokio::test]
async fn the_policies_are_those_that_were_reviewed() {
    let app = TestApp::start().await;
    let text = format!("{}\n", texts(&app, POLICIES).await.join("\n"));
    snapshot::compare("policies.txt", &text);
    // Each in turn: dropped, or opened on either side, it is missed.
    let each = "SELECT format('%I ON %I', policyname, tablename), qual <> 'true', with_check <> 'true' FROM pg_policies WHERE schemaname = 'public' \
        ORDER BY 1";
    let client = app.superuser().await;
    let policies = client.query(each, &[]).await.unwrap();
    assert!(policies.len() >= 14, "{policies:?}");
    for row in policies {
        let (policy, reads, writes): (String, Option<bool>, Option<bool>) = (row.get(0), row.get(1), row.get(2));
        let mut changes = vec![format!("DROP POLICY {policy}")];
        changes.extend(reads.filter(|held| *held).map(|_| format!("ALTER POLICY {policy} USING (true)")));
        changes.extend(writes.filter(|held| *held).map(|_| format!("ALTER POLICY {policy} WITH CHECK (true)")));
        for change in changes {
            client.batch_execute(&format!("BEGIN; {change}")).await.unwrap();
            let rows = client.query(POLICIES, &[]).await.unwrap();
            client.batch_execute("ROLLBACK").await.unwrap();
            let changed: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let differences = snapshot::differences(&text, &changed.join("\n"));
            assert!(!differences.is_empty(), "unseen: {change}");
        }
    }
}

/// Tables whose rows go with another without an entry of their own in the audit log, with the reason.
const SILENT: &[(&str, &str)] = &[
    ("deal_stage_changes", "each is in the log already, as the deal's own stageSet or create"),
    ("webhook_deliveries", "the log of calls goes with its endpoint, whose deletion is in the log"),
    ("webhook_attempts", "likewise"),
    ("pipeline_stages", "what deletes a pipeline deletes its stages first, and notes them"),
];

#[tokio::test]
async fn what_the_database_changes_by_itself_is_noted() {
    let app = TestApp::start().await;
    let changed = "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd') \
                   AND connamespace = 'public'::regnamespace ORDER BY 1";
    let noted = "SELECT tgrelid::regclass::text FROM pg_trigger GROUP BY tgrelid \
                 HAVING array_agg(tgname::text) @> '{count_side_effect,note_side_effect}' ORDER BY 1";
    let noted = texts(&app, noted).await;
    assert!(noted.len() >= 4, "{noted:?}");
    for table in texts(&app, changed).await {
        assert!(noted.contains(&table) || SILENT.iter().any(|(silent, _)| *silent == table), "ON DELETE changes {table}, and nothing notes it");
    }
}

/// Two tenants with rows in every table: the tables, and the organization of the second.
async fn two_tenants(app: &TestApp) -> (Vec<String>, uuid::Uuid) {
    let (a, b) = (app.sign_up("A", "a@a.example").await, app.sign_up("B", "b@b.example").await);
    for owner in [&a, &b] {
        crate::harness::crowd::fill(app, owner, 2).await;
    }
    let viewer = b.query("{ viewer { organization { id } } }").await;
    let organization = payaid::base::id::AnyId::parse(viewer["viewer"]["organization"]["id"].as_str().unwrap()).unwrap().uuid;
    let tables = texts(app, "SELECT tablename::text FROM pg_policies WHERE policyname = 'tenant' AND tablename <> 'organizations' ORDER BY 1").await;
    assert!(tables.len() >= 14, "{tables:?}");
    (tables, organization)
}

/// Row level security by itself: with the tenant set, not even a statement without any condition sees a row of another.
#[tokio::test]
async fn without_a_condition_only_the_own_rows_are_there() {
    let app = TestApp::start().await;
    let (tables, b_id) = two_tenants(&app).await;
    let client = app.superuser().await;
    for table in tables {
        let count = format!("SELECT count(*), count(*) FILTER (WHERE organization_id = '{b_id}') FROM {table}");
        let counts = async || client.query_one(&count, &[]).await.map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1))).unwrap();
        let (all, own) = counts().await;
        assert!(own > 0 && all > own, "{table} has {all} rows, {own} of them the tenant's: too few to tell");
        client.batch_execute("BEGIN; SET LOCAL ROLE payaid_server").await.unwrap();
        assert_eq!(counts().await.0, 0, "{table} shows rows before a tenant is set");
        client.batch_execute(&format!("SET LOCAL app.organization_id = '{b_id}'")).await.unwrap();
        assert_eq!(counts().await, (own, own), "{table} shows rows of another tenant, or hides the tenant's own");
        // Opened or dropped, the policy would be missed.
        client
            .batch_execute(&format!("RESET ROLE; SAVEPOINT held; ALTER POLICY tenant ON {table} USING (true); SET LOCAL ROLE payaid_server"))
            .await
            .unwrap();
        assert_eq!(counts().await, (all, own), "{table} without its policy");
        client.batch_execute(&format!("ROLLBACK TO held; DROP POLICY tenant ON {table}; SET LOCAL ROLE payaid_server")).await.unwrap();
        assert_eq!(counts().await.1, 0, "{table} without its policy");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Likewise nothing of another tenant is changed, and nothing comes to be another tenant's: a row is neither put there nor moved there.
#[tokio::test]
async fn without_a_condition_only_the_own_rows_are_changed() {
    let app = TestApp::start().await;
    let (tables, own) = two_tenants(&app).await;
    let client = app.superuser().await;
    for table in tables {
        let columns = format!(
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'"
        );
        let columns = texts(&app, &columns).await.remove(0);
        // Without triggers and with every right: what is refused is refused by the policies.
        let prepare = format!(
            "BEGIN; SET LOCAL session_replication_role = replica; GRANT ALL ON {table} TO payaid_server; SET LOCAL app.organization_id = '{own}'; \
             CREATE TEMP TABLE another ON COMMIT DROP AS SELECT * FROM {table} WHERE organization_id <> '{own}' LIMIT 1; \
             GRANT SELECT ON another TO payaid_server"
        );
        client.batch_execute(&prepare).await.unwrap();
        let of_own = client.query_one(&format!("SELECT count(*) FROM {table} WHERE organization_id = '{own}'"), &[]).await.unwrap().get::<_, i64>(0);
        let of_own = u64::try_from(of_own).unwrap();
        // How many rows a statement changes, or what refuses it; nothing of it is kept.
        let tried = async |policy: &str, statement: &str| {
            client.batch_execute(&format!("SAVEPOINT held; {policy}; SET LOCAL ROLE payaid_server")).await.unwrap();
            let changed = client.execute(statement, &[]).await;
            client.batch_execute("ROLLBACK TO held").await.unwrap();
            changed.map_err(|error| error.as_db_error().unwrap().message().to_owned())
        };
        let (as_it_is, unchecked) = ("SELECT", format!("ALTER POLICY tenant ON {table} WITH CHECK (true)"));
        let opened = format!("ALTER POLICY tenant ON {table} USING (true) WITH CHECK (true)");
        for statement in [format!("UPDATE {table} SET organization_id = organization_id"), format!("DELETE FROM {table}")] {
            assert_eq!(tried(as_it_is, &statement).await, Ok(of_own), "{statement}");
            assert!(tried(&opened, &statement).await.unwrap() > of_own, "{statement} with the policy opened");
        }
        for statement in [
            format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM another"),
            format!("UPDATE {table} SET organization_id = (SELECT organization_id FROM another)"),
        ] {
            let is_refused = |tried: Result<u64, String>| tried.is_err_and(|error| error.contains("violates row-level security policy"));
            assert!(is_refused(tried(as_it_is, &statement).await), "{statement}");
            assert!(!is_refused(tried(&unchecked, &statement).await), "{statement} with nothing checked");
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}
