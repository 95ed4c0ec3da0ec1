//! Messages: sent once, noted on the timeline, tried again, held up for who wants none, and led on by what comes back.

mod given_up;
mod reported;
mod returning;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use payaid::access::jobs::{Failed, Job, Run};
use payaid::access::writing::write_as;
use payaid::base::SharedClock;
use payaid::base::clock::SystemClock;
use payaid::base::id::AnyId;
use payaid::features::messages::actions::delivery::{self, Attempt, Next, Outcome, Reason};
use payaid::features::messages::jobs::{SendEmail, SendSms};
use payaid::platform::config::ServerConfig;
use payaid::platform::jobs::Work;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::harness::answering::Answering;
use crate::harness::clock::HeldClock;
use crate::harness::servers::shared;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

const SENDGRID: &str = "/v3/mail/send";
const MSG91: &str = "/api/v5/flow";
const SELECT: &str = "message { id version state attempts error provider mayHaveBeenSent to sentAt contact { id } }";

/// A business whose mail goes to SendGrid and whose text messages to MSG91, both scripted.
struct Business {
    app: TestApp,
    owner: Client,
    scripted: Answering,
}

impl Business {
    async fn open() -> Self {
        Self::with(|_| (), Arc::new(SystemClock)).await
    }

    async fn with(adjust: impl FnOnce(&mut ServerConfig), clock: SharedClock) -> Self {
        let scripted = Answering::start().await;
        let url = scripted.url.clone();
        let configure = |config: &mut ServerConfig| {
            config.mail.sendgrid_api_key = Some("SG.key".to_owned().into());
            config.mail.sendgrid_url.clone_from(&url);
            config.mail.mail_from = Some("Sharma <no-reply@sharma.example>".to_owned());
            config.mail.public_url = "https://api.sharma.example".to_owned();
            config.sms.msg91_auth_key = Some("key".to_owned().into());
            config.sms.msg91_url = url;
            config.sms.sms_timeout = Duration::from_millis(500);
            adjust(config);
        };
        let app = TestApp::with(configure, clock).await;
        let owner = app.sign_up("Sharma", "owner@sharma.example").await;
        Self { app, owner, scripted }
    }

    async fn contact(&self, name: &str) -> String {
        let contact = json!({"name": name, "email": format!("{}@contact.example", name.to_lowercase()), "phone": "+919876543210"});
        text(&self.owner.done("contactCreate", contact, "contact { id }").await["contact"]["id"])
    }

    async fn mail_to(&self, contact: &str, transactional: bool) -> String {
        let mail = json!({"channel": "EMAIL", "contactId": contact, "subject": "Your order", "body": "It is ready.\nThank you", "transactional": transactional});
        text(&self.owner.done("messageSend", mail, SELECT).await["message"]["id"])
    }

    async fn sms_template(&self) -> String {
        let template = json!({"name": "Due", "dltTemplateId": "1107160000000000001", "dltEntityId": "1101160000000000001", "header": "SHARMA",
            "body": "Dear {#var#}, Rs {#numeric#} is due.", "variables": [{"name": "name", "kind": "TEXT"}, {"name": "sum", "kind": "NUMBER"}]});
        text(&self.owner.done("smsTemplateCreate", template, "smsTemplate { id }").await["smsTemplate"]["id"])
    }

    async fn sms_to(&self, contact: &str, template: &str) -> String {
        let variables = json!([{"name": "sum", "value": "1,250"}, {"name": "name", "value": "Asha"}]);
        let sms = json!({"channel": "SMS", "contactId": contact, "smsTemplateId": template, "variables": variables});
        text(&self.owner.done("messageSend", sms, SELECT).await["message"]["id"])
    }

    async fn message(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ {} }}", SELECT.replace("message {", "message(id: $id) { body subject providerReference deliveredAt"));
        self.owner.data(&query, json!({"id": id})).await["message"].take()
    }

    async fn state(&self, id: &str) -> String {
        text(&self.message(id).await["state"])
    }

    /// The job that a message names.
    async fn job_of(&self, message: &str) -> Uuid {
        let text = format!("SELECT job_id::text FROM messages WHERE id = '{}'", row(message));
        self.app.superuser().await.query_one(&text, &[]).await.unwrap().get::<_, String>(0).parse().unwrap()
    }

    /// An attempt of the job of a message.
    async fn run_of(&self, message: &str, attempt: i32, attempts: i32) -> Run {
        let services = self.app.app.services.clone();
        let scope = services.authenticate(self.owner.token.as_deref().unwrap(), None, "test".into()).await.unwrap();
        Run { id: self.job_of(message).await, services, scope, attempt, attempts }
    }

    /// Runs the job of a mail, as the first of three attempts.
    async fn send_mail(&self, message: &str) -> Result<(), Failed> {
        SendEmail { message: row(message) }.run(self.run_of(message, 1, 3).await).await
    }

    async fn send_sms(&self, message: &str) -> Result<(), Failed> {
        SendSms { message: row(message) }.run(self.run_of(message, 1, 2).await).await
    }

    async fn finish(&self, message: &str, outcome: Outcome, number: i32) -> Next {
        let (run, id) = (self.run_of(message, number, 3).await, row(message));
        let attempt = Attempt { job: run.id, number, of: 3 };
        write_as(&run.services, run.scope.clone(), move |act| async move { delivery::finish(&act, id, attempt, false, outcome).await }).await.unwrap()
    }

    /// Begins the first attempt of a message's job; which job that is.
    async fn begin(&self, message: &str) -> Uuid {
        let (run, id) = (self.run_of(message, 1, 3).await, row(message));
        let attempt = Attempt { job: run.id, number: 1, of: 3 };
        let begun = write_as(&run.services, run.scope.clone(), move |act| async move { delivery::begin(&act, id, attempt).await }).await;
        assert!(begun.unwrap().is_ok());
        run.id
    }

    async fn timeline(&self, contact: &str) -> Value {
        let query = "query($id: ID!) { contact(id: $id) { activities { nodes { kind subject body } } messages { nodes { id } } } }";
        self.owner.data(query, json!({"id": contact})).await["contact"].take()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text in {value}")).to_owned()
}

fn row(id: &str) -> Uuid {
    AnyId::parse(id).unwrap().uuid
}

fn reason(text: &str) -> Reason {
    Reason { provider: "smtp", text: text.to_owned() }
}

fn refused(payload: &Value) -> (&str, &str) {
    (payload["userErrors"][0]["code"].as_str().unwrap_or_default(), payload["userErrors"][0]["message"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_sent_once_and_stands_on_the_timeline() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let contact = business.contact("Asha").await;
    let id = business.mail_to(&contact, false).await;
    assert_eq!(business.message(&id).await["state"], "QUEUED");
    assert_eq!(business.timeline(&contact).await["activities"]["nodes"], json!([]));
    // A job that is run again, because its worker died before it was done, sends nothing more.
    for _ in 0..2 {
        business.send_mail(&id).await.unwrap();
    }
    let asked = business.scripted.asked();
    assert_eq!(asked.len(), 1);
    for part in ["asha@contact.example", "It is ready.", "https://api.sharma.example/unsubscribe/", "One-Click", "owner@sharma.example"] {
        assert!(asked[0].body.contains(part), "{part}: {}", asked[0].body);
    }
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["provider"], &message["attempts"]), (&json!("SENT"), &json!("sendgrid"), &json!(1)));
    assert_eq!((&message["mayHaveBeenSent"], &message["error"]), (&json!(false), &Value::Null));
    let timeline = business.timeline(&contact).await;
    assert_eq!(timeline["activities"]["nodes"], json!([{"kind": "EMAIL", "subject": "Your order", "body": "It is ready.\nThank you"}]));
    assert_eq!(timeline["messages"]["nodes"], json!([{"id": id}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_fails_is_tried_again_and_then_given_up_until_somebody_retries() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 500, "");
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    assert!(matches!(business.send_mail(&id).await, Err(Failed::Again(_))));
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"]), (&json!("QUEUED"), &json!(false)));
    business.scripted.forget();
    business.scripted.says(SENDGRID, 400, json!({"errors": [{"message": "Not this text"}]}).to_string());
    assert!(matches!(business.send_mail(&id).await, Err(Failed::Never(_))));
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["attempts"]), (&json!("FAILED"), &json!(2)));
    assert!(text(&message["error"]).to_lowercase().contains("sendgrid"), "{message}");
    let stale = business.owner.mutate("messageRetry", json!({"id": id, "version": 1}), SELECT).await;
    assert_eq!(refused(&stale).0, "CONFLICT");
    let again = business.owner.done("messageRetry", json!({"id": id, "version": message["version"]}), SELECT).await;
    assert_eq!((&again["message"]["state"], &again["message"]["error"]), (&json!("QUEUED"), &Value::Null));
    business.scripted.forget();
    business.scripted.says(SENDGRID, 202, "");
    business.send_mail(&id).await.unwrap();
    let message = business.message(&id).await;
    assert_eq!(message["state"], "SENT");
    let once_more = business.owner.mutate("messageRetry", json!({"id": id, "version": message["version"]}), SELECT).await;
    assert_eq!(refused(&once_more).0, "VALIDATION_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_in_doubt_says_so_and_keeps_its_place() {
    let business = Business::open().await;
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    business.begin(&id).await;
    assert_eq!(business.message(&id).await["mayHaveBeenSent"], true);
    assert_eq!(business.finish(&id, Outcome::Unknown(reason("lost after DATA")), 1).await, Next::Again);
    let found = business.message(&id).await;
    assert_eq!((&found["state"], &found["mayHaveBeenSent"]), (&json!("QUEUED"), &json!(true)));
    // What the next attempt hears says nothing of the one before.
    business.scripted.says(SENDGRID, 500, "");
    SendEmail { message: row(&id) }.run(business.run_of(&id, 2, 3).await).await.unwrap_err();
    assert_eq!(business.message(&id).await["mayHaveBeenSent"], true);
    let given_up = Next::Never("lost after DATA".to_owned());
    assert_eq!(business.finish(&id, Outcome::Unknown(reason("lost after DATA")), 3).await, given_up);
    let found = business.message(&id).await;
    assert_eq!((&found["state"], &found["mayHaveBeenSent"], &found["error"]), (&json!("FAILED"), &json!(true), &json!("lost after DATA")));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_hourly_cap_mail_waits_for_the_next_hour() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:20:00Z"));
    let business = Business::with(|config| config.mail.mail_hourly = 1, Arc::clone(&clock) as SharedClock).await;
    business.scripted.says(SENDGRID, 202, "");
    let contact = business.contact("Asha").await;
    let (first, second) = (business.mail_to(&contact, true).await, business.mail_to(&contact, true).await);
    business.send_mail(&first).await.unwrap();
    business.send_mail(&second).await.unwrap();
    let waiting = business.message(&second).await;
    assert_eq!((&waiting["state"], business.scripted.asked().len()), (&json!("QUEUED"), 1));
    assert!(text(&waiting["error"]).contains("1 mails"), "{waiting}");
    let due = "SELECT count(*) FROM messages m JOIN jobs j ON j.id = m.job_id WHERE j.run_at = '2026-11-21T11:00:00Z'";
    assert_eq!(business.app.superuser().await.query_one(due, &[]).await.unwrap().get::<_, i64>(0), 1);
    let run = business.run_of(&second, 1, 3).await;
    clock.advance(TimeDelta::minutes(40));
    SendEmail { message: row(&second) }.run(run).await.unwrap();
    assert_eq!(business.scripted.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_taken_is_not_counted_as_sent() {
    let clock = Arc::new(HeldClock::at("2026-11-21T10:20:00Z"));
    let business = Business::with(|config| config.mail.mail_hourly = 2, clock as SharedClock).await;
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    for status in [503, 503, 202] {
        business.scripted.says(SENDGRID, status, "");
    }
    for attempt in [1, 2] {
        let sent = SendEmail { message: row(&id) }.run(business.run_of(&id, attempt, 3).await).await;
        assert!(matches!(sent, Err(Failed::Again(_))), "{sent:?}");
    }
    SendEmail { message: row(&id) }.run(business.run_of(&id, 3, 3).await).await.unwrap();
    assert_eq!((business.state(&id).await.as_str(), business.scripted.asked().len()), ("SENT", 3));
    // Nor is what was sent already.
    business.send_mail(&id).await.unwrap();
    let second = business.mail_to(&business.contact("Binod").await, true).await;
    business.send_mail(&second).await.unwrap();
    assert_eq!((business.state(&second).await.as_str(), business.scripted.asked().len()), ("SENT", 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_is_made_from_its_registered_text() {
    let business = Business::open().await;
    business.scripted.says(MSG91, 200, json!({"type": "success", "message": "req91"}).to_string());
    let (contact, template) = (business.contact("Asha").await, business.sms_template().await);
    let id = business.sms_to(&contact, &template).await;
    business.send_sms(&id).await.unwrap();
    let recipient = json!({"mobiles": "919876543210", "VAR1": "Asha", "VAR2": "1,250"});
    assert_eq!(business.scripted.asked()[0].json()["recipients"], json!([recipient]));
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["providerReference"]), (&json!("SENT"), &json!("req91")));
    assert_eq!(message["body"], "Dear Asha, Rs 1,250 is due.");
    assert_eq!(business.timeline(&contact).await["activities"]["nodes"][0]["kind"], "SMS");
    // What is wrong is said of each variable, and nothing but a registered text is sent.
    let wrong = json!({"channel": "SMS", "contactId": contact, "smsTemplateId": template, "variables": [{"name": "sum", "value": "soon"}]});
    let payload = business.owner.mutate("messageSend", wrong, SELECT).await;
    assert_eq!(payload["userErrors"].as_array().unwrap().len(), 2, "{payload}");
    let free = business.owner.mutate("messageSend", json!({"channel": "SMS", "to": "9876543210", "body": "Hello"}), SELECT).await;
    assert_eq!(refused(&free).0, "VALIDATION_ERROR");
    // Without its text a message cannot be sent any more.
    let late = business.sms_to(&contact, &template).await;
    business.owner.done("smsTemplateDelete", json!({"id": template}), "deletedIds").await;
    business.send_sms(&late).await.unwrap();
    assert_eq!(business.state(&late).await, "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_in_doubt_is_not_sent_again_by_itself() {
    let business = Business::open().await;
    business.scripted.hangs(MSG91);
    let id = business.sms_to(&business.contact("Asha").await, &business.sms_template().await).await;
    assert!(matches!(business.send_sms(&id).await, Err(Failed::Never(_))));
    SendSms { message: row(&id) }.run(business.run_of(&id, 2, 2).await).await.unwrap();
    let message = business.message(&id).await;
    assert_eq!((&message["state"], &message["mayHaveBeenSent"], business.scripted.asked().len()), (&json!("FAILED"), &json!(true), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_who_is_blocked_or_to_no_address() {
    let business = Business::open().await;
    let contact = business.contact("Asha").await;
    let waiting = business.mail_to(&contact, true).await;
    let changes = json!({"id": contact, "version": 1, "changes": {"status": "BLOCKED"}});
    business.owner.done("contactUpdate", changes, "contact { id }").await;
    for to in [json!({"contactId": contact}), json!({"to": "ASHA@contact.example"})] {
        let mut mail = json!({"channel": "EMAIL", "subject": "s", "body": "b", "transactional": true});
        mail.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        let payload = business.owner.mutate("messageSend", mail, SELECT).await;
        assert!(refused(&payload).1.contains("blocked"), "{payload}");
    }
    // What was written before is not sent either.
    business.send_mail(&waiting).await.unwrap();
    assert_eq!((business.state(&waiting).await.as_str(), business.scripted.asked().len()), ("FAILED", 0));
    let nobody = business.owner.mutate("messageSend", json!({"channel": "EMAIL", "subject": "s", "body": "b"}), SELECT).await;
    assert_eq!(refused(&nobody).0, "VALIDATION_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_an_invitation_is_mailed_and_shown_to_nobody() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let invite = json!({"email": "new@sharma.example", "role": "SALES"});
    let token = text(&business.owner.done("memberInvite", invite, "inviteToken").await["inviteToken"]);
    let found = business.owner.query("{ messages { nodes { id template variables { name value } body subject aboutId } } }").await;
    let message = &found["messages"]["nodes"][0];
    assert_eq!((&message["template"], &message["body"]), (&json!("invitation"), &Value::Null));
    assert!(text(&message["aboutId"]).starts_with("invitation_"));
    let id = text(&message["id"]);
    let kept = "SELECT (SELECT count(*) FROM messages WHERE sealed IS NOT NULL), (SELECT count(*) FROM messages m WHERE m::text LIKE '%' || $1 || '%') \
        + (SELECT count(*) FROM audit_entries a WHERE a::text LIKE '%' || $1 || '%') + (SELECT count(*) FROM jobs j WHERE j::text LIKE '%' || $1 || '%')";
    let db = business.app.superuser().await;
    let counts = async || {
        let row = db.query_one(kept, &[&token]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    assert_eq!(counts().await, (1, 0));
    business.send_mail(&id).await.unwrap();
    assert!(business.scripted.asked()[0].body.contains(&format!("https://api.sharma.example/invitation#{token}")));
    assert_eq!((counts().await, business.state(&id).await.as_str()), ((0, 0), "SENT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nobody_is_invited_and_what_waits_is_not_lost() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let keyless = TestApp::beside(&business.app, |config| config.encryption.encryption_key = None).await;
    let there = Client::new(keyless.url("/graphql"), business.owner.token.clone());
    let invite = |email: &str| json!({"input": {"email": email, "role": "SALES"}});
    let query = "mutation($input: MemberInviteInput!) { memberInvite(input: $input) { userErrors { code } } }";
    assert_eq!(there.codes(query, invite("one@sharma.example")).await, ["EXTERNAL_SERVICE_ERROR"]);
    assert_eq!(business.owner.codes(query, invite("two@sharma.example")).await, Vec::<String>::new());
    let found = business.owner.query("{ messages { nodes { id } } invitations { totalCount } }").await;
    let (id, count) = (text(&found["messages"]["nodes"][0]["id"]), &found["invitations"]["totalCount"]);
    assert_eq!((found["messages"]["nodes"].as_array().unwrap().len(), count), (1, &json!(1)));

    let run = Run { services: keyless.app.services.clone(), ..business.run_of(&id, 1, 3).await };
    let sent = SendEmail { message: row(&id) }.run(run).await;
    assert!(matches!(sent, Err(Failed::Again(_))), "{sent:?}");
    let waiting = business.message(&id).await;
    assert_eq!((&waiting["state"], business.scripted.asked().len()), (&json!("QUEUED"), 0));
    assert!(text(&waiting["error"]).contains("key was changed"), "{waiting}");
    SendEmail { message: row(&id) }.run(business.run_of(&id, 2, 3).await).await.unwrap();
    assert_eq!(business.state(&id).await, "SENT");
}

/// Through the queue, by a worker, into a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sends_what_was_committed() {
    let folder = std::env::temp_dir().join(format!("payaid-mail-{}", std::process::id()));
    let files = folder.clone();
    let plain = move |config: &mut ServerConfig| {
        config.mail.sendgrid_api_key = None;
        config.mail.mail_folder = files;
    };
    let business = Business::with(plain, Arc::new(SystemClock)).await;
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let work = Work::new(&shared().await.primary.url(&business.app.database, "payaid_worker")).unwrap();
    let (performing, stop_asked) = (business.app.app.performing(), async move { drop(stopped.await) }.boxed().shared());
    let done = tokio::spawn(async move { work.run(performing, &[], stop_asked, Duration::from_secs(5)).await });
    until("the mail is sent", async || business.state(&id).await == "SENT").await;
    drop(stop);
    done.await.unwrap().unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
