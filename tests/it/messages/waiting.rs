//! Mail that nobody takes now waits and is not lost; and of two jobs of a message one sends it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use payaid::access::jobs::{Job, Run};
use payaid::access::writing::write_as;
use payaid::base::SharedClock;
use payaid::features::messages::actions::delivery::{self, Attempt, Next, Outcome};
use payaid::features::messages::jobs::SendEmail;
use payaid::platform::config::{MailConfig, SmtpTls};
use payaid::platform::jobs::Queue;
use payaid::platform::mail::Mailer;
use serde_json::json;
use uuid::Uuid;

use super::given_up::by;
use super::{Business, SELECT, SENDGRID, reason, row};
use crate::harness::app::PASSWORD;
use crate::harness::clock::HeldClock;
use crate::harness::exim::Exim;

const NOW: &str = "2026-11-21T10:00:00Z";

impl Business {
    /// When the job of a message is due.
    async fn due(&self, message: &str) -> DateTime<Utc> {
        let text = format!("SELECT run_at FROM jobs WHERE id = '{}'", self.job_of(message).await);
        self.app.superuser().await.query_one(&text, &[]).await.unwrap().get(0)
    }

    /// All attempts of the job of a message.
    async fn exhaust(&self, message: &str) -> Uuid {
        let job = self.job_of(message).await;
        for _ in 0..3 {
            self.perform(Queue::Email, job).await;
        }
        job
    }

    /// The state of a message, whatever the clock says of its reader.
    async fn raw_state(&self, message: &str) -> String {
        let text = format!("SELECT state FROM messages WHERE id = '{}'", row(message));
        self.app.superuser().await.query_one(&text, &[]).await.unwrap().get(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_a_mail_server_that_is_down_for_a_minute_and_goes_out_once() {
    let mut exim = Exim::start().await;
    let clock = Arc::new(HeldClock::at(NOW));
    let business = Business::with(by(&exim, Duration::from_secs(20)), Arc::clone(&clock) as SharedClock).await;
    let id = business.mail_to_address("asha@example.org").await;
    exim.stop().await;
    let now = || payaid::base::Clock::now(&*clock);
    let mut over = Vec::new();
    for minutes in [1, 2] {
        let job = business.exhaust(&id).await;
        assert_eq!((business.job(job).await.0.as_str(), business.state(&id).await.as_str()), ("DONE", "QUEUED"));
        assert_eq!(business.due(&id).await, now() + TimeDelta::minutes(minutes));
        assert!(business.message(&id).await["error"].as_str().unwrap().contains("no connection"));
        over.push(job);
        clock.advance(TimeDelta::minutes(minutes));
    }
    exim.start_again();
    // A job from before has nothing to do with it any more.
    over.push(business.job_of(&id).await);
    let services = &business.app.app.services;
    for job in over {
        let scope = services.authenticate(business.owner.token.as_deref().unwrap(), None, "test".into()).await.unwrap();
        SendEmail { message: row(&id) }.run(Run { id: job, services: services.clone(), scope, attempt: 1, attempts: 3 }).await.unwrap();
    }
    assert_eq!(business.state(&id).await, "SENT");
    exim.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_nobody_took_for_a_day_is_given_up() {
    let mut exim = Exim::start().await;
    let clock = Arc::new(HeldClock::at(NOW));
    let business = Business::with(by(&exim, Duration::from_secs(20)), Arc::clone(&clock) as SharedClock).await;
    let id = business.mail_to_address("asha@example.org").await;
    exim.stop().await;
    let tried = format!("UPDATE messages SET attempts = 60 WHERE id = '{}'", row(&id));
    business.app.superuser().await.execute(&tried, &[]).await.unwrap();
    clock.advance(TimeDelta::minutes(23 * 60 + 59));
    business.exhaust(&id).await;
    assert_eq!(
        (business.raw_state(&id).await.as_str(), business.due(&id).await),
        ("QUEUED", payaid::base::Clock::now(&*clock) + TimeDelta::hours(1))
    );
    clock.advance(TimeDelta::minutes(1));
    let job = business.exhaust(&id).await;
    assert_eq!((business.raw_state(&id).await.as_str(), business.job(job).await.0.as_str()), ("FAILED", "DEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_got_stuck_is_tried_again_and_its_first_job_no_longer_decides() {
    let clock = Arc::new(HeldClock::at(NOW));
    let mut business = Business::with(|_| (), Arc::clone(&clock) as SharedClock).await;
    business.scripted.says(SENDGRID, 202, "");
    let id = business.mail_to_address("asha@example.org").await;
    let first = business.begin(&id).await;
    let retry = json!({"id": id, "version": business.message(&id).await["version"]});
    for (minutes, open) in [(14, false), (2, true)] {
        clock.advance(TimeDelta::minutes(minutes));
        business.owner = business.app.sign_in("owner@sharma.example", PASSWORD).await;
        let payload = business.owner.mutate("messageRetry", retry.clone(), SELECT).await;
        assert_eq!(payload["message"]["state"] == "QUEUED", open, "{payload}");
    }
    let second = business.begin(&id).await;
    assert_ne!(first, second);
    let finish = async |outcome: Outcome| {
        let (run, attempt, id) = (business.run_of(&id, 1, 3).await, Attempt { job: first, number: 3, of: 3 }, row(&id));
        write_as(&run.services, run.scope.clone(), move |act| async move { delivery::finish(&act, id, attempt, false, outcome).await }).await.unwrap()
    };
    for outcome in [Outcome::Refused(reason("5.7.1")), Outcome::Later(reason("4.3.0")), Outcome::Unknown(reason("lost"))] {
        assert_eq!(finish(outcome).await, Next::Over);
        assert_eq!((business.state(&id).await.as_str(), business.job_of(&id).await), ("QUEUED", second));
    }
    finish(Outcome::Sent { provider: "sendgrid", reference: None, subject: None, body: None }).await;
    assert_eq!(business.state(&id).await, "SENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_waits_for_goes_before_offers() {
    let business = Business::open().await;
    let contact = business.contact("Asha").await;
    for (transactional, priority) in [(true, "HIGH"), (false, "NORMAL")] {
        let job = business.job_of(&business.mail_to(&contact, transactional).await).await;
        let text = format!("SELECT priority FROM jobs WHERE id = '{job}'");
        assert_eq!(business.app.superuser().await.query_one(&text, &[]).await.unwrap().get::<_, String>(0), priority);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patience_that_does_not_fit_into_a_job_is_refused_at_the_start() {
    payaid::access::tokens::install_crypto();
    let of = |minutes: u64| MailConfig {
        smtp_host: Some("127.0.0.1".to_owned()),
        smtp_tls: SmtpTls::None,
        smtp_timeout: Duration::from_secs(minutes * 60),
        mail_from: Some("no-reply@example.in".to_owned()),
        ..MailConfig::default()
    };
    let start = |config: &MailConfig| Mailer::new(config, Arc::new(HeldClock::at(NOW))).map(drop);
    start(&of(2)).unwrap();
    let refused = start(&of(4)).unwrap_err().to_string();
    assert!(refused.contains("SMTP_TIMEOUT") && refused.contains("315 s") && refused.contains("300 s"), "{refused}");
}
