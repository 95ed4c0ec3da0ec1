//! Whether a session still stands: not revoked, its member not removed, and with which role.
//!
//! Asked of the primary, or of a replica while it does not answer, and remembered for ten seconds, so that a busy client costs no extra statement. On
//! the server where a session is ended or a role changed, that counts at once, because what was read before is then no longer believed; on the others
//! within those ten seconds.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use futures_util::FutureExt;
use uuid::Uuid;

use crate::access::permissions::Role;
use crate::access::tokens::{Verified, invalid};
use crate::base::{Code, Error, Map, Result};
use crate::platform::postgres::{Access, Databases, Pool, Settings, Transaction};
use crate::schema::{memberships, organizations, sessions};

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// How long a change made here is remembered: for longer than an answer is believed, so that also a slow answer is caught, and than a replica is behind.
const CHANGES_KEPT: Duration = Duration::from_secs(60);

/// What the database says of a session.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The member's role.
    pub role: Role,
    /// The organization's time zone.
    pub time_zone: Tz,
    /// When the session ends unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    asked: Instant,
}

/// The standings of the sessions that were seen last.
pub struct Standings {
    known: moka::future::Cache<(Uuid, Uuid), Arc<Standing>>,
    /// When a session, user or organization was last changed here: what was asked before that is not believed. Mostly empty, and asked thrice for
    /// every request.
    changed: RwLock<Map<Uuid, Instant>>,
}

impl Default for Standings {
    fn default() -> Self {
        Self { known: moka::future::Cache::builder().max_capacity(100_000).time_to_live(BELIEVED).build(), changed: RwLock::default() }
    }
}

impl Standings {
    /// The standing of a token's session.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when the session or the membership has ended; what the database failed with, when it cannot be asked.
    pub async fn of(&self, token: Verified, databases: &Databases) -> Result<Arc<Standing>> {
        let key = (token.session, token.organization);
        if let Some(known) = self.known.get(&key).await.filter(|known| self.is_believed(known, token)) {
            return Ok(known);
        }
        self.known.invalidate(&key).await;
        // In a box, out of the way of what is done for every request: the future of each is part of the future of the request.
        let found = self.known.try_get_with(key, ask(token, databases, self.was_changed(token)).boxed()).boxed().await;
        let found = found.map_err(|error: Arc<Error>| Error::clone(&error))?;
        if self.is_believed(&found, token) {
            return Ok(found);
        }
        // Somebody changed it while it was being read.
        self.known.invalidate(&key).await;
        ask(token, databases, true).boxed().await
    }

    /// From now on nothing is believed that was read of this session, user or organization before.
    pub fn forget(&self, id: Uuid) {
        let (now, mut changed) = (Instant::now(), self.changed.write().unwrap_or_else(PoisonError::into_inner));
        changed.retain(|_, at| now.duration_since(*at) < CHANGES_KEPT);
        changed.insert(id, now);
    }

    /// Whether the session, user or organization was changed here of late.
    fn was_changed(&self, token: Verified) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        [token.session, token.user, token.organization].iter().any(|id| changed.get(id).is_some_and(|at| at.elapsed() < CHANGES_KEPT))
    }

    fn is_believed(&self, standing: &Standing, token: Verified) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let unchanged = |id: Uuid| changed.get(&id).is_none_or(|at| *at < standing.asked);
        unchanged(token.session) && unchanged(token.user) && unchanged(token.organization)
    }
}

/// How long a node may take to answer before another one is asked.
const NODE_WITHIN: Duration = Duration::from_secs(1);

/// Asks the primary; while it does not answer, a replica, so that reads go on, if nothing was `changed` here that the replica may not show yet. A session
/// that no replica shows may be a young one.
async fn ask(token: Verified, databases: &Databases, changed: bool) -> Result<Arc<Standing>> {
    if databases.replicas().is_empty() {
        return read(token, databases.primary()).await?.ok_or_else(ended);
    }
    if !databases.primary_answers()
        && !changed
        && let Some(found) = ask_replicas(token, databases).await
    {
        return Ok(found);
    }
    match ask_node(token, databases.primary()).await {
        Ok(found) => found.ok_or_else(ended),
        Err(error) if error.code == Code::DatabaseUnavailable && !changed => ask_replicas(token, databases).await.ok_or(error),
        Err(error) => Err(error),
    }
}

fn ended() -> Error {
    invalid("the session or the membership has ended")
}

async fn ask_replicas(token: Verified, databases: &Databases) -> Option<Arc<Standing>> {
    for replica in databases.candidates(|_| true) {
        if let Ok(Some(found)) = ask_node(token, &replica.pool).await {
            return Some(found);
        }
    }
    None
}

async fn ask_node(token: Verified, node: &Pool) -> Result<Option<Arc<Standing>>> {
    let answer = tokio::time::timeout(NODE_WITHIN, read(token, node)).await;
    answer.unwrap_or_else(|_| Err(Error::database_unavailable("a session's standing was not told in time")))
}

async fn read(token: Verified, node: &Pool) -> Result<Option<Arc<Standing>>> {
    let asked = Instant::now();
    let settings = Settings { organization: Some(token.organization), user: Some(token.user), ..Settings::default() };
    let db = Transaction::new(node.clone(), Access::Snapshot, &settings);
    let query = sessions::table
        .inner_join(memberships::table.on(memberships::organization_id.eq(sessions::organization_id).and(memberships::user_id.eq(sessions::user_id))))
        .inner_join(organizations::table.on(organizations::id.eq(sessions::organization_id)))
        .filter(sessions::organization_id.eq(token.organization))
        .filter(sessions::id.eq(token.session))
        .filter(sessions::user_id.eq(token.user))
        .filter(sessions::revoked_at.is_null())
        .filter(memberships::removed_at.is_null())
        .select((memberships::role, organizations::time_zone, sessions::expires_at));
    let found: Option<(Role, String, DateTime<Utc>)> = db.first(query).await?;
    let Some((role, time_zone, expires_at)) = found else { return Ok(None) };
    let time_zone = time_zone.parse().map_err(Error::internal)?;
    Ok(Some(Arc::new(Standing { role, time_zone, expires_at, asked })))
}
