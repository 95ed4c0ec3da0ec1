//! What the jobs write of a message: that an attempt begins, and what came of it.
//!
//! Between the two no transaction is open, and the row says that the message may have been sent: should the process end there, whoever looks knows.
//!
//! What must hold: of the jobs of a message, the one that its row names sends it, and no other. What a provider took is written whoever handed it over.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{again_from_the_start, changed, enqueue, refusal};
use crate::access::Act;
use crate::access::audit::{self, Changed};
use crate::access::jobs::Queue;
use crate::base::{Error, Result};
use crate::features::activities::model::{Activity, ActivityKind, NewActivity};
use crate::features::messages::model::{Message, MessageChanges, MessageChannel, MessageState, NewSuppression, SuppressionReason};
use crate::features::messages::queries::{self, suppressions, templates as sms_templates};
use crate::features::messages::rules;
use crate::features::rows::{self, Stored};
use crate::platform::sms::dlt::DltTemplate;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;
/// The longest subject of a timeline's entry, in characters.
const LONGEST_SUBJECT: usize = 200;
/// How long a mail that nobody takes goes on being tried.
const TRIED_FOR: TimeDelta = TimeDelta::hours(24);
/// The longest wait between two rounds of attempts; the first is a minute, and each is twice as long as the one before.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// An attempt of a job that sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job: Uuid,
    /// The number of the attempt, from 1.
    pub number: i32,
    /// How many attempts the job has.
    pub of: i32,
}

impl Attempt {
    /// Whether none follows by the queue's schedule.
    const fn is_last(self) -> bool {
        self.number >= self.of
    }

    /// Whether a message was given up by this job, which is done again because somebody decided so (`jobRetry`). A job that was interrupted goes on
    /// counting.
    fn is_by_hand(self, message: &Message) -> Result<bool> {
        Ok(self.number == 1 && message.job_id.value()? == Some(self.job) && message.state.value()? == MessageState::Failed)
    }

    /// Whether this job is the one that sends the message, and there is something left to send.
    fn may_send(self, message: &Message) -> Result<bool> {
        let waits = message.state.value()? == MessageState::Queued && message.job_id.value()? == Some(self.job);
        Ok(waits || self.is_by_hand(message)?)
    }
}

/// A message that is to be sent now, with what is needed for it.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The message.
    pub message: Message,
    /// The registered text of a text message.
    pub template: Option<DltTemplate>,
    /// The organization's name.
    pub organization: String,
    /// The address of the member who sent it.
    pub sender: Option<String>,
    /// Whether an attempt before this one may have sent it.
    pub in_doubt: bool,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A provider took it.
    Sent {
        /// Which one.
        provider: &'static str,
        /// What the provider calls it.
        reference: Option<String>,
        /// The subject it had, where a template made it.
        subject: Option<String>,
        /// The text it had, where a template without secrets made it.
        body: Option<String>,
    },
    /// Nobody took it now.
    Later(Reason),
    /// Every provider has sent what it may until then.
    NotBefore(DateTime<Utc>, Reason),
    /// It was refused for good.
    Refused(Reason),
    /// There is nobody at the address.
    BadAddress(Reason),
    /// The person has told the provider to send nothing more.
    Unsubscribed(Reason),
    /// It may have been sent.
    Unknown(Reason),
}

/// Who said what.
#[derive(Debug, Clone)]
pub struct Reason {
    /// Who was asked last.
    pub provider: &'static str,
    /// What was answered.
    pub text: String,
}

/// What follows from an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Over,
    /// Another attempt.
    Again,
    /// The job is given up, for this reason, until somebody has it done again.
    Never(String),
}

/// Says in a message's row that an attempt begins; when it is not to be sent, what follows instead, and the row says why.
///
/// # Errors
/// As the database fails: then nothing may be sent.
pub async fn begin(act: &Act, id: Uuid, attempt: Attempt) -> Result<Result<Parcel, Next>> {
    let Some(message) = Message::lock(act, &[id]).await?.into_iter().next() else { return Ok(Err(Next::Over)) };
    if !attempt.may_send(&message)? {
        return Ok(Err(Next::Over));
    }
    let by_hand = attempt.is_by_hand(&message)?;
    let (channel, address) = (message.channel.value()?, message.to_address.text()?.to_owned());
    if channel == MessageChannel::Sms && message.uncertain.value()? && !by_hand {
        let text = "An attempt to send it ended without a word, so it may have been sent. Retry it only if it did not arrive.";
        fail(act, message, text, true).await?;
        return Ok(Err(Next::Never(text.to_owned())));
    }
    if let Some(refusal) = refusal(act, channel, &address, message.transactional.value()?).await? {
        fail(act, message, refusal, false).await?;
        return Ok(Err(Next::Over));
    }
    let template = match message.sms_template_id.value()? {
        Some(id) => sms_templates::hold(act, id).await?.map(|template| template.registered()).transpose()?,
        None => None,
    };
    if channel == MessageChannel::Sms && template.is_none() {
        fail(act, message, "The SMS template that it was made from was deleted.", false).await?;
        return Ok(Err(Next::Over));
    }
    let organization = queries::organization(act).await?.map(|(name, _)| name).unwrap_or_default();
    let sender = queries::member(act, message.created_by.value()?).await?.map(|(_, address)| address);
    let attempts = message.attempts.value()?.saturating_add(1);
    // A text message in doubt comes here only because somebody has decided that it is to be sent all the same.
    let in_doubt = channel == MessageChannel::Email && message.uncertain.value()?;
    let from = if by_hand { again_from_the_start(attempt.job) } else { MessageChanges::default() };
    let message = changed(act, "attempt", message, MessageChanges { attempts: Some(attempts), uncertain: Some(true), ..from }).await?;
    Ok(Ok(Parcel { message, template, organization, sender, in_doubt }))
}

/// Puts a message off that is not to be sent yet: the job that sends it then is another one.
///
/// # Errors
/// As the database fails.
pub async fn put_off(act: &Act, id: Uuid, attempt: Attempt, until: DateTime<Utc>, reason: &str) -> Result<()> {
    match Message::lock(act, &[id]).await?.into_iter().next() {
        Some(message) if attempt.may_send(&message)? => {
            let uncertain = message.uncertain.value()?;
            postpone(act, message, until, (None, reason), uncertain).await
        }
        _ => Ok(()),
    }
}

/// Has a message sent at another time, by a job of its own.
///
/// # Errors
/// As the database fails.
pub(super) async fn postpone(act: &Act, message: Message, until: DateTime<Utc>, (provider, reason): (Option<&str>, &str), uncertain: bool) -> Result<()> {
    let (channel, transactional) = (message.channel.value()?, message.transactional.value()?);
    let job = enqueue(act, channel, message.id, transactional, Some(until)).await?;
    let changes = MessageChanges {
        state: Some(MessageState::Queued),
        provider: provider.map(|provider| Some(provider.to_owned())),
        job_id: Some(Some(job)),
        error: Some(Some(short(reason))),
        uncertain: Some(uncertain),
        // Of the attempt that came back, where there was one.
        provider_reference: Some(None),
        ..MessageChanges::default()
    };
    changed(act, "put_off", message, changes).await.map(drop)
}

/// Writes what came of an attempt; `in_doubt` when one before it may have sent the message.
///
/// # Errors
/// As the database fails.
pub async fn finish(act: &Act, id: Uuid, attempt: Attempt, in_doubt: bool, outcome: Outcome) -> Result<Next> {
    let Some(message) = Message::lock(act, &[id]).await?.into_iter().next() else { return Ok(Next::Over) };
    let (is_mail, last) = (message.channel.value()? == MessageChannel::Email, attempt.is_last());
    let is_own = message.state.value()? == MessageState::Queued && message.job_id.value()? == Some(attempt.job);
    match outcome {
        Outcome::Sent { provider, reference, subject, body } => sent(act, message, (provider, reference), subject, body).await,
        // A report was here first and knows better, or another job has begun.
        _ if !is_own => Ok(Next::Over),
        Outcome::NotBefore(until, reason) => postpone(act, message, until, (Some(reason.provider), &reason.text), false).await.map(|()| Next::Over),
        Outcome::Refused(reason) => give_up(act, message, reason, in_doubt).await,
        Outcome::Later(reason) if last && is_mail => later(act, message, reason, in_doubt).await,
        Outcome::Later(reason) if last => give_up(act, message, reason, in_doubt).await,
        Outcome::Unknown(reason) if last || !is_mail => give_up(act, message, reason, true).await,
        Outcome::BadAddress(reason) => stop(act, message, MessageState::Bounced, SuppressionReason::Bounce, reason).await,
        Outcome::Unsubscribed(reason) => stop(act, message, MessageState::Failed, SuppressionReason::Unsubscribe, reason).await,
        Outcome::Later(reason) => again(act, message, reason, in_doubt).await,
        Outcome::Unknown(reason) => again(act, message, reason, true).await,
    }
}

/// Writes that the job of a message was given up, when its last attempt has left no word of its own.
///
/// # Errors
/// As the database fails.
pub async fn given_up(act: &Act, id: Uuid, job: Uuid, reason: &str) -> Result<()> {
    let Some(message) = Message::lock(act, &[id]).await?.into_iter().next() else { return Ok(()) };
    if message.state.value()? != MessageState::Queued || message.job_id.value()? != Some(job) {
        return Ok(());
    }
    let uncertain = message.uncertain.value()?;
    fail(act, message, reason, uncertain).await
}

/// Has a mail that nobody took tried again in a while, until it is a day old.
async fn later(act: &Act, message: Message, reason: Reason, in_doubt: bool) -> Result<Next> {
    let since = message.send_at.value()?.unwrap_or(message.created_at.value()?);
    if act.now() - since >= TRIED_FOR {
        return give_up(act, message, reason, in_doubt).await;
    }
    let until = act.now() + wait(message.attempts.value()?);
    postpone(act, message, until, (Some(reason.provider), &reason.text), in_doubt).await.map(|()| Next::Over)
}

/// How long a mail waits after so many attempts: a minute after the first round of them, and twice as long after each other one.
fn wait(attempts: i32) -> TimeDelta {
    let rounds = attempts / Queue::Email.rules().attempts.max(1);
    let doublings = u32::try_from(rounds.saturating_sub(1)).unwrap_or(0).min(16);
    TimeDelta::minutes(1).checked_mul(1 << doublings).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

async fn sent(act: &Act, message: Message, by: (&'static str, Option<String>), subject: Option<String>, body: Option<String>) -> Result<Next> {
    let (state, uncertain) = (message.state.value()?, message.uncertain.value()?);
    let leads = rules::leads_on(state, uncertain, MessageState::Sent);
    let first = message.sent_at.value()?.is_none();
    let changes = MessageChanges {
        state: leads.then_some(MessageState::Sent),
        subject: subject.map(Some),
        body: body.map(Some),
        sealed: Some(None),
        provider: Some(Some(by.0.to_owned())),
        provider_reference: Some(by.1),
        error: leads.then_some(None),
        uncertain: Some(false),
        sent_at: first.then_some(Some(act.now())),
        ..MessageChanges::default()
    };
    let message = changed(act, "sent", message, changes).await?;
    if first {
        note(act, &message).await?;
    }
    Ok(Next::Over)
}

async fn again(act: &Act, message: Message, reason: Reason, uncertain: bool) -> Result<Next> {
    let changes = MessageChanges {
        provider: Some(Some(reason.provider.to_owned())),
        error: Some(Some(short(&reason.text))),
        uncertain: Some(uncertain),
        ..MessageChanges::default()
    };
    changed(act, "attempt_failed", message, changes).await.map(|_| Next::Again)
}

async fn give_up(act: &Act, message: Message, reason: Reason, uncertain: bool) -> Result<Next> {
    let text = short(&reason.text);
    ended(act, message, MessageState::Failed, reason, uncertain).await.map(|()| Next::Never(text))
}

/// Gives a message up whose address is none that anything may be sent to.
async fn stop(act: &Act, message: Message, state: MessageState, why: SuppressionReason, reason: Reason) -> Result<Next> {
    suppress(act, &message, why, Some(reason.text.clone())).await?;
    ended(act, message, state, reason, false).await.map(|()| Next::Over)
}

async fn ended(act: &Act, message: Message, state: MessageState, reason: Reason, uncertain: bool) -> Result<()> {
    let changes = MessageChanges {
        state: Some(state),
        provider: Some(Some(reason.provider.to_owned())),
        error: Some(Some(short(&reason.text))),
        uncertain: Some(uncertain),
        ..MessageChanges::default()
    };
    changed(act, "fail", message, changes).await.map(drop)
}

async fn fail(act: &Act, message: Message, text: &str, uncertain: bool) -> Result<()> {
    let changes =
        MessageChanges { state: Some(MessageState::Failed), error: Some(Some(short(text))), uncertain: Some(uncertain), ..MessageChanges::default() };
    changed(act, "fail", message, changes).await.map(drop)
}

/// Writes an address down that nothing more is sent to, unless it is there for this reason already.
///
/// # Errors
/// As the database fails.
pub async fn suppress(act: &Act, message: &Message, reason: SuppressionReason, detail: Option<String>) -> Result<()> {
    suppress_address(act, message.channel.value()?, message.to_address.text()?, (reason, detail), Some(message.id)).await
}

/// As [`suppress`], without a message.
///
/// # Errors
/// As the database fails.
pub async fn suppress_address(
    act: &Act,
    channel: MessageChannel,
    address: &str,
    (reason, detail): (SuppressionReason, Option<String>),
    message_id: Option<Uuid>,
) -> Result<()> {
    let new = NewSuppression {
        organization_id: act.organization(),
        id: act.fresh_id(),
        channel,
        address: address.to_owned(),
        reason,
        detail: detail.map(|detail| short(&detail)),
        message_id,
        created_at: act.now(),
        updated_at: act.now(),
    };
    match suppressions::add(act, new).await? {
        Some(added) => audit::record(act, "suppression.create", &[Changed { id: added.id, before: None, after: Some(&added) }]).await,
        None => Ok(()),
    }
}

/// Puts a message that was sent on the timeline of its contact.
async fn note(act: &Act, message: &Message) -> Result<()> {
    let Some(contact) = message.contact_id.value()? else { return Ok(()) };
    let (kind, standing) = match message.channel.value()? {
        MessageChannel::Email => (ActivityKind::Email, "E-mail"),
        MessageChannel::Sms => (ActivityKind::Sms, "Text message"),
    };
    let (subject, body) = (message.subject.text()?, message.body.text()?);
    let line = subject.or(body).and_then(|text| text.lines().next()).unwrap_or(standing);
    let activity = NewActivity {
        organization_id: act.organization(),
        id: act.fresh_id(),
        kind,
        subject: line.chars().take(LONGEST_SUBJECT).collect(),
        body: body.map(|body| body.chars().take(10_000).collect()),
        occurred_at: act.now(),
        duration_minutes: None,
        contact_id: Some(contact),
        deal_id: None,
        author_id: Some(message.created_by.value()?),
        created_at: act.now(),
        updated_at: act.now(),
    };
    rows::create::<Activity>(act, activity).await.map(drop)
}

/// A reason as it is kept: bounded, in one line.
pub(super) fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

/// What a job says of an attempt that is followed by another.
#[must_use]
pub fn to_be_tried_again(message: Uuid) -> Error {
    Error::new(crate::base::Code::ExternalServiceError, format!("The message {message} was not sent; its row says why."))
}
