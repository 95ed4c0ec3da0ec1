//! The documents that requests name instead of sending them along, and which documents are run at all.
//!
//! There are two kinds. What a client has sent before, together with its hash, it may name by the hash alone: that saves bytes, and is forgotten at
//! any time (`sent`). What the operators have imported is named by its id, is kept in the database, and can be made the only documents that are run
//! (`trusted`). What must hold: a text is compared with its hash before it is run by that hash, wherever it comes from; and a server that runs
//! imported documents alone runs no other, whatever fails.

mod sent;
mod trusted;

use std::fmt;
use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::Counter;
use sha2::{Digest, Sha256};

use crate::access::document::too_long;
use crate::base::{Code, Error, Result};
use crate::platform::config::{AllowedDocuments, ServerConfig};
use crate::platform::postgres::Databases;
use crate::platform::redis::Redis;
use sent::Sent;
use trusted::{Key, Trusted};

/// The longest text of an imported document, in bytes; others are bound by `DOCUMENT_MAX_BYTES`.
pub const MAX_TRUSTED_BYTES: usize = 256 * 1024;
/// The longest id of an imported document, in bytes.
pub const MAX_ID: usize = 256;

/// The SHA-256 of a document's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextHash([u8; 32]);

impl TextHash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits; `None` when they are none.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// How a request says which document it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its text.
    Text(String),
    /// By its text, whose hash the client knows and was compared with.
    Proven(TextHash, String),
    /// By the hash of a text that was sent before.
    Hash(TextHash),
    /// By the id of an imported document: `sha256:` and the hash of its text, or what it was imported as.
    Id(String),
}

impl Wanted {
    /// Whether the same few letters stand for the document each time, so that the address of a GET may be remembered.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// A document that may be run, as far as its text goes.
#[derive(Debug, Clone)]
pub struct Found {
    /// The hash of the text.
    pub hash: TextHash,
    /// The text.
    pub text: Arc<str>,
    /// The longest that the text may be, in bytes.
    pub most: usize,
    /// Whether the client will name it by its hash from now on.
    keep: bool,
}

impl Found {
    /// A text that stands by itself, of at most so many bytes.
    #[must_use]
    pub fn of_text(text: &str, most: usize) -> Self {
        Self { hash: TextHash::of(text), text: text.into(), most, keep: false }
    }
}

/// Counts where documents were found.
struct Counts {
    memory: Counter,
    redis: Counter,
    database: Counter,
    text: Counter,
    unknown: Counter,
}

impl Counts {
    fn new() -> Self {
        let of = |known: &'static str| metrics::counter!("documents_total", "known" => known);
        Self { memory: of("memory"), redis: of("redis"), database: of("database"), text: of("text"), unknown: of("unknown") }
    }
}

/// The documents that this server knows by name.
pub struct Documents {
    allowed: AllowedDocuments,
    /// The longest text of a document that was not imported, in bytes.
    most: usize,
    sent: Sent,
    trusted: Trusted,
    counts: Counts,
}

impl Documents {
    /// Nothing is known yet. To be called when the metrics are there already.
    #[must_use]
    pub fn new(config: &ServerConfig, redis: Option<Redis>, databases: Databases) -> Self {
        let (allowed, most) = (config.http.documents, config.documents.document_max_bytes);
        Self { allowed, most, sent: Sent::new(redis, most), trusted: Trusted::new(databases), counts: Counts::new() }
    }

    /// Whether it is at hand, or nobody has to be asked for it.
    #[must_use]
    pub fn remembers(&self, wanted: &Wanted) -> bool {
        match (wanted, self.allowed) {
            (Wanted::Text(_) | Wanted::Proven(..), AllowedDocuments::Any) => true,
            (Wanted::Id(id), _) => self.trusted.remembers(&Key::of(id.clone())),
            (Wanted::Hash(hash), AllowedDocuments::Any) => self.sent.remembers(*hash),
            (Wanted::Hash(hash) | Wanted::Proven(hash, _), AllowedDocuments::Trusted) => self.trusted.remembers(&Key::Hash(*hash)),
            (Wanted::Text(text), AllowedDocuments::Trusted) => self.trusted.remembers(&Key::Hash(TextHash::of(text))),
        }
    }

    /// The document that a request means, if it may be run.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND` for a hash or an id that is not known, `DOCUMENT_TOO_COMPLEX` for a text that is too long, `FORBIDDEN` for one that
    /// was not imported where it has to be, and `DATABASE_UNAVAILABLE` when whether it was cannot be found out.
    pub async fn find(&self, wanted: Wanted) -> Result<Found> {
        match (wanted, self.allowed) {
            (Wanted::Id(id), _) => self.imported(Key::of(id)).await?.ok_or_else(unknown_id),
            (Wanted::Hash(hash), AllowedDocuments::Any) => self.was_sent(hash).await.ok_or_else(unknown_hash),
            (Wanted::Hash(hash), AllowedDocuments::Trusted) => self.imported(Key::Hash(hash)).await?.ok_or_else(not_imported),
            (Wanted::Text(text), AllowedDocuments::Any) => self.free(None, text),
            (Wanted::Proven(hash, text), AllowedDocuments::Any) => self.free(Some(hash), text),
            (Wanted::Text(text) | Wanted::Proven(_, text), AllowedDocuments::Trusted) if text.len() > MAX_TRUSTED_BYTES => Err(not_imported()),
            (Wanted::Text(text), AllowedDocuments::Trusted) => self.imported(Key::Hash(TextHash::of(&text))).await?.ok_or_else(not_imported),
            (Wanted::Proven(hash, _), AllowedDocuments::Trusted) => self.imported(Key::Hash(hash)).await?.ok_or_else(not_imported),
        }
    }

    /// Remembers a document that was admitted, if the client will name it by its hash.
    pub async fn keep(&self, found: &Found) {
        if found.keep {
            self.sent.keep(found.hash, &found.text).boxed().await;
        }
    }

    fn free(&self, hash: Option<TextHash>, text: String) -> Result<Found> {
        if text.len() > self.most {
            return Err(too_long(text.len(), self.most));
        }
        self.counts.text.increment(1);
        Ok(Found { hash: hash.unwrap_or_else(|| TextHash::of(&text)), text: text.into(), most: self.most, keep: hash.is_some() })
    }

    // In boxes, out of the way of texts: the future of what is found in memory would be as large.
    fn was_sent(&self, hash: TextHash) -> BoxFuture<'_, Option<Found>> {
        let looked = async move {
            let (text, counter) = match self.sent.remembered(hash) {
                Some(text) => (Some(text), &self.counts.memory),
                None => (self.sent.told(hash).await, &self.counts.redis),
            };
            if text.is_some() { counter } else { &self.counts.unknown }.increment(1);
            text.map(|text| Found { hash, text, most: self.most, keep: false })
        };
        looked.boxed()
    }

    fn imported(&self, key: Key) -> BoxFuture<'_, Result<Option<Found>>> {
        let looked = async move {
            let (found, counter) = match self.trusted.remembered(&key).await {
                Some(found) => (Some(found), &self.counts.memory),
                None => (self.trusted.look_up(&key).await?, &self.counts.database),
            };
            if found.is_some() { counter } else { &self.counts.unknown }.increment(1);
            Ok(found.map(|(hash, text)| Found { hash, text, most: MAX_TRUSTED_BYTES, keep: false }))
        };
        looked.boxed()
    }
}

/// Exactly what clients of automatic persisted queries look for.
fn unknown_hash() -> Error {
    Error::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")
}

fn unknown_id() -> Error {
    Error::new(
        Code::PersistedQueryNotFound,
        "No document of this `documentId` was imported: import it by `payaid documents import`, or send another one.",
    )
}

fn not_imported() -> Error {
    let message = "This server runs imported documents alone, and this is none: name one by its `documentId`. Who runs the server imports documents by \
        `payaid documents import`.";
    Error::new(Code::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        let hash = TextHash::of("{ __typename }");
        assert_eq!(TextHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(TextHash::parse(&hash.to_string().to_uppercase()), Some(hash));
        for wrong in ["", "7dba", "zz", &"g".repeat(64), &"0".repeat(66)] {
            assert_eq!(TextHash::parse(wrong), None, "{wrong}");
        }
    }
}
