//! What SendGrid tells of mails that it took: its signature, and the events.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;

use crate::base::{Code, Error, Result};
use crate::platform::mail::sendgrid::REFERENCE;

/// How old a signed message may be, and how far SendGrid's clock may be ahead.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// Whether SendGrid signed this body: `public_key` is what SendGrid shows in its settings, `timestamp` and `signature` the headers
/// `X-Twilio-Email-Event-Webhook-Timestamp` and `-Signature`.
#[must_use]
pub fn verify(public_key: &str, timestamp: &str, signature: &str, body: &[u8], now: DateTime<Utc>) -> bool {
    let sent = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if sent.is_none_or(|sent| now.signed_duration_since(sent).abs() > FRESH) {
        return false;
    }
    let (Ok(key), Ok(signature)) = (BASE64.decode(public_key.trim().as_bytes()), BASE64.decode(signature.as_bytes())) else { return false };
    let signed = [timestamp.as_bytes(), body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(&signed, &signature).is_ok()
}

/// What happened to a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendgridEvent {
    /// SendGrid's own id of the event, the same when it is sent again.
    pub id: String,
    /// `processed`, `delivered`, `deferred`, `bounce`, `dropped`, `spamreport`, `unsubscribe` and others.
    pub event: String,
    /// Our word for the mail; `None` for mails that were not sent by us.
    pub reference: Option<String>,
    /// The address that it was sent to.
    pub recipient: String,
    /// The status of a bounce, such as `5.1.1`.
    pub status: Option<String>,
    /// Whether a bounce says that the mail was turned away this time, and not that there is nobody.
    pub blocked: bool,
    /// What the receiving server said, or why SendGrid did not send.
    pub reason: Option<String>,
    /// When it happened.
    pub at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Raw {
    sg_event_id: String,
    event: String,
    email: String,
    timestamp: i64,
    status: Option<String>,
    reason: Option<String>,
    r#type: Option<String>,
}

/// Reads events. What is no event in an otherwise sound list is left out, for SendGrid adds kinds of its own.
///
/// # Errors
/// `VALIDATION_ERROR` when the body is no list.
pub fn events(body: &[u8]) -> Result<Vec<SendgridEvent>> {
    let list: Vec<Value> = serde_json::from_slice(body).map_err(|_| Error::new(Code::ValidationError, "This is no list of SendGrid's events."))?;
    Ok(list.into_iter().filter_map(event).collect())
}

fn event(value: Value) -> Option<SendgridEvent> {
    let reference = value.get(REFERENCE).and_then(Value::as_str).map(str::to_owned);
    let raw: Raw = serde_json::from_value(value).ok()?;
    let Raw { sg_event_id: id, event, email: recipient, timestamp, status, reason, r#type } = raw;
    let at = DateTime::from_timestamp(timestamp, 0)?;
    Some(SendgridEvent { id, event, reference, recipient, status, blocked: r#type.as_deref() == Some("blocked"), reason, at })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    /// What stands before the point of a P-256 key in the form that SendGrid shows (SPKI).
    const FRAME: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
        0x03, 0x42, 0x00,
    ];

    #[test]
    fn only_what_sendgrid_signed_a_moment_ago_is_believed() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = BASE64.encode(&[FRAME.as_slice(), pair.public_key().as_ref()].concat());
        let (timestamp, body) = ("1600112502", b"[{\"event\":\"delivered\"}]\r\n".as_slice());
        let sign = |data: &[u8]| BASE64.encode(pair.sign(&SystemRandom::new(), data).unwrap().as_ref());
        let signature = sign(&[timestamp.as_bytes(), body].concat());
        let at = |seconds: i64| DateTime::from_timestamp(1_600_112_502 + seconds, 0).unwrap();
        assert!(verify(&key, timestamp, &signature, body, at(0)) && verify(&key, timestamp, &signature, body, at(299)));
        assert!(!verify(&key, timestamp, &signature, body, at(301)) && !verify(&key, timestamp, &signature, body, at(-301)));
        assert!(!verify(&key, "1600112503", &signature, body, at(0)));
        assert!(!verify(&key, timestamp, &signature, b"[]", at(0)));
        assert!(!verify(&key, timestamp, &sign(body), body, at(0)));
        for (key, timestamp, signature) in [
            ("", timestamp, signature.as_str()),
            ("AAAA", timestamp, &signature),
            (&key, "", &signature),
            (&key, timestamp, "x"),
            (&key, "99999999999999999", ""),
        ] {
            assert!(!verify(key, timestamp, signature, body, at(0)));
        }
    }

    #[test]
    fn events_are_read_and_others_left_out() {
        let body = br#"[
            {"sg_event_id":"a","event":"bounce","email":"asha@example.in","timestamp":1600112502,"status":"5.1.1","type":"bounce","reason":"550 5.1.1 nobody","reference":"ref-1","smtp-id":"<x>"},
            {"sg_event_id":"b","event":"bounce","email":"asha@example.in","timestamp":1600112503,"type":"blocked"},
            {"event":"account_status_change"}, 7]"#;
        let found = events(body).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].reference.as_deref(), found[0].status.as_deref(), found[0].blocked), (Some("ref-1"), Some("5.1.1"), false));
        assert_eq!((found[1].reference.as_deref(), found[1].blocked), (None, true));
        assert!(events(b"{}").is_err() && events(b"").is_err());
    }
}
