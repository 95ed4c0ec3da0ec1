//! What scopes and addresses an API key can have, decided without a database.

use crate::access::permissions::WITHHELD_FROM_KEYS;
use crate::access::{Permission, Role};
use crate::base::network::Network;

/// The most addresses and ranges of one key.
const MOST_NETWORKS: usize = 50;

/// Reads the scopes of a key that a member of this role makes: permissions that the role has and keys may have, each once, in the order of the list
/// of all permissions.
///
/// # Errors
/// A sentence for the person who typed them.
pub fn scopes(codes: &[String], role: Role) -> Result<Vec<String>, String> {
    let mut chosen = Vec::with_capacity(codes.len());
    for code in codes {
        let permission = Permission::of_code(code.trim()).ok_or_else(|| format!("There is no scope `{}`.", shown(code)))?;
        if WITHHELD_FROM_KEYS.contains(&permission) {
            return Err(format!("No API key has the scope `{}`: people do this themselves.", permission.code()));
        }
        if !role.may(permission) {
            return Err(format!("Your role {role} lacks `{}`, so that no API key can have it from you.", permission.code()));
        }
        chosen.push(permission);
    }
    if chosen.is_empty() {
        return Err("Name at least one scope, such as `contacts.read`.".to_owned());
    }
    Ok(Permission::ALL.iter().filter(|permission| chosen.contains(permission)).map(|permission| permission.code().to_owned()).collect())
}

/// Reads the addresses and ranges from which a key may be used, each once, in the order given.
///
/// # Errors
/// A sentence for the person who typed them.
pub fn networks(texts: &[String]) -> Result<Vec<String>, String> {
    if texts.len() > MOST_NETWORKS {
        return Err(format!("At most {MOST_NETWORKS} addresses and ranges can be named; put some of them together to a range."));
    }
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        let text = text.trim();
        if text.parse::<Network>().is_err() {
            return Err(format!("`{}` is not an address or a range; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.", shown(text)));
        }
        if !kept.iter().any(|known| known == text) {
            kept.push(text.to_owned());
        }
    }
    Ok(kept)
}

/// What of a caller's text may be repeated in a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn scopes_are_what_the_role_has_and_keys_may_have() {
        assert_eq!(scopes(&texts(&["contacts.write", "contacts.read", " contacts.read"]), Role::Sales), Ok(texts(&["contacts.read", "contacts.write"])));
        for (codes, role) in [
            (&["contacts.write"][..], Role::Viewer),
            (&["audit.read"], Role::Manager),
            (&["api_keys.write"], Role::Owner),
            (&["members.write"], Role::Owner),
            (&["organization.write"], Role::Owner),
            (&["contacts.read", "nonsense"], Role::Owner),
            (&[], Role::Owner),
        ] {
            assert!(scopes(&texts(codes), role).is_err(), "{codes:?} {role}");
        }
        assert!(scopes(&texts(&["api_keys.read", "audit.read", "schema.read"]), Role::Admin).is_ok());
    }

    #[test]
    fn networks_are_addresses_and_ranges() {
        let right = ["203.0.113.7", " 203.0.113.0/24 ", "2001:db8::/32", "203.0.113.7"];
        assert_eq!(networks(&texts(&right)), Ok(texts(&["203.0.113.7", "203.0.113.0/24", "2001:db8::/32"])));
        assert_eq!(networks(&[]), Ok(Vec::new()));
        for wrong in ["", "host", "203.0.113.0/33", "203.0.113"] {
            assert!(networks(&texts(&[wrong])).unwrap_err().contains("2001:db8::/32"), "{wrong}");
        }
        assert!(networks(&vec!["203.0.113.7".to_owned(); 51]).is_err());
    }
}
