//! What is done with SMS templates.

use async_graphql::{InputObject, MaybeUndefined};

use crate::access::Act;
use crate::base::patch::{nullable, optional};
use crate::base::{Checks, Error, Result, text};
use crate::features::messages::model::templates::{
    NewSmsTemplate, SmsTemplate, SmsTemplateChanges, SmsTemplateId, SmsVariable, SmsVariableKind, SmsVariables,
};
use crate::features::rows;
use crate::platform::sms::dlt::{self, Kind};

/// The most places of one text.
const MOST_VARIABLES: usize = 30;

/// A place of a registered text.
#[derive(Debug, Clone, InputObject)]
pub struct SmsVariableInput {
    /// What it is called, 1 to 40 letters, digits and underscores.
    pub name: String,
    /// What may be filled in.
    pub kind: SmsVariableKind,
}

/// An SMS template to create: a text that is registered with the telecom operators (DLT).
#[derive(Debug, Clone, InputObject)]
pub struct SmsTemplateCreateInput {
    /// What it is called, 1 to 100 characters; no two share a name.
    pub name: String,
    /// The id of its registration: 10 to 25 digits.
    pub dlt_template_id: String,
    /// The id of the business that registered it: 10 to 25 digits.
    pub dlt_entity_id: String,
    /// The registered sender: 3 to 11 letters and digits.
    pub header: String,
    /// The text exactly as it is registered, up to 2,000 characters, with its tags such as `{#var#}`.
    pub body: String,
    /// The variables that fill the tags, in their order.
    pub variables: Vec<SmsVariableInput>,
    /// What MSG91 calls the template, where it differs from the registration.
    #[graphql(name = "msg91TemplateId")]
    pub msg91_template_id: Option<String>,
    /// What Fast2SMS calls the template, where it differs from the registration.
    #[graphql(name = "fast2smsMessageId")]
    pub fast2sms_message_id: Option<String>,
}

/// Changes to an SMS template: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct SmsTemplateChangesInput {
    /// What it is called, 1 to 100 characters.
    pub name: Option<String>,
    /// The id of its registration: 10 to 25 digits.
    pub dlt_template_id: Option<String>,
    /// The id of the business that registered it: 10 to 25 digits.
    pub dlt_entity_id: Option<String>,
    /// The registered sender: 3 to 11 letters and digits.
    pub header: Option<String>,
    /// The text exactly as it is registered, with its tags.
    pub body: Option<String>,
    /// The variables that fill the tags, in their order; they replace those there are.
    pub variables: Option<Vec<SmsVariableInput>>,
    /// What MSG91 calls the template.
    #[graphql(name = "msg91TemplateId")]
    pub msg91_template_id: MaybeUndefined<String>,
    /// What Fast2SMS calls the template.
    #[graphql(name = "fast2smsMessageId")]
    pub fast2sms_message_id: MaybeUndefined<String>,
}

/// A change of one SMS template.
#[derive(Debug, Clone, InputObject)]
pub struct SmsTemplateUpdateInput {
    /// The SMS template.
    pub id: SmsTemplateId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: SmsTemplateChangesInput,
}

/// Which SMS template to delete. What was sent from it stays; what waits to be sent from it fails.
#[derive(Debug, Clone, InputObject)]
pub struct SmsTemplateDeleteInput {
    /// The SMS template.
    pub id: SmsTemplateId,
}

/// Creates an SMS template.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` for a name that is taken.
pub async fn create(act: &Act, input: SmsTemplateCreateInput) -> Result<SmsTemplate> {
    let mut checks = Checks::new();
    let new = NewSmsTemplate {
        organization_id: act.organization(),
        id: act.fresh_id(),
        name: checks.take("name", text::line(&input.name, 100)).unwrap_or_default(),
        dlt_template_id: checks.take("dltTemplateId", registration(&input.dlt_template_id)).unwrap_or_default(),
        dlt_entity_id: checks.take("dltEntityId", registration(&input.dlt_entity_id)).unwrap_or_default(),
        header: checks.take("header", header(&input.header)).unwrap_or_default(),
        body: checks.take("body", text::block(&input.body, 2_000)).unwrap_or_default(),
        variables: checks.take("variables", variables(&input.variables)).unwrap_or_default(),
        msg91_template_id: optional(&mut checks, "msg91TemplateId", input.msg91_template_id.as_deref(), word),
        fast2sms_message_id: optional(&mut checks, "fast2smsMessageId", input.fast2sms_message_id.as_deref(), word),
        created_at: act.now(),
        updated_at: act.now(),
    };
    checks.take("body", dlt::check(&new.body, &kinds(&new.variables)));
    checks.finish()?;
    rows::create(act, new).await
}

/// Changes an SMS template.
///
/// # Errors
/// As [`create`], `NOT_FOUND` when it is not there, and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: SmsTemplateUpdateInput) -> Result<SmsTemplate> {
    let (sent, mut checks) = (&input.changes, Checks::new());
    let changes = SmsTemplateChanges {
        name: optional(&mut checks, "changes.name", sent.name.as_deref(), |name| text::line(name, 100)),
        dlt_template_id: optional(&mut checks, "changes.dltTemplateId", sent.dlt_template_id.as_deref(), registration),
        dlt_entity_id: optional(&mut checks, "changes.dltEntityId", sent.dlt_entity_id.as_deref(), registration),
        header: optional(&mut checks, "changes.header", sent.header.as_deref(), header),
        body: optional(&mut checks, "changes.body", sent.body.as_deref(), |body| text::block(body, 2_000)),
        variables: optional(&mut checks, "changes.variables", sent.variables.as_deref(), variables),
        msg91_template_id: nullable(&mut checks, "changes.msg91TemplateId", &sent.msg91_template_id, |id| word(id)),
        fast2sms_message_id: nullable(&mut checks, "changes.fast2smsMessageId", &sent.fast2sms_message_id, |id| word(id)),
    };
    checks.require(changes != SmsTemplateChanges::default(), "changes", "Send at least one change.");
    checks.finish()?;
    let change = |before: &SmsTemplate| {
        let body = changes.body.as_deref().map_or_else(|| before.body.text(), Ok)?;
        let variables = changes.variables.as_ref().map_or_else(|| before.variables.get(), Ok)?;
        dlt::check(body, &kinds(variables)).map_err(|message| Error::invalid("changes.body", message))?;
        Ok(changes.clone())
    };
    rows::update(act, input.id, input.version, change).await
}

fn kinds(variables: &SmsVariables) -> Vec<Kind> {
    variables.0.iter().map(|variable| variable.kind.into()).collect()
}

fn variables(list: &[SmsVariableInput]) -> Result<SmsVariables, String> {
    let sound = |name: &str| (1..=40).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if list.len() > MOST_VARIABLES {
        return Err(format!("A text has at most {MOST_VARIABLES} variables."));
    }
    let mut kept: Vec<SmsVariable> = Vec::new();
    for SmsVariableInput { name, kind } in list {
        if !sound(name) {
            return Err("The name of a variable is 1 to 40 letters, digits and underscores.".to_owned());
        }
        if kept.iter().any(|known| known.name == *name) {
            return Err("Two variables have the same name.".to_owned());
        }
        kept.push(SmsVariable { name: name.clone(), kind: *kind });
    }
    Ok(SmsVariables(kept))
}

fn registration(id: &str) -> Result<String, String> {
    let id = id.trim();
    let sound = (10..=25).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    if sound { Ok(id.to_owned()) } else { Err("An id of the registration is 10 to 25 digits.".to_owned()) }
}

fn header(header: &str) -> Result<String, String> {
    let header = header.trim();
    let sound = (3..=11).contains(&header.len()) && header.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if sound { Ok(header.to_owned()) } else { Err("A header is 3 to 11 letters and digits, such as PAYAID.".to_owned()) }
}

fn word(word: &str) -> Result<String, String> {
    let word = word.trim();
    let sound = (1..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if sound { Ok(word.to_owned()) } else { Err("This is 1 to 64 letters, digits, `-` and `_`.".to_owned()) }
}
