//! What stands in a mail when it arrives, whatever it was made of.

use std::os::unix::fs::PermissionsExt;

use mail_parser::{HeaderName, MessageParser};
use payaid::platform::config::MailConfig;
use payaid::platform::mail::{Mailer, UnsentKind};

use crate::harness::exim::Exim;
use crate::harness::process::Folder;
use crate::mail::{config, email, kind, mailer, through};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_as_it_was_written() {
    let exim = Exim::start().await;
    let mailer = mailer(&through(&exim));
    let mut mail = email("asha@example.org");
    mail.to_name = Some("आशा राव".to_owned());
    mail.from_name = Some("Sharma, Traders \"& Sons\"".to_owned());
    mail.reply_to = Some("shop@sharma.example".to_owned());
    mail.subject = "आपका ऑर्डर तैयार है — order №7".to_owned();
    mail.text = "नमस्ते,\n\n.\n..a line that begins with dots\nFrom here on: done.\n".to_owned();
    mail.html = Some("<p>नमस्ते</p>".to_owned());
    mail.unsubscribe = Some("https://api.example.in/unsubscribe/abc".to_owned());
    let sent = mailer.send(&mail).await.unwrap();
    assert_eq!(sent.provider, "smtp");
    let raw = exim.delivered(1).await.remove(0);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(parsed.message_id(), Some(format!("{}@example.in", mail.id).as_str()));
    assert_eq!(parsed.subject(), Some(mail.subject.as_str()));
    let (from, to) = (parsed.from().unwrap().first().unwrap(), parsed.to().unwrap().first().unwrap());
    assert_eq!((from.name(), from.address()), (mail.from_name.as_deref(), Some("no-reply@example.in")));
    assert_eq!((to.name(), to.address()), (mail.to_name.as_deref(), Some("asha@example.org")));
    assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("shop@sharma.example"));
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), mail.text.trim_end());
    assert_eq!(parsed.body_html(0).unwrap().trim_end(), "<p>नमस्ते</p>");
    let header = |name: &'static str| parsed.header_raw(HeaderName::Other(name.into())).map(|value| value.trim().to_owned());
    assert_eq!(header("X-PayAid-Reference"), Some(mail.reference.clone()));
    assert_eq!(parsed.header_raw("List-Unsubscribe").map(str::trim), Some("<https://api.example.in/unsubscribe/abc>"));
    assert_eq!(parsed.header_raw("List-Unsubscribe-Post").map(str::trim), Some("List-Unsubscribe=One-Click"));
    // The envelope's sender, which Exim has noted.
    assert_eq!(parsed.header_raw("Return-Path").map(str::trim), Some(format!("<bounces+{}@example.in>", mail.reference).as_str()));
    assert!(raw.is_ascii() && raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "{}", String::from_utf8_lossy(&raw));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mail_has_the_same_name_and_takes_no_second_connection() {
    let exim = Exim::start().await;
    let mailer = mailer(&through(&exim));
    let mail = email("asha@example.org");
    for _ in 0..2 {
        mailer.send(&mail).await.unwrap();
    }
    let names: Vec<String> =
        exim.delivered(2).await.iter().map(|raw| MessageParser::default().parse(raw).unwrap().message_id().unwrap().to_owned()).collect();
    assert_eq!(names[0], names[1]);
    assert_eq!(exim.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_adds_a_header_or_a_recipient() {
    let exim = Exim::start().await;
    let mailer = mailer(&through(&exim));
    let evil = "Hello\r\nBcc: everybody@example.org\r\n\r\nAnother text\n\rX-Evil: 1\u{0}\u{2028}\u{202e}end";
    let mut mail = email("asha@example.org");
    (mail.subject, mail.text, mail.html) = (evil.to_owned(), evil.to_owned(), Some(evil.to_owned()));
    (mail.to_name, mail.from_name) = (Some(evil.to_owned()), Some(evil.to_owned()));
    mailer.send(&mail).await.unwrap();
    let raw = exim.delivered(1).await.remove(0);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert!(parsed.bcc().is_none() && parsed.header_raw("X-Evil").is_none(), "{}", String::from_utf8_lossy(&raw));
    assert_eq!(parsed.subject(), Some("Hello Bcc: everybody@example.org Another text X-Evil: 1 end"));
    assert_eq!(parsed.to().unwrap().iter().count(), 1);
    let refused = |change: &dyn Fn(&mut payaid::platform::mail::Email)| {
        let mut mail = email("asha@example.org");
        change(&mut mail);
        mail
    };
    for to in [
        "asha@example.org\r\nRCPT TO:<b@example.org>",
        "asha@example.org>\r\nDATA",
        "asha@example.org,b@example.org",
        "asha",
        "",
        "\"a\r\nb\"@example.org",
    ] {
        assert_eq!(kind(&mailer.send(&refused(&|mail| mail.to = to.to_owned())).await), Err(UnsentKind::BadAddress), "{to:?}");
    }
    for link in [
        "ftp://example.in",
        "https://example.in/>\r\nX-Evil: 1",
        "https://example.in/ x",
        "javascript:alert(1)",
        &format!("https://example.in/{}", "x".repeat(1000)),
    ] {
        assert_eq!(kind(&mailer.send(&refused(&|mail| mail.unsubscribe = Some(link.to_owned()))).await), Err(UnsentKind::Refused), "{link:?}");
    }
    for reference in ["", "a b", "a\r\nb", "a@b", &"a".repeat(65)] {
        assert_eq!(kind(&mailer.send(&refused(&|mail| mail.reference = reference.to_owned())).await), Err(UnsentKind::Refused), "{reference:?}");
    }
    assert_eq!(kind(&mailer.send(&refused(&|mail| mail.reply_to = Some("a@b\r\nX: y".to_owned()))).await), Err(UnsentKind::Refused));
    exim.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mail_becomes_files() {
    let folder = Folder::create();
    let path = folder.path().join("below/mail");
    let mailer = mailer(&MailConfig { mail_folder: path.clone(), mail_from: None, ..config() });
    let mail = email("asha@example.org");
    for _ in 0..2 {
        assert_eq!(kind(&mailer.send(&mail).await), Ok("files"));
    }
    let files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.iter().map(|file| file.file_name().into_string().unwrap()).collect::<Vec<_>>(), [format!("{}.eml", mail.id)]);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let raw = std::fs::read(files[0].path()).unwrap();
    assert_eq!(MessageParser::default().parse(&raw).unwrap().from().unwrap().first().unwrap().address(), Some("payaid@localhost"));
    let unwritable = crate::mail::mailer(&MailConfig { mail_folder: files[0].path().join("x"), ..config() });
    assert_eq!(kind(&unwritable.send(&mail).await), Err(UnsentKind::Later));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_receivers_must_not_call_is_not_told_to_them() {
    let exim = Exim::start().await;
    let mut mail = email("asha@example.org");
    mail.unsubscribe = Some("http://127.0.0.1:8080/unsubscribe/abc".to_owned());
    mailer(&through(&exim)).send(&mail).await.unwrap();
    let raw = exim.delivered(1).await.remove(0);
    assert!(!String::from_utf8_lossy(&raw).contains("List-Unsubscribe"));
}

#[test]
fn a_configuration_that_cannot_send_is_said_at_the_start() {
    payaid::access::tokens::install_crypto();
    let host = || Some("127.0.0.1".to_owned());
    let cases = [
        (MailConfig { smtp_host: host(), mail_from: None, ..config() }, "MAIL_FROM is missing"),
        (MailConfig { mail_from: Some("nobody".to_owned()), ..config() }, "MAIL_FROM is no sender"),
        (MailConfig { mail_bounces: Some("nobody".to_owned()), ..config() }, "MAIL_BOUNCES is no address"),
        (MailConfig { smtp_host: host(), smtp_user: Some("payaid".to_owned()), ..config() }, "set both, or none"),
        (
            MailConfig { smtp_host: host(), smtp_user: Some("payaid".to_owned()), smtp_password: Some("secret".to_owned().into()), ..config() },
            "a password is not sent without encryption",
        ),
        (
            MailConfig { sendgrid_api_key: Some("SG.secret".to_owned().into()), sendgrid_url: "nowhere".to_owned(), ..config() },
            "SENDGRID_URL is no address",
        ),
    ];
    for (config, expected) in cases {
        let refused = Mailer::new(&config, std::sync::Arc::new(payaid::base::clock::SystemClock)).err().expect(expected);
        let text = format!("{refused:#}");
        assert!(text.contains(expected) && !text.contains("secret"), "{text}");
    }
}
