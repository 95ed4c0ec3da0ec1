//! API keys: their form. A key is `pa_live_<id>_<secret>`:
//!
//! - `<id>` is the id of the key's row, 26 letters as in [`crate::base::id`];
//! - `<secret>` is 43 letters for 256 random bits, and after them 6 for the CRC-32 (as in gzip) of everything that stands before these six. Both are
//!   numbers to the base 62, with `0-9`, `A-Z`, `a-z` for the digits, the most significant first, and zeros in front.
//!
//! So every key matches `\bpa_live_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9A-Za-z]{49}\b`, and whoever finds such a text, as secret scanners do, can tell by
//! the checksum whether it is a key, without asking anybody. The same check comes here before a database is asked.
//!
//! The database keeps the SHA-256 of the whole text alone. The secret has 256 random bits, so that a quick hash is enough.

mod known;

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::tokens::random_bytes;
use crate::base::id::AnyId;
use crate::base::{Code, Error, Result};

pub use known::Keys;

/// What every key begins with.
pub const PREFIX: &str = "pa_live";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// So many digits to the base 62 hold 256 bits.
const SECRET_DIGITS: usize = 43;
/// So many hold 32 bits.
const CHECKSUM_DIGITS: usize = 6;
/// The prefix, the id and the secret, each with what divides them.
const LENGTH: usize = PREFIX.len() + 1 + 26 + 1 + SECRET_DIGITS + CHECKSUM_DIGITS;

/// A key whose form is right. Whether it is one of ours, only the database knows.
pub struct ApiKey {
    id: Uuid,
    text: SecretString,
}

impl ApiKey {
    /// A new key for the row of this id.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the system has no randomness to give.
    pub fn fresh(id: Uuid) -> Result<Self> {
        Ok(Self::of(id, &random_bytes().map_err(Error::internal)?))
    }

    fn of(id: Uuid, secret: &[u8; 32]) -> Self {
        let mut text = format!("{}_{}", beginning(id), base62(secret, SECRET_DIGITS));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self { id, text: text.into() }
    }

    /// Reads a key; `None` when its form or its checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let (before, found) = text.split_at_checked(LENGTH - CHECKSUM_DIGITS)?;
        let (beginning, secret) = before.rsplit_once('_')?;
        let id = AnyId::parse(beginning).ok().filter(|id| id.prefix == PREFIX)?;
        let right = secret.len() == SECRET_DIGITS && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) && checksum(before) == found;
        right.then(|| Self { id: id.uuid, text: text.into() })
    }

    /// The id of its row.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The key as it is handed out, once.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.expose_secret().to_owned()
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&self.digest())
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.text.expose_secret().as_bytes()).into()
    }
}

/// What the key of a row begins with: enough to find the row of a key that turned up somewhere, and nothing to ask with.
#[must_use]
pub fn beginning(id: Uuid) -> String {
    AnyId { prefix: PREFIX.to_owned(), uuid: id }.to_string()
}

/// Whether a text that was sent as a token wants to be an API key.
#[must_use]
pub fn is_key(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('_'))
}

/// The error for a key that is not valid: one message for every reason, which only the log gets to know.
pub(crate) fn invalid(reason: impl std::fmt::Display) -> Error {
    let message =
        "This API key is not valid: it is broken or unknown, was revoked or has expired. Ask an owner or admin of the organization for another one.";
    Error::new(Code::InvalidToken, message).because(reason)
}

fn checksum(text: &str) -> String {
    base62(&crc32fast::hash(text.as_bytes()).to_be_bytes(), CHECKSUM_DIGITS)
}

/// A number, most significant byte first, as so many digits to the base 62.
fn base62(number: &[u8], digits: usize) -> String {
    let mut number = number.to_vec();
    let mut text = Vec::with_capacity(digits);
    for _ in 0..digits {
        // Long division by hand: what remains of one byte goes on into the next.
        let rest = number.iter_mut().fold(0_u16, |rest, byte| {
            let part = (rest << 8) | u16::from(*byte);
            *byte = u8::try_from(part / 62).unwrap_or_default();
            part % 62
        });
        text.push(DIGITS.get(usize::from(rest)).copied().unwrap_or_default());
    }
    text.reverse();
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Obviously fake: the id of the TypeID specification's sample, and the bytes 0 to 31 for a secret.
    const FAKE: &str = "pa_live_01h455vb4pex5vsknk084sn02q_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf34NKgo";

    fn fake() -> ApiKey {
        let mut secret = [0; 32];
        secret.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
        ApiKey::of("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), &secret)
    }

    #[test]
    fn a_key_has_the_form_that_scanners_know() {
        let key = fake();
        assert_eq!(key.text(), FAKE);
        assert_eq!(beginning(key.id()), "pa_live_01h455vb4pex5vsknk084sn02q");
        assert_eq!(key.hash().len(), 64);
        let again = ApiKey::parse(FAKE).unwrap();
        assert_eq!((again.id(), again.text(), again.hash()), (key.id(), key.text(), key.hash()));
    }

    /// What scanners are told is what is made.
    #[test]
    fn the_page_for_scanners_has_the_form() {
        let page = include_str!("../../docs/api-keys.md");
        let form = r"\bpa_live_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9A-Za-z]{49}\b";
        assert!(page.lines().any(|line| line == form) && page.contains(FAKE));
        assert!(page.contains(std::str::from_utf8(DIGITS).unwrap()));
        assert!(include_str!("keys.rs").lines().any(|line| line.starts_with("//!") && line.contains(form)));
    }

    #[test]
    fn numbers_to_the_base_62_have_all_their_digits() {
        assert_eq!(base62(&[0; 32], 43), "0".repeat(43));
        assert_eq!(base62(&[61], 1), "z");
        assert_eq!(base62(&[62], 2), "10");
        assert_eq!(base62(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        // The largest secret needs all 43 digits, and one less would not do.
        assert!(!base62(&[u8::MAX; 32], 43).starts_with('0'));
    }

    #[test]
    fn what_differs_in_one_place_is_no_key() {
        let other = |letter: char| if letter == '1' { '2' } else { '1' };
        for place in 0..FAKE.len() {
            let broken: String = FAKE.chars().enumerate().map(|(at, letter)| if at == place { other(letter) } else { letter }).collect();
            assert!(ApiKey::parse(&broken).is_none(), "{broken}");
        }
        let accented = FAKE.replacen("01h", "é1", 1);
        assert_eq!(accented.len(), FAKE.len());
        for broken in ["", "pa_live_", &FAKE[1..], &FAKE[..FAKE.len() - 1], &format!("{FAKE}0"), &FAKE.to_uppercase(), &accented] {
            assert!(ApiKey::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn what_begins_as_a_key_is_taken_for_one() {
        assert!(is_key(FAKE) && is_key("pa_live_"));
        assert!(!is_key("pa_livex") && !is_key("eyJhbGciOi.pa_live_.x"));
    }

    proptest::proptest! {
        #[test]
        fn every_key_survives_the_round_trip(id: u128, secret: [u8; 32]) {
            let key = ApiKey::of(Uuid::from_u128(id), &secret);
            let text = key.text();
            proptest::prop_assert_eq!(text.len(), LENGTH);
            proptest::prop_assert_eq!(ApiKey::parse(&text).unwrap().id(), key.id());
        }
    }
}
