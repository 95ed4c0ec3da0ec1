//! What is counted: for whom, and of what.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::limits::Class;

/// One count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The organization, or none.
    organization: u128,
    of: Of,
    id: u128,
}

/// Of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// The points of an organization.
    Organization,
    /// The points of a user.
    User,
    /// The points of a session or an API key.
    Application,
    /// The points of an address.
    Address,
    /// The operations of a class.
    Class(Class),
    /// Failures to sign in to an account from anywhere.
    Account,
    /// Failures to sign in from an address.
    SignInAddress,
    /// Refusals, which tighten the limits.
    Refusals,
}

impl Key {
    /// A count within an organization.
    #[must_use]
    pub const fn within(organization: Uuid, of: Of, id: Uuid) -> Self {
        Self { organization: organization.as_u128(), of, id: id.as_u128() }
    }

    /// A count of an address, for IPv6 of the network that one customer gets. Those whose address is not known count together.
    #[must_use]
    pub fn of_address(address: Option<IpAddr>, of: Of) -> Self {
        Self { organization: 0, of, id: address.map_or(0, neighbourhood) }
    }

    /// A count of what has no id, by its hash.
    #[must_use]
    pub fn hashed(text: &str, of: Of) -> Self {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let (half, _) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self { organization: 0, of, id: u128::from_be_bytes(*half) }
    }

    /// A count of an account from an address.
    #[must_use]
    pub fn of_pair(account: &str, address: Option<IpAddr>, of: Of) -> Self {
        // No account has a line break.
        Self::hashed(&format!("{account}\n{:032x}", address.map_or(0, neighbourhood)), of)
    }
}

/// The address as a number, IPv4 in its mapped form, and of IPv6 the first 64 bits.
fn neighbourhood(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let of = match self.of {
            Of::Organization => "organization",
            Of::User => "user",
            Of::Application => "application",
            Of::Address => "address",
            Of::Class(class) => class.name(),
            Of::Account => "account",
            Of::SignInAddress => "sign-in-address",
            Of::Refusals => "refusals",
        };
        // The braces keep those that are asked about together in one place of a Redis cluster.
        write!(f, "payaid:{{limits}}:{of}:{:032x}:{:032x}", self.organization, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_addresses_are_one() {
        let key = |text: &str| Key::of_address(Some(text.parse().unwrap()), Of::Address);
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("203.0.113.5"), key("::ffff:203.0.113.5"));
        assert_ne!(key("203.0.113.5"), key("203.0.113.6"));
    }
}
