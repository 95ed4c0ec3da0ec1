//! Consistency tokens: a place in what the database has written, and when it was given out, signed so that nobody can make one up.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::base::{Code, Error, Result};
use crate::platform::config::AuthConfig;
use crate::platform::postgres::position::{Line, Lsn, Position};

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// The place.
    pub position: Position,
    /// When it was given out.
    pub issued_at: DateTime<Utc>,
}

/// Signs and reads tokens.
pub struct Signer {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl Signer {
    /// The signer that belongs to the configured signing key: tokens of all servers that have it are the same.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        let secret = Sha256::digest(format!("payaid consistency tokens\n{}", config.jwt_private_key.expose_secret().trim()));
        Self { signing: EncodingKey::from_secret(&secret), verifying: DecodingKey::from_secret(&secret) }
    }

    /// A token for a place; `None` when it cannot be signed, which would be a fault of the build.
    #[must_use]
    pub fn sign(&self, position: Position, now: DateTime<Utc>) -> Option<String> {
        let Position { line: Line { system, timeline }, lsn: Lsn(lsn) } = position;
        let issued = now.timestamp_micros();
        let payload = [system.to_be_bytes().as_slice(), &timeline.to_be_bytes(), &lsn.to_be_bytes(), &issued.to_be_bytes()].concat();
        let payload = format!("c1.{}", BASE64URL_NOPAD.encode(&payload));
        let signature = jsonwebtoken::crypto::sign(payload.as_bytes(), &self.signing, Algorithm::HS256).ok()?;
        Some(format!("{payload}.{signature}"))
    }

    /// What a token says; `None` when it was signed by another key, such as the one before.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is no token at all.
    pub fn verify(&self, token: &str) -> Result<Option<Stated>> {
        let broken = || Error::new(Code::ValidationError, "This is no consistency token: send one back exactly as a mutation gave it, or none.");
        let (payload, signature) = token.rsplit_once('.').ok_or_else(broken)?;
        let bytes = BASE64URL_NOPAD.decode(payload.strip_prefix("c1.").ok_or_else(broken)?.as_bytes()).map_err(|_| broken())?;
        let stated = stated(&bytes).ok_or_else(broken)?;
        let genuine = jsonwebtoken::crypto::verify(signature, payload.as_bytes(), &self.verifying, Algorithm::HS256).unwrap_or(false);
        Ok(genuine.then_some(stated))
    }
}

fn stated(bytes: &[u8]) -> Option<Stated> {
    let (system, rest) = bytes.split_first_chunk()?;
    let (timeline, rest) = rest.split_first_chunk()?;
    let (lsn, rest) = rest.split_first_chunk()?;
    let issued = i64::from_be_bytes(rest.try_into().ok()?);
    let line = Line { system: u64::from_be_bytes(*system), timeline: u32::from_be_bytes(*timeline) };
    Some(Stated { position: Position { line, lsn: Lsn(u64::from_be_bytes(*lsn)) }, issued_at: DateTime::from_timestamp_micros(issued)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tokens::{generate_key, install_crypto};

    const PLACE: Position = Position { line: Line { system: 7_658_291_033_377_112_501, timeline: 3 }, lsn: Lsn(0x16_b374_d848) };

    fn signer() -> Signer {
        install_crypto();
        Signer::new(&AuthConfig::with_key(generate_key().unwrap()))
    }

    #[test]
    fn a_token_is_read_back_by_the_same_key_alone() {
        let (one, other, now) = (signer(), signer(), DateTime::from_timestamp_micros(1_795_000_000_123_456).unwrap());
        let token = one.sign(PLACE, now).unwrap();
        assert_eq!(one.verify(&token).unwrap(), Some(Stated { position: PLACE, issued_at: now }));
        assert_eq!(other.verify(&token).unwrap(), None);
        let (payload, signature) = token.rsplit_once('.').unwrap();
        let further = one.sign(Position { lsn: Lsn(1), ..PLACE }, now).unwrap();
        let forged = format!("{}.{signature}", further.rsplit_once('.').unwrap().0);
        assert_eq!(one.verify(&forged).unwrap(), None);
        for broken in ["", "c1", "c1.", "c1.AAAA.x", payload, "c2.AAAA.x", &token.replace("c1.", "")] {
            assert_eq!(one.verify(broken).unwrap_err().code, Code::ValidationError, "{broken}");
        }
    }
}
