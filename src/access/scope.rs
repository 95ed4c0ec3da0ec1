//! On whose behalf an operation runs. It is made from a verified token alone, and handed down by hand; nothing takes a tenant from an argument.

use std::sync::Arc;

use chrono_tz::Tz;
use uuid::Uuid;

use crate::access::permissions::{Permission, Role};
use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::postgres::{Settings, Stamp};

/// A signed-in member of an organization, for the length of one operation.
#[derive(Clone)]
pub struct Scope {
    /// The tenant.
    pub organization: Uuid,
    /// The signed-in user.
    pub user: Uuid,
    /// The session that the access token belongs to.
    pub session: Uuid,
    /// The member's role as of now, not as of when the token was made.
    pub role: Role,
    /// The organization's time zone, in which its days begin.
    pub time_zone: Tz,
    /// The id of the request, as it stands in logs and in the audit log.
    pub request_id: Arc<str>,
    /// Where the time comes from.
    pub clock: SharedClock,
}

impl Scope {
    /// Refuses unless the role has the permission.
    ///
    /// # Errors
    /// `INSUFFICIENT_PERMISSIONS`, which names what is lacking.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.role.may(permission) {
            return Ok(());
        }
        let message =
            format!("Your role {} lacks the permission `{}`; an owner or admin of your organization can change that.", self.role, permission.code());
        Err(Error::new(Code::InsufficientPermissions, message))
    }

    /// What row level security is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let stamp = Stamp { at: self.clock.now(), request_id: Arc::clone(&self.request_id) };
        Settings { organization: Some(self.organization), user: Some(self.user), stamp: Some(stamp), ..Settings::default() }
    }
}
