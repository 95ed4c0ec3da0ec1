//! Access tokens: short-lived JSON Web Tokens (RFC 9068) that name a user, an organization and a session, signed with Ed25519.
//!
//! What must hold: only EdDSA is accepted, with a key of this server's own list, chosen by the key id in the header; issuer, audience, type and
//! both ends of the lifetime are checked against the server's clock. A token only proves who asks. What she may do is looked up live, by
//! [`crate::access::standing`].

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::{BASE64_MIME, BASE64URL_NOPAD};
use foldhash::fast::RandomState;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::base::{Code, Error, Result, SharedClock};
use crate::platform::config::AuthConfig;

/// How far the clocks of two servers may be apart, in seconds.
const LEEWAY: i64 = 5;
/// A token longer than this is none of ours.
const MOST_BYTES: usize = 4096;
/// How many verified tokens are remembered, about 30 MB.
const REMEMBERED: u64 = 100_000;
/// The token's type, which keeps tokens of other purposes from being taken for access tokens.
const TYPE: &str = "at+jwt";

/// Chooses the cryptography of TLS and of tokens. `main` and every test call this before anything else; calling it again does nothing.
///
/// Both libraries would choose by their compile-time features, and panic at the first use when a dependency brings a second choice along.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// A fresh Ed25519 private key as PEM (PKCS#8, RFC 8410), as `openssl genpkey -algorithm ed25519` makes it.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate_key() -> anyhow::Result<String> {
    // SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING { the 32 bytes of the seed } } }
    const FRAME: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = [FRAME.as_slice(), &random_bytes()?].concat();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_MIME.encode(&der).trim_end()))
}

/// 32 bytes of the operating system's randomness.
///
/// # Errors
/// When it has none to give.
pub(crate) fn random_bytes() -> anyhow::Result<[u8; 32]> {
    use rand::TryRng;
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// An access token as it is handed out.
#[derive(Clone)]
pub struct AccessToken {
    /// The token, to be sent as `Authorization: Bearer <token>`.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub user: Uuid,
    /// The tenant.
    pub organization: Uuid,
    /// The session that the token belongs to.
    pub session: Uuid,
    not_before: i64,
    expires: i64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    org: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Signs and verifies access tokens.
pub struct Tokens {
    signing: EncodingKey,
    header: Header,
    accepted: HashMap<String, DecodingKey>,
    validation: Validation,
    issuer: String,
    audience: String,
    lifetime: TimeDelta,
    clock: SharedClock,
    /// Verifying a signature costs as much as a whole query, so what was verified is remembered by the token's hash.
    verified: moka::sync::Cache<[u8; 32], Verified, RandomState>,
}

impl Tokens {
    /// The keys of a configuration.
    ///
    /// # Errors
    /// When a key is no Ed25519 key in PEM.
    pub fn new(config: &AuthConfig, clock: SharedClock) -> anyhow::Result<Self> {
        use anyhow::Context;
        let signing = EncodingKey::from_ed_pem(config.jwt_private_key.expose_secret().trim().as_bytes())
            .context("JWT_PRIVATE_KEY is no Ed25519 private key in PEM; make one with `openssl genpkey -algorithm ed25519`")?;
        let (key_id, own) = public_half(&signing).context("JWT_PRIVATE_KEY is no Ed25519 private key")?;
        let mut accepted = HashMap::from([(key_id.clone(), own)]);
        for pem in split_pem(config.jwt_previous_public_keys.as_deref().unwrap_or_default()) {
            let key = DecodingKey::from_ed_pem(pem.as_bytes()).context("JWT_PREVIOUS_PUBLIC_KEYS holds what is no Ed25519 public key in PEM")?;
            accepted.insert(key_id_of(key.try_get_as_bytes()?), key);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&config.jwt_issuer]);
        validation.set_audience(&[&config.jwt_audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // The library knows only the machine's clock; both ends of the lifetime are checked in `Verified::check`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            header: Header { typ: Some(TYPE.to_owned()), kid: Some(key_id), ..Header::new(Algorithm::EdDSA) },
            signing,
            accepted,
            validation,
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
            lifetime: TimeDelta::from_std(config.access_token_ttl)?,
            clock,
            verified: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(config.access_token_ttl)
                .build_with_hasher(RandomState::default()),
        })
    }

    /// A fresh access token.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when it cannot be signed.
    pub fn issue(&self, user: Uuid, organization: Uuid, session: Uuid) -> Result<AccessToken> {
        let now = self.clock.now();
        let expires_at = DateTime::from_timestamp((now + self.lifetime).timestamp(), 0).unwrap_or(now);
        let (issuer, audience, issued) = (self.issuer.clone(), self.audience.clone(), now.timestamp());
        let claims =
            Claims { iss: issuer, aud: audience, sub: user, org: organization, sid: session, iat: issued, nbf: issued, exp: expires_at.timestamp() };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(Error::internal)?;
        Ok(AccessToken { token, expires_at })
    }

    /// What a token says, when it is one of ours and in force.
    ///
    /// # Errors
    /// `INVALID_TOKEN`.
    pub fn verify(&self, token: &str) -> Result<Verified> {
        if token.len() > MOST_BYTES {
            return Err(invalid("too long"));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.verified.get(&hash) {
            return known.check(self.clock.now());
        }
        let verified = self.verify_signature(token)?.check(self.clock.now())?;
        self.verified.insert(hash, verified);
        Ok(verified)
    }

    fn verify_signature(&self, token: &str) -> Result<Verified> {
        let header = jsonwebtoken::decode_header(token).map_err(invalid)?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(invalid("another type"));
        }
        let key = header.kid.as_deref().and_then(|id| self.accepted.get(id)).ok_or_else(|| invalid("an unknown key"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(invalid)?.claims;
        Ok(Verified { user: claims.sub, organization: claims.org, session: claims.sid, not_before: claims.nbf, expires: claims.exp })
    }
}

impl Verified {
    /// Itself, while it is in force.
    fn check(self, now: DateTime<Utc>) -> Result<Self> {
        if now.timestamp() >= self.expires.saturating_add(LEEWAY) {
            return Err(Error::new(Code::InvalidToken, "This access token has expired; get a new one by `sessionRefresh`."));
        }
        if now.timestamp() < self.not_before.saturating_sub(LEEWAY) {
            return Err(invalid("not in force yet"));
        }
        Ok(self)
    }
}

/// The error for a token that is not valid: one message for every reason, which only the log gets to know.
pub(crate) fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidToken, "This access token is not valid. Sign in again.").because(reason)
}

/// The public key that belongs to a private one, and its id.
fn public_half(signing: &EncodingKey) -> anyhow::Result<(String, DecodingKey)> {
    let jwk = Jwk::from_encoding_key(signing, Algorithm::EdDSA)?;
    let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else { anyhow::bail!("this is a key of another kind") };
    let key = DecodingKey::from_ed_components(&pair.x)?;
    Ok((key_id_of(key.try_get_as_bytes()?), key))
}

/// A key's id: the SHA-256 of its public half.
fn key_id_of(public_key: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(public_key))
}

/// The single keys of several PEM texts that follow one another.
fn split_pem(text: &str) -> impl Iterator<Item = String> + '_ {
    const END: &str = "-----END PUBLIC KEY-----";
    text.split_inclusive(END).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests;
