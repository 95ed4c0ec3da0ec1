//! Messages as files, for machines that have no provider.

use std::path::{Path, PathBuf};

use tokio::io::AsyncWriteExt;

use super::{Sent, Sms, Unsent, UnsentKind};
use crate::base::SharedClock;

const NAME: &str = "files";

/// A folder that messages are written into.
pub struct Folder {
    path: PathBuf,
    clock: SharedClock,
}

impl Folder {
    pub fn new(path: &Path, clock: SharedClock) -> Self {
        Self { path: path.to_owned(), clock }
    }

    /// Writes a message into a file of its own. The same message once more is written over the first.
    pub async fn keep(&self, sms: &Sms) -> Result<Sent, Unsent> {
        let file = format!("{}.txt", sms.id);
        let template = &sms.template;
        let text = format!(
            "To: {}\nFrom: {}\nDate: {}\nDLT-Entity: {}\nDLT-Template: {}\n\n{}\n",
            sms.to,
            template.header,
            self.clock.now().to_rfc3339(),
            template.entity,
            template.id,
            sms.text()
        );
        let written = async {
            tokio::fs::create_dir_all(&self.path).await?;
            // Readable by this account alone: people's numbers and texts.
            let mut target = tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path.join(&file)).await?;
            target.write_all(text.as_bytes()).await?;
            target.flush().await
        };
        let written: std::io::Result<()> = written.await;
        written.map_err(|error| {
            let reason = format!("the message cannot be written into {}: {}", self.path.display(), error.kind());
            Unsent { provider: NAME, reason, kind: UnsentKind::Later }
        })?;
        tracing::info!("no SMS provider has keys, so a message was written into {}", self.path.join(&file).display());
        Ok(Sent { provider: NAME, reference: Some(file) })
    }
}
