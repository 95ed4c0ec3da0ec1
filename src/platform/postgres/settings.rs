//! Whom a transaction runs for, as row level security is told when it opens.

use std::fmt::Write;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::platform::postgres::transaction::Access;

/// Ends what opens a snapshot: where it goes on after a statement has failed.
pub(super) const SAVEPOINT: &str = "; SAVEPOINT opened";

/// Whom the transaction runs for, as row level security sees it. What is not set shows nothing.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The tenant.
    pub organization: Option<Uuid>,
    /// The user who has proven to be herself.
    pub user: Option<Uuid>,
    /// The checked e-mail address that is signing in or up.
    pub email: Option<String>,
    /// The hash of the refresh token, invitation token or API key that was presented.
    pub token_hash: Option<String>,
    /// Whether the transaction is a heartbeat, or looks at one.
    pub heartbeat: bool,
    /// Whether the transaction looks at the imported documents.
    pub documents: bool,
    /// Whether the transaction counts what providers were sent.
    pub quotas: bool,
    /// The reference by which a provider reports on a message.
    pub provider_reference: Option<String>,
    /// Whether the transaction is about what others have sent.
    pub inbound: bool,
    /// What the audit entries of a write's side effects bear; a snapshot does without.
    pub stamp: Option<Stamp>,
}

/// When, on which request and by which API key something is written.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The instant.
    pub at: DateTime<Utc>,
    /// The id of the request.
    pub request_id: Arc<str>,
    /// The API key that the request came with, if it came with one.
    pub api_key: Option<Uuid>,
}

impl Settings {
    /// What opens a transaction.
    pub(super) fn begin(&self, access: Access) -> String {
        let mut sql = String::with_capacity(256);
        sql.push_str(match access {
            Access::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN",
        });
        let ids = [("organization_id", self.organization), ("user_id", self.user)];
        let texts = [("email", &self.email), ("token_hash", &self.token_hash), ("provider_reference", &self.provider_reference)];
        for (name, id) in ids {
            if let Some(id) = id {
                for part in ["; SET LOCAL app.", name, " = '", id.hyphenated().encode_lower(&mut Uuid::encode_buffer()), "'"] {
                    sql.push_str(part);
                }
            }
        }
        for (name, text) in texts {
            if let Some(text) = text {
                let _ = write!(sql, "; SET LOCAL app.{name} = '{}'", text.replace('\'', "''"));
            }
        }
        if self.heartbeat {
            sql.push_str("; SET LOCAL app.heartbeat = 'on'; SET LOCAL idle_in_transaction_session_timeout = '1s'");
        }
        if self.documents {
            sql.push_str("; SET LOCAL app.documents = 'on'");
        }
        if self.quotas {
            sql.push_str("; SET LOCAL app.quotas = 'on'");
        }
        if self.inbound {
            sql.push_str("; SET LOCAL app.inbound = 'on'");
        }
        if access == Access::Snapshot {
            sql.push_str(SAVEPOINT);
        }
        if let (Access::Write, Some(Stamp { at, request_id, api_key })) = (access, &self.stamp) {
            let (at, request_id) = (at.to_rfc3339_opts(SecondsFormat::Micros, true), request_id.replace('\'', "''"));
            let _ = write!(sql, "; SET LOCAL app.now = '{at}'; SET LOCAL app.request_id = '{request_id}'");
            if let Some(api_key) = api_key {
                let _ = write!(sql, "; SET LOCAL app.api_key_id = '{api_key}'");
            }
        }
        sql
    }
}
