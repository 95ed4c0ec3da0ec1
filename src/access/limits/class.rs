//! The classes of operations that have a limit of their own.

use crate::base::allowance::Allowance;
use crate::platform::config::LimitConfig;

/// A class of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// What callers do who are not signed in, other than signing in or up.
    Anonymous,
    /// Failures to sign in.
    SignIn,
    /// New organizations.
    SignUp,
    /// Payments.
    Payments,
    /// Messages by the contact form.
    ContactForm,
    /// Questions to agents.
    Agents,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [Self::Anonymous, Self::SignIn, Self::SignUp, Self::Payments, Self::ContactForm, Self::Agents];

    /// Its name in the schema, in headers and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::SignIn => "sign-in",
            Self::SignUp => "sign-up",
            Self::Payments => "payments",
            Self::ContactForm => "contact-form",
            Self::Agents => "agents",
        }
    }

    /// The class of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether it is counted by address, also for who is signed in: who can make users is not counted by them.
    #[must_use]
    pub const fn is_by_address(self) -> bool {
        match self {
            Self::Anonymous | Self::SignIn | Self::SignUp | Self::ContactForm => true,
            Self::Payments | Self::Agents => false,
        }
    }

    /// What there were too many of, for people.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Anonymous => "operations without being signed in",
            Self::SignIn => "failed attempts to sign in",
            Self::SignUp => "new organizations",
            Self::Payments => "payments",
            Self::ContactForm => "messages",
            Self::Agents => "questions",
        }
    }

    /// How many are allowed.
    #[must_use]
    pub const fn allowance(self, config: &LimitConfig) -> Allowance {
        match self {
            Self::Anonymous => config.limit_anonymous,
            Self::SignIn => config.limit_sign_in,
            Self::SignUp => config.limit_sign_up,
            Self::Payments => config.limit_payments,
            Self::ContactForm => config.limit_contact_form,
            Self::Agents => config.limit_agents,
        }
    }
}
