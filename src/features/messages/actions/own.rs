//! Mails that the server writes by itself, for what a member does.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{blank, changed, queue, refusal};
use crate::access::sealing::Place;
use crate::access::{Act, Services};
use crate::base::{Error, Result};
use crate::features::messages::model::{Message, MessageChanges, MessageChannel, MessageLanguage, MessageState, NewMessage, Variables};
use crate::features::messages::queries;
use crate::features::rows;
use crate::platform::mail::templates::Language;

/// A mail that the server writes by itself, for what a member does.
#[derive(Debug, Clone)]
pub struct OwnMail {
    /// The address it goes to.
    pub to: String,
    /// The server's template.
    pub template: &'static str,
    /// In which language.
    pub language: MessageLanguage,
    /// What is filled in and may be read by members.
    pub variables: BTreeMap<String, String>,
    /// What is filled in and may not.
    pub secrets: BTreeMap<String, String>,
    /// The kind of object it is about, and its row.
    pub about: (&'static str, Uuid),
    /// For whom it is written.
    pub by: Uuid,
}

/// Where what nobody may read of a message belongs.
#[must_use]
pub const fn place(organization: Uuid, message: Uuid) -> Place {
    Place { organization, table: "messages", column: "sealed", row: message }
}

/// Writes a mail of the server's own, and enqueues the job that sends it. To a suppressed address it is written and not sent.
///
/// # Errors
/// `EXTERNAL_SERVICE_ERROR` when there are secrets and no key to keep them with, and as the database fails.
pub async fn send_own(act: &Act, services: &Services, mail: OwnMail) -> Result<Message> {
    let (noun, id) = mail.about;
    let new = NewMessage {
        template: Some(mail.template.to_owned()),
        language: mail.language,
        variables: Variables(mail.variables),
        transactional: true,
        about_noun: Some(noun.to_owned()),
        about_id: Some(id),
        created_by: mail.by,
        ..blank(act, MessageChannel::Email, mail.to)
    };
    let seal = |secrets: &BTreeMap<String, String>| {
        let plain = serde_json::to_vec(secrets).map_err(Error::internal)?;
        services.sealing.seal(place(act.organization(), new.id), &plain)
    };
    let sealed = if mail.secrets.is_empty() { None } else { Some(seal(&mail.secrets)?) };
    let new = NewMessage { sealed, ..new };
    match refusal(act, new.channel, &new.to_address, true).await? {
        None => queue(act, new).await,
        Some(refusal) => {
            let message: Message = rows::create(act, NewMessage { state: MessageState::Failed, sealed: None, ..new }).await?;
            let changes = MessageChanges { error: Some(Some(refusal.to_owned())), ..MessageChanges::default() };
            changed(act, "fail", message, changes).await
        }
    }
}

/// An endpoint of a webhook that the server has stopped calling.
#[derive(Debug)]
pub struct Stopped {
    /// The noun and the id of the endpoint.
    pub about: (&'static str, Uuid),
    /// Who answers for it.
    pub owner: Uuid,
    /// Where it was.
    pub host: String,
    /// Since when it has failed.
    pub since: DateTime<Utc>,
    /// Why it was stopped.
    pub reason: String,
}

/// Mails whoever answers for an endpoint that it is not called any more. Nobody is mailed who is no member any more.
///
/// # Errors
/// As the database fails.
pub async fn webhook_disabled(act: &Act, services: &Services, stopped: Stopped) -> Result<()> {
    let Some((name, email)) = queries::member(act, stopped.owner).await? else { return Ok(()) };
    let (organization, locale) = queries::organization(act).await?.unwrap_or_default();
    let mail = OwnMail {
        to: email,
        template: "webhook_disabled",
        language: language(&locale),
        variables: BTreeMap::from([
            text("name", name),
            text("organization", organization),
            text("host", stopped.host),
            text("since", stopped.since.with_timezone(&act.scope.time_zone).format("%-d %b %Y, %H:%M").to_string()),
            text("reason", stopped.reason),
            text("link", format!("{}/webhooks", services.public_url)),
        ]),
        secrets: BTreeMap::new(),
        about: stopped.about,
        by: stopped.owner,
    };
    send_own(act, services, mail).await.map(drop)
}

/// The language in which an organization of a locale is written to.
#[must_use]
pub fn language(locale: &str) -> MessageLanguage {
    if Language::of(locale) == Language::Hi { MessageLanguage::Hi } else { MessageLanguage::En }
}

fn text(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}
