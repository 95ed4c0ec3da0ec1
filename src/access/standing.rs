//! Whether a session or an API key still stands: not revoked, its member not removed, and with which role and scopes.
//!
//! Asked of the primary, or of a replica while it does not answer, and remembered for ten seconds, so that a busy client costs no extra statement. On
//! the server where a session is ended, a key revoked or a role changed, that counts at once, because what was read before is then no longer believed; on the others
//! within those ten seconds.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use foldhash::fast::RandomState;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::access::permissions::{Permissions, Role};
use crate::access::scope::Means;
use crate::access::tier::Plan;
use crate::access::{keys, tokens};
use crate::base::network::Network;
use crate::base::{Code, Error, Map, Result};
use crate::platform::postgres::{Access, Databases, Pool, Settings, Transaction};
use crate::schema::{api_keys, memberships, organizations, sessions};

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// How long a change made here is remembered: for longer than an answer is believed, so that also a slow answer is caught, and than a replica is behind.
const CHANGES_KEPT: Duration = Duration::from_secs(60);

/// Who asks, as a token or key says that was found to be one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The user, or the one whom the key acts for.
    pub user: Uuid,
    /// The tenant.
    pub organization: Uuid,
    /// The session or the key.
    pub means: Means,
}

impl Asker {
    /// What may be changed so that the standing is another one.
    const fn depends_on(&self) -> [Uuid; 3] {
        [self.means.id(), self.user, self.organization]
    }
}

/// What the database says of a session or key.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The member's role.
    pub role: Role,
    /// What may be done: what the role allows, and of that what is in a key's scopes.
    pub permissions: Permissions,
    /// What the organization has subscribed to.
    pub plan: Plan,
    /// The organization's time zone.
    pub time_zone: Tz,
    /// When the session ends unless it is refreshed, or the key; `None` for a key that does not end by itself.
    expires_at: Option<DateTime<Utc>>,
    /// Where a key may be used from; anywhere when there are none.
    allowed: Vec<Network>,
    asked: Instant,
}

impl Standing {
    /// Refuses what has ended by itself, and a key that comes from where it must not be used.
    ///
    /// # Errors
    /// `INVALID_TOKEN`, or `FORBIDDEN` for the address; one that is not known is none of those that are allowed.
    pub fn admit(&self, means: Means, ip: Option<IpAddr>, now: DateTime<Utc>) -> Result<()> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid(means, "it has expired"));
        }
        if self.allowed.is_empty() || ip.is_some_and(|ip| self.allowed.iter().any(|network| network.contains(ip))) {
            return Ok(());
        }
        let from = ip.map_or_else(|| "an address that is not known".to_owned(), |ip| ip.to_string());
        Err(Error::new(Code::Forbidden, format!("This API key is not allowed from {from}; an owner or admin of the organization can change that.")))
    }
}

/// The error for what is not valid, in the words for its kind.
fn invalid(means: Means, reason: &str) -> Error {
    match means {
        Means::Session(_) | Means::Job(_) => tokens::invalid(format!("the session: {reason}")),
        Means::Key(_) => keys::invalid(reason),
    }
}

/// The standings of the sessions and keys that were seen last.
pub struct Standings {
    known: moka::future::Cache<(Uuid, Uuid), Arc<Standing>, RandomState>,
    /// When a session, key, user or organization was last changed here: what was asked before that is not believed. Mostly empty, and asked thrice for
    /// every request.
    changed: RwLock<Map<Uuid, Instant>>,
}

impl Default for Standings {
    fn default() -> Self {
        Self {
            known: moka::future::Cache::builder().max_capacity(100_000).time_to_live(BELIEVED).build_with_hasher(RandomState::default()),
            changed: RwLock::default(),
        }
    }
}

impl Standings {
    /// The standing of a session or key.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when it or the membership has ended; what the database failed with, when it cannot be asked.
    pub async fn of(&self, asker: Asker, databases: &Databases) -> Result<Arc<Standing>> {
        let key = (asker.means.id(), asker.organization);
        if let Some(known) = self.known.get(&key).await.filter(|known| self.is_believed(known, asker)) {
            return Ok(known);
        }
        self.known.invalidate(&key).await;
        // In a box, out of the way of what is done for every request: the future of each is part of the future of the request.
        let found = self.known.try_get_with(key, stands(asker, databases, self.was_changed(asker)).boxed()).boxed().await;
        let found = found.map_err(|error: Arc<Error>| Error::clone(&error))?;
        if self.is_believed(&found, asker) {
            return Ok(found);
        }
        // Somebody changed it while it was being read.
        self.known.invalidate(&key).await;
        stands(asker, databases, true).boxed().await
    }

    /// From now on nothing is believed that was read of this session, key, user or organization before.
    pub fn forget(&self, id: Uuid) {
        let (now, mut changed) = (Instant::now(), self.changed.write().unwrap_or_else(PoisonError::into_inner));
        changed.retain(|_, at| now.duration_since(*at) < CHANGES_KEPT);
        changed.insert(id, now);
    }

    /// Whether the session, key, user or organization was changed here of late.
    fn was_changed(&self, asker: Asker) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        asker.depends_on().iter().any(|id| changed.get(id).is_some_and(|at| at.elapsed() < CHANGES_KEPT))
    }

    fn is_believed(&self, standing: &Standing, asker: Asker) -> bool {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        asker.depends_on().iter().all(|id| changed.get(id).is_none_or(|at| *at < standing.asked))
    }
}

/// How long a node may take to answer before another one is asked.
const NODE_WITHIN: Duration = Duration::from_secs(1);

async fn stands(asker: Asker, databases: &Databases, changed: bool) -> Result<Arc<Standing>> {
    let found = ask(databases, changed, |node| read(asker, node).boxed()).await?;
    found.map(Arc::new).ok_or_else(|| invalid(asker.means, "it or the membership has ended"))
}

/// Asks the primary; while it does not answer, a replica, so that reads go on, if nothing was `changed` here that the replica may not show yet. What no
/// replica shows may be young.
///
/// # Errors
/// What the database failed with, when it cannot be asked.
pub async fn ask<T>(databases: &Databases, changed: bool, read: impl Fn(Pool) -> BoxFuture<'static, Result<Option<T>>>) -> Result<Option<T>> {
    if databases.replicas().is_empty() {
        return read(databases.primary().clone()).await;
    }
    if !databases.primary_answers()
        && !changed
        && let Some(found) = ask_replicas(databases, &read).await
    {
        return Ok(Some(found));
    }
    match in_time(read(databases.primary().clone())).await {
        Err(error) if error.code == Code::DatabaseUnavailable && !changed => ask_replicas(databases, &read).await.map(Some).ok_or(error),
        answer => answer,
    }
}

async fn ask_replicas<T>(databases: &Databases, read: &impl Fn(Pool) -> BoxFuture<'static, Result<Option<T>>>) -> Option<T> {
    for replica in databases.candidates(|_| true) {
        if let Ok(Some(found)) = in_time(read(replica.pool.clone())).await {
            return Some(found);
        }
    }
    None
}

async fn in_time<T>(answer: BoxFuture<'static, Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(NODE_WITHIN, answer).await;
    answer.unwrap_or_else(|_| Err(Error::database_unavailable("who asks was not told in time")))
}

/// What is the same for sessions and keys: the member's role, and the organization's time zone and plan.
type Place = (Role, String, Plan);

async fn read(asker: Asker, node: Pool) -> Result<Option<Standing>> {
    let asked = Instant::now();
    let settings = Settings { organization: Some(asker.organization), user: Some(asker.user), ..Settings::default() };
    let db = Transaction::new(node, Access::Snapshot, &settings);
    let (place, expires_at, scopes, allowed): (Place, _, _, _) = match asker.means {
        Means::Session(session) => match read_session(&db, asker, session).await? {
            Some((place, expires_at)) => (place, Some(expires_at), None, Vec::new()),
            None => return Ok(None),
        },
        Means::Key(key) => match read_key(&db, asker, key).await? {
            Some((place, expires_at, scopes, allowed)) => (place, expires_at, Some(scopes), allowed),
            None => return Ok(None),
        },
        Means::Job(_) => match read_member(&db, asker).await? {
            Some(place) => (place, None, None, Vec::new()),
            None => return Ok(None),
        },
    };
    let (role, time_zone, plan) = place;
    let of_role = role.permissions();
    let permissions = match scopes {
        Some(scopes) => of_role.and(Permissions::of_scopes(scopes.iter().flatten().map(String::as_str))),
        None => of_role,
    };
    // A list with an entry that cannot be read would let in too many without it, so that nobody is let in.
    let allowed = allowed.iter().flatten().map(|network| network.parse().map_err(Error::internal)).collect::<Result<_>>()?;
    let time_zone = time_zone.parse().map_err(Error::internal)?;
    Ok(Some(Standing { role, permissions, plan, time_zone, expires_at, allowed, asked }))
}

async fn read_session(db: &Transaction, asker: Asker, session: Uuid) -> Result<Option<(Place, DateTime<Utc>)>> {
    let query = sessions::table
        .inner_join(memberships::table.on(memberships::organization_id.eq(sessions::organization_id).and(memberships::user_id.eq(sessions::user_id))))
        .inner_join(organizations::table.on(organizations::id.eq(sessions::organization_id)))
        .filter(sessions::organization_id.eq(asker.organization))
        .filter(sessions::id.eq(session))
        .filter(sessions::user_id.eq(asker.user))
        .filter(sessions::revoked_at.is_null())
        .filter(memberships::removed_at.is_null())
        .select(((memberships::role, organizations::time_zone, organizations::plan), sessions::expires_at));
    db.first(query).await
}

async fn read_member(db: &Transaction, asker: Asker) -> Result<Option<Place>> {
    let query = memberships::table
        .inner_join(organizations::table.on(organizations::id.eq(memberships::organization_id)))
        .filter(memberships::organization_id.eq(asker.organization))
        .filter(memberships::user_id.eq(asker.user))
        .filter(memberships::removed_at.is_null())
        .select((memberships::role, organizations::time_zone, organizations::plan));
    db.first(query).await
}

/// The end of a key, its scopes and where it may be used from.
type OfKey = (Place, Option<DateTime<Utc>>, Vec<Option<String>>, Vec<Option<String>>);

async fn read_key(db: &Transaction, asker: Asker, key: Uuid) -> Result<Option<OfKey>> {
    let query = api_keys::table
        .inner_join(
            memberships::table.on(memberships::organization_id.eq(api_keys::organization_id).and(memberships::user_id.eq(api_keys::created_by))),
        )
        .inner_join(organizations::table.on(organizations::id.eq(api_keys::organization_id)))
        .filter(api_keys::organization_id.eq(asker.organization))
        .filter(api_keys::id.eq(key))
        .filter(api_keys::created_by.eq(asker.user))
        .filter(api_keys::revoked_at.is_null())
        .filter(memberships::removed_at.is_null())
        .select(((memberships::role, organizations::time_zone, organizations::plan), api_keys::expires_at, api_keys::scopes, api_keys::allowed_ips));
    db.first(query).await
}
