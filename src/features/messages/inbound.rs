//! What SendGrid tells of the mails that it has taken: delivered, bounced, complained about; what SMS providers report is in [`sms`].

pub mod sms;

use crate::access::Services;
use crate::access::inbound::{Inbound, Received, Refused, Told};
use crate::base::Result;
use crate::features::messages::actions::reports;
use crate::platform::mail::sendgrid;

/// SendGrid's signed events.
#[derive(Debug)]
pub struct SendGrid;

impl Inbound for SendGrid {
    const PROVIDER: &'static str = "sendgrid";
    const ERRAND: &'static str = "inbound_sendgrid";

    fn verify(received: &Received<'_>) -> Result<(), Refused> {
        let Some(key) = received.config.mail.sendgrid_webhook_key.as_deref().filter(|key| !key.is_empty()) else { return Err(Refused::NotConfigured) };
        let header = |name: &str| (received.header)(name).ok_or(Refused::Signature);
        let (timestamp, signature) =
            (header("x-twilio-email-event-webhook-timestamp")?, header("x-twilio-email-event-webhook-signature")?);
        sendgrid::verify(key, timestamp, signature, received.body, received.now).then_some(()).ok_or(Refused::Signature)
    }

    fn events(received: &Received<'_>) -> Result<Vec<Told>, Refused> {
        let list: Vec<serde_json::Value> = serde_json::from_slice(received.body).map_err(|_| Refused::Malformed)?;
        let told = |event: serde_json::Value| {
            let id = event.get("sg_event_id")?.as_str()?.to_owned();
            Some(Told { id, body: event.to_string().into_bytes() })
        };
        Ok(list.into_iter().filter_map(told).collect())
    }

    async fn process(services: Services, told: Told) -> Result<()> {
        let one = [b"[".as_slice(), &told.body, b"]"].concat();
        for event in sendgrid::events(&one)? {
            reports::sendgrid(&services, &event).await?;
        }
        Ok(())
    }
}
