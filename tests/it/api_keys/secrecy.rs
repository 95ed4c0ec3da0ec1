//! A key is shown once, and nowhere afterwards.

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use payaid::access::keys::ApiKey;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::LIST;
use crate::harness::schema::Schema;
use crate::harness::servers::shared;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

/// Everything that this thread logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every row of every table, as text, by its table.
async fn rows(app: &TestApp) -> Vec<(String, String)> {
    let superuser = app.superuser().await;
    let tables = superuser.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
    let mut all = Vec::new();
    for table in tables {
        let table: String = table.get(0);
        let rows = superuser.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap();
        all.extend(rows.into_iter().map(|row| (table.clone(), row.get(0))));
    }
    all
}

/// On one thread, so that what the server logs is logged here.
#[tokio::test]
async fn a_key_is_shown_once_and_kept_nowhere() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE).with_writer(logged.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber in the whole process, what another thread meets first, where there is none, would be switched off for all of them.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let postgres = shared().await.primary.log();
    let from = std::fs::metadata(&postgres).unwrap().len();
    let schema = Schema::served();
    let everything = schema.selection("ApiKey", 3);
    let scopes = ["contacts.read", "contacts.write", "api_keys.read", "audit.read", "members.read"];
    let payload = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": scopes}), &format!("key apiKey {everything}")).await;
    let (key, id) = (payload["key"].as_str().unwrap().to_owned(), payload["apiKey"]["id"].clone());
    let hash = ApiKey::parse(&key).unwrap().hash();
    let secret = key.rsplit_once('_').unwrap().1.to_owned();
    let is_secret = |text: &str| text.contains(&secret) || text.contains(&hash);
    assert!(!is_secret(&payload["apiKey"].to_string()), "{payload}");

    // Used in every way: well, badly, changed, revoked.
    let program = Client::new(app.url("/graphql"), Some(key.clone()));
    let mut answers: Vec<Value> = Vec::new();
    program.done("contactCreate", json!({"name": "Asha"}), "contact { id }").await;
    for client in [&program, &owner] {
        let lists = format!(
            "{{ apiKeys {{ nodes {everything} }} node(id: {id}) {{ ... on ApiKey {everything} }} auditLog {{ nodes {} }} viewer {} }}",
            schema.selection("AuditEntry", 3),
            schema.selection("Viewer", 3)
        );
        answers.push(client.send(&lists, json!({})).await);
    }
    answers.push(app.anonymous().ask(LIST, json!({}), &[("x-api-key", &format!("{key}0"))]).await.body);
    answers.push(owner.ask(LIST, json!({}), &[("x-api-key", &key)]).await.body);
    answers.push(owner.mutate("apiKeyUpdate", json!({"id": id, "version": 1, "changes": {"name": "Other"}}), &format!("apiKey {everything}")).await);
    answers.push(owner.mutate("apiKeyRevoke", json!({"id": id}), &format!("apiKey {everything}")).await);
    answers.push(program.send(LIST, json!({})).await);
    for answer in &answers {
        assert!(!is_secret(&answer.to_string()), "{answer}");
    }
    assert!(answers[0].to_string().contains("apikey.create"), "{}", answers[0]);
    let superuser = app.superuser().await;
    until("its use is noted", async || superuser.query_one("SELECT last_used_at IS NOT NULL FROM api_keys", &[]).await.unwrap().get(0)).await;
    let metrics = owner.request(reqwest::Method::GET, &app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!is_secret(&metrics));

    let rows = rows(&app).await;
    assert!(rows.len() > 10, "{rows:?}");
    let holding: Vec<_> = rows.iter().filter(|(_, row)| is_secret(row)).collect();
    assert!(matches!(holding.as_slice(), [(table, row)] if table == "api_keys" && row.contains(&hash) && !row.contains(&secret)), "{holding:?}");

    // What PostgreSQL logs of statements, as it does here and nowhere else, has the hash by which the row is found, and never the key.
    let mut said = Vec::new();
    let mut file = std::fs::File::open(&postgres).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(&hash) && !said.contains(&secret));
    let logged = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("answered") && logged.contains("the form or the checksum is wrong"), "{logged}");
    assert!(!logged.contains(&secret), "the key was logged");
}
