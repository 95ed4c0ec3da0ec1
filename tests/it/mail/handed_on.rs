//! What becomes of a mail that the mail server does not take, or of which nobody knows whether it did.

use std::time::Duration;

use payaid::platform::config::{MailConfig, SmtpTls};
use payaid::platform::mail::UnsentKind;

use crate::harness::exim::{CERTIFICATE, Exim, Line, Tls};
use crate::harness::process::{Folder, Payaid};
use crate::harness::scripted::{Answer, Scripted};
use crate::mail::{and_then, email, kind, mailer, through};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_tried_nowhere_else() {
    let (exim, sendgrid) = (Exim::start().await, Scripted::start([]).await);
    let mailer = mailer(&and_then(&sendgrid, through(&exim)));
    let cases = [("nobody", UnsentKind::BadAddress, "5.1.1"), ("policy", UnsentKind::Refused, "5.7.1"), ("content", UnsentKind::Refused, "5.6.0")];
    for (mailbox, expected, status) in cases {
        let result = mailer.send(&email(&format!("{mailbox}@example.org"))).await;
        assert_eq!(kind(&result), Err(expected), "{result:?}");
        let unsent = result.unwrap_err();
        assert!(unsent.reason.contains(status) && !unsent.reason.contains("@example.org"), "{unsent}");
    }
    assert!(sendgrid.asked().is_empty());
    exim.delivered(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_now_goes_to_sendgrid_and_else_stays() {
    let (exim, sendgrid) = (Exim::start().await, Scripted::start([]).await);
    let (alone, both) = (mailer(&through(&exim)), mailer(&and_then(&sendgrid, through(&exim))));
    for mailbox in ["later", "full"] {
        let mail = email(&format!("{mailbox}@example.org"));
        assert_eq!(kind(&alone.send(&mail).await), Err(UnsentKind::Later), "{mailbox}");
        sendgrid.will(Answer::status(202, ""));
        assert_eq!(kind(&both.send(&mail).await), Ok("sendgrid"), "{mailbox}");
    }
    sendgrid.will(Answer::status(503, ""));
    let unsent = both.send(&email("later@example.org")).await.unwrap_err();
    assert_eq!((unsent.kind, unsent.provider), (UnsentKind::Later, "sendgrid"));
    assert!(unsent.reason.contains("503") && unsent.reason.contains("4.3.0"), "{unsent}");
    exim.delivered(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_sent_is_sent_by_nobody_else() {
    let (exim, sendgrid) = (Exim::start().await, Scripted::start([]).await);
    let config = MailConfig { smtp_timeout: Duration::from_millis(500), ..and_then(&sendgrid, through(&exim)) };
    for (count, line) in [Line::CutWhenTaken, Line::SilentWhenTaken].into_iter().enumerate() {
        exim.line(line);
        let result = mailer(&config).send(&email("asha@example.org")).await;
        assert_eq!(kind(&result), Err(UnsentKind::Unknown), "{line:?}: {result:?}");
        // It was.
        exim.delivered(count + 1).await;
    }
    assert!(sendgrid.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_away_is_used_again_when_it_is_back() {
    let (mut exim, sendgrid) = (Exim::start().await, Scripted::start([]).await);
    let (alone, both) = (mailer(&through(&exim)), mailer(&and_then(&sendgrid, through(&exim))));
    for mailer in [&alone, &both] {
        assert_eq!(kind(&mailer.send(&email("asha@example.org")).await), Ok("smtp"));
    }
    // Both have kept their connections, which end as well.
    exim.stop().await;
    let unsent = alone.send(&email("asha@example.org")).await.unwrap_err();
    assert_eq!(unsent.kind, UnsentKind::Later, "{unsent}");
    sendgrid.will(Answer::status(202, ""));
    assert_eq!(kind(&both.send(&email("asha@example.org")).await), Ok("sendgrid"));
    exim.start_again();
    for mailer in [&alone, &both] {
        assert_eq!(kind(&mailer.send(&email("asha@example.org")).await), Ok("smtp"));
    }
    exim.delivered(4).await;
    assert_eq!(sendgrid.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_has_ended_is_not_noticed_by_anybody() {
    let mut exim = Exim::start().await;
    let mailer = mailer(&through(&exim));
    assert_eq!(kind(&mailer.send(&email("asha@example.org")).await), Ok("smtp"));
    exim.stop().await;
    exim.start_again();
    assert_eq!(kind(&mailer.send(&email("asha@example.org")).await), Ok("smtp"));
    exim.delivered(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_encryption_is_asked_for_and_not_to_be_had() {
    for (offered, reason) in [(Tls::None, "STARTTLS"), (Tls::Unknown, "certificate")] {
        let exim = Exim::with(offered).await;
        let config = MailConfig { smtp_host: Some("localhost".to_owned()), smtp_tls: SmtpTls::Starttls, ..through(&exim) };
        let unsent = mailer(&config).send(&email("asha@example.org")).await.unwrap_err();
        assert_eq!(unsent.kind, UnsentKind::Later, "{unsent}");
        assert!(unsent.reason.contains(reason), "{unsent}");
        exim.delivered(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_known_gets_the_password_and_the_mail() {
    let (exim, folder) = (Exim::with(Tls::Known).await, Folder::create());
    let known = folder.path().join("known.pem");
    std::fs::write(&known, CERTIFICATE).unwrap();
    let (port, known) = (exim.port.to_string(), known.to_str().unwrap().to_owned());
    let environment = |password: &'static str| {
        let pairs = [("SMTP_HOST", "localhost"), ("SMTP_USER", "payaid"), ("SMTP_PASSWORD", password), ("MAIL_FROM", "no-reply@example.in")];
        [pairs.as_slice(), &[("SMTP_PORT", port.as_str()), ("SSL_CERT_FILE", known.as_str())]].concat()
    };
    let refused = Payaid::run(folder.path(), &["mail", "test", "asha@example.org"], &environment("another-word")).await;
    assert!(refused.refusal().contains("535") && !refused.stderr.contains("another-word"), "{refused:?}");
    let sent = Payaid::run(folder.path(), &["mail", "test", "asha@example.org"], &environment("secret")).await;
    assert!(sent.stdout.contains("smtp has taken the mail"), "{sent:?}");
    let mail = String::from_utf8(exim.delivered(1).await.remove(0)).unwrap();
    // What Exim notes of a mail that came encrypted from somebody who had signed in.
    assert!(mail.contains("with esmtpsa") || mail.contains("with local-esmtpsa"), "{mail}");
}
