//! What comes back about messages: bounces, delivery reports of providers, and people who unsubscribe.
//!
//! It comes without a tenant, in any order and more than once. Whose it is, is read from a reference that only this server can make, or that the
//! provider gave for this one message; nothing else in it is believed.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use super::changed;
use super::delivery::{postpone, short, suppress, suppress_address};
use crate::access::writing::write_as;
use crate::access::{Act, Means, Plan, Role, Scope, Services};
use crate::base::{Result, SharedClock};
use crate::features::messages::model::{Message, MessageChanges, MessageChannel, MessageState, SuppressionReason};
use crate::features::messages::queries;
use crate::features::messages::rules::{is_secret_gone, leads_on};
use crate::features::rows::Stored;
use crate::platform::mail::bounces::Bounce;
use crate::platform::mail::sendgrid::SendgridEvent;
use crate::platform::sms::reports::{Outcome, Report};

/// How long a mail waits that came back for now.
const COME_BACK: TimeDelta = TimeDelta::hours(1);
/// So many attempts to send a mail are made by themselves, when it comes back for now each time.
const MOST_ATTEMPTS: i32 = 5;

/// What is known of a message from a report.
#[derive(Debug, Clone)]
struct Finding {
    /// What kind of message it is about: a mail bears its word where whoever receives it can read it, and so does the address that a provider of text
    /// messages calls without signing.
    channel: MessageChannel,
    /// How far it has come.
    state: Option<MessageState>,
    /// Whether it came back, and may not another time: `state` is what becomes of it when it is not sent again.
    for_now: bool,
    /// Why nothing more is to be sent to the address.
    suppressed: Option<SuppressionReason>,
    /// What was said.
    detail: Option<String>,
    /// The provider's word for the message; a report about an earlier attempt has another one.
    reference: Option<String>,
}

/// Takes in a mail that came back; whether it belongs to a message of ours.
///
/// # Errors
/// As the database fails: then it is to be taken in again.
pub async fn bounced(services: &Services, bounce: &Bounce) -> Result<bool> {
    let Some(ids) = bounce.reference.as_deref().and_then(|reference| services.references.read_reference(reference)) else { return Ok(false) };
    let said = format!("{} {}", bounce.status, bounce.diagnostic);
    let state = if bounce.permanent { MessageState::Bounced } else { MessageState::Failed };
    let found = Finding {
        channel: MessageChannel::Email,
        state: (!bounce.delayed).then_some(state),
        for_now: !bounce.permanent && !bounce.delayed,
        suppressed: bounce.permanent.then_some(SuppressionReason::Bounce),
        detail: Some(said),
        reference: None,
    };
    apply(services, ids, found).await
}

/// Takes in a report of an SMS provider; whether it belongs to a message of ours.
///
/// # Errors
/// As [`bounced`].
pub async fn reported(services: &Services, report: &Report) -> Result<bool> {
    let own = report.reference.as_deref().and_then(|reference| services.references.read_reference(reference));
    let ids = match (own, &report.provider_reference) {
        (Some(ids), _) => Some(ids),
        (None, Some(reference)) => queries::by_provider_reference(services, report.provider, reference).await?,
        (None, None) => None,
    };
    let Some(ids) = ids else { return Ok(false) };
    let (state, suppressed) = match report.outcome {
        Outcome::Sent => (MessageState::Sent, None),
        Outcome::Delivered => (MessageState::Delivered, None),
        Outcome::Failed => (MessageState::Failed, None),
        Outcome::Unsubscribed => (MessageState::Failed, Some(SuppressionReason::Unsubscribe)),
    };
    let (detail, reference) = (report.detail.clone(), report.provider_reference.clone());
    let found = Finding { channel: MessageChannel::Sms, state: Some(state), for_now: false, suppressed, detail, reference };
    apply(services, ids, found).await
}

/// Takes in an event of SendGrid; whether it belongs to a message of ours.
///
/// # Errors
/// As [`bounced`].
pub async fn sendgrid(services: &Services, event: &SendgridEvent) -> Result<bool> {
    let Some(ids) = event.reference.as_deref().and_then(|reference| services.references.read_reference(reference)) else { return Ok(false) };
    let for_good = !event.blocked && event.status.as_deref().is_none_or(|status| status.starts_with('5'));
    let (state, suppressed) = match event.event.as_str() {
        "processed" => (Some(MessageState::Sent), None),
        "delivered" => (Some(MessageState::Delivered), None),
        "bounce" if for_good => (Some(MessageState::Bounced), Some(SuppressionReason::Bounce)),
        "bounce" | "dropped" => (Some(MessageState::Failed), None),
        "deferred" => (None, None),
        "spamreport" => (None, Some(SuppressionReason::Complaint)),
        "unsubscribe" | "group_unsubscribe" => (None, Some(SuppressionReason::Unsubscribe)),
        _ => return Ok(true),
    };
    let said = [event.status.as_deref(), event.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let detail = Some(said).filter(|said| !said.is_empty());
    let for_now = event.event == "bounce" && !for_good;
    apply(services, ids, Finding { channel: MessageChannel::Email, state, for_now, suppressed, detail, reference: None }).await
}

/// Takes in that somebody unsubscribed by the link of a mail.
///
/// # Errors
/// As [`bounced`].
pub async fn unsubscribed(services: &Services, organization: Uuid, address: String) -> Result<()> {
    let why = (SuppressionReason::Unsubscribe, Some("By the link of a mail.".to_owned()));
    let work = |act: Act| async move { suppress_address(&act, MessageChannel::Email, &address, why, None).await };
    write_as(services, scope(services, organization), work).await
}

async fn apply(services: &Services, (organization, id): (Uuid, Uuid), found: Finding) -> Result<bool> {
    write_as(services, scope(services, organization), move |act| async move { take_in(&act, id, found).await }).await
}

async fn take_in(act: &Act, id: Uuid, found: Finding) -> Result<bool> {
    let Some(message) = Message::lock(act, &[id]).await?.into_iter().next() else { return Ok(false) };
    if message.channel.value()? != found.channel {
        return Ok(true);
    }
    if let Some(reason) = found.suppressed {
        suppress(act, &message, reason, found.detail.clone()).await?;
    }
    let (now, uncertain) = (message.state.value()?, message.uncertain.value()?);
    if is_of_another_attempt(&message, &found)? {
        return Ok(true);
    }
    // It will be sent once more as it is.
    if found.for_now && now == MessageState::Queued {
        return Ok(true);
    }
    if found.for_now && may_come_through(&message)? {
        let until = act.now() + COME_BACK;
        postpone(act, message, until, (None, &found.detail.unwrap_or_default()), false).await?;
        return Ok(true);
    }
    let changes = match found.state.filter(|state| leads_on(now, uncertain, *state)) {
        Some(state) => {
            let went_wrong = matches!(state, MessageState::Failed | MessageState::Bounced);
            let delivered = state == MessageState::Delivered;
            MessageChanges {
                state: Some(state),
                error: Some(found.detail.filter(|_| went_wrong).map(|detail| short(&detail))),
                uncertain: Some(false),
                delivered_at: delivered.then(|| Some(act.now())),
                // Its job has nothing left to do, and must not take this for its own doing; one that has given it up may be done again.
                job_id: (now != MessageState::Failed).then_some(None),
                ..MessageChanges::default()
            }
        }
        // It has not come back for good: what was said of it is kept while it is on its way.
        None if found.state.is_none() && found.suppressed.is_none() && now == MessageState::Sent => {
            let said = found.detail.map(|detail| short(&detail));
            if said.as_deref() == message.error.text()? {
                return Ok(true);
            }
            MessageChanges { error: Some(said), ..MessageChanges::default() }
        }
        None => return Ok(true),
    };
    changed(act, "report", message, changes).await?;
    Ok(true)
}

/// Whether a provider's report is about an attempt before the one that the row tells of: it bears another word, or nothing has begun since somebody
/// had the message sent again.
fn is_of_another_attempt(message: &Message, found: &Finding) -> Result<bool> {
    let Some(reported) = &found.reference else { return Ok(false) };
    Ok(match message.provider_reference.text()? {
        Some(known) => known != reported,
        None => message.state.value()? == MessageState::Queued && !message.uncertain.value()?,
    })
}

/// Whether a mail that came back for now is sent again by itself: it was sent, not too often, and can be made again.
fn may_come_through(message: &Message) -> Result<bool> {
    let was_sent = match message.state.value()? {
        MessageState::Sent => true,
        MessageState::Failed => message.uncertain.value()?,
        MessageState::Queued | MessageState::Delivered | MessageState::Bounced => false,
    };
    let can_be_made = !is_secret_gone(message.template.text()?, message.sealed.get()?.is_some());
    Ok(was_sent && can_be_made && message.attempts.value()? < MOST_ATTEMPTS)
}

/// What comes from outside is nobody's doing.
fn scope(services: &Services, organization: Uuid) -> Scope {
    Scope {
        organization,
        user: Uuid::nil(),
        means: Means::Job(Uuid::nil()),
        role: Role::Viewer,
        permissions: crate::access::Permissions::default(),
        plan: Plan::Free,
        time_zone: chrono_tz::Asia::Kolkata,
        request_id: Arc::from("report"),
        clock: SharedClock::clone(&services.clock),
    }
}
