//! A folder below /tmp for what lives no longer than its server: the socket, and the data of a server that keeps none.

use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::account::Account;

/// Mode 0700 and owned by the server's account: who can enter it (the account and root) can connect. Removed on drop.
#[derive(Debug)]
pub struct Private(PathBuf);

impl Private {
    /// Makes one. Not in TMPDIR: a socket's path is at most 107 bytes long, and root's TMPDIR may be closed to the account.
    pub fn create(account: &Account) -> Result<Self> {
        let path = loop {
            // A fresh name each time: what cleans up after a process that was killed never meets the folder of its successor.
            let path = PathBuf::from(format!("/tmp/payaid-{:016x}", RandomState::new().hash_one(std::process::id())));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).context("no folder for a server's socket can be made in /tmp: make it writable"),
            }
        };
        let private = Self(path);
        account.own(&private.0)?;
        Ok(private)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} could not be removed: {error}", self.0.display());
        }
    }
}
