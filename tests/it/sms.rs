//! Text messages out: what each provider is asked, what its answers lead to, and how much each is asked on a day.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use payaid::base::SharedClock;
use payaid::platform::config::SmsConfig;
use payaid::platform::quotas::{Quotas, Span};
use payaid::platform::sms::dlt::{DltTemplate, Kind};
use payaid::platform::sms::{Sms, SmsSender, Unsent, UnsentKind};
use serde_json::json;
use uuid::Uuid;

use crate::harness::TestApp;
use crate::harness::answering::Answering;
use crate::harness::clock::HeldClock;

const MSG91: &str = "/api/v5/flow";
const FAST2SMS: &str = "/dev/bulkV2";
const EXOTEL: &str = "/v1/Accounts/sharma1/Sms/send";
const TWILIO: &str = "/2010-04-01/Accounts/AC1/Messages.json";
const NOW: &str = "2026-11-21T10:00:00Z";

struct Wires {
    app: TestApp,
    scripted: Answering,
    clock: Arc<HeldClock>,
}

impl Wires {
    async fn start() -> Self {
        let clock = Arc::new(HeldClock::at(NOW));
        let app = TestApp::with(|_| (), Arc::clone(&clock) as SharedClock).await;
        Self { app, scripted: Answering::start().await, clock }
    }

    fn quotas(&self) -> Quotas {
        Quotas::new(self.app.app.services.databases.clone(), Arc::clone(&self.clock) as SharedClock)
    }

    /// A sender with these providers.
    fn sender(&self, providers: &[&str], adjust: impl FnOnce(&mut SmsConfig)) -> SmsSender {
        let (url, key) = (|| self.scripted.url.clone(), |of: &str| Some(format!("key-of-{of}").into()));
        let mut config = SmsConfig {
            msg91_url: url(),
            fast2sms_url: url(),
            exotel_url: url(),
            twilio_url: url(),
            sms_timeout: Duration::from_secs(5),
            ..SmsConfig::default()
        };
        for provider in providers {
            match *provider {
                "msg91" => config.msg91_auth_key = key("msg91"),
                "fast2sms" => config.fast2sms_api_key = key("fast2sms"),
                "exotel" => {
                    (config.exotel_sid, config.exotel_api_key, config.exotel_api_token) = (Some("sharma1".to_owned()), key("exotel"), key("token"));
                }
                _ => (config.twilio_account_sid, config.twilio_auth_token) = (Some("AC1".to_owned()), key("twilio")),
            }
        }
        adjust(&mut config);
        SmsSender::new(&config, "https://api.sharma.example", self.quotas(), Arc::clone(&self.clock) as SharedClock).unwrap()
    }
}

fn sms(to: &str) -> Sms {
    let text = |text: &str| text.to_owned();
    let template = DltTemplate {
        id: text("1107160000000000001"),
        header: text("SHARMA"),
        entity: text("1101160000000000001"),
        body: text("Dear {#var#}, Rs {#numeric#} is due."),
        variables: vec![(text("name"), Kind::Text), (text("sum"), Kind::Number)],
        msg91: Some(text("flow77")),
        fast2sms: Some(text("150001")),
    };
    Sms {
        id: Uuid::from_u128(7),
        to: text(to),
        template,
        values: vec![text("Asha & Co"), text("1,250")],
        transactional: true,
        reference: text("our-word"),
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_is_asked_as_its_interface_says() {
    let wires = Wires::start().await;
    let message = sms("+919876543210");
    for (provider, path, reply, reference) in [
        ("msg91", MSG91, json!({"type": "success", "message": "req91"}).to_string(), "req91"),
        ("fast2sms", FAST2SMS, json!({"return": true, "request_id": "req2", "message": ["SMS sent successfully."]}).to_string(), "req2"),
        ("exotel", EXOTEL, "<TwilioResponse><SMSMessage><Sid>ex1</Sid><Status>queued</Status></SMSMessage></TwilioResponse>".to_owned(), "ex1"),
        ("twilio", TWILIO, json!({"sid": "SM1", "status": "queued", "error_code": null}).to_string(), "SM1"),
    ] {
        wires.scripted.says(path, if provider == "twilio" { 201 } else { 200 }, reply);
        let sent = wires.sender(&[provider], |_| ()).send(&message).await.unwrap();
        assert_eq!((sent.provider, sent.reference.as_deref()), (provider, Some(reference)));
    }
    let asked = wires.scripted.asked();
    assert!(asked.iter().all(|asked| asked.method == "POST"));
    assert_eq!(asked[0].headers["authkey"], "key-of-msg91");
    let recipient = json!({"mobiles": "919876543210", "VAR1": "Asha & Co", "VAR2": "1,250"});
    assert_eq!(asked[0].json(), json!({"template_id": "flow77", "short_url": "0", "recipients": [recipient]}));
    assert_eq!(asked[1].headers["authorization"], "key-of-fast2sms");
    let fields = json!({"route": "dlt", "sender_id": "SHARMA", "message": "150001", "variables_values": "Asha & Co|1,250", "numbers": "9876543210", "flash": "0"});
    assert_eq!(asked[1].json(), fields);
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    let text = "Dear Asha & Co, Rs 1,250 is due.";
    assert_eq!(asked[2].headers["authorization"], basic("key-of-exotel", "key-of-token"));
    assert_eq!(asked[2].headers["content-type"], "application/x-www-form-urlencoded");
    let exotel = [
        ("From", "SHARMA"),
        ("To", "+919876543210"),
        ("Body", text),
        ("DltEntityId", "1101160000000000001"),
        ("DltTemplateId", "1107160000000000001"),
        ("SmsType", "transactional"),
        ("StatusCallback", "https://api.sharma.example/webhooks/exotel?reference=our-word"),
    ];
    assert_eq!(asked[2].form(), pairs(&exotel));
    assert_eq!(asked[3].headers["authorization"], basic("AC1", "key-of-twilio"));
    let callback = "https://api.sharma.example/webhooks/twilio?reference=our-word";
    assert_eq!(asked[3].form(), pairs(&[("To", "+919876543210"), ("From", "SHARMA"), ("Body", text), ("StatusCallback", callback)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_provider_is_asked_when_one_does_not_take_it() {
    let wires = Wires::start().await;
    let all = wires.sender(&["msg91", "fast2sms", "exotel", "twilio"], |_| ());
    let scripted = &wires.scripted;
    scripted.says(MSG91, 429, "slow down");
    scripted.says(FAST2SMS, 500, "");
    scripted.says(EXOTEL, 400, json!({"RestException": {"Status": 400, "Message": "Insufficient balance", "Code": 34010}}).to_string());
    scripted.says(TWILIO, 201, json!({"sid": "SM1"}).to_string());
    assert_eq!(all.send(&sms("+919876543210")).await.unwrap().provider, "twilio");
    assert_eq!(scripted.asked().iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), [MSG91, FAST2SMS, EXOTEL, TWILIO]);
    // To a number abroad the second one does not send.
    scripted.forget();
    scripted.says(MSG91, 401, json!({"type": "error", "message": "Unauthorized"}).to_string());
    scripted.says(EXOTEL, 200, json!({"SMSMessage": {"Sid": "ex1"}}).to_string());
    assert_eq!(all.send(&sms("+442079460958")).await.unwrap().provider, "exotel");
    // Nobody takes it.
    scripted.forget();
    for path in [MSG91, FAST2SMS, EXOTEL, TWILIO] {
        scripted.says(path, 503, "");
    }
    let unsent = all.send(&sms("+919876543210")).await.unwrap_err();
    assert_eq!((unsent.kind, unsent.provider), (UnsentKind::Later, "twilio"));
    assert!(unsent.reason.contains("msg91") && unsent.reason.contains("exotel"), "{}", unsent.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_in_doubt_is_left_with_the_one_provider() {
    let wires = Wires::start().await;
    let scripted = &wires.scripted;
    for (provider, path, status, reply) in [
        ("msg91", MSG91, 400, json!({"type": "error", "message": "Invalid mobile number"}).to_string()),
        ("fast2sms", FAST2SMS, 400, json!({"return": false, "status_code": 411, "message": "Invalid Numbers"}).to_string()),
        ("fast2sms", FAST2SMS, 400, json!({"return": false, "status_code": 427, "message": ["Number blocked"]}).to_string()),
        (
            "exotel",
            EXOTEL,
            400,
            "<TwilioResponse><RestException><Status>400</Status><Message>Invalid 'To' number</Message></RestException></TwilioResponse>".to_owned(),
        ),
    ] {
        scripted.forget();
        scripted.says(path, status, reply);
        let Unsent { kind, provider: by, .. } = wires.sender(&[provider, "twilio"], |_| ()).send(&sms("+919876543210")).await.unwrap_err();
        assert_eq!((kind, by, scripted.asked().len()), (UnsentKind::Refused, provider, 1));
    }
    scripted.forget();
    scripted.says(TWILIO, 400, json!({"code": 21610, "message": "unsubscribed recipient", "status": 400}).to_string());
    assert_eq!(wires.sender(&["twilio"], |_| ()).send(&sms("+919876543210")).await.unwrap_err().kind, UnsentKind::Unsubscribed);
    // What it says of the number stands in no row and no log.
    scripted.forget();
    scripted.says(TWILIO, 400, json!({"code": 21211, "message": "The 'To' number +91 98765 43210 is not a valid phone number."}).to_string());
    let reason = wires.sender(&["twilio"], |_| ()).send(&sms("+919876543210")).await.unwrap_err().reason;
    assert!(reason.contains("the recipient") && !reason.contains("98765") && !reason.contains("43210"), "{reason}");
    // No answer, half an answer, and one that nobody understands: it may have been sent.
    scripted.forget();
    scripted.hangs(MSG91);
    let hasty = wires.sender(&["msg91", "twilio"], |config| config.sms_timeout = Duration::from_millis(300));
    assert_eq!(hasty.send(&sms("+919876543210")).await.unwrap_err().kind, UnsentKind::Unknown);
    for (status, reply) in [(200, "<html>"), (200, ""), (504, "")] {
        scripted.forget();
        scripted.says(MSG91, status, reply);
        let unsent = wires.sender(&["msg91", "twilio"], |_| ()).send(&sms("+919876543210")).await.unwrap_err();
        assert_eq!((unsent.kind, scripted.asked().len()), (UnsentKind::Unknown, 1), "{status} {reply}");
    }
    // Nobody listens there, so nothing was sent.
    scripted.forget();
    scripted.says(TWILIO, 201, json!({"sid": "SM1"}).to_string());
    let gone = wires.sender(&["msg91", "twilio"], |config| config.msg91_url = "http://127.0.0.1:1".to_owned());
    assert_eq!(gone.send(&sms("+919876543210")).await.unwrap().provider, "twilio");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_kept_to_the_last_message_whoever_asks() {
    let wires = Wires::start().await;
    let scripted = &wires.scripted;
    scripted.says(MSG91, 200, json!({"type": "success", "message": "req91"}).to_string());
    let sender = Arc::new(wires.sender(&["msg91"], |config| config.sms_daily_msg91 = 5));
    let asked = (0..12).map(|_| {
        let sender = Arc::clone(&sender);
        tokio::spawn(async move { sender.send(&sms("+919876543210")).await })
    });
    let outcomes: Vec<_> = futures_util::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!((outcomes.iter().filter(|sent| sent.is_ok()).count(), scripted.asked().len()), (5, 5));
    let midnight = "2026-11-21T18:30:00Z".parse().unwrap();
    for unsent in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(unsent.kind, UnsentKind::QuotaUsed(midnight), "{}", unsent.reason);
    }
    // The next provider has a count of its own, and the next day of India a new one begins.
    scripted.says(TWILIO, 201, json!({"sid": "SM1"}).to_string());
    let both = wires.sender(&["msg91", "twilio"], |config| (config.sms_daily_msg91, config.sms_daily_twilio) = (5, 0));
    assert_eq!(both.send(&sms("+919876543210")).await.unwrap_err().kind, UnsentKind::QuotaUsed(midnight));
    let both = wires.sender(&["msg91", "twilio"], |config| config.sms_daily_msg91 = 5);
    assert_eq!(both.send(&sms("+919876543210")).await.unwrap().provider, "twilio");
    wires.clock.advance(TimeDelta::minutes(510));
    assert_eq!(both.send(&sms("+919876543210")).await.unwrap().provider, "msg91");
    let (took, next) = (wires.quotas().take("other", Span::Hour, 1).await.unwrap(), wires.quotas().take("other", Span::Hour, 1).await.unwrap());
    assert_eq!((took.is_ok(), next.err()), (true, Some("2026-11-21T19:00:00Z".parse().unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_messages_become_files_and_half_a_key_is_refused() {
    let wires = Wires::start().await;
    let folder = std::env::temp_dir().join(format!("payaid-sms-{}", wires.app.database));
    let files = wires.sender(&[], |config| config.sms_folder.clone_from(&folder));
    let sent = files.send(&sms("+919876543210")).await.unwrap();
    let file = folder.join(sent.reference.unwrap());
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("To: +919876543210") && text.contains("DLT-Template: 1107160000000000001") && text.contains("Rs 1,250 is due."), "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
    let half = SmsConfig { exotel_sid: Some("sharma1".to_owned()), ..SmsConfig::default() };
    let refused = SmsSender::new(&half, "", wires.quotas(), Arc::clone(&wires.clock) as SharedClock).err().unwrap();
    assert!(refused.to_string().contains("EXOTEL_API_KEY"), "{refused}");
}
