//! Bounces in the forms in which servers send them, and in forms in which nobody should.

use super::*;

/// As Postfix writes them.
fn postfix(action: &str, status: &str, code: &str) -> String {
    format!(
        "Return-Path: <>\r\nX-Original-To: bounces+ref-1@example.in\r\nDelivered-To: bounces@example.in\r\n\
         Date: Sun, 22 Nov 2026 05:30:00 +0530 (IST)\r\nFrom: MAILER-DAEMON@mx.example.in (Mail Delivery System)\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nTo: bounces+ref-1@example.in\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"4F1A2.1600112502/mx.example.in\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--4F1A2.1600112502/mx.example.in\r\nContent-Description: Notification\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\r\nI'm sorry to have to inform you that your message could not be delivered.\r\n\r\n\
         --4F1A2.1600112502/mx.example.in\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.in\r\nX-Postfix-Queue-ID: 4F1A2\r\nX-Postfix-Sender: rfc822; bounces+ref-1@example.in\r\n\
         Arrival-Date: Sun, 22 Nov 2026 05:29:58 +0530 (IST)\r\n\r\nFinal-Recipient: rfc822; nobody@example.org\r\n\
         Original-Recipient: rfc822;nobody@example.org\r\nAction: {action}\r\nStatus: {status}\r\nRemote-MTA: dns; mx.example.org\r\n\
         Diagnostic-Code: {code}\r\n\r\n--4F1A2.1600112502/mx.example.in\r\nContent-Description: Undelivered Message\r\n\
         Content-Type: message/rfc822\r\n\r\nFrom: PayAid <no-reply@example.in>\r\nTo: nobody@example.org\r\nSubject: Hello\r\n\
         X-PayAid-Reference: ref-2\r\n\r\nHello\r\n\r\n--4F1A2.1600112502/mx.example.in--\r\n"
    )
}

#[test]
fn a_bounce_of_postfix() {
    let raw = postfix("failed", "5.1.1", "smtp; 550 5.1.1\r\n    <nobody@example.org>: Recipient address rejected:\r\n    User unknown");
    let bounce = read(raw.as_bytes()).unwrap();
    // The address that it was sent to says more than the mail that it brings back: only we know it.
    assert_eq!(bounce.reference.as_deref(), Some("ref-1"));
    assert_eq!(bounce.recipient.as_deref(), Some("nobody@example.org"));
    assert_eq!((bounce.status.as_str(), bounce.permanent), ("5.1.1", true));
    assert_eq!(bounce.diagnostic, "550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown");
    assert_eq!(read_for(raw.as_bytes(), Some("bounces+ref-0@example.in")).unwrap().reference.as_deref(), Some("ref-0"));
    let without = raw.replace("bounces+ref-1@", "bounces@");
    assert_eq!(read(without.as_bytes()).unwrap().reference.as_deref(), Some("ref-2"));
}

#[test]
fn what_may_come_right_is_not_permanent() {
    let of = |action: &str, status: &str| {
        read(postfix(action, status, "smtp; 451 4.4.1 try again").as_bytes()).map(|bounce| (bounce.status, bounce.permanent, bounce.delayed))
    };
    assert_eq!(of("failed", "4.4.1"), Some(("4.4.1".to_owned(), false, false)));
    assert_eq!(of("delayed", "4.4.1"), Some(("4.4.1".to_owned(), false, true)));
    assert_eq!(of("Delayed", "5.1.1"), Some(("4.0.0".to_owned(), false, true)));
    assert_eq!(of("failed (bad destination)", "none"), Some(("4.4.1".to_owned(), false, false)));
    for good in ["delivered", "relayed", "expanded", ""] {
        assert_eq!(of(good, "2.0.0"), None);
    }
}

/// As Gmail writes them: the part for machines is the third, the one before is HTML, and only the headers come back.
#[test]
fn a_bounce_of_gmail() {
    let raw = "Delivered-To: bounces@example.in\r\nFrom: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nTo: bounces@example.in\r\n\
               Auto-Submitted: auto-replied\r\nSubject: Delivery Status Notification (Failure)\r\nX-Failed-Recipients: nobody@gmail.com\r\n\
               Content-Type: multipart/report; boundary=\"00000000000012\"; report-type=delivery-status\r\n\r\n--00000000000012\r\n\
               Content-Type: multipart/related; boundary=\"00000000000034\"\r\n\r\n--00000000000034\r\n\
               Content-Type: multipart/alternative; boundary=\"00000000000056\"\r\n\r\n--00000000000056\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n\
               ** Address not found **\r\n\r\n--00000000000056\r\nContent-Type: text/html; charset=\"UTF-8\"\r\n\r\n<b>Address not found</b>\r\n\
               --00000000000056--\r\n--00000000000034--\r\n--00000000000012\r\nContent-Type: message/delivery-status\r\n\r\n\
               Reporting-MTA: dns; googlemail.com\r\nReceived-From-MTA: dns; no-reply@example.in\r\nArrival-Date: Sat, 21 Nov 2026 16:00:00 -0800 (PST)\r\n\
               X-Original-Message-ID: <1@example.in>\r\n\r\nFinal-Recipient: rfc822; nobody@gmail.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\
               Remote-MTA: dns; gmail-smtp-in.l.google.com. (142.250.0.27, the server for the domain gmail.com.)\r\n\
               Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\r\n 550 5.1.1 NoSuchUser - gsmtp\r\n\
               Last-Attempt-Date: Sat, 21 Nov 2026 16:00:01 -0800 (PST)\r\n\r\n--00000000000012\r\nContent-Type: text/rfc822-headers\r\n\r\n\
               From: PayAid <no-reply@example.in>\r\nx-payaid-reference: ref_3\r\nTo: nobody@gmail.com\r\n\r\n--00000000000012--\r\n";
    let bounce = read(raw.as_bytes()).unwrap();
    assert_eq!((bounce.reference.as_deref(), bounce.status.as_str()), (Some("ref_3"), "5.1.1"));
    assert!(bounce.diagnostic.ends_with("550 5.1.1 NoSuchUser - gsmtp"), "{}", bounce.diagnostic);
}

/// As Exim wrote them before it knew reports: text alone, with the mail behind it.
#[test]
fn a_bounce_of_an_old_exim() {
    let raw = "X-Failed-Recipients: nobody@example.org\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@mx.example.in>\n\
               To: bounces@example.in\nSubject: Mail delivery failed: returning message to sender\n\n\
               This message was created automatically by mail delivery software.\n\n  nobody@example.org\n    host mx.example.org [192.0.2.1]\n\
               \x20   SMTP error from remote mail server after RCPT TO:<nobody@example.org>:\n    550 5.1.1 User unknown\n\n\
               ------ This is a copy of the message, including all the headers. ------\n\nTo: nobody@example.org\nX-PayAid-Reference: ref4\n\nHello\n";
    let bounce = read(raw.as_bytes()).unwrap();
    assert_eq!((bounce.reference.as_deref(), bounce.recipient.as_deref()), (Some("ref4"), Some("nobody@example.org")));
    assert_eq!((bounce.status.as_str(), bounce.diagnostic.as_str()), ("5.1.1", "550 5.1.1 User unknown"));
}

#[test]
fn of_several_recipients_the_one_that_is_lost_counts() {
    let raw = postfix(
        "delayed",
        "4.2.2",
        "smtp; 452 full\r\n\r\nFinal-Recipient: rfc822; <gone@example.org>\r\nAction: failed\r\nStatus: 5.2.1 (disabled)",
    );
    let bounce = read(raw.as_bytes()).unwrap();
    assert_eq!((bounce.recipient.as_deref(), bounce.status.as_str(), bounce.permanent), (Some("gone@example.org"), "5.2.1", true));
    let given_up = read(raw.replace("5.2.1 (disabled)", "4.2.1").as_bytes()).unwrap();
    assert_eq!((given_up.recipient.as_deref(), given_up.status.as_str(), given_up.delayed), (Some("gone@example.org"), "4.2.1", false));
}

#[test]
fn other_mail_is_no_bounce() {
    for raw in [
        "",
        "\r\n\r\n",
        "From: asha@example.in\r\nTo: bounces+ref@example.in\r\nAuto-Submitted: auto-replied\r\nSubject: On leave\r\n\r\nI am back on Monday. 5.1.1\r\n",
        "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\r\n--x--",
        "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/disposition-notification\r\n\r\nAction: failed\r\n--x--",
    ] {
        assert_eq!(read(raw.as_bytes()), None, "{raw}");
    }
}

#[test]
fn references_are_words() {
    for (address, word) in [
        ("bounces+a-b_C1@example.in", Some("a-b_C1")),
        ("bounces@example.in", None),
        ("bounces+@example.in", None),
        ("bounces+a;drop@example.in", None),
        ("bounces+a", None),
    ] {
        assert_eq!(extension(address).as_deref(), word, "{address}");
    }
}

#[test]
fn nothing_that_anybody_sends_is_a_fault() {
    let sound = postfix("failed", "5.1.1", "smtp; 550").into_bytes();
    for end in (0..sound.len()).step_by(3) {
        let _ = understood(&sound[..end], None);
        let _ = understood(&sound[end..], None);
    }
    let mut changed = sound.clone();
    for at in 0..changed.len() {
        for byte in [0, b'\n', b'-', 0xff] {
            let before = std::mem::replace(&mut changed[at], byte);
            let _ = understood(&changed, None);
            changed[at] = before;
        }
    }
}

/// The parser goes down into mails within mails, and again when it lets them go.
#[test]
fn no_nesting_is_too_deep() {
    let deep = "Content-Type: multipart/mixed; boundary=x\n\n--x\n".repeat(20_000);
    let digest = "Content-Type:multipart/digest;boundary=x\n\n--x\n\n".repeat(20_000);
    let nested = "Content-Type:message/rfc822\n\n".repeat(30_000);
    let hidden = format!("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{}", data_encoding::BASE64.encode(nested.as_bytes()));
    let long = format!("X-Failed-Recipients: {}\r\n\r\n{}", "a,".repeat(300_000), "5".repeat(900_000));
    for raw in [deep, digest, nested, hidden, long] {
        let _ = read(raw.as_bytes());
    }
}
