//! Opaque tokens: refresh tokens and invitation tokens. The database keeps only their SHA-256, so that its backups sign nobody in; the tokens hold
//! 256 random bits, so that a quick hash is enough.
//!
//! A refresh token is `family.secret`. The family stays with the session and finds its row; the secret changes with each refresh. The next
//! secret is derived from the presented token with a key of the server, so that a device that lost the answer gets the same answer again, and two
//! tabs that refresh at the same moment agree.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::access::tokens::random_bytes;
use crate::base::{Error, Result};
use crate::platform::config::AuthConfig;

/// 256 random bits as text.
///
/// # Errors
/// `INTERNAL_ERROR` when the system has no randomness to give.
pub fn fresh() -> Result<String> {
    random_bytes().map(|bytes| BASE64URL_NOPAD.encode(&bytes)).map_err(Error::internal)
}

/// What the database keeps of a token.
#[must_use]
pub fn hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

/// A refresh token.
#[derive(Clone)]
pub struct RefreshToken {
    family: String,
    secret: String,
}

impl RefreshToken {
    /// The first token of a new session.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the system has no randomness to give.
    pub fn first() -> Result<Self> {
        Ok(Self { family: fresh()?, secret: fresh()? })
    }

    /// Reads a token; `None` when it is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (family, secret) = text.split_once('.')?;
        let right = |part: &str| part.len() == 43 && BASE64URL_NOPAD.decode(part.as_bytes()).is_ok();
        (right(family) && right(secret)).then(|| Self { family: family.to_owned(), secret: secret.to_owned() })
    }

    /// The token as it is handed out.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}.{}", self.family, self.secret)
    }

    /// The hash by which the session's row is found.
    #[must_use]
    pub fn family_hash(&self) -> String {
        hash(&self.family)
    }

    /// The hash of this very token.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&self.text())
    }
}

/// Derives each refresh token from the one before.
pub struct RefreshKey(EncodingKey);

impl RefreshKey {
    /// The key that belongs to the configured signing key.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        let pem = config.jwt_private_key.expose_secret().trim();
        Self(EncodingKey::from_secret(&Sha256::digest(format!("payaid refresh tokens\n{pem}"))))
    }

    /// The token that follows: the HMAC-SHA256 of the one before.
    ///
    /// # Errors
    /// `INTERNAL_ERROR`, which would be a fault of the build.
    pub fn next(&self, token: &RefreshToken) -> Result<RefreshToken> {
        let secret = jsonwebtoken::crypto::sign(token.text().as_bytes(), &self.0, Algorithm::HS256).map_err(Error::internal)?;
        Ok(RefreshToken { family: token.family.clone(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tokens::{generate_key, install_crypto};

    #[test]
    fn the_next_token_is_the_same_for_the_same_key_alone() {
        install_crypto();
        let key = || RefreshKey::new(&AuthConfig::with_key(generate_key().unwrap()));
        let (one, other, first) = (key(), key(), RefreshToken::first().unwrap());
        let second = one.next(&first).unwrap();
        assert_eq!(second.text(), one.next(&first).unwrap().text());
        assert_ne!(second.text(), other.next(&first).unwrap().text());
        assert_eq!(second.family_hash(), first.family_hash());
        assert_ne!(second.hash(), first.hash());
        assert_eq!(RefreshToken::parse(&second.text()).unwrap().text(), second.text());
        for broken in ["", ".", "a.b", &second.text()[1..], &format!("{}.x", second.text())] {
            assert!(RefreshToken::parse(broken).is_none(), "{broken}");
        }
    }
}
