//! The words in links by which people unsubscribe: they name an organization and an address, and only this server can make or read them.
//!
//! What must hold: nobody can unsubscribe another person by making up a word, and no log that has the link tells an address. The same address always
//! gets the same word. They have no end: people find old mail.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac::{HMAC_SHA256, Key as MacKey, sign};
use data_encoding::BASE64URL_NOPAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::platform::config::{AuthConfig, MailConfig};

/// A longer word is none of ours.
const LONGEST: usize = 1024;

/// What makes and reads the words.
pub struct Key {
    seal: LessSafeKey,
    nonces: MacKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key of a configuration: that of all servers that share its secret.
    ///
    /// # Errors
    /// When the system cannot encrypt.
    pub fn new(mail: &MailConfig, auth: &AuthConfig) -> anyhow::Result<Self> {
        let secret = mail.unsubscribe_key.as_ref().unwrap_or(&auth.jwt_private_key).expose_secret().trim();
        let derive = |purpose: &str| Sha256::digest(format!("payaid unsubscribe links {purpose}\n{secret}"));
        let seal = UnboundKey::new(&AES_256_GCM_SIV, &derive("seal")).map_err(|_| anyhow::anyhow!("unsubscribe links cannot be encrypted"))?;
        Ok(Self { seal: LessSafeKey::new(seal), nonces: MacKey::new(HMAC_SHA256, &derive("nonce")) })
    }
}

/// The word for an address of an organization's recipients; `None` when the system cannot encrypt.
#[must_use]
pub fn token(key: &Key, organization: Uuid, address: &str) -> Option<String> {
    let mut data = [organization.as_bytes().as_slice(), address.as_bytes()].concat();
    // Made of what is sealed, so that the word is the same each time, and no number is used for two.
    let mac = sign(&key.nonces, &data);
    let nonce: [u8; 12] = mac.as_ref().first_chunk().copied()?;
    key.seal.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut data).ok()?;
    Some(BASE64URL_NOPAD.encode(&[nonce.as_slice(), &data].concat()))
}

/// The organization and the address that a word stands for; `None` when it is none of ours.
#[must_use]
pub fn read(key: &Key, token: &str) -> Option<(Uuid, String)> {
    if token.len() > LONGEST {
        return None;
    }
    let mut bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (nonce, data) = bytes.split_first_chunk_mut::<12>()?;
    let plain = key.seal.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), data).ok()?;
    let (organization, address) = plain.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*organization), std::str::from_utf8(address).ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> Key {
        Key::new(&MailConfig { unsubscribe_key: Some(secret.to_owned().into()), ..MailConfig::default() }, &AuthConfig::with_key("pem".to_owned()))
            .unwrap()
    }

    #[test]
    fn words_are_read_by_whoever_made_them_and_changed_ones_by_nobody() {
        let (own, other, organization) = (key("one"), key("two"), Uuid::from_u128(7));
        let word = token(&own, organization, "asha@example.in").unwrap();
        assert_eq!(token(&own, organization, "asha@example.in").as_ref(), Some(&word));
        assert_eq!(read(&own, &word), Some((organization, "asha@example.in".to_owned())));
        assert_eq!(read(&other, &word), None);
        for at in 0..word.len() {
            let mut changed = word.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(&own, std::str::from_utf8(&changed).unwrap()), None, "{at}");
        }
        for none in ["", "x", &word[1..], &"A".repeat(2000)] {
            assert_eq!(read(&own, none), None);
        }
    }

    #[test]
    fn without_a_key_of_their_own_the_signing_key_makes_them() {
        let auth = AuthConfig::with_key("pem".to_owned());
        let word = token(&Key::new(&MailConfig::default(), &auth).unwrap(), Uuid::nil(), "a@b.in").unwrap();
        assert!(read(&key("pem"), &word).is_some());
        assert!(!word.contains("a@b.in") && !String::from_utf8_lossy(&BASE64URL_NOPAD.decode(word.as_bytes()).unwrap()).contains("a@b.in"));
    }
}
