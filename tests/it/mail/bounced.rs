//! Bounces as a mail server writes them, read by the command; and the commands about mail.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::harness::exim::Exim;
use crate::harness::process::{Folder, Payaid};
use crate::mail::{email, mailer, through};

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_finds_its_mail_from_a_maildir_and_from_a_pipe() {
    let exim = Exim::start().await;
    let mail = email("lost@example.org");
    mailer(&through(&exim)).send(&mail).await.unwrap();
    let raw = exim.delivered(1).await.remove(0);
    let bounce = payaid::platform::mail::bounces::read(&raw).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&raw)));
    assert_eq!(bounce.reference.as_ref(), Some(&mail.reference));
    assert_eq!((bounce.recipient.as_deref(), bounce.permanent), (Some("lost@example.org"), true), "{bounce:?}");
    assert_eq!(bounce.status, "5.0.0", "{bounce:?}");

    let maildir = exim.maildir();
    std::fs::write(maildir.join("new/0.answer"), "To: bounces@example.in\nSubject: On leave\n\nBack on Monday.\n").unwrap();
    let arguments = ["bounce", "--maildir", maildir.to_str().unwrap()];
    let ended = Payaid::run(std::path::Path::new("/tmp"), &arguments, &[]).await;
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].ends_with("no bounce") && lines[1].contains(&format!("mail {} was not delivered, for good", mail.reference)),
        "{lines:?}"
    );
    exim.delivered(0).await;
    assert_eq!(
        std::fs::read_dir(maildir.join("cur")).unwrap().filter(|entry| entry.as_ref().unwrap().path().to_str().unwrap().ends_with(":2,S")).count(),
        2
    );
    let again = Payaid::run(std::path::Path::new("/tmp"), &arguments, &[]).await;
    assert!(again.status.success() && again.stdout.is_empty(), "{again:?}");

    let mut piped = tokio::process::Command::new(env!("CARGO_BIN_EXE_payaid"));
    piped.env_clear().args(["bounce", "--recipient", "bounces+other@example.in"]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut piped = piped.spawn().unwrap();
    let mut input = piped.stdin.take().unwrap();
    input.write_all(&raw).await.unwrap();
    drop(input);
    let output = piped.wait_with_output().await.unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("standard input: mail other was not delivered"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_listed_shown_and_tried() {
    let folder = Folder::create();
    let run = |arguments: &'static [&'static str]| Payaid::run(folder.path(), arguments, &[]);
    let listed = run(&["mail", "list"]).await.stdout;
    assert_eq!(listed.lines().collect::<Vec<_>>(), payaid::platform::mail::templates::names());
    let shown = run(&["mail", "preview", "invitation"]).await.stdout;
    assert!(shown.starts_with("Asha Rao invites you to Sharma & Sons <Traders>\n\nHello,"), "{shown}");
    let page = run(&["mail", "preview", "invitation", "--language", "hi", "--html"]).await.stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains("आमंत्रण स्वीकार करें"), "{page}");
    let unknown = run(&["mail", "preview", "nothing"]).await;
    assert!(!unknown.status.success() && unknown.stderr.contains("webhook_disabled"), "{unknown:?}");
    let kept = run(&["mail", "test", "asha@example.org"]).await;
    assert!(kept.stdout.contains("files has taken the mail (.payaid/mail/"), "{kept:?}");
    assert_eq!(std::fs::read_dir(folder.path().join(".payaid/mail")).unwrap().count(), 1);

    let exim = Exim::start().await;
    let port = exim.port.to_string();
    let environment = [("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", port.as_str()), ("SMTP_TLS", "none"), ("MAIL_FROM", "no-reply@example.in")];
    let sent = Payaid::run(folder.path(), &["mail", "test", "asha@example.org"], &environment).await;
    assert!(sent.stdout.contains("smtp has taken the mail (OK id="), "{sent:?}");
    exim.delivered(1).await;
    let refused = Payaid::run(folder.path(), &["mail", "test", "nobody@example.org"], &environment).await;
    assert!(refused.refusal().contains("5.1.1"), "{refused:?}");
}
