//! Many of everything in an organization, past the API: as many rows of every noun as a test asks for, with nothing left empty.

use payaid::base::id::AnyId;
use serde_json::{Value, json};

use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

/// Fills the owner's organization with `count` members, companies, contacts, pipelines, deals, tasks, activities, messages, SMS templates, suppressions, invitations, API keys and audit entries, each
/// related to all it can be related to; the owner is also a viewer in as many other organizations.
pub async fn fill(app: &TestApp, owner: &Client, count: usize) {
    run(FILL, app, owner, count).await;
}

async fn run(sql: &str, app: &TestApp, owner: &Client, count: usize) {
    let viewer = owner.query("{ viewer { organization { id } } }").await;
    let organization = AnyId::parse(viewer["viewer"]["organization"]["id"].as_str().unwrap()).unwrap().uuid.to_string();
    let sql = sql.replace("$o", &format!("'{organization}'::uuid")).replace("$n", &count.to_string());
    app.superuser().await.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}"));
}

/// From where `changes` goes on for a caller who has everything of now; null for one who may not ask.
pub async fn cursor(caller: &Client) -> Value {
    caller.send("{ changes { cursor } }", json!({})).await["data"]["changes"]["cursor"].clone()
}

/// As [`fill`], with a change of every kind of object that is told of, until `changes` tells of it; the owner's cursor of before there was anything.
pub async fn fill_and_tell(app: &TestApp, owner: &Client, size: usize) -> Value {
    let since = cursor(owner).await;
    fill(app, owner, size).await;
    run(TELL, app, owner, size).await;
    // Other tests' transactions hold up what is told of changes.
    let told = "query($since: String!) { changes(since: $since, first: 100) { nodes { id } } }";
    let count = async || owner.data(told, json!({"since": since})).await["changes"]["nodes"].as_array().unwrap().len();
    until("the changes are told", async || count().await >= size).await;
    since
}

/// The types of objects that have an identifier, with what the ids of their rows follow from, and the noun of their identifiers.
const NODES: &[(&str, &str, &str)] = &[
    ("Activity", "activity", "activity"),
    ("ApiKey", "apikey", "apikey"),
    ("AuditEntry", "audit", "audit"),
    ("Company", "company", "company"),
    ("Contact", "contact", "contact"),
    ("Deal", "WONdeal", "deal"),
    ("Invitation", "invitation", "invitation"),
    ("Job", "job", "job"),
    ("Member", "member", "member"),
    ("Message", "message", "message"),
    ("Organization", "", "organization"),
    ("Pipeline", "pipeline", "pipeline"),
    ("PipelineStage", "OPEN", "stage"),
    ("SmsTemplate", "smstemplate", "smstemplate"),
    ("Suppression", "suppression", "suppression"),
    ("Task", "task", "task"),
    ("User", "user", "user"),
    ("WebhookDelivery", "delivery", "delivery"),
    ("WebhookEndpoint", "webhook", "webhook"),
];

/// The nouns of the identifiers of these types' objects.
pub fn nouns(types: &[String]) -> Vec<&'static str> {
    let noun = |of: &String| NODES.iter().find(|(known, ..)| known == of).unwrap_or_else(|| panic!("the crowd has no {of}")).2;
    types.iter().map(noun).collect()
}

/// The identifiers of a type's objects in an organization that has been filled with so many; of the organization itself there is one.
pub async fn ids(app: &TestApp, organization: &str, of: &str, count: usize) -> Vec<String> {
    let (_, from, noun) = NODES.iter().find(|(known, ..)| *known == of).unwrap_or_else(|| panic!("the crowd has no {of}"));
    let sql =
        "SELECT CASE $1 WHEN '' THEN o.id ELSE crowd_id(o.id, $1, g) END::text FROM organizations o, generate_series(1, $2) g WHERE o.name = $3";
    let count = if from.is_empty() { 1 } else { count };
    let rows = app.superuser().await.query(sql, &[from, &i32::try_from(count).unwrap(), &organization]).await.unwrap();
    rows.iter().map(|row| crate::harness::identifier(noun, row.get::<_, String>(0).parse().unwrap())).collect()
}

/// Each id follows from the organization, the noun and a number, so that rows can refer to each other.
const FILL: &str = "
CREATE OR REPLACE FUNCTION crowd_id(o uuid, noun text, g integer) RETURNS uuid LANGUAGE sql AS $$ SELECT md5(o::text || noun || g)::uuid $$;
DELETE FROM pipeline_stages WHERE organization_id = $o;
DELETE FROM pipelines WHERE organization_id = $o;
INSERT INTO users (id, email, name, password_hash, created_at, updated_at)
  SELECT crowd_id($o, 'user', g), g || '@' || left($o::text, 13) || '.example', 'Member ' || g, '-', now(), now() FROM generate_series(1, $n) g;
INSERT INTO memberships (organization_id, id, user_id, role, created_at, updated_at)
  SELECT $o, crowd_id($o, 'member', g), crowd_id($o, 'user', g), 'SALES', now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO organizations (id, name, gstin, state_code, created_at, updated_at)
  SELECT crowd_id($o, 'organization', g), 'Organization ' || g, 'GSTIN', '27', now(), now() FROM generate_series(1, $n) g;
INSERT INTO memberships (organization_id, id, user_id, role, created_at, updated_at)
  SELECT crowd_id($o, 'organization', g), crowd_id($o, 'place', g), (SELECT user_id FROM memberships WHERE organization_id = $o AND role = 'OWNER'),
    'VIEWER', now(), now() FROM generate_series(1, $n) g;
INSERT INTO companies (organization_id, id, name, gstin, state_code, industry, email, phone, website, addresses, notes, owner_id, created_at, updated_at)
  SELECT $o, crowd_id($o, 'company', g), 'Company ' || g, 'GSTIN' || g, '27', 'Textiles', 'a@b.example', '+919876543210', 'https://b.example',
    '[{\"label\": \"Office\", \"line1\": \"1 Road\", \"line2\": \"Area\", \"city\": \"Pune\", \"state_code\": \"27\", \"pin\": \"411001\", \"country\": \"IN\"}]',
    'n', crowd_id($o, 'user', g), now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO contacts (organization_id, id, name, email, phone, company_id, city, state_code, stage, status, source, tags, owner_id, notes, created_at, updated_at)
  SELECT $o, crowd_id($o, 'contact', g), 'Contact ' || g, g || '@c.example', '+919876543210', crowd_id($o, 'company', g), 'Pune', '27', 'LEAD', 'ACTIVE',
    'WEBSITE', '{tag}', crowd_id($o, 'user', g), 'n', now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO pipelines (organization_id, id, name, is_default, created_at, updated_at)
  SELECT $o, crowd_id($o, 'pipeline', g), 'Pipeline ' || g, g = 1, now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO pipeline_stages (organization_id, id, pipeline_id, name, position, kind, probability, created_at, updated_at)
  SELECT $o, crowd_id($o, kind, g), crowd_id($o, 'pipeline', g), kind, position, kind, position * 50, now(), now()
  FROM generate_series(1, $n) g, (VALUES ('OPEN', 0), ('WON', 1), ('LOST', 2)) kinds (kind, position);
INSERT INTO deals (organization_id, id, title, pipeline_id, stage_id, status, contact_id, company_id, owner_id, value_minor, currency, probability,
    expected_close, closed_at, closed_reason, notes, created_at, updated_at)
  SELECT $o, crowd_id($o, kind || 'deal', g), 'Deal ' || g, crowd_id($o, 'pipeline', g), crowd_id($o, kind, g), kind, crowd_id($o, 'contact', g),
    crowd_id($o, 'company', g), crowd_id($o, 'user', g), 100000, 'INR', 50, current_date, CASE kind WHEN 'WON' THEN now() END, 'Price', 'n',
    now() - g * interval '1 minute' - CASE kind WHEN 'OPEN' THEN interval '1 year' ELSE interval '0' END, now()
  FROM generate_series(1, $n) g, (VALUES ('OPEN'), ('WON')) kinds (kind);
INSERT INTO deal_stage_changes (organization_id, id, deal_id, from_stage_id, to_stage_id, actor_id, at)
  SELECT $o, crowd_id($o, 'change', g), crowd_id($o, 'WONdeal', g), crowd_id($o, 'OPEN', g), crowd_id($o, 'WON', g), crowd_id($o, 'user', g), now()
  FROM generate_series(1, $n) g;
INSERT INTO tasks (organization_id, id, title, description, status, priority, assignee_id, contact_id, deal_id, due_at, completed_at, created_at, updated_at)
  SELECT $o, crowd_id($o, 'task', g), 'Task ' || g, 'd', 'DONE', 'NORMAL', crowd_id($o, 'user', g), crowd_id($o, 'contact', g),
    crowd_id($o, 'WONdeal', g), now(), now(), now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO activities (organization_id, id, kind, subject, body, occurred_at, duration_minutes, contact_id, deal_id, author_id, created_at, updated_at)
  SELECT $o, crowd_id($o, 'activity', g), 'NOTE', 'Activity ' || g, 'b', now() - g * interval '1 minute', 5, crowd_id($o, 'contact', g),
    crowd_id($o, 'WONdeal', g), crowd_id($o, 'user', g), now(), now() FROM generate_series(1, $n) g;
INSERT INTO invitations (organization_id, id, email, role, token_hash, invited_by, expires_at, accepted_at, created_at, updated_at)
  SELECT $o, crowd_id($o, 'invitation', g), g || '@i.example', 'VIEWER', $o::text || g, crowd_id($o, 'user', g), now() + interval '1 day', now(), now(), now()
  FROM generate_series(1, $n) g;
INSERT INTO api_keys (organization_id, id, name, secret_hash, scopes, allowed_ips, created_by, expires_at, last_used_at, revoked_at, created_at, updated_at)
  SELECT $o, crowd_id($o, 'apikey', g), 'Key ' || g, $o::text || g, '{contacts.read}', '{127.0.0.1}', crowd_id($o, 'user', g), now() + interval '1 day',
    now(), now(), now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO sms_templates (organization_id, id, name, dlt_template_id, dlt_entity_id, header, body, variables, msg91_template_id, fast2sms_message_id, created_at, updated_at)
  SELECT $o, crowd_id($o, 'smstemplate', g), 'Text ' || g, '1107160000000000001', '1101160000000000001', 'SHARMA', 'Dear {#var#}',
    '[{\"name\": \"name\", \"kind\": \"TEXT\"}]', 'm1', 'f1', now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO messages (organization_id, id, channel, state, to_address, to_name, contact_id, subject, body, template, sms_template_id, variables, language,
    transactional, provider, provider_reference, attempts, error, uncertain, about_noun, about_id, send_at, sent_at, delivered_at, created_by, created_at, updated_at)
  SELECT $o, crowd_id($o, CASE channel WHEN 'SMS' THEN 'message' ELSE 'mail' END, g), channel, 'DELIVERED', 'a@b.example', 'Asha', crowd_id($o, 'contact', g), 's', 'b',
    CASE channel WHEN 'EMAIL' THEN 'message' END, CASE channel WHEN 'SMS' THEN crowd_id($o, 'smstemplate', g) END, '{\"name\": \"Asha\"}', 'EN', true, 'msg91', 'r' || g, 1, 'e',
    false, 'contact', crowd_id($o, 'contact', g), now(), now(), now(), crowd_id($o, 'user', g), now() - g * interval '1 minute' - CASE channel WHEN 'EMAIL' THEN interval '1 year' ELSE interval '0' END, now()
  FROM generate_series(1, $n) g, (VALUES ('SMS'), ('EMAIL')) channels (channel);
INSERT INTO suppressions (organization_id, id, channel, address, reason, detail, message_id, created_at, updated_at)
  SELECT $o, crowd_id($o, 'suppression', g), 'EMAIL', g || '@s.example', 'BOUNCE', 'd', crowd_id($o, 'message', g), now() - g * interval '1 minute', now()
  FROM generate_series(1, $n) g;
INSERT INTO webhook_endpoints (organization_id, id, url, description, events, document, secret, previous_secret, previous_until, acts_for, granted, api_key_id,
    state, disabled_reason, failing_since, created_at, updated_at)
  SELECT $o, crowd_id($o, 'webhook', g), 'https://w.example', 'd', '{nothing.happens}', 'd', '', '', now(), crowd_id($o, 'user', g), '{contacts.read}', crowd_id($o, 'apikey', g),
    CASE g % 2 WHEN 0 THEN 'ENABLED' ELSE 'DISABLED' END, CASE g % 2 WHEN 0 THEN NULL ELSE 'r' END, now(), now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO webhook_deliveries (organization_id, id, endpoint_id, event_id, action, noun, row_id, state, attempt_count, next_at, delivered_at, request_body,
    response_status, error, created_at, updated_at)
  SELECT $o, crowd_id($o, 'delivery', g), crowd_id($o, 'webhook', g), crowd_id($o, 'event', g), 'contact.update', 'contact', crowd_id($o, 'contact', g),
    CASE g % 2 WHEN 0 THEN 'PENDING' ELSE 'DELIVERED' END, 1, CASE g % 2 WHEN 0 THEN now() END, CASE g % 2 WHEN 0 THEN NULL ELSE now() END, '{}', 200, 'e',
    now() - g * interval '1 minute', now() FROM generate_series(1, $n) g;
INSERT INTO webhook_attempts (organization_id, id, delivery_id, at, duration_ms, request_headers, response_status, response_headers, response_body, error)
  SELECT $o, crowd_id($o, 'attempt', g), crowd_id($o, 'delivery', g), now(), 5, '{\"a\": \"b\"}', 200, '{\"a\": \"b\"}', 'ok', 'e' FROM generate_series(1, $n) g;
INSERT INTO audit_entries (organization_id, id, at, actor_id, api_key_id, action, noun, row_id, before, after, request_id)
  SELECT $o, crowd_id($o, 'audit', g), now() + g * interval '1 minute', crowd_id($o, 'user', g), crowd_id($o, 'apikey', g), 'contact.update', 'contact', crowd_id($o, 'contact', g),
    '{\"name\": \"A\"}', '{\"name\": \"B\"}', 'r' FROM generate_series(1, $n) g;
INSERT INTO jobs (organization_id, id, kind, queue, priority, state, payload, attempts, max_attempts, progress_done, progress_total, last_error, actor_id,
    request_id, run_at, started_at, finished_at, created_at, updated_at)
  SELECT $o, crowd_id($o, 'job', g), 'crowd', 'REPORT', 'LOW', 'DEAD', '{}', 2, 2, 1, 2, 'It failed.', crowd_id($o, 'user', g), 'r', now(), now(), now(),
    now() + g * interval '1 minute', now() FROM generate_series(1, $n) g;
ANALYZE;
";

/// Contacts and jobs are told of already.
const TELL: &str = "
INSERT INTO audit_entries (organization_id, id, at, action, noun, row_id, request_id)
  SELECT $o, crowd_id($o, 'told' || noun, 1), now() - interval '1 hour', noun || '.update', noun, crowd_id($o, named, 1), 'r'
  FROM (VALUES ('company', 'company'), ('pipeline', 'pipeline'), ('stage', 'OPEN'), ('deal', 'WONdeal'), ('task', 'task'), ('activity', 'activity'),
    ('message', 'message')) rows (noun, named);
";
