//! The jobs that send messages: one kind for mail, one for text messages.
//!
//! What must hold: a message is taken under lock before it is sent, and no connection of the database is held while a provider is asked. What came of
//! it is written even when the database is away for a moment, because the provider does not take it back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::access::jobs::{Failed, Job, Queue, Registry, Run};
use crate::access::{Act, Services};
use crate::base::{Code, Error, Result};
use crate::features::messages::actions::delivery::{self, Attempt, Next, Outcome, Parcel, Reason};
use crate::features::messages::actions::own;
use crate::features::messages::model::{Message, MessageLanguage};
use crate::platform::mail::templates::{Language, Rendered, render};
use crate::platform::mail::{self, Email};
use crate::platform::quotas::{Span, Taken};
use crate::platform::sms::{self, Sms};

/// How long what came of an attempt is kept trying to be written.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Brings the jobs that send messages.
pub fn register(jobs: &mut Registry) {
    jobs.add::<SendEmail>();
    jobs.add::<SendSms>();
}

/// Sends a mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendEmail {
    /// The message.
    pub message: Uuid,
}

/// Sends a text message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendSms {
    /// The message.
    pub message: Uuid,
}

impl Job for SendEmail {
    const NAME: &'static str = "message_email";
    const QUEUE: Queue = Queue::Email;

    async fn run(self, run: Run) -> Result<(), Failed> {
        let id = self.message;
        // Counted before the message is taken, so that one that has to wait has not begun.
        let what = format!("mail/{}", run.scope.organization);
        let hourly = run.services.mailer.hourly();
        let taken = match run.services.quotas.take(&what, Span::Hour, hourly).await? {
            Ok(taken) => taken,
            Err(until) => {
                let reason = format!("The organization has sent the {hourly} mails that it may send in an hour.");
                let attempt = attempt(&run);
                run.write(move |act| async move { delivery::put_off(&act, id, attempt, until, &reason).await }).await?;
                return Ok(());
            }
        };
        let begun = begin(&run, id).await;
        let Ok(Ok(parcel)) = begun else {
            give_back(&run, taken).await;
            return begun?.map_or_else(|next| follow(id, next), |_| Ok(()));
        };
        let composed = compose(&run, &parcel);
        let was_composed = composed.is_ok();
        let outcome = match composed {
            // What this server lacks, such as a key, another one may have, and this one tomorrow.
            Err(error) if error.code == Code::InternalError => Outcome::Later(Reason { provider: "payaid", text: error.message }),
            Err(error) => Outcome::Refused(Reason { provider: "payaid", text: error.message }),
            Ok((email, subject)) => match run.services.mailer.send(&email).await {
                Ok(sent) => Outcome::Sent { provider: sent.provider, reference: sent.reference, subject, body: None },
                Err(unsent) => unsent.into(),
            },
        };
        // Nobody has taken it: what waits for a mail server shall not use up the hour in which that comes back.
        if !was_composed || matches!(outcome, Outcome::Later(_)) {
            give_back(&run, taken).await;
        }
        finish(&run, id, parcel.in_doubt, outcome).await
    }

    async fn given_up(self, act: Act, job: Uuid, reason: String) -> Result<()> {
        delivery::given_up(&act, self.message, job, &reason).await
    }
}

impl Job for SendSms {
    const NAME: &'static str = "message_sms";
    const QUEUE: Queue = Queue::Sms;

    async fn run(self, run: Run) -> Result<(), Failed> {
        let id = self.message;
        let parcel = match begin(&run, id).await? {
            Ok(parcel) => parcel,
            Err(next) => return follow(id, next),
        };
        let outcome = match text_message(&run, &parcel) {
            Err(error) => Outcome::Refused(Reason { provider: "payaid", text: error.message }),
            Ok(sms) => match run.services.sms.send(&sms).await {
                Ok(sent) => Outcome::Sent { provider: sent.provider, reference: sent.reference, subject: None, body: Some(sms.text()) },
                Err(unsent) => unsent.into(),
            },
        };
        finish(&run, id, parcel.in_doubt, outcome).await
    }

    async fn given_up(self, act: Act, job: Uuid, reason: String) -> Result<()> {
        delivery::given_up(&act, self.message, job, &reason).await
    }
}

async fn give_back(run: &Run, taken: Taken) {
    if let Err(error) = run.services.quotas.give_back(taken).await {
        tracing::warn!(reason = %error, "a mail that was not sent stays counted");
    }
}

const fn attempt(run: &Run) -> Attempt {
    Attempt { job: run.id, number: run.attempt, of: run.attempts }
}

async fn begin(run: &Run, id: Uuid) -> Result<Result<Parcel, Next>> {
    let attempt = attempt(run);
    run.write(move |act| async move { delivery::begin(&act, id, attempt).await }).await
}

async fn finish(run: &Run, id: Uuid, in_doubt: bool, outcome: Outcome) -> Result<(), Failed> {
    let attempt = attempt(run);
    let work = move |act: Act, outcome: Outcome| async move { delivery::finish(&act, id, attempt, in_doubt, outcome).await };
    let (began, mut wait) = (Instant::now(), Duration::from_millis(50));
    let next = loop {
        let outcome = outcome.clone();
        match run.write(move |act| work(act, outcome)).await {
            Err(error) if error.may_pass() && began.elapsed() < WRITE_WITHIN => {
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            written => break written?,
        }
    };
    follow(id, next)
}

/// What the queue is told.
fn follow(id: Uuid, next: Next) -> Result<(), Failed> {
    match next {
        Next::Over => Ok(()),
        Next::Again => Err(Failed::Again(delivery::to_be_tried_again(id))),
        Next::Never(reason) => Err(Failed::Never(Error::new(Code::ExternalServiceError, reason))),
    }
}

impl From<mail::Unsent> for Outcome {
    fn from(unsent: mail::Unsent) -> Self {
        let reason = Reason { provider: unsent.provider, text: unsent.reason };
        match unsent.kind {
            mail::UnsentKind::Later => Self::Later(reason),
            mail::UnsentKind::Refused => Self::Refused(reason),
            mail::UnsentKind::BadAddress => Self::BadAddress(reason),
            mail::UnsentKind::Unknown => Self::Unknown(reason),
        }
    }
}

impl From<sms::Unsent> for Outcome {
    fn from(unsent: sms::Unsent) -> Self {
        let reason = Reason { provider: unsent.provider, text: unsent.reason };
        match unsent.kind {
            sms::UnsentKind::Later => Self::Later(reason),
            sms::UnsentKind::Refused => Self::Refused(reason),
            sms::UnsentKind::Unsubscribed => Self::Unsubscribed(reason),
            sms::UnsentKind::Unknown => Self::Unknown(reason),
            sms::UnsentKind::QuotaUsed(until) => Self::NotBefore(until, reason),
        }
    }
}

/// A mail from a message, and the subject that its template has given it.
fn compose(run: &Run, parcel: &Parcel) -> Result<(Email, Option<String>)> {
    let (message, services) = (&parcel.message, &run.services);
    let transactional = message.transactional.value()?;
    let link = if transactional { None } else { Some(unsubscribe_link(services, run.scope.organization, message.to_address.text()?)?) };
    let (words, subject) = words(run, parcel, link.as_deref())?;
    let email = Email {
        id: message.id,
        to: message.to_address.text()?.to_owned(),
        to_name: message.to_name.text()?.map(str::to_owned),
        reply_to: parcel.sender.clone(),
        from_name: Some(parcel.organization.clone()),
        subject: words.subject,
        text: words.text,
        html: Some(words.html),
        // The header is for addresses that mail programs may call by themselves; in development there is none.
        unsubscribe: link.filter(|link| link.starts_with("https://")),
        reference: services.references.reference(run.scope.organization, message.id),
    };
    Ok((email, subject))
}

/// What a mail says: what a member wrote, in the layout for that, or a template of the server's own.
fn words(run: &Run, parcel: &Parcel, unsubscribe: Option<&str>) -> Result<(Rendered, Option<String>)> {
    let message = &parcel.message;
    let language = match message.language.value()? {
        MessageLanguage::En => Language::En,
        MessageLanguage::Hi => Language::Hi,
    };
    if let Some(template) = message.template.text()? {
        let secrets = secrets(run, message)?;
        let all: BTreeMap<&String, &String> = message.variables.get()?.0.iter().chain(&secrets).collect();
        let rendered = render(template, language, &json!(all))?;
        let subject = rendered.subject.clone();
        return Ok((rendered, Some(subject)));
    }
    let (subject, text) = (message.subject.text()?.unwrap_or_default(), message.body.text()?.unwrap_or_default());
    let mut values = json!({"subject": subject, "organization": parcel.organization, "text": text});
    if let (Some(link), Some(values)) = (unsubscribe, values.as_object_mut()) {
        values.insert("unsubscribe".to_owned(), json!(link));
    }
    Ok((render("message", language, &values)?, None))
}

/// What is filled in and nobody may read.
fn secrets(run: &Run, message: &Message) -> Result<BTreeMap<String, String>> {
    let Some(sealed) = message.sealed.get()? else { return Ok(BTreeMap::new()) };
    let opened = run.services.sealing.open(own::place(run.scope.organization, message.id), sealed).map_err(|error| {
        tracing::error!(message = %message.id, error = error.internal, "a message cannot be made");
        Error::new(Code::InternalError, "What it was to say cannot be read any more: the server's key was changed.")
    })?;
    serde_json::from_slice(opened.expose_secret()).map_err(Error::internal)
}

fn unsubscribe_link(services: &Services, organization: Uuid, address: &str) -> Result<String> {
    let token = mail::unsubscribe::token(&services.unsubscribe, organization, address);
    let token = token.ok_or_else(|| Error::internal("a link to unsubscribe could not be made"))?;
    Ok(format!("{}/unsubscribe/{token}", services.public_url))
}

fn text_message(run: &Run, parcel: &Parcel) -> Result<Sms> {
    let message = &parcel.message;
    let gone = || Error::new(Code::NotFound, "The SMS template that it was made from was deleted.");
    let template = parcel.template.clone().ok_or_else(gone)?;
    let variables = &message.variables.get()?.0;
    // The template may have been changed since the message was written.
    let values = template.fill(|name| variables.get(name).map(String::as_str)).map_err(|wrong| {
        let wrong: Vec<String> = wrong.into_iter().map(|(name, message)| format!("{name}: {message}")).collect();
        Error::new(Code::ValidationError, wrong.join(" "))
    })?;
    Ok(Sms {
        id: message.id,
        to: message.to_address.text()?.to_owned(),
        template,
        values,
        transactional: message.transactional.value()?,
        reference: run.services.references.reference(run.scope.organization, message.id),
    })
}
