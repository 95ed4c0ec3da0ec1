//! Roles and the permissions that each has. The table below is the whole truth; guards ask for permissions, never for roles.

use async_graphql::Enum;

use crate::text_enum;

text_enum! {
    /// What a member may do, from everything to reading only.
    pub enum Role {
        /// Everything; at least one member is the owner.
        Owner = "OWNER",
        /// Everything but making or unmaking owners.
        Admin = "ADMIN",
        /// All business data, pipelines and bulk changes.
        Manager = "MANAGER",
        /// Contacts, companies, deals, tasks and activities.
        Sales = "SALES",
        /// Reads everything and writes companies and tasks.
        Finance = "FINANCE",
        /// Contacts, tasks and activities; reads deals.
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
    /// See the dashboard.
    DashboardRead = "dashboard.read",
    /// See the audit log.
    AuditRead = "audit.read",
    /// See how the server came to its answers: which database node was read, and how far that one was behind.
    DiagnosticsRead = "diagnostics.read",
}

use Permission as P;

const READ_BUSINESS: &[P] = &[P::MembersRead, P::ContactsRead, P::CompaniesRead, P::DealsRead, P::TasksRead, P::ActivitiesRead, P::DashboardRead];
const WRITE_SALES: &[P] = &[P::ContactsWrite, P::CompaniesWrite, P::DealsWrite, P::TasksWrite, P::ActivitiesWrite];

impl Role {
    /// Whether the role has the permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        let beyond: &[&[P]] = match self {
            Self::Owner | Self::Admin => return true,
            Self::Manager => &[WRITE_SALES, &[P::PipelinesWrite]],
            Self::Sales => &[WRITE_SALES],
            Self::Finance => &[&[P::CompaniesWrite, P::TasksWrite]],
            Self::Support => &[&[P::ContactsWrite, P::TasksWrite, P::ActivitiesWrite]],
            Self::Viewer => &[],
        };
        READ_BUSINESS.contains(&permission) || beyond.iter().any(|some| some.contains(&permission))
    }

    /// The codes of all permissions of the role.
    #[must_use]
    pub fn codes(self) -> Vec<&'static str> {
        Permission::ALL.iter().filter(|permission| self.may(**permission)).map(|permission| permission.code()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_below_admin_reads_the_audit_log_or_changes_members() {
        for role in Role::ALL {
            let high = matches!(role, Role::Owner | Role::Admin);
            for permission in [Permission::AuditRead, Permission::DiagnosticsRead, Permission::MembersWrite, Permission::OrganizationWrite] {
                assert_eq!(role.may(permission), high, "{role} {}", permission.code());
            }
        }
        assert!(Role::Viewer.codes().iter().all(|code| code.ends_with(".read")));
    }
}
