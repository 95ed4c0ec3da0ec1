//! Fields that the server must be able to read and nobody else should, such as the secrets that webhooks are signed with and the links of invitations:
//! encrypted before the database gets them.
//!
//! AES-256-GCM under a key of the tenant's own, which is derived (HKDF-SHA256) from ENCRYPTION_KEY and the tenant's id. Sealed bytes are a version, the
//! first four bytes of the SHA-256 of the key that they were sealed with, the nonce, and what AES gives; the place that they belong to, tenant, table,
//! column and row, is authenticated along, so that a value that is moved elsewhere does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::base::{Code, Error, Result};
use crate::platform::config::EncryptionConfig;

const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const KEY: usize = 32;

/// Where a sealed value belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The tenant.
    pub organization: Uuid,
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

impl Place {
    fn bytes(&self) -> Vec<u8> {
        format!("{}|{}|{}|{}", self.organization, self.table, self.column, self.row).into_bytes()
    }
}

/// The keys: the first seals, and all of them open.
#[derive(Default)]
pub struct Sealing {
    keys: Vec<Master>,
}

struct Master {
    id: [u8; KEY_ID],
    bytes: SecretSlice<u8>,
}

impl Sealing {
    /// The keys of a configuration, which may have none.
    ///
    /// # Errors
    /// When a key is not 32 bytes in Base64, or there are previous ones alone.
    pub fn new(config: &EncryptionConfig) -> anyhow::Result<Self> {
        let Some(first) = &config.encryption_key else {
            anyhow::ensure!(config.encryption_previous_keys.is_empty(), "ENCRYPTION_PREVIOUS_KEYS is set and ENCRYPTION_KEY is not");
            return Ok(Self::default());
        };
        let keys = std::iter::once(first).chain(&config.encryption_previous_keys).map(Master::parse).collect::<anyhow::Result<_>>()?;
        Ok(Self { keys })
    }

    /// Encrypts a value for its place.
    ///
    /// # Errors
    /// `EXTERNAL_SERVICE_ERROR` when the server has no key.
    pub fn seal(&self, place: Place, plain: &[u8]) -> Result<Vec<u8>> {
        let master = self.keys.first().ok_or_else(no_key)?;
        let mut kept = plain.to_vec();
        let nonce = master.tenant(place.organization)?.seal_in_place_append_tag(Aad::from(place.bytes()), &mut kept).map_err(Error::internal)?;
        Ok([&[VERSION], master.id.as_slice(), nonce.as_ref(), &kept].concat())
    }

    /// Decrypts the value of a place.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when it was changed, belongs elsewhere, or was sealed with a key that is not there any more.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Result<SecretSlice<u8>> {
        let broken = || Error::internal(format!("the {} of a row of {} cannot be opened", place.column, place.table));
        let (head, rest) = sealed.split_at_checked(1 + KEY_ID).ok_or_else(broken)?;
        let (nonce, kept) = rest.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let master = self.keys.iter().find(|key| head == [&[VERSION], key.id.as_slice()].concat()).ok_or_else(|| {
            Error::internal(format!(
                "the {} of a row of {} was sealed with a key that is not in ENCRYPTION_KEY or ENCRYPTION_PREVIOUS_KEYS",
                place.column, place.table
            ))
        })?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        let mut kept = kept.to_vec();
        let plain = master.tenant(place.organization)?.open_in_place(nonce, Aad::from(place.bytes()), &mut kept).map_err(|_| broken())?;
        Ok(plain.to_vec().into())
    }
}

impl Master {
    fn parse(text: &SecretString) -> anyhow::Result<Self> {
        let bytes = BASE64.decode(text.expose_secret().trim().as_bytes()).ok().filter(|bytes| bytes.len() == KEY);
        let bytes = bytes.ok_or_else(|| anyhow::anyhow!("ENCRYPTION_KEY must be 32 bytes in Base64: make them with `openssl rand -base64 32`"))?;
        let mut id = [0; KEY_ID];
        for (to, from) in id.iter_mut().zip(Sha256::digest(&bytes)) {
            *to = from;
        }
        Ok(Self { id, bytes: bytes.into() })
    }

    fn tenant(&self, organization: Uuid) -> Result<RandomizedNonceKey> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"payaid fields");
        let mut key = [0; KEY];
        let info = [organization.as_bytes().as_slice()];
        let derived = salt.extract(self.bytes.expose_secret());
        derived.expand(&info, hkdf::HKDF_SHA256).and_then(|out| out.fill(&mut key)).map_err(Error::internal)?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(Error::internal)
    }
}

fn no_key() -> Error {
    let message = "This server has no key to keep secrets with: its operator has to set ENCRYPTION_KEY.";
    Error::new(Code::ExternalServiceError, message).because("ENCRYPTION_KEY is missing")
}

/// A new key, as ENCRYPTION_KEY has it.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate_key() -> anyhow::Result<String> {
    Ok(BASE64.encode(&crate::access::tokens::random_bytes()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealing(keys: &[&str]) -> Sealing {
        let encryption_key = keys.first().map(|key| (*key).to_owned().into());
        let encryption_previous_keys = keys.iter().skip(1).map(|key| (*key).to_owned().into()).collect();
        Sealing::new(&EncryptionConfig { encryption_key, encryption_previous_keys }).unwrap()
    }

    fn place() -> Place {
        Place { organization: Uuid::from_u128(1), table: "t", column: "c", row: Uuid::from_u128(2) }
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let key = generate_key().unwrap();
        let sealing = sealing(&[&key]);
        let sealed = sealing.seal(place(), b"secret").unwrap();
        assert_eq!(sealing.open(place(), &sealed).unwrap().expose_secret(), b"secret");
        assert_ne!(sealed, sealing.seal(place(), b"secret").unwrap());
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        for elsewhere in [
            Place { organization: Uuid::from_u128(3), ..place() },
            Place { table: "u", ..place() },
            Place { column: "d", ..place() },
            Place { row: Uuid::from_u128(3), ..place() },
        ] {
            assert!(sealing.open(elsewhere, &sealed).is_err(), "{elsewhere:?}");
        }
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(sealing.open(place(), &changed).is_err(), "{index}");
            assert!(sealing.open(place(), &sealed[..index]).is_err(), "{index}");
        }
    }

    #[test]
    fn a_key_that_was_replaced_still_opens() {
        let (old, new) = (generate_key().unwrap(), generate_key().unwrap());
        let sealed = sealing(&[&old]).seal(place(), b"secret").unwrap();
        assert!(sealing(&[&new, &old]).open(place(), &sealed).is_ok());
        assert!(sealing(&[&new]).open(place(), &sealed).unwrap_err().internal.unwrap().contains("ENCRYPTION_PREVIOUS_KEYS"));
    }

    #[test]
    fn without_a_key_nothing_is_sealed() {
        let none = sealing(&[]);
        assert_eq!(none.seal(place(), b"secret").unwrap_err().code, Code::ExternalServiceError);
        for wrong in ["", "c2hvcnQ=", "not base64"] {
            let config = EncryptionConfig { encryption_key: Some(wrong.to_owned().into()), ..EncryptionConfig::default() };
            assert!(Sealing::new(&config).is_err(), "{wrong}");
        }
    }
}
