//! One attempt to deliver: what is to be sent is read, the receiver is called without any connection held, and what came of it is written down.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access::jobs::{Failed, Run};
use crate::access::writing::write_as;
use crate::access::{Act, Permission, Permissions, Scope};
use crate::base::{Code, Error, Result};
use crate::features::webhooks::actions;
use crate::features::webhooks::model::{NewWebhookAttempt, WebhookDeliveryState, WebhookEndpointState};
use crate::features::webhooks::payload::{self, Content};
use crate::features::webhooks::queries::sending::{self, Due, Outcome, Receiver};
use crate::features::webhooks::rules::{self, Came, Next};
use crate::platform::outgoing::Answer;
use crate::platform::outgoing::signature::{self, Secret};

/// A delivery and what it takes to send it.
#[derive(Clone)]
struct Errand {
    due: Due,
    receiver: Receiver,
    /// On whose behalf, or why on nobody's.
    rights: Result<Scope, String>,
}

/// A call that was made, or could not be.
#[derive(Clone)]
struct Call {
    at: DateTime<Utc>,
    took: Duration,
    headers: Vec<(&'static str, String)>,
    answer: Result<Answer, String>,
}

/// Sends a delivery, if it still is to be sent.
///
/// # Errors
/// When it is to be tried again, and when.
pub async fn deliver(run: &Run, delivery: Uuid) -> Result<(), Failed> {
    let Some(errand) = find(run, delivery).await? else { return Ok(()) };
    if errand.due.state != WebhookDeliveryState::Pending {
        return Ok(());
    }
    if errand.receiver.state == WebhookEndpointState::Disabled {
        return close(run, &errand, WebhookDeliveryState::Failed, "The endpoint is disabled.".to_owned(), false).await;
    }
    let scope = match errand.rights.clone() {
        Ok(scope) => scope,
        Err(reason) => return close(run, &errand, WebhookDeliveryState::Failed, reason, true).await,
    };
    let body = match payload::of(&run.services, scope, &errand.due, &errand.receiver).await {
        Ok(Content::Body(body)) => body,
        Ok(Content::Nothing(reason)) => return close(run, &errand, WebhookDeliveryState::Skipped, reason.to_owned(), false).await,
        Ok(Content::Forbidden(lacking)) => {
            let reason = format!("Whoever answers for the endpoint may not see what its document asks for: {lacking}");
            return close(run, &errand, WebhookDeliveryState::Failed, reason, true).await;
        }
        Err(error) => return unsent(run, errand, error).await,
    };
    match call(run, &errand, &body).await {
        Ok(call) => came(run, errand, body, call).await,
        Err(error) => unsent(run, errand, error).await,
    }
}

async fn find(run: &Run, delivery: Uuid) -> Result<Option<Errand>> {
    let (db, organization) = (run.snapshot(), run.scope.organization);
    let Some((due, receiver)) = sending::due(&db, organization, delivery).await? else { return Ok(None) };
    let key_stands = match receiver.api_key_id {
        Some(key) => sending::key_stands(&db, organization, key, run.scope.clock.now()).await?,
        None => true,
    };
    drop(db);
    let rights = if key_stands { rights(run, &receiver).await? } else { Err("The API key that set what is sent here has ended.".to_owned()) };
    Ok(Some(Errand { due, receiver, rights }))
}

/// What whoever answers for the endpoint may see now, and might see when she set what is sent.
async fn rights(run: &Run, receiver: &Receiver) -> Result<Result<Scope, String>> {
    let scope = run.services.act_for(run.scope.organization, receiver.acts_for, run.id, run.scope.request_id.clone()).await;
    let scope = match scope {
        Err(error) if error.code == Code::InvalidToken => return Ok(Err("The member who set what is sent here is no member any more.".to_owned())),
        scope => scope?,
    };
    let granted: Permissions = receiver.granted.iter().flatten().filter_map(|code| Permission::of_code(code)).collect();
    let permissions = scope.permissions.and(granted);
    if !permissions.has(Permission::WebhooksManage) {
        return Ok(Err("The member who set what is sent here may not manage webhooks any more.".to_owned()));
    }
    Ok(Ok(Scope { permissions, ..scope }))
}

async fn call(run: &Run, errand: &Errand, body: &str) -> Result<Call> {
    let (receiver, at) = (&errand.receiver, run.scope.clock.now());
    let open = |column, sealed: &[u8]| {
        let plain = run.services.sealing.open(actions::place(run.scope.organization, column, receiver.id), sealed)?;
        Secret::of(plain.expose_secret().to_vec()).ok_or_else(|| Error::internal("a secret has the wrong length"))
    };
    let mut secrets = vec![open("secret", &receiver.secret)?];
    if let (Some(previous), Some(until)) = (&receiver.previous_secret, receiver.previous_until)
        && at < until
    {
        secrets.push(open("previous_secret", previous)?);
    }
    let headers = signature::headers(&secrets, &errand.due.event_id.to_string(), at, body.as_bytes());
    let begun = Instant::now();
    let answer = run.services.outgoing.post(&receiver.url, &headers, body.to_owned()).await;
    Ok(Call { at, took: begun.elapsed(), headers, answer })
}

/// Writes down what a call came to.
async fn came(run: &Run, errand: Errand, body: String, call: Call) -> Result<(), Failed> {
    let answer = call.answer.as_ref().ok();
    let came = Came { status: answer.map(|answer| answer.status), retry_after: answer.and_then(|answer| answer.header("retry-after")) };
    let next = rules::next(came, run.attempt.max(1), call.at, rand::random());
    let reason = match &call.answer {
        Ok(answer) => format!("The receiver answered {}.", answer.status),
        Err(reason) => reason.clone(),
    };
    let (own, reason_own, next_own) = (run.clone(), reason.clone(), next.clone());
    let over = by_nobody(run, move |act| async move { settle(&act, &own, &errand, body, &call, &next_own, reason_own).await }).await?;
    match next {
        Next::Again(delay) if !over => Err(Failed::After(delay, Error::new(Code::ExternalServiceError, reason))),
        _ => Ok(()),
    }
}

/// Writes down a call, what becomes of the delivery and what follows for the endpoint; whether that was the end of it.
async fn settle(act: &Act, run: &Run, errand: &Errand, body: String, call: &Call, next: &Next, reason: String) -> Result<bool> {
    let (due, receiver, now) = (&errand.due, &errand.receiver, act.now());
    let error = (*next != Next::Delivered).then_some(reason);
    let failing_since = receiver.failing_since.unwrap_or(now);
    let given_up = match next {
        Next::Delivered => None,
        Next::Gone => Some("The receiver answered 410: it wants nothing more."),
        _ if rules::is_given_up(failing_since, now) => Some("Nothing has arrived there for five days."),
        _ => None,
    };
    let (state, next_at) = match next {
        Next::Delivered => (WebhookDeliveryState::Delivered, None),
        Next::Again(delay) if given_up.is_none() => (WebhookDeliveryState::Pending, Some(now + *delay)),
        _ => (WebhookDeliveryState::Failed, None),
    };
    let outcome = Outcome {
        state,
        next_at,
        delivered_at: (state == WebhookDeliveryState::Delivered).then_some(now),
        request_body: Some(body),
        response_status: call.answer.as_ref().ok().map(|answer| i32::from(answer.status)),
        error,
    };
    // The endpoint first, wherever both are locked.
    if *next == Next::Delivered {
        if receiver.failing_since.is_some() {
            sending::note_failing(act, receiver.id, None).await?;
            sending::release(act, receiver.id).await?;
        }
    } else {
        if receiver.failing_since.is_none() {
            sending::note_failing(act, receiver.id, Some(now)).await?;
        }
        sending::line_up(act, run.id).await?;
    }
    if let Some(reason) = given_up {
        actions::disable(act, run, receiver.id, reason).await?;
    }
    sending::insert_attempt(act, attempt(act, due, call, outcome.error.clone())).await?;
    sending::settle(act, due.id, outcome, 1).await?;
    Ok(state != WebhookDeliveryState::Pending)
}

fn attempt(act: &Act, due: &Due, call: &Call, error: Option<String>) -> NewWebhookAttempt {
    let object = |headers: &mut dyn Iterator<Item = (String, String)>| Value::Object(headers.map(|(k, v)| (k, Value::String(v))).collect::<Map<_, _>>());
    let answer = call.answer.as_ref().ok();
    NewWebhookAttempt {
        organization_id: act.organization(),
        id: act.fresh_id(),
        delivery_id: due.id,
        at: call.at,
        duration_ms: i32::try_from(call.took.as_millis()).unwrap_or(i32::MAX),
        request_headers: object(&mut call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))),
        response_status: answer.map(|answer| i32::from(answer.status)),
        response_headers: answer.map(|answer| object(&mut answer.headers.iter().cloned())),
        response_body: answer.map(|answer| answer.body.clone()),
        error,
    }
}

/// What is to be sent could not be read or signed: it is tried again as if the receiver had failed, though that one is not to blame.
async fn unsent(run: &Run, errand: Errand, error: Error) -> Result<(), Failed> {
    let now = run.scope.clock.now();
    let reason = format!("What is to be sent could not be made: {error}");
    let next = rules::next(Came { status: None, retry_after: None }, run.attempt.max(1), now, rand::random());
    let (state, next_at) = match &next {
        Next::Again(delay) => (WebhookDeliveryState::Pending, Some(now + *delay)),
        _ => (WebhookDeliveryState::Failed, None),
    };
    let outcome = Outcome { state, next_at, delivered_at: None, request_body: None, response_status: None, error: Some(reason.clone()) };
    by_nobody(run, move |act| async move {
        let call = Call { at: now, took: Duration::ZERO, headers: Vec::new(), answer: Err(reason.clone()) };
        sending::insert_attempt(&act, attempt(&act, &errand.due, &call, Some(reason))).await?;
        sending::settle(&act, errand.due.id, outcome, 1).await
    })
    .await?;
    match next {
        Next::Again(delay) => Err(Failed::After(delay, error)),
        _ => Ok(()),
    }
}

/// Ends a delivery whose job was given up: no attempt comes any more, so that it must not look as if one did.
///
/// # Errors
/// As the database fails.
pub async fn given_up(act: &Act, delivery: Uuid, reason: String) -> Result<()> {
    let error = Some(format!("It was given up: {reason}"));
    let outcome = Outcome { state: WebhookDeliveryState::Failed, next_at: None, delivered_at: None, request_body: None, response_status: None, error };
    sending::settle(act, delivery, outcome, 0).await
}

/// Ends a delivery without a call, and disables its endpoint where nothing can be sent there any more.
async fn close(run: &Run, errand: &Errand, state: WebhookDeliveryState, reason: String, disables: bool) -> Result<(), Failed> {
    let (own, delivery, endpoint) = (run.clone(), errand.due.id, errand.receiver.id);
    let outcome = Outcome { state, next_at: None, delivered_at: None, request_body: None, response_status: None, error: Some(reason.clone()) };
    by_nobody(run, move |act| async move {
        if disables {
            actions::disable(&act, &own, endpoint, &reason).await?;
        }
        sending::settle(&act, delivery, outcome, 0).await
    })
    .await?;
    Ok(())
}

/// Writes as the server itself: whoever caused the event has not caused what comes of telling others of it.
async fn by_nobody<T, F, Fut>(run: &Run, action: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Act) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    write_as(&run.services, Scope { user: Uuid::nil(), ..run.scope.clone() }, action).await
}
