//! The servers, for real.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use super::account::Account;
use super::folder::Private;
use super::postgres::{self, Options, SUPERUSER, Server};
use super::{POLL, redis};

async fn connect(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url("postgres", SUPERUSER), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn count(server: &Server) -> i64 {
    connect(server).await.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
}

fn folder() -> Private {
    Private::create(&Account::choose().unwrap()).unwrap()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(POLL);
    }
}

#[tokio::test]
async fn a_replica_follows_and_can_be_promoted() {
    let primary = Server::start(Options::temporary()).await.unwrap();
    connect(&primary).await.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    let replica = primary.replica(Options::temporary()).await.unwrap();
    assert_eq!(count(&replica).await, 1);
    connect(&primary).await.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    replica.catch_up(&primary).await.unwrap();
    assert_eq!(count(&replica).await, 2);
    connect(&replica).await.batch_execute("INSERT INTO t VALUES (3)").await.unwrap_err();

    replica.promote().await.unwrap();
    connect(&replica).await.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!((count(&replica).await, count(&primary).await), (3, 2));
    let folders = [replica.socket_dir().to_owned(), primary.socket_dir().to_owned()];
    replica.stop().await;
    let slots: i64 = connect(&primary).await.query_one("SELECT count(*) FROM pg_replication_slots", &[]).await.unwrap().get(0);
    assert_eq!(slots, 0);
    primary.stop().await;
    assert!(folders.iter().all(|folder| !folder.exists()));
}

#[tokio::test]
async fn a_commit_survives_a_crash_and_the_replica_finds_its_primary_again() {
    let mut primary = Server::start(Options::temporary()).await.unwrap();
    let replica = primary.replica(Options::temporary()).await.unwrap();
    connect(&primary).await.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").await.unwrap();
    primary.kill().await.unwrap();
    assert!(!primary.is_running());
    tokio_postgres::connect(&primary.url("postgres", SUPERUSER), NoTls).await.err().unwrap();
    primary.restart().await.unwrap();
    assert_eq!(count(&primary).await, 1);
    replica.catch_up(&primary).await.unwrap();
    assert_eq!(count(&replica).await, 1);
}

#[tokio::test]
async fn kept_data_is_there_at_the_next_start_until_it_is_erased() {
    let (folder, begin) = (folder(), "CREATE TABLE t (n int)");
    let server = Server::start(Options::kept(folder.path())).await.unwrap();
    connect(&server).await.batch_execute(begin).await.unwrap();
    let refused = Server::start(Options::kept(folder.path())).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("its process {}", server.pid())), "{refused}");
    postgres::erase(folder.path()).await.unwrap_err();
    server.stop().await;

    let pid_file = folder.path().join("pgdata/postmaster.pid");
    // Of a process that is alive, and runs as the same account when that is not root, but is no PostgreSQL.
    std::fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    let server = Server::start(Options::kept(folder.path())).await.unwrap();
    assert_eq!(count(&server).await, 0);
    drop(server);

    std::fs::write(folder.path().join("mine"), "").unwrap();
    postgres::erase(folder.path()).await.unwrap();
    let left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
}

#[tokio::test]
async fn data_that_cannot_be_used_is_refused_with_what_to_do() {
    let refusal = async |prepare: &dyn Fn(&Path)| {
        let folder = folder();
        let data = folder.path().join("pgdata");
        std::fs::create_dir(&data).unwrap();
        prepare(&data);
        Account::choose().unwrap().own(&data).unwrap();
        Server::start(Options::kept(folder.path())).await.unwrap_err().to_string()
    };
    let incomplete = refusal(&|_| {}).await;
    assert!(incomplete.contains("incomplete") && incomplete.contains("payaid dev --reset"), "{incomplete}");
    let older = refusal(&|data| {
        std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
        std::fs::create_dir(data.join("global")).unwrap();
        std::fs::write(data.join("global/pg_control"), "").unwrap();
    })
    .await;
    assert!(older.contains("made by PostgreSQL 9") && older.contains("install postgresql-9"), "{older}");
    let foreign = folder();
    std::fs::write(foreign.path().join("PG_VERSION"), "15\n").unwrap();
    let foreign = Server::start(Options::kept(foreign.path())).await.unwrap_err().to_string();
    assert!(foreign.contains("payaid did not make"), "{foreign}");
}

#[tokio::test]
async fn making_data_that_was_interrupted_is_done_again() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("pgdata.new/base")).unwrap();
    let server = Server::start(Options { durable: false, ..Options::kept(folder.path()) }).await.unwrap();
    server.stop().await;
    assert!(!folder.path().join("pgdata.new").exists());
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_leaves_nothing() {
    let settings = vec![("work_mem".to_owned(), "plenty".to_owned())];
    let refused = Server::start(Options { settings, ..Options::temporary() }).await.unwrap_err().to_string();
    assert!(refused.contains(r#"invalid value for parameter "work_mem""#), "{refused}");
}

#[tokio::test]
async fn a_port_asks_for_a_password() {
    let server = Server::start(Options { tcp: true, ..Options::temporary() }).await.unwrap();
    connect(&server).await.batch_execute("CREATE ROLE app LOGIN PASSWORD 'secret'").await.unwrap();
    let port = server.port();
    assert_ne!(port, 5432);
    tokio_postgres::connect(&format!("postgres://app:secret@127.0.0.1:{port}/postgres"), NoTls).await.map(drop).unwrap();
    tokio_postgres::connect(&format!("postgres://app:wrong@127.0.0.1:{port}/postgres"), NoTls).await.map(drop).unwrap_err();
    tokio_postgres::connect(&format!("postgres://postgres@127.0.0.1:{port}/postgres"), NoTls).await.map(drop).unwrap_err();
}

#[tokio::test]
async fn redis_answers_and_comes_back_empty() {
    let mut server = redis::Server::start().await.unwrap();
    let path = server.url().strip_prefix("redis+unix://").unwrap().to_owned();
    assert!(Path::new(&path).exists());
    let pid = server.pid();
    server.kill().await;
    assert!(!server.is_running());
    server.restart().await.unwrap();
    assert_ne!(server.pid(), pid);
    server.stop().await;
    assert!(!Path::new(&path).exists());
}

/// What the next test kills: this program again, in a process of its own; otherwise it has nothing to do.
#[tokio::test]
async fn holds_servers() {
    if std::env::var_os("HOLD_SERVERS").is_none() {
        return;
    }
    let primary = Server::start(Options::temporary()).await.unwrap();
    let replica = primary.replica(Options::temporary()).await.unwrap();
    let redis = redis::Server::start().await.unwrap();
    let folders = format!("{} {}", primary.socket_dir().display(), replica.socket_dir().display());
    writeln!(std::io::stdout(), "\nholds {} {} {} {folders}", primary.pid(), replica.pid(), redis.pid()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[test]
fn servers_go_with_a_process_that_is_killed() {
    let name = format!("{}::holds_servers", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--nocapture"]).env("HOLD_SERVERS", "1").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("holds ")).unwrap();
    let held: Vec<&str> = line.split(' ').skip(1).collect();
    let (pids, folders) = held.split_at(3);
    assert!(pids.iter().all(|pid| Path::new("/proc").join(pid).exists()));

    child.kill().unwrap();
    child.wait().unwrap();
    for pid in pids {
        // In state Z it has ended, but process 1 has not yet taken note.
        let ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        until("a server outlives its process", ended);
    }
    until("a folder outlives its server", || folders.iter().all(|folder| !Path::new(folder).exists()));
}
