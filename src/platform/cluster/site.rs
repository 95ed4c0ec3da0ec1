//! Where a PostgreSQL server lives: its data, its log and its socket, and that nobody else lives there.
//!
//! A folder that is kept holds `pgdata` (whole or not there: it is made beside it and renamed) and `server.log`, and is locked for as long as a
//! server uses it. Where the server's account cannot enter it, it holds only the link `elsewhere` to the folder used instead.

use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::POLL;
use super::account::Account;
use super::folder::Private;
use super::process::telling;

/// For data in a place that the server's account cannot enter, such as a checkout below /root. Not /var/tmp, where old files are cleared away.
const FALLBACK: &str = "/var/lib/payaid";

const LINK: &str = "elsewhere";

/// A log larger than this is put aside at the next start.
const LOG_LIMIT: u64 = 10_000_000;
const OLD_LOG: &str = "old.log";

/// How long a server without its payaid may take to shut down.
const ORPHAN_LIMIT: Duration = Duration::from_secs(15);

/// A server's place, held for it.
#[derive(Debug)]
pub struct Site {
    /// Who the server runs as.
    pub account: Account,
    folder: PathBuf,
    private: Private,
    _lock: Option<File>,
}

impl Site {
    /// Takes the place: `data_dir`, or a temporary one. Fails when another process has it.
    /// The account is, unless given, the owner of the data that is there.
    pub async fn take(data_dir: Option<&Path>, account: Option<&Account>) -> Result<Self> {
        let Some(data_dir) = data_dir else {
            let account = account.cloned().map_or_else(Account::choose, Ok)?;
            let private = Private::create(&account)?;
            return Ok(Self { account, folder: private.path().to_owned(), private, _lock: None });
        };
        let (folder, account) = locate(data_dir, account)?;
        let lock = lock(&folder)?;
        let site = Self { private: Private::create(&account)?, account, folder, _lock: Some(lock) };
        site.clear().await?;
        Ok(site)
    }

    /// The folder of PostgreSQL's data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("pgdata")
    }

    /// Where the data is while it is being made.
    pub fn unfinished(&self) -> PathBuf {
        self.folder.join("pgdata.new")
    }

    /// What the titles of its processes contain, and no others'.
    pub fn tag(&self) -> String {
        tag(&self.folder)
    }

    /// The folder of the socket.
    pub fn sockets(&self) -> &Path {
        self.private.path()
    }

    /// The file that the server logs to.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The major version of the data that is there; `None` when there is none yet.
    pub fn version(&self) -> Result<Option<u32>> {
        let (data, folder) = (self.data(), self.folder.display());
        if !data.exists() {
            let entries = self.folder.read_dir().with_context(|| format!("{folder} cannot be read"))?;
            // `initdb` makes PG_VERSION: somebody keeps a database of their own here.
            if entries.flatten().any(|entry| entry.file_name() == "PG_VERSION") {
                bail!("{folder} holds a database that payaid did not make: choose another folder for the development data");
            }
            return Ok(None);
        }
        let version = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        match version {
            Some(version) if data.join("global/pg_control").exists() => Ok(Some(version)),
            _ => bail!("the database in {folder} is incomplete: begin anew with `payaid dev --reset` (its data is lost)"),
        }
    }

    /// A fresh folder for data in the making, owned by the account.
    pub fn begin(&self) -> Result<PathBuf> {
        let unfinished = self.unfinished();
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| format!("{} cannot be removed", unfinished.display()))?;
        }
        fs::create_dir(&unfinished).with_context(|| format!("{} cannot be made", unfinished.display()))?;
        fs::set_permissions(&unfinished, PermissionsExt::from_mode(0o700))
            .with_context(|| format!("{} cannot be closed to others", unfinished.display()))?;
        self.account.own(&unfinished)?;
        Ok(unfinished)
    }

    /// The data is made: puts it where it belongs.
    pub fn finish(&self) -> Result<()> {
        fs::rename(self.unfinished(), self.data()).with_context(|| format!("{} cannot be made", self.data().display()))
    }

    /// Opens the log for another start, and says where in it that start begins.
    pub fn open_log(&self) -> Result<(File, u64)> {
        let path = self.log();
        if path.metadata().is_ok_and(|found| found.len() > LOG_LIMIT) {
            fs::rename(&path, path.with_extension(OLD_LOG)).with_context(|| format!("{} cannot be put aside", path.display()))?;
        }
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        let begin = file.metadata().map_or(0, |found| found.len());
        Ok((file, begin))
    }

    /// What the log, from `begin` on, says to be wrong.
    pub fn last_words(&self, begin: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.log())
            && file.seek(SeekFrom::Start(begin)).is_ok()
        {
            let _ = file.read_to_end(&mut text);
        }
        telling(&String::from_utf8_lossy(&text)).to_owned()
    }

    /// Whether the server with this process id accepts connections: PostgreSQL says so in its pid file.
    pub fn is_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        text.lines().next() == Some(&pid.to_string()) && text.lines().nth(7).map(str::trim) == Some("ready")
    }

    /// Waits until no process of an earlier server is left, and forgets its pid file.
    pub async fn clear(&self) -> Result<()> {
        let begin = Instant::now();
        while let Some(pid) = processes(&self.folder).first() {
            if begin.elapsed() > ORPHAN_LIMIT {
                bail!("PostgreSQL (process {pid}) runs on {} without its payaid: end it with `kill -INT {pid}`", self.folder.display());
            }
            tokio::time::sleep(POLL).await;
        }
        // PostgreSQL itself would refuse to start when the number in it has meanwhile been given to another process of this account.
        if Path::new("/proc/self/cmdline").exists() {
            let _ = fs::remove_file(self.data().join("postmaster.pid"));
        }
        Ok(())
    }

    /// Kills every process of the server: nothing is written any more, as in a crash of the machine.
    pub fn crash(&self) {
        for pid in processes(&self.folder) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Removes the data of a server that is not running; not what else may be in the folder.
pub async fn erase(data_dir: &Path) -> Result<()> {
    if !data_dir.exists() {
        return Ok(());
    }
    let site = Site::take(Some(data_dir), None).await?;
    for path in [site.data(), site.unfinished()].iter().filter(|path| path.exists()) {
        fs::remove_dir_all(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    for path in [site.log(), site.log().with_extension(OLD_LOG)].iter().filter(|path| path.exists()) {
        fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    let _ = fs::remove_file(data_dir.join(LINK));
    for folder in [site.folder.as_path(), data_dir] {
        // Stays when something else is in it.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// The folder to use for `wanted`, and the account for what is in it.
fn locate(wanted: &Path, given: Option<&Account>) -> Result<(PathBuf, Account)> {
    fs::create_dir_all(wanted).with_context(|| format!("{} cannot be made", wanted.display()))?;
    let folder = wanted.canonicalize().with_context(|| format!("{} cannot be found", wanted.display()))?;
    let account = account_for(&folder, given)?;
    if account.can_enter(&folder) {
        return Ok((folder, account));
    }
    let instead =
        elsewhere(&folder).with_context(|| format!("the account `{account}` cannot enter {}: make the data somewhere else", folder.display()))?;
    tracing::info!("the account `{account}` cannot enter {}: its data is in {}", folder.display(), instead.display());
    let account = account_for(&instead, given)?;
    Ok((instead, account))
}

/// The folder below [`FALLBACK`] that stands in for one that the account cannot enter.
fn elsewhere(folder: &Path) -> Result<PathBuf> {
    let instead = Path::new(FALLBACK).join(tag(folder));
    let link = folder.join(LINK);
    // Who removed the folder, and the link with it, meant the data.
    if !link.is_symlink() && instead.exists() {
        let _lock = lock(&instead)?;
        fs::remove_dir_all(&instead).with_context(|| format!("{} cannot be removed", instead.display()))?;
    }
    fs::create_dir_all(&instead).with_context(|| format!("{} cannot be made", instead.display()))?;
    for folder in [Path::new(FALLBACK), &instead] {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).with_context(|| format!("{} cannot be opened to others", folder.display()))?;
    }
    if !link.is_symlink() {
        symlink(&instead, &link).with_context(|| format!("{} cannot be made", link.display()))?;
    }
    Ok(instead)
}

fn account_for(folder: &Path, given: Option<&Account>) -> Result<Account> {
    let data = folder.join("pgdata");
    match given {
        Some(account) => Ok(account.clone()),
        None if data.exists() => Account::owner_of(&data),
        None => Account::choose(),
    }
}

/// A name that stays the same for a folder, across builds (FNV-1a).
fn tag(folder: &Path) -> String {
    let bytes = folder.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("payaid-{hash:016x}")
}

/// Locks the folder itself, until this process ends.
fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", folder.display())),
        Err(TryLockError::WouldBlock) => match processes(folder).first() {
            Some(pid) => bail!("another payaid is using {} (PostgreSQL is its process {pid}): stop that one first", folder.display()),
            None => bail!("another payaid is using {}: stop that one first", folder.display()),
        },
    }
}

/// The processes of the server in a folder, its first one first. Found by their titles: the rest of another account's processes is closed even to
/// root in a container.
fn processes(folder: &Path) -> Vec<i32> {
    let tag = tag(folder);
    let read = |entry: &DirEntry, name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
    let is_ours = |entry: &DirEntry| read(entry, "comm") == b"postgres\n" && String::from_utf8_lossy(&read(entry, "cmdline")).contains(&tag);
    let entries = Path::new("/proc").read_dir().into_iter().flatten().flatten();
    let mut found: Vec<i32> = entries.filter(is_ours).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    found.sort_unstable();
    found
}
