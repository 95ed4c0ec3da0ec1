//! Positions in the log of events, and the cursors in which callers hold them.
//!
//! A cursor belongs to one user of one organization in one database on one of its timelines: numbers of transactions mean something else elsewhere, and
//! what a promoted replica had not received is in no log. It carries the kinds of objects that its holder could see, so that a loss or gain of rights is
//! noticed. It is no secret and needs no signature: what it leads to is what its holder may read anyhow.

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::access::scope::Scope;
use crate::base::{Code, Error, Result};
use crate::platform::postgres::position::Line;

/// The first byte, by which a later form could be told apart.
const VERSION: u8 = 1;
/// How many bytes tell whose a cursor is.
const REALM: usize = 12;

/// A place in the log of events: after what has this position and all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventPosition {
    /// The number of the transaction.
    pub tx: i64,
    /// The number of the entry.
    pub seq: i64,
}

/// A position, and what its holder could see there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCursor {
    /// The position.
    pub position: EventPosition,
    /// The kinds of objects.
    pub nouns: Vec<String>,
}

impl EventCursor {
    /// The cursor as text, for its holder alone.
    #[must_use]
    pub fn encode(&self, scope: &Scope, line: Line) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&realm(scope, line));
        bytes.extend_from_slice(&self.position.tx.to_be_bytes());
        bytes.extend_from_slice(&self.position.seq.to_be_bytes());
        bytes.extend_from_slice(self.nouns.join(",").as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Reads a cursor that this caller was given.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for what is no cursor, and for one of somebody else or of another database, which says that the caller has to start anew.
    pub fn decode(text: &str, scope: &Scope, line: Line) -> Result<Self> {
        Self::take_apart(text, &realm(scope, line)).ok_or_else(broken)?
    }

    fn take_apart(text: &str, own: &[u8]) -> Option<Result<Self>> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (realm, rest) = rest.split_at_checked(REALM)?;
        let (tx, rest) = rest.split_first_chunk::<8>()?;
        let (seq, nouns) = rest.split_first_chunk::<8>()?;
        let position = EventPosition { tx: i64::from_be_bytes(*tx), seq: i64::from_be_bytes(*seq) };
        let nouns = std::str::from_utf8(nouns).ok()?;
        if *version != VERSION || position.tx < 0 || position.seq < 0 {
            return None;
        }
        if realm != own {
            return Some(Err(start_anew("`since` is a cursor of another user, organization or database, or of before the database was restored.")));
        }
        let nouns = nouns.split(',').filter(|noun| !noun.is_empty()).map(str::to_owned).collect();
        Some(Ok(Self { position, nouns }))
    }
}

/// Tells apart whose cursor it is and where it leads.
fn realm(scope: &Scope, line: Line) -> [u8; REALM] {
    let mut hash = Sha256::new();
    hash.update(scope.organization.as_bytes());
    hash.update(scope.user.as_bytes());
    hash.update(line.system.to_be_bytes());
    hash.update(line.timeline.to_be_bytes());
    let mut realm = [0; REALM];
    realm.iter_mut().zip(hash.finalize()).for_each(|(own, byte)| *own = byte);
    realm
}

fn broken() -> Error {
    Error::on_field(Code::ValidationError, "since", "`since` is not a cursor that this server gave out: send one as it came, or none.")
}

/// The error for a cursor from which nothing can be followed; `details.startAnew` says so to programs.
#[must_use]
pub fn start_anew(why: &str) -> Error {
    let message = format!("{why} Start anew: ask without `since`, load everything, and go on from the cursor that comes then.");
    Error { details: Some(Box::new(json!({ "startAnew": true }))), ..Error::new(Code::ValidationError, message) }
}
