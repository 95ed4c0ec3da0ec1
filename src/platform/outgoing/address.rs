//! Which addresses may be called: those of the public internet. What is not surely one of them is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::base::network::Network;

/// IPv4 addresses that are nobody's on the public internet, with what they are for (IANA's registry of special purposes).
const SPECIAL_V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "a provider's own"),
    ([127, 0, 0, 0], 8, "this machine"),
    ([168, 63, 129, 16], 32, "of the host that Azure runs this machine on"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "for protocols"),
    ([192, 0, 2, 0], 24, "for examples"),
    ([192, 88, 99, 0], 24, "6to4 relays"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for examples"),
    ([203, 0, 113, 0], 24, "for examples"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// What of the public range of IPv6, `2000::/3`, is not public either.
const SPECIAL_V6: &[([u16; 2], u32, &str)] =
    &[([0x2001, 0], 23, "for protocols"), ([0x2001, 0x0db8], 32, "for examples"), ([0x2002, 0], 16, "6to4"), ([0x3fff, 0], 20, "for examples")];

/// Finds the addresses of a name, each time that it is asked.
type Lookup = Box<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Which addresses may be called.
pub struct Allowed {
    private: Vec<Network>,
    lookup: Lookup,
}

impl Allowed {
    /// The public internet, and these networks as well.
    #[must_use]
    pub fn new(private: Vec<Network>) -> Self {
        Self::with_names(
            private,
            Box::new(|host| async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) }.boxed()),
        )
    }

    /// As [`Allowed::new`], with names that somebody else than the system knows.
    pub(super) fn with_names(private: Vec<Network>, lookup: Lookup) -> Self {
        Self { private, lookup }
    }

    /// Refuses an address that must not be called.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        let private = |what: &str| format!("The address {address} is {what}: it is not called.");
        if self.private.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        special(address).map_or(Ok(()), |what| Err(private(what)))
    }

    /// The addresses of a name that may be called.
    ///
    /// # Errors
    /// A sentence for the person who typed the name, when there are none.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let found = (self.lookup)(host.to_owned()).await.map_err(|_| format!("The name {host} leads nowhere: it cannot be looked up."))?;
        let (mut allowed, mut refused) = (Vec::new(), None);
        for address in found {
            match self.check(address) {
                Ok(()) => allowed.push(address),
                Err(reason) => refused = Some(reason),
            }
        }
        if allowed.is_empty() {
            return Err(refused.unwrap_or_else(|| format!("The name {host} has no address.")));
        }
        Ok(allowed)
    }
}

/// What is special about an address; `None` when it is one of the public internet.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let within = |first: [u8; 4], prefix: u32| (address.to_bits() ^ u32::from_be_bytes(first)).checked_shr(32 - prefix).unwrap_or(0) == 0;
    SPECIAL_V4.iter().find(|(first, prefix, _)| within(*first, *prefix)).map(|(_, _, what)| *what)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    // Where IPv6 carries an address of IPv4, that one is called.
    if let Some(inner) = address.to_ipv4_mapped().or_else(|| translated(address)) {
        return special_v4(inner);
    }
    let bits = address.to_bits();
    if bits >> 125 != 1 {
        return Some("not public");
    }
    let within = |[a, b]: [u16; 2], prefix: u32| {
        let first = u128::from(a) << 112 | u128::from(b) << 96;
        (bits ^ first).checked_shr(128 - prefix).unwrap_or(0) == 0
    };
    SPECIAL_V6.iter().find(|(first, prefix, _)| within(*first, *prefix)).map(|(_, _, what)| *what)
}

/// The address of IPv4 that a translator (NAT64, `64:ff9b::/96`) calls.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public(address: &str) -> bool {
        Allowed::new(Vec::new()).check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn every_special_range_is_refused_to_its_ends_and_no_further() {
        for (first, prefix, what) in SPECIAL_V4 {
            let first = u32::from_be_bytes(*first);
            let last = first | u32::MAX.checked_shr(*prefix).unwrap_or(0);
            let inner = (last - first).min(1);
            for bits in [first, first + inner, last - inner, last] {
                let address = Ipv4Addr::from_bits(bits);
                assert_eq!(special_v4(address), Some(*what), "{address}");
                for around in [format!("::ffff:{address}"), format!("64:ff9b::{address}")] {
                    assert!(!is_public(&around), "{around}");
                }
            }
        }
        for (before, after) in [("9.255.255.255", "11.0.0.0"), ("100.63.255.255", "100.128.0.0"), ("126.255.255.255", "128.0.0.0")] {
            assert!(is_public(before) && is_public(after), "{before} {after}");
        }
        for (before, after) in [("169.253.255.255", "169.255.0.0"), ("172.15.255.255", "172.32.0.0"), ("192.167.255.255", "192.169.0.0")] {
            assert!(is_public(before) && is_public(after), "{before} {after}");
        }
        for (before, after) in
            [("168.63.129.15", "168.63.129.17"), ("198.17.255.255", "198.20.0.0"), ("223.255.255.255", "1.0.0.0"), ("192.0.1.0", "192.0.3.0")]
        {
            assert!(is_public(before) && is_public(after), "{before} {after}");
        }
    }

    #[test]
    fn of_ipv6_only_what_is_surely_public_is_called() {
        for private in [
            "::",
            "::1",
            "::127.0.0.1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:10::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:0808:0808::",
            "3fff::1",
            "5f00::1",
            "4000::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_public(private), "{private}");
        }
        for public in ["2606:4700::1111", "2001:4860:4860::8888", "2400:cb00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"] {
            assert!(is_public(public), "{public}");
        }
    }

    #[test]
    fn networks_that_are_named_are_let_through() {
        let allowed = Allowed::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "fd00:1::7"] {
            assert!(allowed.check(address.parse().unwrap()).is_ok(), "{address}");
        }
        for address in ["10.0.0.1", "fd00:2::7", "169.254.169.254"] {
            assert!(allowed.check(address.parse().unwrap()).unwrap_err().contains("not called"), "{address}");
        }
    }
}
