//! What is done with messages: check, write, audit and enqueue, in the caller's transaction. What the jobs do is in [`delivery`], what comes back in
//! [`reports`], and what the server writes by itself in [`own`].

pub mod delivery;
pub mod own;
pub mod reports;
pub mod templates;

use std::collections::BTreeMap;

use async_graphql::InputObject;
use chrono::{DateTime as Instant, TimeDelta, Utc};
use uuid::Uuid;

use crate::access::Act;
use crate::access::jobs::{Enqueue, Priority};
use crate::base::patch::optional;
use crate::base::scalars::DateTime;
use crate::base::{Checks, Error, Noun, Result, email, phone, text};
use crate::features::contacts::model::{Contact, ContactId, ContactStatus};
use crate::features::messages::jobs::{SendEmail, SendSms};
use crate::features::messages::model::templates::{SmsTemplate, SmsTemplateId};
use crate::features::messages::model::{
    Message, MessageChanges, MessageChannel, MessageId, MessageLanguage, MessageState, NewMessage, NewSuppression, Suppression, SuppressionReason,
    Variables,
};
use crate::features::messages::queries::{self, Recipient, suppressions, templates as sms_templates};
use crate::features::messages::rules;
use crate::features::rows;

/// The most variables that one message fills in.
const MOST_VARIABLES: usize = 30;
/// How far ahead a message can be written.
const AHEAD: TimeDelta = TimeDelta::days(366);
/// After so long a message that waits to be sent, and may have been, can be given another try: no attempt takes as long.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(15);

/// A value that is filled into a template.
#[derive(Debug, Clone, InputObject)]
pub struct MessageVariableInput {
    /// The name of the variable.
    pub name: String,
    /// What is filled in.
    pub value: String,
}

/// A message to send.
#[derive(Debug, Clone, InputObject)]
pub struct MessageSendInput {
    /// How it is sent.
    pub channel: MessageChannel,
    /// The contact it goes to, at the contact's e-mail address or telephone number; this or `to` must be given.
    pub contact_id: Option<ContactId>,
    /// The e-mail address or telephone number it goes to; this or `contactId` must be given.
    pub to: Option<String>,
    /// The subject of a mail, 1 to 200 characters.
    pub subject: Option<String>,
    /// The text of a mail, up to 20,000 characters.
    pub body: Option<String>,
    /// The registered text that a text message is made from: nothing else may be sent to Indian numbers.
    pub sms_template_id: Option<SmsTemplateId>,
    /// What is filled into the SMS template, up to 30 values.
    #[graphql(default)]
    pub variables: Vec<MessageVariableInput>,
    /// The language of what the server adds to a mail.
    #[graphql(default_with = "MessageLanguage::En")]
    pub language: MessageLanguage,
    /// Whether it is about something that the person has begun, such as an order. Anything else can be unsubscribed from by its link, and does not
    /// go to who has done so.
    #[graphql(default)]
    pub transactional: bool,
    /// Not to be sent before; up to a year ahead, at once when left out.
    pub send_at: Option<DateTime>,
}

/// A message to give another try.
#[derive(Debug, Clone, InputObject)]
pub struct MessageRetryInput {
    /// The message.
    pub id: MessageId,
    /// The version of it that was read.
    pub version: i32,
}

/// An address that is to get no more offers.
#[derive(Debug, Clone, InputObject)]
pub struct SuppressionCreateInput {
    /// What is not to be sent there any more.
    pub channel: MessageChannel,
    /// The e-mail address or telephone number.
    pub address: String,
    /// How the person said so, up to 200 characters.
    pub detail: Option<String>,
}

/// Writes a message, and enqueues the job that sends it.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, also for a suppressed address or a blocked contact; `NOT_FOUND` for a contact or SMS template
/// that is not there.
pub async fn send(act: &Act, input: MessageSendInput) -> Result<Message> {
    // Before anything else is checked, so that what is not there is told apart from nothing.
    let recipient = match input.contact_id {
        Some(id) => Some(queries::recipient(act, id.uuid()).await?.ok_or_else(|| Error::field_not_found("contactId", "contact"))?),
        None => None,
    };
    let template = match input.sms_template_id {
        Some(id) => Some(sms_templates::hold(act, id.uuid()).await?.ok_or_else(|| Error::field_not_found("smsTemplateId", "SMS template"))?),
        None => None,
    };
    let mut checks = Checks::new();
    let (field, address) = address(&mut checks, &input, recipient.as_ref());
    checks.require(input.variables.len() <= MOST_VARIABLES, "variables", format!("At most {MOST_VARIABLES} values can be filled in."));
    let variables = input.variables.iter().map(|variable| (variable.name.clone(), variable.value.clone())).collect();
    let (subject, body) = match input.channel {
        MessageChannel::Email => mail(&mut checks, &input),
        MessageChannel::Sms => (None, sms(&mut checks, &input, template.as_ref(), &variables)?),
    };
    let send_at = optional(&mut checks, "sendAt", input.send_at.as_ref(), |at| ahead(at.0, act.now()));
    checks.finish()?;
    if let Some(refusal) = refusal(act, input.channel, &address, input.transactional).await? {
        return Err(Error::invalid(field, refusal));
    }
    let about = recipient.as_ref().map(|recipient| (Contact::PREFIX.to_owned(), recipient.id));
    let (about_noun, about_id) = about.unzip();
    let new = NewMessage {
        to_name: recipient.as_ref().map(|recipient| recipient.name.clone()),
        contact_id: recipient.map(|recipient| recipient.id),
        subject,
        body,
        sms_template_id: template.map(|template| template.id),
        variables: Variables(variables),
        language: input.language,
        transactional: input.transactional,
        about_noun,
        about_id,
        send_at: send_at.filter(|at| *at > act.now()),
        ..blank(act, input.channel, address)
    };
    queue(act, new).await
}

/// Gives a message another try that failed or came back, or that got stuck on its way.
///
/// # Errors
/// `NOT_FOUND` when it is not there, `CONFLICT` when it was changed or is on its way, `VALIDATION_ERROR` for a suppressed address or a blocked contact.
pub async fn retry(act: &Act, input: MessageRetryInput) -> Result<Message> {
    let message = rows::lock_one(act, input.id, input.version).await?;
    let stuck = message.uncertain.value()? && message.updated_at.value()? < act.now() - STUCK_AFTER;
    let open = match message.state.value()? {
        MessageState::Failed | MessageState::Bounced => true,
        MessageState::Queued => stuck,
        MessageState::Sent | MessageState::Delivered => false,
    };
    if !open {
        return Err(Error::invalid("id", "This message was sent or is on its way; only one that failed or came back can be sent again."));
    }
    if rules::is_secret_gone(message.template.text()?, message.sealed.get()?.is_some()) {
        return Err(Error::invalid("id", rules::SECRET_GONE));
    }
    let (channel, address) = (message.channel.value()?, message.to_address.text()?.to_owned());
    if let Some(refusal) = refusal(act, channel, &address, message.transactional.value()?).await? {
        return Err(Error::invalid("id", refusal));
    }
    let job = enqueue(act, channel, message.id, message.transactional.value()?, None).await?;
    changed(act, "retry", message, again_from_the_start(job)).await
}

/// What changes of a message that is given another try by this job, as if it had never been sent.
fn again_from_the_start(job: Uuid) -> MessageChanges {
    MessageChanges {
        state: Some(MessageState::Queued),
        error: Some(None),
        uncertain: Some(false),
        provider_reference: Some(None),
        sent_at: Some(None),
        delivered_at: Some(None),
        job_id: Some(Some(job)),
        ..MessageChanges::default()
    }
}

/// Writes down that a person wants no more offers, as somebody who is asked on the telephone does.
///
/// # Errors
/// `VALIDATION_ERROR` for what is no address, `CONFLICT` when it is written down already.
pub async fn suppress(act: &Act, input: SuppressionCreateInput) -> Result<Suppression> {
    let mut checks = Checks::new();
    let address = match input.channel {
        MessageChannel::Email => checks.take("address", email::parse(&input.address)),
        MessageChannel::Sms => checks.take("address", phone::parse(&input.address)),
    };
    let detail = optional(&mut checks, "detail", input.detail.as_deref(), |detail| text::line(detail, 200));
    checks.finish()?;
    let new = NewSuppression {
        organization_id: act.organization(),
        id: act.fresh_id(),
        channel: input.channel,
        address: address.unwrap_or_default(),
        reason: SuppressionReason::Unsubscribe,
        detail,
        message_id: None,
        created_at: act.now(),
        updated_at: act.now(),
    };
    rows::create(act, new).await
}

/// Enqueues the job that sends a message. What somebody waits for goes before offers.
async fn enqueue(act: &Act, channel: MessageChannel, message: Uuid, transactional: bool, at: Option<Instant<Utc>>) -> Result<Uuid> {
    let priority = if transactional { Priority::High } else { Priority::Normal };
    let how = Enqueue { at, priority: Some(priority), ..Enqueue::default() };
    match channel {
        MessageChannel::Email => act.enqueue(&SendEmail { message }, how).await,
        MessageChannel::Sms => act.enqueue(&SendSms { message }, how).await,
    }
}

async fn queue(act: &Act, new: NewMessage) -> Result<Message> {
    let job_id = enqueue(act, new.channel, new.id, new.transactional, new.send_at).await?;
    rows::create(act, NewMessage { job_id: Some(job_id), ..new }).await
}

/// Changes a message that is locked; `verb` is what the audit log calls it.
async fn changed(act: &Act, verb: &str, message: Message, changes: MessageChanges) -> Result<Message> {
    let after = rows::apply(act, verb, &[message], |_| Ok(changes.clone())).await?;
    after.into_iter().next().ok_or_else(|| Error::internal("an updated message was not returned"))
}

fn blank(act: &Act, channel: MessageChannel, to_address: String) -> NewMessage {
    NewMessage {
        organization_id: act.organization(),
        id: act.fresh_id(),
        channel,
        state: MessageState::Queued,
        to_address,
        to_name: None,
        contact_id: None,
        subject: None,
        body: None,
        template: None,
        sms_template_id: None,
        variables: Variables::default(),
        sealed: None,
        language: MessageLanguage::En,
        transactional: false,
        about_noun: None,
        about_id: None,
        job_id: None,
        send_at: None,
        created_by: act.scope.user,
        created_at: act.now(),
        updated_at: act.now(),
    }
}

/// Why nothing may be sent to an address; `None` when something may.
async fn refusal(act: &Act, channel: MessageChannel, address: &str, transactional: bool) -> Result<Option<&'static str>> {
    let reasons = suppressions::reasons(act, channel, address).await?;
    if let Some(reason) = reasons.into_iter().find(|reason| rules::holds_up(*reason, transactional)) {
        return Ok(Some(rules::refusal(reason)));
    }
    Ok(queries::is_blocked(act, channel, address).await?.then_some(rules::BLOCKED))
}

/// Where a message goes, and the field that says so.
fn address(checks: &mut Checks, input: &MessageSendInput, recipient: Option<&Recipient>) -> (&'static str, String) {
    match (recipient, &input.to) {
        (Some(recipient), None) => {
            let (known, what) = match input.channel {
                MessageChannel::Email => (&recipient.email, "e-mail address"),
                MessageChannel::Sms => (&recipient.phone, "telephone number"),
            };
            checks.require(recipient.status != ContactStatus::Blocked, "contactId", rules::BLOCKED);
            checks.require(known.is_some(), "contactId", format!("This contact has no {what}."));
            ("contactId", known.clone().unwrap_or_default())
        }
        (None, Some(to)) => {
            let parsed = match input.channel {
                MessageChannel::Email => email::parse(to),
                MessageChannel::Sms => phone::parse(to),
            };
            ("to", checks.take("to", parsed).unwrap_or_default())
        }
        _ => {
            checks.require(false, "to", "Send either `contactId` or `to`.");
            ("to", String::new())
        }
    }
}

fn mail(checks: &mut Checks, input: &MessageSendInput) -> (Option<String>, Option<String>) {
    checks.require(input.sms_template_id.is_none(), "smsTemplateId", "This is for text messages; a mail has `subject` and `body`.");
    checks.require(input.variables.is_empty(), "variables", "This is for text messages; a mail has `subject` and `body`.");
    checks.require(input.subject.is_some(), "subject", "A mail needs a subject.");
    checks.require(input.body.is_some(), "body", "A mail needs a text.");
    let subject = optional(checks, "subject", input.subject.as_deref(), |subject| text::line(subject, 200));
    (subject, optional(checks, "body", input.body.as_deref(), |body| text::block(body, 20_000)))
}

fn sms(
    checks: &mut Checks,
    input: &MessageSendInput,
    template: Option<&SmsTemplate>,
    variables: &BTreeMap<String, String>,
) -> Result<Option<String>> {
    for (field, given) in [("subject", input.subject.is_some()), ("body", input.body.is_some())] {
        checks.require(!given, field, "This is for mail; a text message has `smsTemplateId`.");
    }
    checks.require(template.is_some(), "smsTemplateId", "A text message is made from a registered text: name its SMS template.");
    let mut body = None;
    if let Some(template) = template {
        let registered = template.registered()?;
        match registered.fill(|name| variables.get(name).map(String::as_str)) {
            Ok(values) => body = Some(registered.text(&values)),
            Err(wrong) => {
                for (name, message) in wrong {
                    checks.require(false, "variables", format!("{name}: {message}"));
                }
            }
        }
    }
    Ok(body)
}

fn ahead(at: Instant<Utc>, now: Instant<Utc>) -> Result<Instant<Utc>, String> {
    if at <= now + AHEAD { Ok(at) } else { Err("A message is written at most a year ahead.".to_owned()) }
}
