//! What providers report over the wire: believed when it is theirs, taken once, and leading messages on. And bounces by the command.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64;
use payaid::access::inbound::{Inbound, Told};
use payaid::base::Clock;
use payaid::base::clock::SystemClock;
use payaid::features::messages::inbound::sms::Msg91;
use payaid::platform::config::ServerConfig;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{Business, MSG91, SENDGRID, row, text};
use crate::harness::servers::shared;
use crate::webhooks::inbound::work;

const FAST2SMS: &str = "/dev/bulkV2";
const EXOTEL: &str = "/v1/Accounts/sharma1/Sms/send";
const TWILIO: &str = "/2010-04-01/Accounts/AC1/Messages.json";
const KEY: &str = "a-word-of-the-operator";

fn all_providers(config: &mut ServerConfig) {
    let (url, key) = (config.sms.msg91_url.clone(), || Some("key".to_owned().into()));
    let sms = &mut config.sms;
    (sms.fast2sms_api_key, sms.fast2sms_url) = (key(), url.clone());
    (sms.exotel_sid, sms.exotel_api_key, sms.exotel_api_token, sms.exotel_url) = (Some("sharma1".to_owned()), key(), key(), url.clone());
    (sms.twilio_account_sid, sms.twilio_auth_token, sms.twilio_url) = (Some("AC1".to_owned()), Some("token".to_owned().into()), url);
    sms.sms_reports_key = Some(KEY.to_owned().into());
}

/// As Twilio signs.
fn twilio_signature(address: &str, form: &[(&str, &str)]) -> String {
    let mut form = form.to_vec();
    form.sort_unstable();
    let signed = form.iter().fold(address.to_owned(), |signed, (name, value)| signed + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"token");
    BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref())
}

impl Business {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut request = self.app.anonymous().request(reqwest::Method::POST, &self.app.url(path)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// A text message that this provider has taken; where it was told to report, if it was.
    async fn taken_by(&self, provider: &str, template: &str) -> (String, Option<String>) {
        let replies = [
            ("msg91", MSG91, json!({"type": "success", "message": "req91"})),
            ("fast2sms", FAST2SMS, json!({"return": true, "request_id": "req2", "message": ["SMS sent successfully."]})),
            ("exotel", EXOTEL, json!({"SMSMessage": {"Sid": "ex1"}})),
            ("twilio", TWILIO, json!({"sid": "SM1"})),
        ];
        self.scripted.forget();
        for (name, path, reply) in replies {
            let (status, reply) = if name == provider { (200, reply.to_string()) } else { (503, String::new()) };
            self.scripted.says(path, status, reply);
        }
        let variables = json!([{"name": "sum", "value": "1,250"}, {"name": "name", "value": "Asha"}]);
        let sms = json!({"channel": "SMS", "to": "+919876543210", "smsTemplateId": template, "variables": variables, "transactional": true});
        let id = text(&self.owner.done("messageSend", sms, "message { id }").await["message"]["id"]);
        self.send_sms(&id).await.unwrap();
        let asked = self.scripted.asked().pop().unwrap();
        (id, asked.form().into_iter().find(|(name, _)| name == "StatusCallback").map(|(_, address)| address))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_providers_reports_are_believed_when_they_are_its_own_and_lead_its_messages_on() {
    let business = Business::with(all_providers, Arc::new(SystemClock)).await;
    let template = business.sms_template().await;
    let (msg91, none) = business.taken_by("msg91", &template).await;
    assert_eq!(none, None);
    let (fast2sms, _) = business.taken_by("fast2sms", &template).await;
    let (exotel, exotels) = business.taken_by("exotel", &template).await;
    let (twilio, twilios) = business.taken_by("twilio", &template).await;
    let (exotels, twilios) = (exotels.unwrap(), twilios.unwrap());
    let below = |address: &str| address.strip_prefix("https://api.sharma.example").unwrap().to_owned();

    let delivered = r#"{"requestId": "req91", "status": "1", "desc": "DELIVERED"}"#;
    let failed = r#"{"request_id": "req2", "delivery_status": [{"number": "9876543210", "status": "Failed"}]}"#;
    for (path, body) in [("/webhooks/msg91", delivered), ("/webhooks/fast2sms", failed)] {
        for wrong in ["", "?key=", "?key=a-word-of-the-operatox", "?other=a-word-of-the-operator"] {
            assert_eq!(business.post(&format!("{path}{wrong}"), &[], body).await, 401, "{path}{wrong}");
        }
        for _ in 0..2 {
            assert_eq!(business.post(&format!("{path}?key={KEY}"), &[], body).await, 200, "{path}");
        }
    }
    let body = "SmsSid=ex1&Status=sent";
    for wrong in ["/webhooks/exotel".to_owned(), format!("{}x", below(&exotels)), below(&exotels).replacen("reference=", "reference=A", 1)] {
        assert_eq!(business.post(&wrong, &[], body).await, 401, "{wrong}");
    }
    assert_eq!(business.post(&below(&exotels), &[], "SmsSid=ex1&Status=delivered").await, 200);

    // A mail bears its word in a header: whoever has received it can repeat it, and is not believed about it.
    let mail = business.mail_to(&business.contact("Asha").await, true).await;
    business.scripted.says(SENDGRID, 202, "");
    business.send_mail(&mail).await.unwrap();
    let organization = text(&business.owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"]);
    let word = business.app.app.services.references.reference(row(&organization), row(&mail));
    assert_eq!(business.post(&format!("/webhooks/exotel?reference={word}"), &[], "SmsSid=ex2&Status=failed").await, 200);

    let form = [("MessageSid", "SM1"), ("MessageStatus", "undelivered"), ("ErrorCode", "21610"), ("To", "+919876543210")];
    let body = "To=%2B919876543210&MessageSid=SM1&MessageStatus=undelivered&ErrorCode=21610";
    let signature = twilio_signature(&twilios, &form);
    let other = twilio_signature("https://api.sharma.example/webhooks/twilio", &form);
    for wrong in [&[][..], &[("x-twilio-signature", other.as_str())], &[("x-twilio-signature", "")]] {
        assert_eq!(business.post(&below(&twilios), wrong, body).await, 401);
    }
    for _ in 0..2 {
        assert_eq!(business.post(&below(&twilios), &[("x-twilio-signature", &signature)], body).await, 200);
    }
    let db = business.app.superuser().await;
    assert_eq!(db.query_one("SELECT count(*) FROM inbound_events", &[]).await.unwrap().get::<_, i64>(0), 5, "each once");
    work(&business.app).await;
    for (id, state) in [(msg91, "DELIVERED"), (fast2sms, "FAILED"), (exotel, "DELIVERED"), (twilio, "FAILED"), (mail, "SENT")] {
        assert_eq!(business.state(&id).await, state, "{}", business.message(&id).await);
    }
    let suppressed = business.owner.query("{ suppressions { nodes { address reason } } }").await;
    assert_eq!(suppressed["suppressions"]["nodes"], json!([{"address": "+919876543210", "reason": "UNSUBSCRIBE"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_received_where_nothing_is_set_up() {
    let business = Business::open().await;
    for provider in ["msg91", "fast2sms", "exotel", "twilio"] {
        assert_eq!(business.post(&format!("/webhooks/{provider}?key=&reference=x"), &[], "{}").await, 404, "{provider}");
    }
    let short = |config: &mut ServerConfig| config.sms.sms_reports_key = Some("fifteen-letters".to_owned().into());
    let mut config = business.app.app.config.clone();
    short(&mut config);
    let refused = payaid::App::build(config, Arc::new(SystemClock)).err().unwrap();
    assert!(refused.to_string().contains("SMS_REPORTS_KEY"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_before_its_message_is_known_is_tried_again() {
    let business = Business::open().await;
    let services = &business.app.app.services;
    let told = |at: chrono::DateTime<chrono::Utc>| {
        let report = json!({"reference": null, "provider_reference": "req91", "outcome": "Delivered", "detail": null});
        Told { id: "req91:delivered".to_owned(), body: json!({"received_at": at, "report": report}).to_string().into_bytes() }
    };
    assert!(Msg91::process(services.clone(), told(SystemClock.now())).await.is_err());
    // One of somebody else's on the same account is not tried for ever.
    Msg91::process(services.clone(), told(SystemClock.now() - chrono::TimeDelta::minutes(11))).await.unwrap();
    let (id, _) = business.taken_by("msg91", &business.sms_template().await).await;
    Msg91::process(services.clone(), told(SystemClock.now())).await.unwrap();
    assert_eq!(business.state(&id).await, "DELIVERED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_has_said_stop_is_suppressed_by_the_answer() {
    let only_twilio = |config: &mut ServerConfig| {
        all_providers(config);
        (config.sms.msg91_auth_key, config.sms.fast2sms_api_key) = (None, None);
        (config.sms.exotel_sid, config.sms.exotel_api_key, config.sms.exotel_api_token) = (None, None, None);
    };
    let business = Business::with(only_twilio, Arc::new(SystemClock)).await;
    business.scripted.says(TWILIO, 400, json!({"code": 21610, "message": "Attempt to send to unsubscribed recipient"}).to_string());
    let id = business.sms_to(&business.contact("Asha").await, &business.sms_template().await).await;
    business.send_sms(&id).await.unwrap();
    assert_eq!(business.state(&id).await, "FAILED");
    let suppressed = business.owner.query("{ suppressions { nodes { channel address reason } } }").await;
    assert_eq!(suppressed["suppressions"]["nodes"], json!([{"channel": "SMS", "address": "+919876543210", "reason": "UNSUBSCRIBE"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sendgrids_signed_events_lead_a_mail_on_and_suppress() {
    /// What stands before the point of a P-256 key in the form that SendGrid shows.
    const FRAME: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
        0x03, 0x42, 0x00,
    ];
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let key = BASE64.encode(&[FRAME.as_slice(), pair.public_key().as_ref()].concat());
    let business = Business::with(|config| config.mail.sendgrid_webhook_key = Some(key), Arc::new(SystemClock)).await;
    business.scripted.says(SENDGRID, 202, "");
    let contact = business.contact("Asha").await;
    let (lost, read) = (business.mail_to(&contact, true).await, business.mail_to(&contact, true).await);
    let mut events = Vec::new();
    for (id, event) in [(&lost, "bounce"), (&read, "delivered")] {
        business.send_mail(id).await.unwrap();
        let reference = business.scripted.asked().last().unwrap().json()["personalizations"][0]["custom_args"]["reference"].take();
        events.push(json!({"sg_event_id": event, "event": event, "email": "asha@contact.example", "timestamp": SystemClock.now().timestamp(),
            "status": "5.1.1", "reason": "550 5.1.1 nobody", "type": "bounce", "reference": reference}));
    }
    let (body, timestamp) = (json!(events).to_string(), SystemClock.now().timestamp().to_string());
    let signature = BASE64.encode(pair.sign(&SystemRandom::new(), format!("{timestamp}{body}").as_bytes()).unwrap().as_ref());
    let signed = |signature: &str, body: String| {
        let (signature, timestamp, business) = (signature.to_owned(), timestamp.clone(), &business);
        async move {
            let headers = [("x-twilio-email-event-webhook-signature", signature.as_str()), ("x-twilio-email-event-webhook-timestamp", &timestamp)];
            business.post("/webhooks/sendgrid", &headers, &body).await
        }
    };
    assert_eq!(signed(&signature, body.replace("5.1.1", "4.1.1")).await, 401);
    assert_eq!(business.post("/webhooks/sendgrid", &[], &body).await, 401);
    for _ in 0..2 {
        assert_eq!(signed(&signature, body.clone()).await, 200);
    }
    work(&business.app).await;
    assert_eq!((business.state(&lost).await.as_str(), business.state(&read).await.as_str()), ("BOUNCED", "DELIVERED"));
    let suppressed = business.owner.query("{ suppressions { nodes { address reason message { id } } } }").await;
    assert_eq!(suppressed["suppressions"]["nodes"], json!([{"address": "asha@contact.example", "reason": "BOUNCE", "message": {"id": lost}}]));
}

/// `payaid bounce` as a mail server's pipe calls it; its exit status.
async fn pipe(mail: &str, database: &str, key: &str) -> i32 {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_payaid"))
        .env_clear()
        .envs([("DATABASE_URL", database), ("JWT_PRIVATE_KEY", key)])
        .arg("bounce")
        .current_dir(Path::new("/tmp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(mail.as_bytes()).await.unwrap();
    child.wait().await.unwrap().code().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_for_bounces_writes_them_down_and_asks_to_be_called_again_when_it_cannot() {
    let business = Business::open().await;
    business.scripted.says(SENDGRID, 202, "");
    let id = business.mail_to(&business.contact("Asha").await, true).await;
    business.send_mail(&id).await.unwrap();
    let organization = text(&business.owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"]);
    let reference = business.app.app.services.references.reference(row(&organization), row(&id));
    let bounce = format!(
        "To: bounces+{reference}@example.in\r\nContent-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.in\r\n\r\nFinal-Recipient: rfc822; asha@contact.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--x--\r\n"
    );
    let database = shared().await.primary.url(&business.app.database, "payaid_server");
    let key = business.app.app.config.auth.jwt_private_key.expose_secret().to_owned();
    let away = "postgres://payaid_server@127.0.0.1:1/payaid";
    assert_eq!(pipe(&bounce, away, &key).await, 75);
    assert_eq!(pipe("To: bounces@example.in\r\nSubject: On leave\r\n\r\nBack on Monday.\r\n", away, &key).await, 0);
    assert_eq!(business.state(&id).await, "SENT");
    assert_eq!(pipe(&bounce, &database, &key).await, 0);
    let suppressed = business.owner.query("{ suppressions { nodes { address reason } } }").await;
    assert_eq!(business.state(&id).await, "BOUNCED");
    assert_eq!(suppressed["suppressions"]["nodes"], json!([{"address": "asha@contact.example", "reason": "BOUNCE"}]));
}
