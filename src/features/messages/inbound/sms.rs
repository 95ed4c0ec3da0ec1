//! What SMS providers report of the messages that they took.
//!
//! What must hold: a report is believed when its provider has signed it, or its address has what only the provider was told: the word of the message
//! itself (Exotel), or the operator's key (MSG91, Fast2SMS).

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::access::Services;
use crate::access::inbound::{Inbound, Received, Refused, Told};
use crate::base::{Error, Result};
use crate::features::messages::actions::reports::reported;
use crate::platform::sms::reports::{self, Report};

/// A report may come before it is written that its message was sent. One that finds no message for so long is none of ours.
const KNOWN_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A report as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    received_at: DateTime<Utc>,
    report: Report,
}

fn told(received: &Received<'_>, reports: Result<Vec<Report>, String>) -> Result<Vec<Told>, Refused> {
    let kept = |report: Report| {
        let id = report.event_id();
        let body = serde_json::to_vec(&Kept { received_at: received.now, report }).map_err(|_| Refused::Malformed)?;
        Ok(Told { id, body })
    };
    reports.map_err(|_| Refused::Malformed)?.into_iter().map(kept).collect()
}

async fn take_in(services: &Services, provider: &'static str, told: &Told) -> Result<()> {
    let Ok(Kept { received_at, report }) = serde_json::from_slice(&told.body) else { return Ok(()) };
    let is_known = reported(services, &Report { provider, ..report }).await?;
    if !is_known && services.clock.now() - received_at < KNOWN_WITHIN {
        return Err(Error::not_found("message"));
    }
    Ok(())
}

/// Whether the address has the operator's key.
fn keyed(received: &Received<'_>) -> Result<(), Refused> {
    let key = received.config.sms.sms_reports_key.as_ref().ok_or(Refused::NotConfigured)?;
    let given = reports::in_query(received.query, "key").unwrap_or_default();
    bool::from(given.as_bytes().ct_eq(key.expose_secret().as_bytes())).then_some(()).ok_or(Refused::Signature)
}

fn signed_by_twilio(received: &Received<'_>) -> Result<(), Refused> {
    let token = received.config.sms.twilio_auth_token.as_ref().ok_or(Refused::NotConfigured)?;
    let signature = (received.header)("x-twilio-signature").ok_or(Refused::Signature)?;
    reports::is_twilios(token, &received.address(Twilio::PROVIDER), received.body, signature).then_some(()).ok_or(Refused::Signature)
}

/// Whether the address has the word of one of our messages, which Exotel alone was told.
fn about_ours(received: &Received<'_>) -> Result<(), Refused> {
    if received.config.sms.exotel_sid.is_none() {
        return Err(Refused::NotConfigured);
    }
    let reference = reports::in_query(received.query, "reference");
    reference.and_then(|reference| received.references.read_reference(&reference)).map(drop).ok_or(Refused::Signature)
}

/// A provider: its name, its errand, how it is checked and how it is read.
macro_rules! providers {
    ($($name:ident $word:literal $errand:literal, $verify:path, |$received:ident| $read:expr;)+) => {
        $(
            #[doc = concat!("Reports of ", stringify!($name), ".")]
            #[derive(Debug)]
            pub struct $name;

            impl Inbound for $name {
                const PROVIDER: &'static str = $word;
                const ERRAND: &'static str = $errand;

                fn verify(received: &Received<'_>) -> Result<(), Refused> {
                    $verify(received)
                }

                fn events($received: &Received<'_>) -> Result<Vec<Told>, Refused> {
                    told($received, $read)
                }

                async fn process(services: Services, told: Told) -> Result<()> {
                    take_in(&services, Self::PROVIDER, &told).await
                }
            }
        )+
    };
}

providers! {
    Msg91 "msg91" "inbound_msg91", keyed, |received| reports::msg91(received.body);
    Fast2Sms "fast2sms" "inbound_fast2sms", keyed, |received| reports::fast2sms(received.body);
    Exotel "exotel" "inbound_exotel", about_ours, |received| reports::exotel(received.query, received.body);
    Twilio "twilio" "inbound_twilio", signed_by_twilio, |received| reports::twilio(received.query, received.body);
}
