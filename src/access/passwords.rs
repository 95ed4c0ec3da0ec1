//! Passwords: their rules, and their Argon2id hashes.
//!
//! What must hold: hashing never runs on a thread that serves requests, and no more hashes are computed at once than there are cores; signing in
//! takes as long for an address that nobody has as for one that somebody has.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use tokio::sync::Semaphore;

use crate::access::tokens::random_bytes;
use crate::base::{Error, Result};

/// Memory in KiB, passes and lanes, as OWASP's cheat sheet on password storage has them.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The shortest password, in characters.
pub const SHORTEST: usize = 10;
/// The longest password, in characters: far beyond any phrase, and still quick to take in.
pub const LONGEST: usize = 200;

/// Checks a password that somebody chooses.
///
/// # Errors
/// A sentence for that person.
pub fn check(password: &str, email: &str) -> Result<String, String> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(format!("A password has at least {SHORTEST} characters; a sentence is easy to remember and hard to guess."));
    }
    if length > LONGEST {
        return Err(format!("A password has at most {LONGEST} characters."));
    }
    if password.trim().eq_ignore_ascii_case(email.trim()) {
        return Err("The e-mail address is the first password that anybody would try; choose another.".to_owned());
    }
    if password.chars().all(|c| password.starts_with(c)) {
        return Err("One character over and over is quickly guessed; choose another password.".to_owned());
    }
    Ok(password.to_owned())
}

/// Hashes a password on the calling thread.
fn hash_blocking(password: &str) -> Result<String> {
    let hash = hasher()?.hash_password(password.as_bytes()).map_err(Error::internal)?;
    Ok(hash.to_string())
}

/// A hash that no password has, to compare with: made up and not computed, which would take memory that an idle server keeps.
fn hash_of_nothing() -> anyhow::Result<String> {
    let (salt, hash) = (BASE64_NOPAD.encode(&random_bytes()?), BASE64_NOPAD.encode(&random_bytes()?));
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"))
}

/// Computes and compares hashes off the threads that serve requests.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    /// Compared with when there is no such user.
    nobody: Arc<str>,
}

impl Passwords {
    /// As many hashes at once as there are cores.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self { slots: Arc::new(Semaphore::new(cores)), nobody: hash_of_nothing()?.into() })
    }

    /// The hash of a new password, as it is stored.
    ///
    /// # Errors
    /// `INTERNAL_ERROR`.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || hash_blocking(&password)).await
    }

    /// Whether a password is the one of a stored hash; `None`, for a user that is not there, takes as long and is never it.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the stored hash cannot be read.
    pub async fn matches(&self, password: String, stored: Option<String>) -> Result<bool> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.to_string());
        let same = self.run(move || compare(&password, &stored)).await?;
        Ok(known && same)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even when whoever asked has left.
            let _slot = slot;
            work()
        });
        task.await.unwrap_or_else(|failure| Err(Error::internal(failure)))
    }
}

/// Argon2id as every password of this server is hashed.
///
/// # Errors
/// `INTERNAL_ERROR`, which would be a fault of the build.
pub fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn compare(password: &str, stored: &str) -> Result<bool> {
    // Nothing that long was ever stored.
    let password = if password.chars().count() > LONGEST { "" } else { password };
    let stored = PasswordHash::new(stored).map_err(Error::internal)?;
    match hasher()?.verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        for bad in ["", "short", "asha@example.in", " Asha@Example.IN ", "aaaaaaaaaaaa", &"long ".repeat(41)] {
            assert!(check(bad, "asha@example.in").is_err(), "{bad}");
        }
        for good in ["payaid-demo", "correct horse battery staple", "चाय की दुकान पर"] {
            assert!(check(good, "asha@example.in").is_ok(), "{good}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_matches() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("payaid-demo".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.matches("payaid-demo".into(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.matches("payaid-demo ".into(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.matches("x".repeat(1_000_000), Some(stored)).await.unwrap());
        assert!(!passwords.matches("nobody has this password".into(), None).await.unwrap());
    }
}
