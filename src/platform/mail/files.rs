//! Mail as files, where nothing is there to send it by: on a machine of a developer.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::platform::mail::compose::Letter;
use crate::platform::mail::{Sent, Unsent, UnsentKind};

const PROVIDER: &str = "files";

/// The folder that mail is written to.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Writes a mail into a file of its own, and the file's name into the log. The same mail gets the same file again.
    ///
    /// # Errors
    /// `Later` when the file cannot be written.
    pub async fn keep(&self, letter: &Letter) -> Result<Sent, Unsent> {
        let path = self.0.join(format!("{}.eml", letter.id));
        let (target, raw) = (path.clone(), letter.raw.clone());
        let written = tokio::task::spawn_blocking(move || write(&target, &raw)).await;
        let reason = match written {
            Ok(Ok(())) => {
                tracing::info!(file = %path.display(), "a mail is written into a file");
                return Ok(Sent { provider: PROVIDER, reference: Some(path.display().to_string()) });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the process is ending".to_owned(),
        };
        let reason = format!("The mail cannot be written into {}: {reason}", self.0.display());
        Err(Unsent { provider: PROVIDER, reason, kind: UnsentKind::Later })
    }
}

fn write(path: &Path, raw: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Readable by this account alone: people's addresses and texts.
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(raw)
}
