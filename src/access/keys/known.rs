//! Keys that were presented: whose they are, and when they were last used.
//!
//! Which row a key belongs to never changes, so it is asked once and remembered under the key's hash; whether the row still counts is asked by
//! [`crate::access::standing`], as for a session. That a key was used is written at most once a minute, by a task of its own, so that no caller waits
//! for it; it is no change of the row, and no entry of the audit log.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use futures_util::FutureExt;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{ApiKey, invalid};
use crate::access::budget::{self, Asking};
use crate::access::limits::Limits;
use crate::access::scope::Means;
use crate::access::standing::{Asker, ask};
use crate::access::writing::write;
use crate::base::Result;
use crate::platform::postgres::{Access, Databases, Pool, Settings, Transaction};
use crate::schema::api_keys;

/// The points that looking up a key costs its address, unless it is found.
const LOOKING_UP: u64 = 10;
/// How many keys are remembered, about 20 MB.
const REMEMBERED: u64 = 100_000;
/// How long a key is remembered that is not presented again.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// How often it is written that a key was used.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The keys that were presented last.
pub struct Keys {
    /// By the hash of the whole key.
    known: moka::sync::Cache<[u8; 32], Asker>,
    /// When it was last written that a key was used, by this server.
    noted: moka::sync::Cache<Uuid, DateTime<Utc>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            known: moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_idle(REMEMBERED_FOR).build(),
            noted: moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_idle(REMEMBERED_FOR).build(),
        }
    }
}

impl Keys {
    /// Who asks with a key that comes from an address. Looking a key up is paid by the address, and paid back when there is such a key: so nobody tries
    /// keys without end.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when the key is broken or is not known, `COST_EXCEEDED` when too many of the address were not; what the database failed with,
    /// when it cannot be asked.
    pub async fn find(&self, text: &str, ip: Option<IpAddr>, databases: &Databases, limits: &Limits) -> Result<Asker> {
        let key = ApiKey::parse(text).ok_or_else(|| invalid("the form or the checksum is wrong"))?;
        let digest = key.digest();
        if let Some(known) = self.known.get(&digest) {
            return Ok(known);
        }
        let asking = Asking { scope: None, ip, request_id: "" };
        let charge = budget::admit(limits, asking, None, LOOKING_UP).await.map_err(|refused| refused.error)?;
        let hash = key.hash();
        let found = ask(databases, false, |node| read(hash.clone(), node).boxed()).boxed().await.inspect_err(|_| charge.give_back())?;
        let found = found.filter(|row| row.id == key.id && bool::from(row.secret_hash.as_bytes().ct_eq(hash.as_bytes())));
        let row = found.ok_or_else(|| invalid("there is no such key"))?;
        let asker = Asker { user: row.created_by, organization: row.organization_id, means: Means::Key(row.id) };
        self.known.insert(digest, asker);
        charge.give_back();
        Ok(asker)
    }

    /// Has it written that a key was used, unless that was written less than a minute ago or the primary is away.
    pub fn note_use(&self, asker: Asker, now: DateTime<Utc>, databases: &Databases) {
        let key = asker.means.id();
        let is_young = |at: DateTime<Utc>| now.signed_duration_since(at) < NOTED_EVERY;
        if self.noted.get(&key).is_some_and(is_young) || !databases.primary_answers() {
            return;
        }
        // Of several requests at the same moment, one.
        let mut due = false;
        self.noted.entry(key).and_upsert_with(|known| match known.map(moka::Entry::into_value) {
            Some(at) if is_young(at) => at,
            _ => {
                due = true;
                now
            }
        });
        if !due {
            return;
        }
        let primary = databases.primary().clone();
        tokio::spawn(async move {
            let settings = Settings { organization: Some(asker.organization), user: Some(asker.user), ..Settings::default() };
            let work = move |db| async move { note(&db, asker, now).await };
            if let Err(error) = write(&primary, &settings, work, |_| std::future::ready(())).await {
                tracing::warn!(%key, reason = error.internal.as_deref().unwrap_or(&error.message), "the use of an API key could not be noted");
            }
        });
    }
}

/// The row of a key.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
struct Found {
    organization_id: Uuid,
    id: Uuid,
    created_by: Uuid,
    secret_hash: String,
}

async fn read(hash: String, node: Pool) -> Result<Option<Found>> {
    let db = Transaction::new(node, Access::Snapshot, &Settings { token_hash: Some(hash.clone()), ..Settings::default() });
    db.first(api_keys::table.select(Found::as_select()).filter(api_keys::secret_hash.eq(hash))).await
}

/// Another server may have written it meanwhile.
async fn note(db: &Transaction, asker: Asker, now: DateTime<Utc>) -> Result<()> {
    let target = api_keys::table.filter(api_keys::organization_id.eq(asker.organization)).filter(api_keys::id.eq(asker.means.id()));
    let target = target.filter(api_keys::last_used_at.is_null().or(api_keys::last_used_at.le(now - NOTED_EVERY)));
    db.execute(diesel::update(target).set(api_keys::last_used_at.eq(now))).await?;
    Ok(())
}
