//! Messages and the jobs that send them: when a job is given up, so is its message, and somebody may have it done again.

use std::sync::Arc;
use std::time::Duration;

use payaid::access::jobs::Performing;
use payaid::base::clock::SystemClock;
use payaid::features::jobs::model::JobId;
use payaid::platform::config::{ServerConfig, SmtpTls};
use payaid::platform::jobs::{Perform, Queue, Ticket};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Business, MSG91, SENDGRID, text};
use crate::harness::exim::{Exim, Line, message_id};

/// Sends by this server, which gets so much time to say that it has taken a mail.
pub fn by(exim: &Exim, patience: Duration) -> impl FnOnce(&mut ServerConfig) + use<> {
    let port = exim.port;
    move |config| {
        config.mail.sendgrid_api_key = None;
        config.mail.smtp_host = Some("127.0.0.1".to_owned());
        config.mail.smtp_port = Some(port);
        config.mail.smtp_tls = SmtpTls::None;
        config.mail.smtp_timeout = patience;
    }
}

impl Business {
    /// Has a job performed as a worker does, whenever it is due.
    pub async fn perform(&self, queue: Queue, job: Uuid) {
        self.perform_by(&self.app.app.performing(), queue, job).await;
    }

    async fn perform_by(&self, performing: &Performing, queue: Queue, job: Uuid) {
        let organization = format!("SELECT organization_id::text FROM jobs WHERE id = '{job}'");
        let organization: String = self.app.superuser().await.query_one(&organization, &[]).await.unwrap().get(0);
        performing.job(queue, Ticket { organization: organization.parse().unwrap(), job, fresh: false }).await.unwrap();
    }

    pub async fn job(&self, job: Uuid) -> (String, i32, String) {
        let text = format!("SELECT state, attempts, coalesce(last_error, '') FROM jobs WHERE id = '{job}'");
        let row = self.app.superuser().await.query_one(&text, &[]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    async fn retry_job(&self, job: Uuid) {
        let id = JobId::new(job).to_string();
        let version: Value = self.owner.data("query($id: ID!) { job(id: $id) { version } }", json!({"id": id})).await["job"]["version"].take();
        self.owner.done("jobRetry", json!({"id": id, "version": version}), "job { state }").await;
    }

    pub async fn mail_to_address(&self, to: &str) -> String {
        let mail = json!({"channel": "EMAIL", "to": to, "subject": "Your order", "body": "It is ready.", "transactional": true});
        text(&self.owner.done("messageSend", mail, "message { id }").await["message"]["id"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_silent_behind_the_text_leaves_no_mail_waiting() {
    let exim = Exim::start().await;
    let business = Business::with(by(&exim, Duration::from_millis(200)), Arc::new(SystemClock)).await;
    exim.line(Line::SilentWhenTaken);
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    let job = business.job_of(&id).await;
    for state in ["QUEUED", "QUEUED", "DEAD"] {
        business.perform(Queue::Email, job).await;
        assert_eq!(business.job(job).await.0, state);
    }
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"], &message["attempts"]), (&json!("FAILED"), &json!(true), &json!(3)));
    assert!(business.job(job).await.2.contains("may have been sent"), "{:?}", business.job(job).await);
    // Each was taken, under the one name by which mail programs tell.
    let ids: Vec<String> = exim.delivered(3).await.iter().map(|mail| message_id(mail)).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_job_is_given_up_waits_for_nobody_until_the_job_is_done_again() {
    let exim = Exim::start().await;
    let business = Business::with(by(&exim, Duration::from_secs(100)), Arc::new(SystemClock)).await;
    exim.line(Line::SilentWhenTaken);
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    let job = business.job_of(&id).await;
    let once = format!("UPDATE jobs SET max_attempts = 1 WHERE id = '{job}'");
    business.app.superuser().await.execute(&once, &[]).await.unwrap();
    let hasty = Performing::new(business.app.app.services.clone(), Arc::clone(&business.app.app.jobs)).within(Duration::from_secs(2));
    business.perform_by(&hasty, Queue::Email, job).await;
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"]), (&json!("FAILED"), &json!(true)));
    assert_eq!(message["error"], "It took longer than 2 s.");
    exim.line(Line::Sound);
    business.retry_job(job).await;
    business.perform(Queue::Email, job).await;
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"], &message["error"]), (&json!("SENT"), &json!(false), &Value::Null));
    assert_eq!(business.job(job).await.0, "DONE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refuses_stands_among_the_dead_and_a_bad_address_does_not() {
    let exim = Exim::start().await;
    let business = Business::with(by(&exim, Duration::from_secs(10)), Arc::new(SystemClock)).await;
    for (to, state, of_job) in [("policy@example.org", "FAILED", "DEAD"), ("nobody@example.org", "BOUNCED", "DONE")] {
        let id = business.mail_to_address(to).await;
        let job = business.job_of(&id).await;
        business.perform(Queue::Email, job).await;
        assert_eq!((business.state(&id).await.as_str(), business.job(job).await.0.as_str()), (state, of_job), "{to}");
        assert_eq!(business.job(job).await.2.contains("5.7.1"), of_job == "DEAD");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_in_doubt_goes_again_when_somebody_has_its_job_done_again() {
    let business = Business::open().await;
    business.scripted.hangs(MSG91);
    let id = business.sms_to(&business.contact("Asha").await, &business.sms_template().await).await;
    let job = business.job_of(&id).await;
    business.perform(Queue::Sms, job).await;
    assert_eq!((business.state(&id).await.as_str(), business.job(job).await.0.as_str()), ("FAILED", "DEAD"));
    business.scripted.forget();
    business.scripted.says(MSG91, 200, json!({"type": "success", "message": "req91"}).to_string());
    business.retry_job(job).await;
    business.perform(Queue::Sms, job).await;
    assert_eq!((business.state(&id).await.as_str(), business.scripted.asked().len()), ("SENT", 1));
}

/// The wait for a row that somebody holds ends as a conflict: what a provider took must be written all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_an_attempt_is_written_although_somebody_holds_the_row() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    let held = "CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO PUBLIC; CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF NEW.provider IS NOT NULL AND nextval('tries') < 3 THEN RAISE EXCEPTION 'canceling statement due to lock timeout' USING ERRCODE = '55P03'; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER held BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION held()";
    business.app.superuser().await.batch_execute(held).await.unwrap();
    business.send_mail(&id).await.unwrap();
    assert_eq!((business.state(&id).await.as_str(), business.scripted.asked().len()), ("SENT", 1));
}
