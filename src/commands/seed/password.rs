//! The hash of the demo password.

use anyhow::anyhow;
use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};

use crate::commands::seed::DEMO_PASSWORD;

/// Argon2id as sign-in verifies it. The salt is handed in, so that the same seed gives the same row: this password is no secret.
pub fn hash(salt: &[u8; 16]) -> anyhow::Result<String> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(DEMO_PASSWORD.as_bytes(), salt).map_err(|error| anyhow!("{error}"))?;
    Ok(hash.to_string())
}
