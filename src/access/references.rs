//! What the server keeps or hands out so that only it can read or make it: secrets that wait in the database to be sent, and the word by which a
//! report on a message finds its row.
//!
//! Both keys follow from the configured signing key, each by a text of its own, so that none of them tells another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::base::{Error, Result};
use crate::platform::config::AuthConfig;

/// How many bytes of a reference's mark are kept: guessing one takes 2^63 reports, each of which costs a request.
const MARK: usize = 8;

/// Seals secrets and marks references.
pub struct References {
    secrets: RandomizedNonceKey,
    references: hmac::Key,
}

impl References {
    /// The keys that belong to the configured signing key.
    ///
    /// # Errors
    /// Never with the ciphers of the build.
    pub fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        let pem = config.jwt_private_key.expose_secret().trim();
        let key = |of: &str| Sha256::digest(format!("payaid {of}\n{pem}"));
        let secrets =
            RandomizedNonceKey::new(&AES_256_GCM, &key("sealed secrets")).map_err(|_| anyhow::anyhow!("the key for secrets is not usable"))?;
        Ok(Self { secrets, references: hmac::Key::new(hmac::HMAC_SHA256, &key("message references")) })
    }

    /// Seals a secret for the row `of`; nowhere else it can be opened.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the system has no randomness to give.
    pub fn seal(&self, of: Uuid, secret: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = secret.to_vec();
        let nonce = self.secrets.seal_in_place_append_tag(Aad::from(of.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the row `of`; `None` when it was not, or with another key.
    #[must_use]
    pub fn open(&self, of: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        self.secrets.open_in_place(nonce, Aad::from(of.as_bytes()), &mut rest).ok().map(|secret| secret.to_vec())
    }

    /// The word that goes out with a message and comes back in reports: 54 letters, digits, `-` and `_`, which fit into the local part of a mail
    /// address beside a prefix.
    #[must_use]
    pub fn reference(&self, organization: Uuid, message: Uuid) -> String {
        let ids = [*organization.as_bytes(), *message.as_bytes()].concat();
        let mark = hmac::sign(&self.references, &ids);
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
        References::new(&AuthConfig::with_key(generate_key().unwrap())).unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_row_and_key_alone() {
        let (one, other, row) = (keys(), keys(), Uuid::from_u128(7));
        let sealed = one.seal(row, b"https://example.in/invitation").unwrap();
        assert_eq!(one.open(row, &sealed).as_deref(), Some(&b"https://example.in/invitation"[..]));
        assert_ne!(sealed, one.seal(row, b"https://example.in/invitation").unwrap());
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        for (keys, row, sealed) in [(&other, row, &sealed), (&one, Uuid::from_u128(8), &sealed), (&one, row, &changed), (&one, row, &Vec::new())] {
            assert_eq!(keys.open(row, sealed), None);
        }
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
