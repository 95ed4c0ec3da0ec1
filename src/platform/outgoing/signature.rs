//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>): the sender signs the id, the instant and the body of what it sends, and the
//! receiver does the same and compares.
//!
//! A secret is written `whsec_` and 24 to 64 random bytes in Base64. While one is being replaced, both sign, and one match is enough.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// So far may the clocks of sender and receiver be apart.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// The most signatures that are looked at.
const MOST_SIGNATURES: usize = 10;

/// The header that names what was sent: the same at every attempt.
pub const ID: &str = "webhook-id";
/// The header with the second at which it was sent.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with one signature for each secret.
pub const SIGNATURE: &str = "webhook-signature";

/// A secret that sender and receiver share.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why something that was sent is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unverified {
    /// A header is missing or cannot be read.
    Malformed,
    /// It was sent too long ago, or in the future: somebody may be repeating it.
    OutOfTime,
    /// No signature is of one of the secrets.
    Wrong,
}

impl Secret {
    /// The secret of these bytes; `None` when they are too few or too many.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Option<Self> {
        (24..=64).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// A sentence for who configures it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(|rest| BASE64.decode(rest.as_bytes()).ok());
        bytes.and_then(Self::of).ok_or_else(|| "a secret is `whsec_` and 24 to 64 bytes in Base64".to_owned())
    }

    /// The secret as it is handed out.
    #[must_use]
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", BASE64.encode(self.0.expose_secret())).into()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes()));
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        context.sign()
    }
}

/// The headers that go along with a body.
#[must_use]
pub fn headers(secrets: &[Secret], id: &str, now: DateTime<Utc>, body: &[u8]) -> Vec<(&'static str, String)> {
    let timestamp = now.timestamp().to_string();
    let signatures: Vec<String> = secrets.iter().map(|secret| format!("v1,{}", BASE64.encode(secret.sign(id, &timestamp, body).as_ref()))).collect();
    vec![(ID, id.to_owned()), (TIMESTAMP, timestamp), (SIGNATURE, signatures.join(" "))]
}

/// Takes what was signed with one of the secrets within the last five minutes, and says its id.
///
/// # Errors
/// Why it is not taken.
pub fn verify<'h>(secrets: &[Secret], header: impl Fn(&str) -> Option<&'h str>, body: &[u8], now: DateTime<Utc>) -> Result<&'h str, Unverified> {
    let (Some(id), Some(timestamp), Some(signatures)) = (header(ID), header(TIMESTAMP), header(SIGNATURE)) else { return Err(Unverified::Malformed) };
    if id.is_empty() || id.len() > 256 {
        return Err(Unverified::Malformed);
    }
    let sent = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(Unverified::Malformed)?;
    let right: Vec<hmac::Tag> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    let mut found = false;
    for given in signatures.split(' ').take(MOST_SIGNATURES) {
        let given = given.strip_prefix("v1,").and_then(|given| BASE64.decode(given.as_bytes()).ok()).unwrap_or_default();
        for tag in &right {
            found |= constant_time::verify_slices_are_equal(tag.as_ref(), &given).is_ok();
        }
    }
    if !found {
        return Err(Unverified::Wrong);
    }
    if (now - sent).abs() > TOLERANCE {
        return Err(Unverified::OutOfTime);
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: [(&str, &str); 3] =
        [(ID, "msg_p5jXN8AQM9LWM0D4loKWxJek"), (TIMESTAMP, "1614265330"), (SIGNATURE, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")];
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn header(name: &str) -> Option<&'static str> {
        SIGNED.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    #[test]
    fn what_the_specification_signs_is_signed_the_same() {
        let secret = Secret::parse(SECRET).unwrap();
        let made = headers(std::slice::from_ref(&secret), SIGNED[0].1, at(1_614_265_330), BODY);
        assert_eq!(made, SIGNED.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(verify(std::slice::from_ref(&secret), header, BODY, at(1_614_265_330)), Ok(SIGNED[0].1));
        assert_eq!(secret.text().expose_secret(), SECRET);
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn what_is_old_changed_or_of_another_is_refused() {
        let (secret, other) = (Secret::parse(SECRET).unwrap(), Secret::of(vec![7; 32]).unwrap());
        let both = [other.clone(), secret.clone()];
        for (seconds, expected) in
            [(-300, Ok(SIGNED[0].1)), (300, Ok(SIGNED[0].1)), (-301, Err(Unverified::OutOfTime)), (301, Err(Unverified::OutOfTime))]
        {
            assert_eq!(verify(&both, header, BODY, at(1_614_265_330 + seconds)), expected, "{seconds}");
        }
        assert_eq!(verify(&[other], header, BODY, at(1_614_265_330)), Err(Unverified::Wrong));
        assert_eq!(verify(&[], header, BODY, at(1_614_265_330)), Err(Unverified::Wrong));
        assert_eq!(verify(&both, header, b"{}", at(1_614_265_330)), Err(Unverified::Wrong));
        let without = |lacking: &'static str| move |name: &str| header(name).filter(|_| name != lacking);
        for lacking in [ID, TIMESTAMP, SIGNATURE] {
            assert_eq!(verify(&both, without(lacking), BODY, at(1_614_265_330)), Err(Unverified::Malformed), "{lacking}");
        }
    }

    #[test]
    fn two_secrets_sign_side_by_side() {
        let (old, new) = (Secret::of(vec![1; 32]).unwrap(), Secret::of(vec![2; 32]).unwrap());
        let made = headers(&[new.clone(), old.clone()], "e", at(1_000), BODY);
        let given = |name: &str| made.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        for one in [old, new] {
            assert_eq!(verify(&[one], given, BODY, at(1_000)), Ok("e"));
        }
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        assert!(Secret::of(vec![0; 23]).is_none() && Secret::of(vec![0; 65]).is_none());
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Secret::parse(wrong).is_err(), "{wrong}");
        }
    }
}
