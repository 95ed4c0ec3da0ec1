//! Mail by SendGrid: what it is told, and what its answers mean.

use std::time::Duration;

use payaid::platform::config::MailConfig;
use payaid::platform::mail::UnsentKind;
use serde_json::json;

use crate::harness::scripted::{Answer, Scripted};
use crate::mail::{and_then, config, email, kind, mailer};

#[tokio::test(flavor = "multi_thread")]
async fn sendgrid_is_told_what_it_needs_and_no_more() {
    let taken = Answer::Says(202, vec![("x-message-id", "14c5d75ce93")], String::new());
    let sendgrid = Scripted::start([taken]).await;
    let mut mail = email("asha@example.org");
    mail.to_name = Some("Asha\r\nRao".to_owned());
    mail.reply_to = Some("shop@sharma.example".to_owned());
    mail.html = Some("<p>It is ready.</p>".to_owned());
    mail.unsubscribe = Some("https://api.example.in/unsubscribe/abc".to_owned());
    let sent = mailer(&and_then(&sendgrid, config())).send(&mail).await.unwrap();
    assert_eq!((sent.provider, sent.reference.as_deref()), ("sendgrid", Some("14c5d75ce93")));
    let asked = sendgrid.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v3/mail/send"));
    assert_eq!(asked.headers["authorization"], "Bearer SG.secret");
    let expected = json!({
        "personalizations": [{"to": [{"email": "asha@example.org", "name": "Asha Rao"}], "custom_args": {"reference": mail.reference}}],
        "from": {"email": "no-reply@example.in", "name": "PayAid"},
        "reply_to": {"email": "shop@sharma.example"},
        "subject": "Your order",
        "content": [{"type": "text/plain", "value": "It is ready.\n"}, {"type": "text/html", "value": "<p>It is ready.</p>"}],
        "headers": {
            "Message-ID": format!("<{}@example.in>", mail.id),
            "X-PayAid-Reference": mail.reference,
            "List-Unsubscribe": "<https://api.example.in/unsubscribe/abc>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tracking_settings": {
            "click_tracking": {"enable": false, "enable_text": false},
            "open_tracking": {"enable": false},
            "subscription_tracking": {"enable": false},
        },
    });
    assert_eq!(asked.json(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_has_its_meaning() {
    let wrong = r#"{"errors":[{"message":"Does not contain a valid address.","field":"personalizations.0.to","help":null},{"message":"Nor that."}]}"#;
    let cases = [
        (Answer::status(202, ""), Ok("sendgrid"), ""),
        (Answer::status(400, wrong), Err(UnsentKind::Refused), "Does not contain a valid address.; Nor that."),
        (Answer::status(413, "<html>"), Err(UnsentKind::Refused), "413"),
        (
            Answer::status(401, r#"{"errors":[{"message":"The provided authorization grant is invalid"}]}"#),
            Err(UnsentKind::Later),
            "SENDGRID_API_KEY",
        ),
        (Answer::status(403, "{}"), Err(UnsentKind::Later), "MAIL_FROM"),
        (Answer::status(429, ""), Err(UnsentKind::Later), "429"),
        (Answer::status(500, &"x".repeat(100_000)), Err(UnsentKind::Later), "500"),
        // Another place than the configured one is not told of mail.
        (Answer::Says(307, vec![("location", "http://127.0.0.1:1/")], String::new()), Err(UnsentKind::Later), "307"),
        (Answer::Hangs, Err(UnsentKind::Unknown), "it may have been sent"),
    ];
    let sendgrid = Scripted::start([]).await;
    let config = MailConfig { sendgrid_timeout: Duration::from_secs(2), ..and_then(&sendgrid, config()) };
    let mailer = mailer(&config);
    for (answer, expected, reason) in cases {
        sendgrid.will(answer.clone());
        let result = mailer.send(&email("asha@example.org")).await;
        assert_eq!(kind(&result), expected, "{answer:?}: {result:?}");
        assert!(result.as_ref().err().is_none_or(|unsent| unsent.reason.contains(reason) && !unsent.reason.contains("SG.secret")), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sendgrid_never_heard_of_was_not_sent() {
    let config = {
        let sendgrid = Scripted::start([]).await;
        and_then(&sendgrid, config())
    };
    let unsent = mailer(&config).send(&email("asha@example.org")).await.unwrap_err();
    assert_eq!((unsent.kind, unsent.reason.as_str()), (UnsentKind::Later, "SendGrid cannot be reached"));
}
