//! Workers that die in the middle of their work: processes of their own, which are this program, asked to be a worker.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use payaid::access::jobs::{Enqueue, Failed, Job, Performing, Queue, Registry, Run};
use payaid::access::writing::write_as;
use payaid::access::{Act, Services};
use payaid::base::clock::SystemClock;
use payaid::base::{Code, Error};
use payaid::features::messages::jobs::SendEmail;
use payaid::platform::config::SmtpTls;
use payaid::platform::jobs::Work;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{enqueue, scope_of, state, until_state, worker_url};
use crate::harness::TestApp;
use crate::harness::app::config;
use crate::harness::exim::{Exim, Line, message_id};
use crate::harness::servers::shared;
use crate::harness::waiting::until;

/// Tells a receiver its id.
#[derive(Serialize, Deserialize, Clone)]
struct Tells {
    receiver: String,
}

impl Job for Tells {
    const NAME: &'static str = "test_tells";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, run: Run) -> Result<(), Failed> {
        let sent = reqwest::Client::builder().no_proxy().build().unwrap().post(&self.receiver).body(run.id.to_string()).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            other => Err(Failed::After(Duration::from_millis(50), Error::new(Code::ExternalServiceError, format!("{other:?}")))),
        }
    }
}

/// Ends its process.
#[derive(Serialize, Deserialize)]
struct Poison;

impl Job for Poison {
    const NAME: &'static str = "test_poison";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, _: Run) -> Result<(), Failed> {
        std::process::abort()
    }
}

/// What is set where this program shall be a worker: its databases' addresses, and the port of a mail server where there is one.
const AS_WORKER: &str = "PAYAID_TEST_WORKER";

/// No test of its own: the worker of the others.
#[tokio::test(flavor = "multi_thread")]
async fn worker_process() {
    let Ok(urls) = std::env::var(AS_WORKER) else { return };
    let urls: Vec<&str> = urls.split(' ').collect();
    payaid::access::tokens::install_crypto();
    let mut config = config(urls[0]);
    if let Some(port) = urls.get(2) {
        config.mail.smtp_host = Some("127.0.0.1".to_owned());
        config.mail.smtp_port = Some(port.parse().unwrap());
        config.mail.smtp_tls = SmtpTls::None;
        config.mail.mail_from = Some("no-reply@sharma.example".to_owned());
    }
    let services = Services::new(&config, Arc::new(SystemClock)).unwrap();
    let mut registry = Registry::default();
    registry.add::<Tells>();
    registry.add::<Poison>();
    registry.add::<SendEmail>();
    let performing = Performing::new(services, Arc::new(registry));
    Work::new(urls[1]).unwrap().run(Arc::new(performing), &[], std::future::pending().boxed().shared(), Duration::ZERO).await.unwrap();
}

async fn start_worker(app: &TestApp) -> Child {
    start_worker_beside(app, "").await
}

/// A worker that sends mail by the server on this port.
async fn start_worker_by(app: &TestApp, exim: &Exim) -> Child {
    start_worker_beside(app, &format!(" {}", exim.port)).await
}

async fn start_worker_beside(app: &TestApp, port: &str) -> Child {
    let server = shared().await.primary.url(&app.database, "payaid_server");
    let urls = format!("{server} {}{port}", worker_url(app).await);
    Command::new(std::env::current_exe().unwrap())
        .args(["jobs::dying::worker_process", "--exact", "--nocapture"])
        .env(AS_WORKER, urls)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A receiver that does what it is told once for each id, and counts how often it is told.
#[derive(Clone, Default)]
struct Receiver {
    told: Arc<Mutex<Vec<String>>>,
    /// While it is silent, it does what it is told, and whoever has told it does not hear of it.
    silent: Arc<AtomicBool>,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let own = self.clone();
        let answer = async move |id: String| {
            own.told.lock().unwrap().push(id);
            while own.silent.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/", axum::routing::post(answer))).await.unwrap() });
        url
    }

    fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_no_job_and_each_has_one_effect() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let receiver = Receiver::default();
    let job = Tells { receiver: receiver.start().await };
    let jobs: Vec<Uuid> = write_as(&app.app.services, scope, move |act: Act| async move {
        let mut ids = Vec::new();
        for _ in 0..200 {
            ids.push(act.enqueue(&job, Enqueue::default()).await?);
        }
        Ok(ids)
    })
    .await
    .unwrap();
    for at_least in [40, 120] {
        let mut worker = start_worker(&app).await;
        until("some are done", async || receiver.count() >= at_least).await;
        receiver.silent.store(true, Ordering::SeqCst);
        let told = receiver.count();
        until("some are in the middle", async || receiver.count() > told).await;
        worker.kill().await.unwrap();
        receiver.silent.store(false, Ordering::SeqCst);
    }
    let mut last = start_worker(&app).await;
    let db = app.superuser().await;
    until("all are done", async || {
        let left: i64 = db.query_one("SELECT count(*) FROM jobs WHERE state <> 'DONE'", &[]).await.unwrap().get(0);
        left == 0
    })
    .await;
    last.kill().await.unwrap();
    let mut told = receiver.told.lock().unwrap().clone();
    let often = told.len();
    told.sort();
    told.dedup();
    assert!(often > told.len(), "nothing was in the middle when the workers were killed");
    let mut wanted: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    wanted.sort();
    assert_eq!(told, wanted, "each effect once, at a receiver that goes by the id");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_in_the_middle_of_a_worker_that_is_killed_arrives_under_one_name() {
    let (app, exim) = (TestApp::start().await, Exim::start().await);
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for number in 0..3 {
        let mail = json!({"channel": "EMAIL", "to": format!("asha{number}@example.org"), "subject": "s", "body": "b", "transactional": true});
        owner.done("messageSend", mail, "message { id }").await;
    }
    // All are taken, and the worker has not heard of it.
    exim.line(Line::SilentWhenTaken);
    let mut worker = start_worker_by(&app, &exim).await;
    exim.delivered(3).await;
    worker.kill().await.unwrap();
    exim.line(Line::Sound);
    let mut worker = start_worker_by(&app, &exim).await;
    let db = app.superuser().await;
    let sent = "SELECT count(*) FROM messages WHERE state = 'SENT' AND NOT uncertain AND attempts = 2";
    until("all are sent", async || db.query_one(sent, &[]).await.unwrap().get::<_, i64>(0) == 3).await;
    worker.kill().await.unwrap();
    let mut names: Vec<String> = exim.delivered(6).await.iter().map(|mail| message_id(mail)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_its_process_is_given_up_and_stops_no_other() {
    let app = TestApp::start().await;
    let scope = scope_of(&app, &app.sign_up("Sharma", "owner@sharma.example").await).await;
    let receiver = Receiver::default();
    let job = Tells { receiver: receiver.start().await };
    let poison = enqueue(&app, &scope, Poison, Enqueue { attempts: Some(2), ..Enqueue::default() }).await;
    let others = [enqueue(&app, &scope, job.clone(), Enqueue::default()).await, enqueue(&app, &scope, job, Enqueue::default()).await];
    // Whoever starts workers starts them again when they end.
    let mut ended = 0;
    let mut worker = start_worker(&app).await;
    until("the poison is given up", async || {
        if worker.try_wait().unwrap().is_some() {
            ended += 1;
            worker = start_worker(&app).await;
        }
        state(&app, poison).await.0 == "DEAD"
    })
    .await;
    let (_, attempts, reason) = state(&app, poison).await;
    assert!(ended >= 2 && attempts == 2 && reason.as_deref().unwrap().starts_with("The process that ran it ended"), "{ended} {attempts} {reason:?}");
    for other in others {
        until_state(&app, other, "DONE").await;
    }
    worker.kill().await.unwrap();
}
