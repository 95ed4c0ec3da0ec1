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

#[tokio::test]
async fn every_tenant_table_is_held_apart() {
    let app = TestApp::start().await;
    let tables =
        texts(&app, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') ORDER BY 1")
            .await;
    assert!(tables.len() >= 14, "{tables:?}");
    let secured = texts(&app, "SELECT relname::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity").await;
    let with_tenant = texts(
        &app,
        "SELECT relname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
         WHERE attname = 'organization_id' AND attnotnull AND atttypid = 'uuid'::regtype AND relkind = 'r'",
    )
    .await;
    let with_policy = texts(
        &app,
        "SELECT tablename::text FROM pg_policies WHERE 'payaid_server' = ANY(roles) AND qual LIKE '%app_organization_id()%' AND policyname = 'tenant' AND cmd = 'ALL'",
    )
    .await;
    for table in &tables {
        let shared = SHARED.iter().any(|(name, _)| name == table);
        if table != "__diesel_schema_migrations" {
            assert!(secured.contains(table), "{table} has no forced row level security");
        }
        assert!(shared || with_tenant.contains(table), "{table} has no organization_id");
        assert!(shared || with_policy.contains(table), "{table} has no tenant policy");
    }
}

#[tokio::test]
async fn keys_begin_with_the_organization() {
    let app = TestApp::start().await;
    let shared: Vec<String> = SHARED.iter().map(|(name, _)| format!("'{name}'")).collect();
    // Hashes of random tokens are looked up before the tenant is known, and a collision tells nothing about anybody.
    let keys = format!(
        "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1] \
         WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT IN ({}) AND a.attname <> 'organization_id' \
         AND contype IN ('p', 'u', 'f') AND conname NOT LIKE '%\\_hash\\_key' AND NOT (contype = 'f' AND confrelid = 'users'::regclass)",
        shared.join(", ")
    );
    assert_eq!(texts(&app, &keys).await, Vec::<String>::new());
    // Not every unique index has a constraint, and an exclusion may be over expressions alone.
    let indexes = format!(
        "SELECT indrelid::regclass || ' ' || indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indrelid \
         LEFT JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = indkey[0] WHERE (indisunique OR indisexclusion) \
         AND relnamespace = 'public'::regnamespace AND indrelid::regclass::text NOT IN ({}) AND coalesce(a.attname, '') <> 'organization_id' AND indexrelid::regclass::text NOT LIKE '%\\_hash\\_key'",
        shared.join(", ")
    );
    assert_eq!(texts(&app, &indexes).await, Vec::<String>::new());
    let across = "CREATE UNIQUE INDEX across ON contacts (email) WHERE id IS NULL; CREATE UNIQUE INDEX across_all ON contacts (lower(email)) \
                  WHERE id IS NULL; ALTER TABLE contacts ADD CONSTRAINT across_excluded EXCLUDE (lower(email) WITH =) WHERE (id IS NULL)";
    app.superuser().await.batch_execute(across).await.unwrap();
    assert_eq!(texts(&app, &format!("{indexes} ORDER BY 1")).await, ["contacts across", "contacts across_all", "contacts across_excluded"]);
    let references = "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace \
                      AND cardinality(conkey) < 2 AND confrelid NOT IN ('organizations'::regclass, 'users'::regclass)";
    assert_eq!(texts(&app, references).await, Vec::<String>::new(), "a foreign key to a tenant's table must carry the organization");
}

#[tokio::test]
async fn the_server_owns_nothing_and_bypasses_nothing() {
    let app = TestApp::start().await;
    let roles = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'payaid\\_%' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)";
    assert_eq!(texts(&app, roles).await, Vec::<String>::new());
    assert_eq!(texts(&app, "SELECT relname::text FROM pg_class WHERE relowner = 'payaid_server'::regrole").await, Vec::<String>::new());
    assert_eq!(texts(&app, "SELECT proname::text FROM pg_proc WHERE proowner = 'payaid_server'::regrole").await, Vec::<String>::new());
    let memberships = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'payaid_server'::regrole";
    assert_eq!(texts(&app, memberships).await, Vec::<String>::new(), "the server is a member of another role");
    let views = "SELECT relname::text FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace \
                 AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false)";
    assert_eq!(texts(&app, views).await, Vec::<String>::new(), "a view that shows what its owner sees");
}

#[tokio::test]
async fn functions_that_act_as_another_role_are_few_and_known() {
    let app = TestApp::start().await;
    let definers = "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(texts(&app, definers).await, DEFINERS);
    let loose = "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace \
                 AND (proconfig IS NULL OR NOT proconfig::text LIKE '%search_path=pg_catalog%' OR has_function_privilege('public', oid, 'EXECUTE'))";
    assert_eq!(texts(&app, loose).await, Vec::<String>::new(), "without a fixed search path, or open to everybody");
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
