//! The word by which a report on a message finds its row, which only this server can make.
//!
//! Its key follows from the configured signing key by a text of its own, so that neither tells the other.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::platform::config::AuthConfig;

/// How many bytes of a reference's mark are kept: guessing one takes 2^63 reports, each of which costs a request.
const MARK: usize = 8;

/// Marks references.
pub struct References(hmac::Key);

impl References {
    /// The key that belongs to the configured signing key.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        let pem = config.jwt_private_key.expose_secret().trim();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &Sha256::digest(format!("payaid message references\n{pem}"))))
    }

    /// The word that goes out with a message and comes back in reports: 54 letters, digits, `-` and `_`, which fit into the local part of a mail
    /// address beside a prefix.
    #[must_use]
    pub fn reference(&self, organization: Uuid, message: Uuid) -> String {
        let ids = [*organization.as_bytes(), *message.as_bytes()].concat();
        let mark = hmac::sign(&self.0, &ids);
        BASE64URL_NOPAD.encode(&[&ids, mark.as_ref().get(..MARK).unwrap_or_default()].concat())
    }

    /// The organization and the message of a reference; `None` when it is none of ours.
    #[must_use]
    pub fn read_reference(&self, reference: &str) -> Option<(Uuid, Uuid)> {
        let bytes = BASE64URL_NOPAD.decode(reference.as_bytes()).ok()?;
        let (ids, _) = bytes.split_at_checked(32)?;
        let (organization, message) = ids.split_at_checked(16)?;
        let (organization, message) = (Uuid::from_slice(organization).ok()?, Uuid::from_slice(message).ok()?);
        let right = self.reference(organization, message);
        bool::from(subtle::ConstantTimeEq::ct_eq(right.as_bytes(), reference.as_bytes())).then_some((organization, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tokens::generate_key;

    fn keys() -> References {
        References::new(&AuthConfig::with_key(generate_key().unwrap()))
    }

    #[test]
    fn a_reference_is_read_back_and_cannot_be_made_up() {
        let (one, other) = (keys(), keys());
        let ids = (Uuid::from_u128(1), Uuid::from_u128(2));
        let reference = one.reference(ids.0, ids.1);
        assert_eq!((reference.len(), one.read_reference(&reference)), (54, Some(ids)));
        assert_eq!(other.read_reference(&reference), None);
        for broken in ["", "abc", &reference[1..], &reference.replace('A', "B"), &format!("{reference}A")] {
            assert_eq!(one.read_reference(broken), None, "{broken}");
        }
    }
}
