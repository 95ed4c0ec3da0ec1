//! On whose behalf an operation runs. It is made from a verified token or API key alone, and handed down by hand; nothing takes a tenant from an
//! argument.
//!
//! An API key acts for the member who made it. What it may do at a moment is what is in its scopes and what that member's role allows at that moment,
//! so that nobody does by a key what she may not do herself any more.

use std::sync::Arc;

use chrono_tz::Tz;
use uuid::Uuid;

use crate::access::permissions::{Permission, Permissions, Role};
use crate::access::tier::Plan;
use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::postgres::{Settings, Stamp};

/// By what a caller is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// By a session, which an access token belongs to.
    Session(Uuid),
    /// By an API key.
    Key(Uuid),
    /// Not at all: a job runs that she has caused.
    Job(Uuid),
}

impl Means {
    /// The id of the session, key or job.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Session(id) | Self::Key(id) | Self::Job(id) => id,
        }
    }

    /// The id of the key, when it is one.
    #[must_use]
    pub const fn key(self) -> Option<Uuid> {
        match self {
            Self::Session(_) | Self::Job(_) => None,
            Self::Key(id) => Some(id),
        }
    }
}

/// A signed-in member of an organization, for the length of one operation.
#[derive(Clone)]
pub struct Scope {
    /// The tenant.
    pub organization: Uuid,
    /// The signed-in user, or the one whom the API key acts for.
    pub user: Uuid,
    /// By what she is signed in.
    pub means: Means,
    /// The member's role as of now, not as of when the token was made.
    pub role: Role,
    /// What may be done: what the role allows, and of that what is in an API key's scopes.
    pub permissions: Permissions,
    /// What the organization has subscribed to.
    pub plan: Plan,
    /// The organization's time zone, in which its days begin.
    pub time_zone: Tz,
    /// The id of the request, as it stands in logs and in the audit log.
    pub request_id: Arc<str>,
    /// Where the time comes from.
    pub clock: SharedClock,
}

impl Scope {
    /// Refuses unless the permission is there.
    ///
    /// # Errors
    /// `INSUFFICIENT_PERMISSIONS`, which names what is lacking.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.permissions.has(permission) {
            return Ok(());
        }
        let (role, code) = (self.role, permission.code());
        let message = match self.means {
            Means::Session(_) | Means::Job(_) => {
                format!("Your role {role} lacks the permission `{code}`; an owner or admin of your organization can change that.")
            }
            Means::Key(_) if role.may(permission) => {
                format!("This API key lacks the scope `{code}`; an owner or admin of the organization can make another one that has it.")
            }
            Means::Key(_) => format!("This API key acts for a member whose role {role} lacks the permission `{code}`."),
        };
        Err(Error::new(Code::InsufficientPermissions, message))
    }

    /// The id of what asks: of the session, or of the API key. What it has written, it sees.
    #[must_use]
    pub const fn application(&self) -> Uuid {
        self.means.id()
    }

    /// Whether an API key asks.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        self.means.key().is_some()
    }

    /// The session, for what only makes sense in one.
    ///
    /// # Errors
    /// `FORBIDDEN` for an API key.
    pub fn session(&self) -> Result<Uuid> {
        match self.means {
            Means::Session(session) => Ok(session),
            Means::Key(_) | Means::Job(_) => Err(not_for_keys()),
        }
    }

    /// The same with another role of the member.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        Self { role, permissions: self.permissions.and(role.permissions()), ..self.clone() }
    }

    /// Who acts; `None` where nobody does, but the server by itself.
    #[must_use]
    pub fn actor(&self) -> Option<Uuid> {
        (!self.user.is_nil()).then_some(self.user)
    }

    /// What row level security is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let stamp = Stamp { at: self.clock.now(), request_id: Arc::clone(&self.request_id), api_key: self.means.key() };
        Settings { organization: Some(self.organization), user: self.actor(), stamp: Some(stamp), ..Settings::default() }
    }
}

/// The error for an API key that asks for what is a person's.
#[must_use]
pub fn not_for_keys() -> Error {
    Error::new(Code::Forbidden, "An API key cannot do this: it is for people, who sign in by `signIn`.")
}
