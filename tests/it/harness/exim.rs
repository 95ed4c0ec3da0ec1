//! A mail server: Debian's Exim, in a folder and on a port of its own, run as a normal user, that takes, defers and refuses mail by its recipient.
//!
//! Exim speaks with each client over a socket that it inherits (`-bs`), and this process passes on what comes and goes: so no account has to be allowed to listen, and
//! the line can be cut at the very moment at which Exim has taken a mail and its client does not know it yet.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nix::unistd::{User, geteuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::harness::process::Folder;
use crate::harness::waiting::until;

/// How the line behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// As it should.
    Sound,
    /// It is cut when Exim has taken a mail, before its answer has come through.
    CutWhenTaken,
    /// Nothing comes through any more when Exim has taken a mail.
    SilentWhenTaken,
}

/// A mail server with one client, this test.
pub struct Exim {
    pub port: u16,
    /// Keeps the port while nobody listens: the system gives free ones to whoever connects to something.
    _kept: TcpSocket,
    folder: Folder,
    line: Arc<Mutex<Line>>,
    connections: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

/// Whether and how a server encrypts after STARTTLS.
#[derive(Debug, Clone, Copy)]
pub enum Tls {
    /// Not at all.
    None,
    /// With a certificate that it makes itself and nobody knows.
    Unknown,
    /// With [`CERTIFICATE`]. Then `payaid` can sign in, with the password `secret`.
    Known,
}

impl Tls {
    fn settings(self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::None => "tls_advertise_hosts =".to_owned(),
            Self::Unknown => "tls_advertise_hosts = *".to_owned(),
            Self::Known => format!("tls_advertise_hosts = *\ntls_certificate = {folder}/certificate.pem\ntls_privatekey = {folder}/key.pem"),
        }
    }
}

/// A certificate of `localhost` by itself, and its key, which is nobody's secret.
pub const CERTIFICATE: &str = include_str!("../mail/tls/localhost.pem");
const KEY: &str = include_str!("../mail/tls/localhost-key.pem");

const CONFIGURATION: &str = r#"
primary_hostname = mx.example.org
domainlist local_domains = *
spool_directory = FOLDER/spool
log_file_path = FOLDER/log/%slog
exim_user = ACCOUNT
exim_group = GROUP
never_users =
deliver_drop_privilege
keep_environment =
timezone = UTC
TLS
acl_smtp_rcpt = recipient
acl_smtp_data = content
begin acl
recipient:
  defer local_parts = later
    message = 451 4.3.0 Come again later
  deny local_parts = nobody
    message = 550 5.1.1 <$local_part@$domain>: There is nobody of this name
  deny local_parts = policy
    message = 550 5.7.1 Not from you
  accept
content:
  defer condition = ${if match{$recipients}{^full@}}
    message = 452 4.2.2 The mailbox is full
  deny condition = ${if match{$recipients}{^content@}}
    message = 554 5.6.0 Not this text
  accept
begin routers
lost:
  driver = redirect
  local_parts = lost
  allow_fail
  data = :fail: 550 5.1.1 There is nobody of this name any more
all:
  driver = accept
  local_part_suffix = +*
  local_part_suffix_optional
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = FOLDER/mail
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{payaid}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
"#;

impl Exim {
    /// A server that does not offer to encrypt.
    pub async fn start() -> Self {
        Self::with(Tls::None).await
    }

    /// A server that encrypts like this.
    pub async fn with(tls: Tls) -> Self {
        let folder = Folder::create();
        let account = if geteuid().is_root() { "nobody".to_owned() } else { User::from_uid(geteuid()).unwrap().unwrap().name };
        let user = User::from_name(&account).unwrap().unwrap();
        let path = folder.path();
        let replaced = [
            ("FOLDER", path.to_str().unwrap().to_owned()),
            ("ACCOUNT", user.uid.to_string()),
            ("GROUP", user.gid.to_string()),
            ("TLS", tls.settings(path)),
        ];
        let text = replaced.iter().fold(CONFIGURATION.to_owned(), |text, (word, value)| text.replace(word, value));
        std::fs::write(path.join("exim.conf"), text).unwrap();
        std::fs::write(path.join("certificate.pem"), CERTIFICATE).unwrap();
        std::fs::write(path.join("key.pem"), KEY).unwrap();
        for below in ["spool", "log", "mail", "mail/new", "mail/cur", "mail/tmp"] {
            std::fs::create_dir(path.join(below)).unwrap();
        }
        for owned in ["exim.conf", "spool", "log", "mail", "mail/new", "mail/cur", "mail/tmp"] {
            if geteuid().is_root() {
                chown(path.join(owned), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            }
            std::fs::set_permissions(path.join(owned), PermissionsExt::from_mode(if owned == "exim.conf" { 0o644 } else { 0o755 })).unwrap();
        }
        let kept = bound(0);
        let port = kept.local_addr().unwrap().port();
        let listener = bound(port).listen(BACKLOG).unwrap();
        let (line, connections) = (Arc::new(Mutex::new(Line::Sound)), Arc::new(AtomicUsize::new(0)));
        let listening = tokio::spawn(listen(listener, path.to_owned(), Arc::clone(&line), Arc::clone(&connections)));
        Self { port, _kept: kept, folder, line, connections, listening }
    }

    /// Lets the line behave otherwise from the next connection on.
    pub fn line(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends it and all its connections.
    pub async fn stop(&mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
    }

    /// Starts it again on its port.
    pub fn start_again(&mut self) {
        let listener = bound(self.port).listen(BACKLOG).unwrap();
        let path = self.folder.path().to_owned();
        self.listening = tokio::spawn(listen(listener, path, Arc::clone(&self.line), Arc::clone(&self.connections)));
    }

    /// The Maildir of all its mailboxes.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Waits until so many mails were delivered; them, oldest first.
    pub async fn delivered(&self, count: usize) -> Vec<Vec<u8>> {
        let files = || {
            let mut files: Vec<PathBuf> = std::fs::read_dir(self.maildir().join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        };
        let log = || std::fs::read_to_string(self.folder.path().join("log/mainlog")).unwrap_or_default();
        until(&format!("{count} mails: {}", log()), async || files().len() >= count).await;
        let mails: Vec<Vec<u8>> = files().iter().map(|file| std::fs::read(file).unwrap()).collect();
        assert_eq!(mails.len(), count, "{}", log());
        mails
    }
}

/// The line by which mail programs tell a mail from others.
pub fn message_id(mail: &[u8]) -> String {
    let mail = String::from_utf8_lossy(mail);
    mail.lines().find(|line| line.to_lowercase().starts_with("message-id:")).unwrap().to_owned()
}

impl Drop for Exim {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

const BACKLOG: u32 = 64;

/// A socket at a port of this machine, beside others that are there in the same way.
fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket
}

/// Where Exim is; not every account's PATH has the folder of servers.
fn program() -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    let found = folders.flat_map(|folder| [folder.join("exim4"), folder.join("exim")]).find(|path| path.is_file());
    found.expect("Exim is missing: scripts/install.sh installs it (exim4-daemon-light)")
}

async fn listen(listener: TcpListener, folder: PathBuf, line: Arc<Mutex<Line>>, connections: Arc<AtomicUsize>) {
    // Ends all connections when it is dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        let line = *line.lock().unwrap();
        open.spawn(converse(client, folder.clone(), line));
    }
}

/// Passes on what a client and an Exim of its own say. However this ends, Exim ends by itself when the line does: killed, it might not have begun yet to
/// deliver what it has taken.
async fn converse(mut client: TcpStream, folder: PathBuf, line: Line) {
    let (own, others) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut exim = command(&folder, others).spawn().unwrap();
    tokio::spawn(async move { exim.wait().await });
    own.set_nonblocking(true).unwrap();
    let (mut from, mut into) = tokio::net::UnixStream::from_std(own).unwrap().into_split();
    let (mut reader, mut writer) = client.split();
    let upwards = async {
        let _ = tokio::io::copy(&mut reader, &mut into).await;
    };
    let downwards = async {
        let mut bytes = vec![0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let taken = bytes[..count].windows(9).any(|word| word == b"250 OK id");
            match line {
                Line::CutWhenTaken if taken => return,
                Line::SilentWhenTaken if taken => std::future::pending::<()>().await,
                _ if writer.write_all(&bytes[..count]).await.is_err() => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

/// An Exim that speaks over this socket. Not over pipes, which its TLS cannot use.
fn command(folder: &Path, socket: std::os::unix::net::UnixStream) -> Command {
    let mut command = Command::new(program());
    command.env_clear().current_dir("/").arg("-C").arg(folder.join("exim.conf")).arg("-bs");
    let (input, output) = (OwnedFd::from(socket.try_clone().unwrap()), OwnedFd::from(socket));
    command.stdin(input).stdout(output).stderr(Stdio::null());
    if geteuid().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    command
}
