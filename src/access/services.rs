//! What the server has at hand for all operations: the databases, the clock, and what signing in needs.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::access::consistency::Consistency;
use crate::access::events::cursor::EventCursor;
use crate::access::events::{EventPosition, Events};
use crate::access::keys::{self, Keys};
use crate::access::limits::Limits;
use crate::access::passwords::Passwords;
use crate::access::references::References;
use crate::access::refresh::RefreshKey;
use crate::access::scope::{Means, Scope};
use crate::access::sealing::Sealing;
use crate::access::standing::{Asker, Standings};
use crate::access::throttle::Throttle;
use crate::access::tokens::Tokens;
use crate::base::{Error, Result, SharedClock};
use crate::platform::config::ServerConfig;
use crate::platform::mail::{Mailer, unsubscribe};
use crate::platform::outgoing::Outgoing;
use crate::platform::postgres::Databases;
use crate::platform::postgres::position::Line;
use crate::platform::quotas::Quotas;
use crate::platform::redis::Redis;
use crate::platform::sms::SmsSender;

/// The server's services; clones share them.
#[derive(Clone)]
pub struct Services(Arc<Shared>);

impl Deref for Services {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What [`Services`] share.
pub struct Shared {
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
    /// What callers may do in a span of time.
    pub limits: Limits,
    /// The count of failures to sign in.
    pub throttle: Throttle,
    /// What sessions have written, so that their reads see it.
    pub consistency: Arc<Consistency>,
    /// Mail out.
    pub mailer: Arc<Mailer>,
    /// Text messages out.
    pub sms: Arc<SmsSender>,
    /// What providers may be sent.
    pub quotas: Quotas,
    /// What only this server can read or make.
    pub references: Arc<References>,
    /// The words of links by which people unsubscribe.
    pub unsubscribe: Arc<unsubscribe::Key>,
    /// Where people reach this server, without a slash at the end.
    pub public_url: Arc<str>,
    /// Fields that are encrypted before the database gets them.
    pub sealing: Arc<Sealing>,
    /// Calls to addresses that users choose.
    pub outgoing: Outgoing,
    /// What was committed, as it is followed by subscriptions; where writers say that there is something.
    pub events: Events,
    keys: Arc<Keys>,
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
        let limits = Limits::new(&config.limits, redis.clone(), SharedClock::clone(&clock));
        let databases = Databases::new(&config.database)?;
        let quotas = Quotas::new(databases.clone(), SharedClock::clone(&clock));
        let public_url: Arc<str> = Arc::from(config.mail.public_url.trim_end_matches('/'));
        Ok(Self(Arc::new(Shared {
            sms: Arc::new(SmsSender::new(&config.sms, &public_url, quotas.clone(), SharedClock::clone(&clock))?),
            quotas,
            references: Arc::new(References::new(&config.auth)),
            unsubscribe: Arc::new(unsubscribe::Key::new(&config.mail, &config.auth)?),
            public_url,
            events: Events::new(&config.database, &databases, redis.clone(), &*clock)?,
            databases,
            tokens: Arc::new(Tokens::new(&config.auth, SharedClock::clone(&clock))?),
            refresh: Arc::new(RefreshKey::new(&config.auth)),
            session_lifetime: TimeDelta::from_std(config.auth.refresh_token_ttl)?,
            passwords: Passwords::new()?,
            throttle: Throttle::new(limits.clone()),
            limits,
            consistency: Arc::new(Consistency::new(&config.auth, redis.clone(), SharedClock::clone(&clock))),
            mailer: Arc::new(Mailer::new(&config.mail, SharedClock::clone(&clock))?),
            sealing: Arc::new(Sealing::new(&config.encryption)?),
            outgoing: Outgoing::new(&config.webhooks)?,
            keys: Arc::default(),
            standings: Arc::default(),
            redis,
            clock,
        })))
    }

    /// On whose behalf a request runs that comes with this access token or API key from this address.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when it is broken, expired, revoked or of another server; `FORBIDDEN` for a key that may not be used from this address;
    /// `DATABASE_UNAVAILABLE` when that cannot be found out.
    pub async fn authenticate(&self, token: &str, ip: Option<IpAddr>, request_id: Arc<str>) -> Result<Scope> {
        let asker = if keys::is_key(token) {
            self.keys.find(token, ip, &self.databases, &self.limits).await?
        } else {
            let token = self.tokens.verify(token)?;
            Asker { user: token.user, organization: token.organization, means: Means::Session(token.session) }
        };
        let scope = self.scope_of(asker, ip, request_id).await?;
        if asker.means.key().is_some() {
            self.keys.note_use(asker, self.clock.now(), &self.databases);
        }
        Ok(scope)
    }

    /// The scope of a job that may do what a member may do now, and no more.
    ///
    /// # Errors
    /// `INVALID_TOKEN` when she is no member any more, `DATABASE_UNAVAILABLE` when that cannot be found out.
    pub async fn act_for(&self, organization: Uuid, user: Uuid, job: Uuid, request_id: Arc<str>) -> Result<Scope> {
        self.scope_of(Asker { user, organization, means: Means::Job(job) }, None, request_id).await
    }

    async fn scope_of(&self, asker: Asker, ip: Option<IpAddr>, request_id: Arc<str>) -> Result<Scope> {
        let (standing, now) = (self.standings.of(asker, &self.databases).await?, self.clock.now());
        standing.admit(asker.means, ip, now)?;
        Ok(Scope {
            organization: asker.organization,
            user: asker.user,
            means: asker.means,
            role: standing.role,
            permissions: standing.permissions,
            plan: standing.plan,
            time_zone: standing.time_zone,
            request_id,
            clock: SharedClock::clone(&self.clock),
        })
    }

    /// A cursor of a caller at a position, with what she may see now.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when it is not known which database this is.
    pub fn event_cursor(&self, scope: &Scope, position: EventPosition) -> Result<String> {
        let line = self.line()?;
        let seen = self.events.kept_nouns().filter(|noun| scope.permissions.has(noun.read));
        Ok(EventCursor { position, nouns: seen.map(|noun| noun.prefix.to_owned()).collect() }.encode(scope, line))
    }

    /// Which database this is.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` when that is not known.
    pub fn line(&self) -> Result<Line> {
        self.databases.lineage().known().ok_or_else(|| Error::database_unavailable("no primary was found yet"))
    }

    /// Says that a session was ended: its tokens are refused on this server at once.
    pub fn forget_session(&self, session: Uuid) {
        self.standings.forget(session);
    }

    /// Says that an API key was changed or revoked: that counts on this server at once.
    pub fn forget_key(&self, key: Uuid) {
        self.standings.forget(key);
    }

    /// Says that sessions, API keys or the role of a user were changed: they count on this server at once.
    pub fn forget_user(&self, user: Uuid) {
        self.standings.forget(user);
    }

    /// Says that an organization was changed: its time zone and its plan count on this server at once.
    pub fn forget_organization(&self, organization: Uuid) {
        self.standings.forget(organization);
    }
}
