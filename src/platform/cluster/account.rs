//! The system account that the servers run as.
//!
//! It is the one that started this process; except for root, as whom PostgreSQL refuses to run: then it is `postgres`, or `nobody` where there is no
//! such account.

use std::fmt;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::{Uid, User, getegid, geteuid};

/// An account, and whether this process has to change to it.
#[derive(Clone, Debug)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    foreign: bool,
}

impl Account {
    /// The account for a server that has no data yet.
    pub fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { name: name_of(geteuid()), uid: geteuid().as_raw(), gid: getegid().as_raw(), foreign: false });
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name).context("the system's accounts cannot be read")? {
                return Ok(Self::of(&user));
            }
        }
        bail!("PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody` to run it as: start payaid as another user")
    }

    /// The account that owns `data`, as whom alone PostgreSQL will run on it.
    pub fn owner_of(data: &Path) -> Result<Self> {
        let owner = Uid::from_raw(data.metadata().with_context(|| format!("{} cannot be read", data.display()))?.uid());
        if owner == geteuid() && !owner.is_root() {
            return Self::choose();
        }
        let (data, name) = (data.display(), name_of(owner));
        if owner.is_root() {
            bail!("{data} belongs to root, as whom PostgreSQL does not run: remove that folder, or give it to another account with chown -R")
        }
        if !geteuid().is_root() {
            bail!("{data} belongs to {name}: start payaid as {name} or as root, or remove that folder")
        }
        let user = User::from_uid(owner).context("the system's accounts cannot be read")?;
        user.as_ref()
            .map(Self::of)
            .ok_or_else(|| anyhow!("{data} belongs to the account {name}, which this system does not know: give it to `postgres` with chown -R"))
    }

    fn of(user: &User) -> Self {
        Self { name: user.name.clone(), uid: user.uid.as_raw(), gid: user.gid.as_raw(), foreign: true }
    }

    /// A command that runs as this account: away from the terminal's signals, and from settings (PGHOST, PGOPTIONS) and secrets of our environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir("/").process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if self.foreign {
            // The standard library also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder that this process made to the account.
    pub fn own(&self, path: &Path) -> Result<()> {
        if self.foreign {
            chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("{} cannot be given to the account `{self}`", path.display()))?;
        }
        Ok(())
    }

    /// Whether the account can enter a folder. Asked of the system, for modes of the parents are not all that decides (access lists, mounts).
    pub fn can_enter(&self, folder: &Path) -> bool {
        !self.foreign || self.command(Path::new("/bin/sh")).args(["-c", r#"cd -- "$0""#]).arg(folder).status().is_ok_and(|status| status.success())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn name_of(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
