//! What the server has at hand for all operations: the databases, the clock, and what signing in needs.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::access::consistency::Consistency;
use crate::access::passwords::Passwords;
use crate::access::refresh::RefreshKey;
use crate::access::scope::Scope;
use crate::access::standing::Standings;
use crate::access::throttle::Throttle;
use crate::access::tokens::{Tokens, invalid};
use crate::base::{Result, SharedClock};
use crate::platform::config::ServerConfig;
use crate::platform::postgres::Databases;
use crate::platform::redis::Redis;

/// The server's services; clones share them.
#[derive(Clone)]
pub struct Services {
    /// The database nodes.
    pub databases: Databases,
    /// Redis, where it is configured.
    pub redis: Option<Redis>,
    /// Where the time comes from.
    pub clock: SharedClock,
    /// Access tokens.
    pub tokens: Arc<Tokens>,
    /// Refresh tokens.
    pub refresh: Arc<RefreshKey>,
    /// How long a session can go without being refreshed.
    pub session_lifetime: TimeDelta,
    /// Password hashes.
    pub passwords: Passwords,
    /// The count of failures to sign in.
    pub throttle: Throttle,
    /// What sessions have written, so that their reads see it.
    pub consistency: Arc<Consistency>,
    standings: Arc<Standings>,
}

impl Services {
    /// The services of a configuration. Nothing is connected to yet. Must be called inside a Tokio runtime, after
    /// [`crate::access::tokens::install_crypto`].
    ///
    /// # Errors
    /// When a part of the configuration cannot be understood.
    pub fn new(config: &ServerConfig, clock: SharedClock) -> anyhow::Result<Self> {
        let redis = Redis::new(&config.redis)?;
        Ok(Self {
            databases: Databases::new(&config.database)?,
            tokens: Arc::new(Tokens::new(&config.auth, SharedClock::clone(&clock))?),
            refresh: Arc::new(RefreshKey::new(&config.auth)),
            session_lifetime: TimeDelta::from_std(config.auth.refresh_token_ttl)?,
            passwords: Passwords::new()?,
            throttle: Throttle::new(redis.clone(), &clock),
            consistency: Arc::new(Consistency::new(&config.auth, redis.clone(), SharedClock::clone(&clock))),
            standings: Arc::new(Standings::default()),
            redis,
            clock,
        })
    }

    /// On whose behalf a request with this access token runs.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when the token is broken, expired, revoked or of another server; `DATABASE_UNAVAILABLE` when that cannot be found out.
    pub async fn authenticate(&self, token: &str, request_id: Arc<str>) -> Result<Scope> {
        let token = self.tokens.verify(token)?;
        let standing = self.standings.of(token, &self.databases).await?;
        if standing.expires_at <= self.clock.now() {
            return Err(invalid("the session has expired"));
        }
        Ok(Scope {
            organization: token.organization,
            user: token.user,
            session: token.session,
            role: standing.role,
            time_zone: standing.time_zone,
            request_id,
            clock: SharedClock::clone(&self.clock),
        })
    }

    /// Says that a session was ended: its tokens are refused on this server at once.
    pub fn forget_session(&self, session: Uuid) {
        self.standings.forget(session);
    }

    /// Says that sessions or the role of a user were changed: they count on this server at once.
    pub fn forget_user(&self, user: Uuid) {
        self.standings.forget(user);
    }

    /// Says that an organization was changed: its time zone counts on this server at once.
    pub fn forget_organization(&self, organization: Uuid) {
        self.standings.forget(organization);
    }
}
