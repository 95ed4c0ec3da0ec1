//! Which statements a server sends, as PostgreSQL itself logs them: nothing of the server under test has to be believed.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::TestApp;
use crate::harness::servers::shared;

/// What comes once for a connection, once in ten seconds for a session, and some time after a commit, whatever operation happens to come first.
const NOT_AN_OPERATIONS: &[&str] = &["rolsuper OR rolbypassrls", "\"sessions\" INNER JOIN \"memberships\"", "payaid_events"];

/// Records the statements on one test's database.
pub struct Recorder {
    log: PathBuf,
    from: u64,
    marker: String,
}

impl Recorder {
    /// Begins to record.
    pub async fn start(app: &TestApp) -> Self {
        let log = shared().await.primary.log();
        let from = std::fs::metadata(&log).unwrap().len();
        Self { log, from, marker: format!("@{} LOG:  ", app.database) }
    }

    /// What PostgreSQL has written about all databases since then.
    fn text(&self) -> String {
        let mut file = std::fs::File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The statements since then, beside those that begin and end transactions.
    pub fn finish(&self) -> Vec<String> {
        let text = self.text();
        let statements = text.lines().filter_map(|line| line.split_once(&self.marker)).filter_map(|(_, rest)| rest.split_once(": "));
        let kept = statements.filter(|(kind, _)| *kind == "statement" || kind.starts_with("execute")).map(|(_, sql)| sql.to_owned());
        kept.filter(|sql| !["BEGIN", "COMMIT", "ROLLBACK", "SET "].iter().any(|word| sql.starts_with(word)))
            .filter(|sql| !NOT_AN_OPERATIONS.iter().any(|part| sql.contains(part)))
            .collect()
    }

    /// The prepared statements that were executed since then: on which connection, by which name, and the statement.
    pub fn prepared(&self) -> Vec<(String, String, String)> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.split_once(&self.marker));
        let executed = lines.filter_map(|(before, rest)| Some((before, rest.strip_prefix("execute ")?.split_once(": ")?)));
        let connection = |before: &str| before.split(['[', ']']).nth(1).unwrap_or_default().to_owned();
        executed.map(|(before, (name, sql))| (connection(before), name.to_owned(), sql.to_owned())).collect()
    }

    /// The plans since then that auto_explain has logged as JSON: each with its statement as `Query Text`.
    pub fn plans(&self) -> Vec<Value> {
        let text = self.text();
        let mut plans = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.split_once(&self.marker).is_none_or(|(_, rest)| !(rest.starts_with("duration: ") && rest.ends_with("plan:"))) {
                continue;
            }
            let mut json = String::new();
            while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
                json.push_str(more);
            }
            let plan: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
            let sql = plan["Query Text"].as_str().unwrap_or_default();
            if !NOT_AN_OPERATIONS.iter().any(|part| sql.contains(part)) {
                plans.push(plan);
            }
        }
        plans
    }
}
