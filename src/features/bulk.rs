//! What the actions on several objects share: how many there may be, and that all of them are there.

use std::collections::HashSet;

use uuid::Uuid;

use crate::base::{Code, Error, Id, Noun, Result};

/// The most objects that one action takes.
pub const MOST: usize = 100;

/// The ids without repetitions.
///
/// # Errors
/// `VALIDATION_ERROR` for none at all or more than [`MOST`].
pub fn distinct<N: Noun>(ids: &[Id<N>]) -> Result<Vec<Uuid>> {
    if ids.is_empty() || ids.len() > MOST {
        return Err(Error::invalid("ids", format!("Send 1 to {MOST} identifiers; these are {}.", ids.len())));
    }
    let mut seen = HashSet::new();
    Ok(ids.iter().map(|id| id.uuid()).filter(|id| seen.insert(*id)).collect())
}

/// Refuses unless every id was found.
///
/// # Errors
/// `NOT_FOUND`, which names the first one that is missing.
pub fn all_there<N: Noun>(ids: &[Uuid], found: impl Iterator<Item = Uuid>) -> Result<()> {
    let found: HashSet<Uuid> = found.collect();
    match ids.iter().find(|id| !found.contains(*id)) {
        None => Ok(()),
        Some(missing) => {
            let message = format!("There is no {} {}; nothing was changed.", N::PREFIX, Id::<N>::new(*missing));
            Err(Error::on_field(Code::NotFound, "ids", message))
        }
    }
}
