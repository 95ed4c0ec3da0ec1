//! What is sent: the kind of event, the instant, and either the object's identifier or what the endpoint's document answers.

use async_graphql::Response;
use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::access::{Scope, Services};
use crate::base::id::AnyId;
use crate::base::{Code, Error, Result};
use crate::features::webhooks::model::WebhookEndpointId;
use crate::features::webhooks::queries::sending::{Due, Receiver};
use crate::features::webhooks::{rules, watching};

/// The most that is sent, in bytes.
const MOST: usize = 1024 * 1024;

/// What a delivery comes to.
#[derive(Debug)]
pub enum Content {
    /// This body.
    Body(String),
    /// Nothing, and why.
    Nothing(&'static str),
    /// Whoever answers for the endpoint may not see what it asks for; this is what she lacks.
    Forbidden(String),
}

/// The body of a delivery, as the scope may see it at this moment.
///
/// # Errors
/// As the document fails.
pub async fn of(services: &Services, scope: Scope, due: &Due, receiver: &Receiver) -> Result<Content> {
    let data = match (&receiver.document, &due.noun, due.row_id) {
        (Some(document), Some(_), _) => match watching::answer(services, scope, document, due).await {
            Ok(Some(response)) => match data(response)? {
                Ok(data) => data,
                Err(lacking) => return Ok(Content::Forbidden(lacking)),
            },
            Ok(None) => return Ok(Content::Nothing("The document lets this event pass.")),
            Err(error) if is_refusal(&error) => return Ok(Content::Forbidden(error.message)),
            Err(error) => return Err(error),
        },
        (None, Some(noun), _) if !scope.permissions.has(rules::needed(services.events.nouns(), noun)) => {
            return Ok(Content::Nothing("Whoever answers for the endpoint may not see objects of this kind."));
        }
        (None, Some(noun), Some(row)) => json!({"id": AnyId { prefix: noun.clone(), uuid: row }.to_string()}),
        _ => json!({"endpointId": WebhookEndpointId::new(receiver.id).to_string()}),
    };
    let body = json!({"type": due.action, "timestamp": due.created_at.to_rfc3339_opts(SecondsFormat::Micros, true), "data": data}).to_string();
    if body.len() > MOST {
        return Err(Error::new(Code::DocumentTooComplex, format!("What is to be sent has {} bytes; at most {MOST} are sent. Ask for less.", body.len())));
    }
    Ok(Content::Body(body))
}

/// The data of an answer that has no errors; what the scope lacks when that is why it has some.
fn data(response: Response) -> Result<Result<Value, String>> {
    if let Some(failure) = response.errors.first() {
        let error = failure.source::<Error>().cloned().unwrap_or_else(|| Error::internal(&failure.message));
        if is_refusal(&error) {
            return Ok(Err(error.message));
        }
        return Err(error);
    }
    // Parts of it are text already.
    let mut text = Vec::new();
    crate::base::json::put(&mut text, &response.data);
    serde_json::from_slice(&text).map(Ok).map_err(Error::internal)
}

const fn is_refusal(error: &Error) -> bool {
    matches!(error.code, Code::InsufficientPermissions | Code::Forbidden)
}
