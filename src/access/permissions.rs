//! Roles and the permissions that each has. The table below is the whole truth; guards ask for permissions, never for roles.
//!
//! An API key has scopes, which are permissions as well: what it may do is in both its scopes and the role of the member it acts for.

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::Enum;

use crate::text_enum;

text_enum! {
    /// What a member may do, from everything to reading only.
    pub enum Role {
        /// Everything; at least one member is the owner.
        Owner = "OWNER",
        /// Everything but making or unmaking owners.
        Admin = "ADMIN",
        /// All business data, pipelines, SMS templates and bulk changes.
        Manager = "MANAGER",
        /// Contacts, companies, deals, tasks, activities and messages.
        Sales = "SALES",
        /// Reads everything and writes companies and tasks.
        Finance = "FINANCE",
        /// Contacts, tasks, activities and messages; reads deals.
        Support = "SUPPORT",
        /// Reads only.
        Viewer = "VIEWER",
    }
}

macro_rules! permissions {
    ($($(#[$meta:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// One thing that a role may or may not do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
        pub enum Permission {
            $($(#[$meta])* $name),+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The permission of a code; `None` when there is none.
            #[must_use]
            pub fn of_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.code() == code)
            }

            /// The code, such as `contacts.read`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),+
                }
            }
        }
    };
}

permissions! {
    /// See the organization, its members and their roles.
    MembersRead = "members.read",
    /// Invite, change and remove members.
    MembersWrite = "members.write",
    /// Change the organization itself.
    OrganizationWrite = "organization.write",
    /// See contacts.
    ContactsRead = "contacts.read",
    /// Create, change and delete contacts.
    ContactsWrite = "contacts.write",
    /// See companies.
    CompaniesRead = "companies.read",
    /// Create, change and delete companies.
    CompaniesWrite = "companies.write",
    /// See deals, pipelines and stages.
    DealsRead = "deals.read",
    /// Create, change and delete deals.
    DealsWrite = "deals.write",
    /// Create, change and delete pipelines and their stages.
    PipelinesWrite = "pipelines.write",
    /// See tasks.
    TasksRead = "tasks.read",
    /// Create, change and delete tasks.
    TasksWrite = "tasks.write",
    /// See the timeline.
    ActivitiesRead = "activities.read",
    /// Create, change and delete entries of the timeline.
    ActivitiesWrite = "activities.write",
    /// See messages, SMS templates and the addresses that nothing more is sent to.
    MessagesRead = "messages.read",
    /// Send messages, and give those that failed another try.
    MessagesSend = "messages.send",
    /// Keep SMS templates, and delete suppressions of addresses.
    MessagesManage = "messages.manage",
    /// See the dashboard.
    DashboardRead = "dashboard.read",
    /// See the audit log.
    AuditRead = "audit.read",
    /// See the API keys of the organization, but never the keys themselves.
    ApiKeysRead = "api_keys.read",
    /// Make, change and revoke API keys.
    ApiKeysWrite = "api_keys.write",
    /// See what is done in the background.
    JobsRead = "jobs.read",
    /// Have jobs that were given up done again.
    JobsWrite = "jobs.write",
    /// See, make and change webhooks, and what was sent to them.
    WebhooksManage = "webhooks.manage",
    /// See how the server came to its answers: which database node was read, and how far that one was behind.
    DiagnosticsRead = "diagnostics.read",
    /// Ask for the schema itself (introspection) where the server does not show it to everybody.
    SchemaRead = "schema.read",
}

use Permission as P;

const READ_BUSINESS: &[P] =
    &[P::MembersRead, P::ContactsRead, P::CompaniesRead, P::DealsRead, P::TasksRead, P::ActivitiesRead, P::MessagesRead, P::DashboardRead];
const WRITE_SALES: &[P] = &[P::ContactsWrite, P::CompaniesWrite, P::DealsWrite, P::TasksWrite, P::ActivitiesWrite, P::MessagesSend];

impl Role {
    /// Whether the role has the permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        let beyond: &[&[P]] = match self {
            Self::Owner | Self::Admin => return true,
            Self::Manager => &[WRITE_SALES, &[P::PipelinesWrite, P::MessagesManage]],
            Self::Sales => &[WRITE_SALES],
            Self::Finance => &[&[P::CompaniesWrite, P::TasksWrite]],
            Self::Support => &[&[P::ContactsWrite, P::TasksWrite, P::ActivitiesWrite, P::MessagesSend]],
            Self::Viewer => &[],
        };
        READ_BUSINESS.contains(&permission) || beyond.iter().any(|some| some.contains(&permission))
    }

    /// All permissions of the role.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        Permission::ALL.iter().copied().filter(|permission| self.may(*permission)).collect()
    }
}

/// Permissions that no API key has, whoever makes it: with them, a key that was stolen could make another one that outlives it, or let somebody in.
pub const WITHHELD_FROM_KEYS: &[Permission] = &[P::ApiKeysWrite, P::MembersWrite, P::OrganizationWrite];

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u64);

const _: () = assert!(Permission::ALL.len() <= 64, "each permission has a bit of its own");

impl Permissions {
    /// Those that API keys of these scopes can have. A code that there is not, or not for keys, is left out.
    #[must_use]
    pub fn of_scopes<'c>(codes: impl IntoIterator<Item = &'c str>) -> Self {
        codes.into_iter().filter_map(Permission::of_code).filter(|permission| !WITHHELD_FROM_KEYS.contains(permission)).collect()
    }

    /// Whether a permission is one of them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The codes of all of them.
    #[must_use]
    pub fn codes(self) -> Vec<&'static str> {
        Permission::ALL.iter().filter(|permission| self.has(**permission)).map(|permission| permission.code()).collect()
    }
}

/// Permissions that are looked at for every field, and change when an operation goes on as somebody else.
#[derive(Debug, Default)]
pub struct Granted(AtomicU64);

impl Granted {
    /// Grants these and no others.
    pub fn set(&self, permissions: Permissions) {
        self.0.store(permissions.0, Ordering::Release);
    }

    /// Whether a permission is granted.
    #[must_use]
    pub fn has(&self, permission: Permission) -> bool {
        Permissions(self.0.load(Ordering::Acquire)).has(permission)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl Permission {
    #[expect(clippy::as_conversions, reason = "the number of an enum's value is written in no other way; it is below 64")]
    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_below_admin_reads_the_audit_log_or_changes_members() {
        for role in Role::ALL {
            let high = matches!(role, Role::Owner | Role::Admin);
            for permission in
                [P::AuditRead, P::DiagnosticsRead, P::MembersWrite, P::OrganizationWrite, P::ApiKeysRead, P::ApiKeysWrite, P::SchemaRead]
            {
                assert_eq!(role.may(permission), high, "{role} {}", permission.code());
            }
        }
        assert!(Role::Viewer.permissions().codes().iter().all(|code| code.ends_with(".read")));
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for one in Permission::ALL {
            let set: Permissions = [*one].into_iter().collect();
            assert!(Permission::ALL.iter().all(|other| set.has(*other) == (one == other)), "{}", one.code());
            assert_eq!(Permission::of_code(one.code()), Some(*one));
        }
        for role in Role::ALL {
            assert!(Permission::ALL.iter().all(|permission| role.permissions().has(*permission) == role.may(*permission)), "{role}");
        }
        assert_eq!(Permissions::default().codes(), Vec::<&str>::new());
    }

    #[test]
    fn every_scope_is_documented() {
        let page = include_str!("../../docs/api-keys.md");
        for permission in Permission::ALL {
            assert!(page.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{}`", permission.code()))), "{}", permission.code());
        }
    }

    #[test]
    fn a_key_has_no_more_than_its_scopes_and_never_what_is_withheld() {
        let scopes = ["contacts.read", "contacts.write", "api_keys.write", "members.write", "organization.write", "nonsense"];
        let scopes = Permissions::of_scopes(scopes);
        assert_eq!(scopes.codes(), ["contacts.read", "contacts.write"]);
        assert_eq!(Role::Viewer.permissions().and(scopes).codes(), ["contacts.read"]);
    }
}
