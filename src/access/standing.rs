//! Whether a session still stands: not revoked, its member not removed, and with which role.
//!
//! Asked of the primary and remembered for ten seconds, so that a busy client costs no extra statement. On the server where a session is ended or
//! a role changed, that counts at once, because what was read before is then no longer believed; on the others within those ten seconds.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use futures_util::FutureExt;
use uuid::Uuid;

use crate::access::permissions::Role;
use crate::access::tokens::{Verified, invalid};
use crate::base::{Error, Map, Result};
use crate::platform::postgres::{Access, Pool, Settings, Transaction};
use crate::schema::{memberships, organizations, sessions};

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);

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
    pub async fn of(&self, token: Verified, primary: &Pool) -> Result<Arc<Standing>> {
        let key = (token.session, token.organization);
        if let Some(known) = self.known.get(&key).await.filter(|known| self.is_believed(known, token)) {
            return Ok(known);
        }
        self.known.invalidate(&key).await;
        // In a box, out of the way of what is done for every request: the future of each is part of the future of the request.
        let found = self.known.try_get_with(key, ask(token, primary).boxed()).boxed().await;
        let found = found.map_err(|error: Arc<Error>| Error::clone(&error))?;
        if self.is_believed(&found, token) {
            return Ok(found);
        }
        // Somebody changed it while it was being read.
        self.known.invalidate(&key).await;
        ask(token, primary).boxed().await
    }

    /// From now on nothing is believed that was read of this session, user or organization before.
    pub fn forget(&self, id: Uuid) {
        let (now, mut changed) = (Instant::now(), self.changed.write().unwrap_or_else(PoisonError::into_inner));
        // Kept for twice as long as an answer is believed, so that also a slow answer is caught.
        changed.retain(|_, at| now.duration_since(*at) < 2 * BELIEVED);
        changed.insert(id, now);
    }

    fn is_believed(&self, standing: &Standing, token: Verified) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let unchanged = |id: Uuid| changed.get(&id).is_none_or(|at| *at < standing.asked);
        unchanged(token.session) && unchanged(token.user) && unchanged(token.organization)
    }
}

async fn ask(token: Verified, primary: &Pool) -> Result<Arc<Standing>> {
    let asked = Instant::now();
    let settings = Settings { organization: Some(token.organization), user: Some(token.user), ..Settings::default() };
    let db = Transaction::new(primary.clone(), Access::Snapshot, &settings);
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
    let (role, time_zone, expires_at) = found.ok_or_else(|| invalid("the session or the membership has ended"))?;
    let time_zone = time_zone.parse().map_err(Error::internal)?;
    Ok(Arc::new(Standing { role, time_zone, expires_at, asked }))
}
