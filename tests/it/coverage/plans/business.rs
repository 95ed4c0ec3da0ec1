//! The data that plans are judged on: the demo data, as if there were ten more such businesses, and with what a demo leaves out.
//!
//! A sequential scan is a sign of a missing index only where it reads much that is not wanted. Of two businesses the larger has more than half of
//! every table, so that on the bare demo data scanning is right; of twelve none has more than a tenth. And a plan of what finds nothing tells little: each
//! narrowing of each list finds some rows here.

use payaid::commands::seed;
use payaid::platform::cluster::postgres::SUPERUSER;
use tokio::sync::OnceCell;

use crate::harness::servers::{Database, connect, execute, shared};

/// The instant at which the demo data ends, and what the server's clock says.
pub const NOW: &str = "2026-11-21T10:00:00Z";

/// How PostgreSQL plans statements with parameters. Left to itself it looks at their values at first, and may later keep a plan that fits any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    ForValues,
    ForAny,
}

/// A fresh copy of the data, every plan of which PostgreSQL logs.
pub async fn database(planning: Planning) -> Database {
    static PREPARED: OnceCell<Database> = OnceCell::const_new();
    let prepared = PREPARED.get_or_init(prepare).await;
    let servers = shared().await;
    let database = servers.copy(prepared).await;
    let settings = [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_format = 'json'",
        "auto_explain.log_nested_statements = on",
        match planning {
            Planning::ForValues => "plan_cache_mode = force_custom_plan",
            Planning::ForAny => "plan_cache_mode = force_generic_plan",
        },
    ];
    let settings: String = settings.iter().map(|setting| format!("ALTER DATABASE {database} SET {setting};")).collect();
    execute(&servers.primary.url("postgres", SUPERUSER), &settings).await;
    database
}

async fn prepare() -> Database {
    let servers = shared().await;
    let database = servers.database().await;
    seed::demo(&servers.primary.url(&database, "payaid_server"), NOW.parse().unwrap(), &|_| ()).await.unwrap();
    let writer = connect(&servers.primary.url(&database, SUPERUSER)).await;
    let families = FAMILIES.map(|(table, key, parents)| family(table, key, parents)).concat();
    let sql = MORE.replace("$families", &families).replace("$owner", &format!("'{}'", seed::DEMO_OWNERS[0].1)).replace("$now", &format!("'{NOW}'"));
    writer.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}"));
    // Of all rows, because plans that follow from a sample of them may be other ones the next time.
    writer.batch_execute("SET default_statistics_target = 300").await.unwrap();
    writer.batch_execute("VACUUM ANALYZE").await.unwrap();
    drop(writer);
    // A database that anybody is connected to cannot be copied.
    let gone = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
    connect(&servers.primary.url("postgres", SUPERUSER)).await.query(gone, &[&&*database]).await.unwrap();
    database
}

/// How many parents a list below them is asked of at once.
pub const PARENTS: usize = 20;

/// The first parents of a list are the newest, and have few rows. Each is given many of these: table, key, table of the parents.
const FAMILIES: [(&str, &str, &str); 5] = [
    ("deals", "contact_id", "contacts"),
    ("tasks", "contact_id", "contacts"),
    ("activities", "contact_id", "contacts"),
    ("tasks", "deal_id", "deals"),
    ("activities", "deal_id", "deals"),
];

fn family(table: &str, key: &str, parents: &str) -> String {
    let numbered =
        |table: &str, order: &str| format!("(SELECT id, row_number() OVER (ORDER BY {order}) AS n FROM {table} JOIN own ON organization_id = o)");
    let (rows, parents) = (numbered(table, "md5(id::text)"), numbered(parents, "created_at DESC, id DESC"));
    format!(
        "UPDATE {table} child SET {key} = parent.id FROM {rows} row, {parents} parent \
         WHERE row.n <= 400 AND child.organization_id = (SELECT o FROM own) AND child.id = row.id AND parent.n = 1 + row.n % {PARENTS};"
    )
}

/// Members who joined and left, invitations, API keys and an audit log for the first business; organizations that have nothing yet; then all that the first has
/// for ten others, with the same identifiers, which are an organization's own.
const MORE: &str = "
SET session_replication_role = replica;
CREATE TEMP TABLE own AS SELECT organization_id AS o, user_id FROM memberships WHERE user_id = (SELECT id FROM users WHERE email = $owner);
INSERT INTO users (id, email, name, password_hash, created_at, updated_at)
  SELECT md5('user' || g)::uuid, g || '@members.example', 'Member ' || g, '-', $now, $now FROM generate_series(1, 60) g;
INSERT INTO memberships (organization_id, id, user_id, role, removed_at, created_at, updated_at)
  SELECT o, md5('member' || g)::uuid, md5('user' || g)::uuid, (ARRAY['MANAGER', 'SALES', 'SALES', 'SUPPORT', 'VIEWER'])[1 + g % 5],
    CASE WHEN g % 3 = 0 THEN $now::timestamptz - g * interval '1 hour' END, $now::timestamptz - g * interval '1 hour', $now
  FROM own, generate_series(1, 60) g;
INSERT INTO invitations (organization_id, id, email, role, token_hash, invited_by, expires_at, accepted_at, created_at, updated_at)
  SELECT o, md5('invitation' || g)::uuid, g || '@invited.example', (ARRAY['MANAGER', 'SALES', 'VIEWER'])[1 + g % 3], o::text || g, user_id,
    $now::timestamptz - (g - 100) * interval '1 hour', CASE WHEN g % 2 = 0 THEN $now::timestamptz - g * interval '1 hour' END,
    $now::timestamptz - g * interval '1 hour', $now
  FROM own, generate_series(1, 200) g;
INSERT INTO api_keys (organization_id, id, name, secret_hash, scopes, allowed_ips, created_by, expires_at, last_used_at, revoked_at, created_at, updated_at)
  SELECT o, md5('apikey' || g)::uuid, 'Key ' || g, o::text || g, '{contacts.read}', '{203.0.113.0/24}', CASE WHEN g % 4 = 0 THEN user_id ELSE md5('user' || (1 + g % 60))::uuid END,
    $now::timestamptz - (g - 100) * interval '1 hour', $now, CASE WHEN g % 2 = 0 THEN $now::timestamptz END, $now::timestamptz - g * interval '1 hour', $now
  FROM own, generate_series(1, 200) g;
INSERT INTO jobs (organization_id, id, kind, queue, priority, state, payload, max_attempts, progress_done, progress_total, request_id, run_at, created_at, updated_at, tx, seq)
  SELECT organization_id, md5('job' || id)::uuid, (ARRAY['message_send', 'webhook_deliver'])[1 + ascii(right(id::text, 1)) % 2],
    (ARRAY['EMAIL', 'SMS', 'WEBHOOK', 'REPORT', 'AGENT', 'MAINTENANCE'])[1 + ascii(right(id::text, 1)) % 6], 'NORMAL',
    CASE right(id::text, 2) WHEN 'aa' THEN 'DEAD' WHEN 'ab' THEN 'QUEUED' WHEN 'ac' THEN 'RUNNING' ELSE 'DONE' END, '{}', 3, 1, 2, 'r', created_at, created_at, updated_at,
    1, row_number() OVER (ORDER BY id)
  FROM contacts JOIN own ON organization_id = o;
INSERT INTO sms_templates (organization_id, id, name, dlt_template_id, dlt_entity_id, header, body, variables, msg91_template_id, fast2sms_message_id, created_at, updated_at)
  SELECT o, md5('smstemplate' || g)::uuid, 'Text ' || g, '1107160000000000001', '1101160000000000001', 'SHARMA', 'Dear {#var#}',
    '[{\"name\": \"name\", \"kind\": \"TEXT\"}]', 'm', 'f',
    $now::timestamptz - g * interval '1 hour', $now FROM own, generate_series(1, 200) g;
INSERT INTO messages (organization_id, id, channel, state, to_address, to_name, contact_id, subject, body, sms_template_id, variables, language, transactional, attempts,
    created_by, created_at, updated_at)
  SELECT o, md5('message' || g)::uuid, CASE WHEN g % 3 = 0 THEN 'SMS' ELSE 'EMAIL' END, (ARRAY['QUEUED', 'SENT', 'DELIVERED', 'BOUNCED', 'FAILED'])[1 + g % 5],
    g % 700 || '@contact.example', 'Contact', contacts.ids[1 + g % array_length(contacts.ids, 1)], 's', 'b', CASE WHEN g % 3 = 0 THEN md5('smstemplate' || (1 + g % 200))::uuid END,
    '{\"name\": \"Asha\"}', 'EN', g % 2 = 0, 1, CASE WHEN g % 4 = 0 THEN user_id ELSE md5('user' || (1 + g % 60))::uuid END, $now::timestamptz - g * interval '7 minutes', $now::timestamptz - g * interval '5 minutes'
  FROM own, generate_series(1, 3000) g, (SELECT array_agg(id) AS ids FROM contacts JOIN own ON organization_id = o) contacts;
INSERT INTO suppressions (organization_id, id, channel, address, reason, detail, message_id, created_at, updated_at)
  SELECT o, md5('suppression' || g)::uuid, CASE WHEN g % 4 = 0 THEN 'SMS' ELSE 'EMAIL' END, CASE WHEN g % 4 = 0 THEN '+9198' || (10000000 + g) ELSE g || '@contact.example' END, (ARRAY['BOUNCE', 'COMPLAINT', 'UNSUBSCRIBE'])[1 + g % 3], 'd', md5('message' || g)::uuid,
    $now::timestamptz - g * interval '1 hour', $now FROM own, generate_series(1, 600) g;
INSERT INTO webhook_endpoints (organization_id, id, url, events, secret, acts_for, granted, state, disabled_reason, created_at, updated_at)
  SELECT o, md5('webhook' || g)::uuid, 'https://w.example', '{contact.update}', '', user_id, '{contacts.read}', CASE WHEN g % 4 = 0 THEN 'DISABLED' ELSE 'ENABLED' END,
    CASE WHEN g % 4 = 0 THEN 'r' END, $now::timestamptz - g * interval '1 hour', $now
  FROM own, generate_series(1, 100) g;
INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event_id, action, noun, row_id, state, next_at, delivered_at, created_at, updated_at)
  SELECT o, md5('delivery' || g)::uuid, md5('webhook' || (1 + g % 100))::uuid, md5('event' || g)::uuid, 'contact.update', 'contact', md5('row' || g)::uuid,
    (ARRAY['PENDING', 'DELIVERED', 'FAILED', 'SKIPPED'])[1 + g % 4], CASE WHEN g % 4 = 0 THEN $now::timestamptz END, CASE WHEN g % 4 = 1 THEN $now::timestamptz END,
    $now::timestamptz - g * interval '1 minute', $now
  FROM own, generate_series(1, 3000) g;
INSERT INTO webhook_attempts (organization_id, id, delivery_id, at, duration_ms, request_headers)
  SELECT o, md5('attempt' || g)::uuid, md5('delivery' || (1 + g % 3000))::uuid, $now::timestamptz - g * interval '1 minute', 5, '{}' FROM own, generate_series(1, 6000) g;
INSERT INTO audit_entries (organization_id, id, at, actor_id, api_key_id, action, noun, row_id, after, request_id)
  SELECT organization_id, md5(id::text)::uuid, created_at, owner_id, CASE WHEN right(id::text, 1) < '4' THEN md5('apikey1')::uuid END, 'contact.create', 'contact', id, '{}'::jsonb, id::text FROM contacts JOIN own ON organization_id = o
  UNION ALL
  SELECT organization_id, md5(id::text)::uuid, updated_at, owner_id, NULL, 'deal.update', 'deal', id, '{}'::jsonb, id::text FROM deals JOIN own ON organization_id = o;
UPDATE deals SET currency = currencies.all[1 + ascii(right(md5(id::text), 1)) % array_length(currencies.all, 1)]
  FROM own, (SELECT '{USD, EUR, GBP, AED, AUD, JPY, KWD, SGD}'::text[] AS all) currencies WHERE organization_id = o AND id::text ~ '[a-f]$';
UPDATE activities SET kind = 'SMS' FROM own WHERE organization_id = o AND id::text LIKE '%a';
$families
INSERT INTO organizations (id, name, state_code, created_at, updated_at) SELECT gen_random_uuid(), 'Empty', '27', now(), now() FROM generate_series(1, 2000);
DO $$
DECLARE
  business uuid := (SELECT o FROM own);
  part record;
BEGIN
  CREATE TEMP TABLE others AS SELECT md5('organization' || g)::uuid AS o FROM generate_series(1, 10) g;
  INSERT INTO organizations (id, name, state_code, created_at, updated_at) SELECT o, 'Other', '27', now(), now() FROM others;
  FOR part IN
    SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns,
      string_agg(CASE WHEN column_name IN ('token_hash', 'secret_hash') THEN 't.' || column_name || ' || others.o' ELSE 't.' || quote_ident(column_name) END, ', ') AS own
    FROM information_schema.columns c
    WHERE table_schema = 'public' AND is_generated = 'NEVER' AND is_identity = 'NO' AND column_name <> 'organization_id' AND table_name <> 'sessions' AND EXISTS (
      SELECT FROM information_schema.columns o WHERE o.table_schema = 'public' AND o.table_name = c.table_name AND o.column_name = 'organization_id')
    GROUP BY table_name
  LOOP
    EXECUTE format('INSERT INTO %I (organization_id, %s) SELECT others.o, %s FROM %1$I t, others WHERE t.organization_id = $1', part.table_name, part.columns, part.own)
      USING business;
  END LOOP;
END
$$;
-- Whoever signs in without naming an organization comes to the one that she joined last.
UPDATE memberships SET created_at = created_at - interval '1 minute' WHERE organization_id IN (SELECT o FROM others);
DROP TABLE own, others;
";
