//! Finds the programs of the servers on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

/// The oldest PostgreSQL that the schema works on.
const OLDEST: u32 = 15;

/// Where Debian and Ubuntu keep PostgreSQL's programs, one folder a major version; they are not in PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// One installed PostgreSQL.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    /// The major version, which is that of the data it can read.
    pub major: u32,
}

impl Binaries {
    /// The one that can read data of version `wanted`; without data, the first in PATH, else the newest of Debian's.
    pub fn find(wanted: Option<u32>) -> Result<Self> {
        let found = Self::installed()?;
        let newest = found.iter().map(|binaries| binaries.major).max();
        let fits = |binaries: &Self| wanted.map_or(binaries.major >= OLDEST, |major| binaries.major == major);
        match (found.into_iter().find(fits), newest, wanted) {
            (Some(binaries), _, _) => Ok(binaries),
            (None, None, _) => bail!(
                "PostgreSQL is not installed: install it (Debian and Ubuntu: apt-get install postgresql), \
                 or set PAYAID_POSTGRES_BIN to the folder of its `initdb`, or DATABASE_URL to a server"
            ),
            (None, Some(newest), Some(major)) => bail!(
                "the data was made by PostgreSQL {major}, and this machine has {newest}: \
                 install postgresql-{major}, or begin anew with `payaid dev --reset` (its data is lost)"
            ),
            (None, Some(newest), None) => {
                bail!("PostgreSQL {OLDEST} or newer is needed, and this machine has {newest}: install a newer one, or set DATABASE_URL to a server")
            }
        }
    }

    fn installed() -> Result<Vec<Self>> {
        let Some(folder) = std::env::var_os("PAYAID_POSTGRES_BIN").map(PathBuf::from) else {
            return Ok(folders().into_iter().filter_map(Self::at).collect());
        };
        let missing = || anyhow!("PAYAID_POSTGRES_BIN is {}, but `postgres` and `initdb` are not there: correct it or unset it", folder.display());
        Ok(vec![Self::at(folder.clone()).ok_or_else(missing)?])
    }

    /// The path of one of its programs.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    fn at(folder: PathBuf) -> Option<Self> {
        // A folder of PATH may hold links to some of the programs only.
        let server = folder.join("postgres").canonicalize().ok()?;
        let folder = server.parent().filter(|folder| folder.join("initdb").is_file())?.to_owned();
        let said = Command::new(server).arg("--version").output().ok()?;
        let major = major(&String::from_utf8_lossy(&said.stdout))?;
        Some(Self { folder, major })
    }
}

/// The path of a program, by the first of its names that is in PATH.
pub fn in_path(names: &[&str]) -> Option<PathBuf> {
    let folders = path_folders();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file()))
}

fn path_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()).unwrap_or_default()
}

fn folders() -> Vec<PathBuf> {
    let mut folders = path_folders();
    let entries = Path::new(DEBIAN).read_dir().into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    folders.extend(versions.into_iter().map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")));
    folders
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, 19 of `postgres (PostgreSQL) 19devel`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19devel\n"), Some(19));
        assert_eq!(major("segmentation fault"), None);
    }
}
