//! The hash of the demo password.

use anyhow::anyhow;
use argon2::password_hash::PasswordHasher;

use crate::access::passwords::hasher;
use crate::commands::seed::DEMO_PASSWORD;

/// The hash as sign-in verifies it. The salt is handed in, so that the same seed gives the same row: this password is no secret.
pub fn hash(salt: &[u8; 16]) -> anyhow::Result<String> {
    let hash = hasher()?.hash_password_with_salt(DEMO_PASSWORD.as_bytes(), salt).map_err(|error| anyhow!("{error}"))?;
    Ok(hash.to_string())
}
