//! What is done with contacts: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};

use crate::access::Act;
use crate::base::patch::{nullable, optional, plain};
use crate::base::{Checks, Error, Result, email, phone, state, text};
use crate::features::accounts::model::UserId;
use crate::features::{bulk, rows};
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::{Contact, ContactChanges, ContactId, ContactSource, ContactStage, ContactStatus, NewContact};
use crate::inputs;

/// A contact to create.
#[derive(Debug, Clone, InputObject)]
pub struct ContactCreateInput {
    /// The full name, 1 to 200 characters.
    pub name: String,
    /// The e-mail address; no other contact of the organization may have it.
    pub email: Option<String>,
    /// The telephone number; Indian unless it begins with `+`.
    pub phone: Option<String>,
    /// The company the contact works for.
    pub company_id: Option<CompanyId>,
    /// The town or city, up to 100 characters.
    pub city: Option<String>,
    /// The two-digit GST code of the state.
    pub state_code: Option<String>,
    /// How far the contact has come.
    #[graphql(default_with = "ContactStage::Lead")]
    pub stage: ContactStage,
    /// Whether the contact is worked with.
    #[graphql(default_with = "ContactStatus::Active")]
    pub status: ContactStatus,
    /// Where the contact came from.
    #[graphql(default_with = "ContactSource::Other")]
    pub source: ContactSource,
    /// Up to 20 words of up to 40 characters to find the contact by.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// The member who looks after the contact.
    pub owner_id: Option<UserId>,
    /// Free text, up to 10,000 characters.
    pub notes: Option<String>,
}

/// Changes to one or several contacts: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ContactChangesInput {
    /// The full name, 1 to 200 characters.
    pub name: Option<String>,
    /// The e-mail address; no other contact of the organization may have it.
    pub email: MaybeUndefined<String>,
    /// The telephone number; Indian unless it begins with `+`.
    pub phone: MaybeUndefined<String>,
    /// The company the contact works for.
    pub company_id: MaybeUndefined<CompanyId>,
    /// The town or city, up to 100 characters.
    pub city: MaybeUndefined<String>,
    /// The two-digit GST code of the state.
    pub state_code: MaybeUndefined<String>,
    /// How far the contact has come.
    pub stage: Option<ContactStage>,
    /// Whether the contact is worked with.
    pub status: Option<ContactStatus>,
    /// Where the contact came from.
    pub source: Option<ContactSource>,
    /// The words to find the contact by, which replace those it has.
    pub tags: Option<Vec<String>>,
    /// The member who looks after the contact.
    pub owner_id: MaybeUndefined<UserId>,
    /// Free text, up to 10,000 characters.
    pub notes: MaybeUndefined<String>,
}

inputs! {
    "contact", "contacts": ContactId, ContactChangesInput;
    ContactUpdateInput, ContactBulkUpdateInput, ContactDeleteInput, ContactBulkDeleteInput
}

/// Creates a contact.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` when the e-mail address is taken, `NOT_FOUND` for a company or owner that is not
/// there.
pub async fn create(act: &Act, input: ContactCreateInput) -> Result<Contact> {
    let mut checks = Checks::new();
    let name = checks.take("name", text::line(&input.name, 200));
    let email = optional(&mut checks, "email", input.email.as_deref(), email::parse);
    let phone = optional(&mut checks, "phone", input.phone.as_deref(), phone::parse);
    let city = optional(&mut checks, "city", input.city.as_deref(), |city| text::line(city, 100));
    let state_code = optional(&mut checks, "stateCode", input.state_code.as_deref(), state::parse);
    let tags = checks.take("tags", text::tags(&input.tags));
    let notes = optional(&mut checks, "notes", input.notes.as_deref(), |notes| text::block(notes, 10_000));
    checks.finish()?;
    let now = act.now();
    let new = NewContact {
        organization_id: act.organization(),
        id: act.fresh_id(),
        name: name.unwrap_or_default(),
        email,
        phone,
        company_id: input.company_id.map(CompanyId::uuid),
        city,
        state_code,
        stage: input.stage,
        status: input.status,
        source: input.source,
        tags: tags.unwrap_or_default(),
        owner_id: input.owner_id.map(UserId::uuid),
        notes,
        created_at: now,
        updated_at: now,
    };
    rows::create(act, new).await
}

/// Changes a contact.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: ContactUpdateInput) -> Result<Contact> {
    let changes = checked(&input.changes)?;
    rows::update(act, input.id, input.version, |_| Ok(changes.clone())).await
}

/// Changes up to 100 contacts alike: all of them, or none when one is not there.
///
/// # Errors
/// As [`create`].
pub async fn bulk_update(act: &Act, input: ContactBulkUpdateInput) -> Result<Vec<Contact>> {
    let changes = checked(&input.changes)?;
    if bulk::distinct(&input.ids)?.len() > 1 && matches!(changes.email, Some(Some(_))) {
        return Err(Error::invalid("changes.email", "Several contacts cannot share one e-mail address."));
    }
    rows::update_all(act, &input.ids, |_| Ok(changes.clone())).await
}

fn checked(input: &ContactChangesInput) -> Result<ContactChanges> {
    let mut checks = Checks::new();
    let changes = ContactChanges {
        name: optional(&mut checks, "changes.name", input.name.as_deref(), |name| text::line(name, 200)),
        email: nullable(&mut checks, "changes.email", &input.email, |email| email::parse(email)),
        phone: nullable(&mut checks, "changes.phone", &input.phone, |phone| phone::parse(phone)),
        company_id: plain(&input.company_id).map(|id| id.map(CompanyId::uuid)),
        city: nullable(&mut checks, "changes.city", &input.city, |city| text::line(city, 100)),
        state_code: nullable(&mut checks, "changes.stateCode", &input.state_code, |code| state::parse(code)),
        stage: input.stage,
        status: input.status,
        source: input.source,
        tags: optional(&mut checks, "changes.tags", input.tags.as_deref(), text::tags),
        owner_id: plain(&input.owner_id).map(|id| id.map(UserId::uuid)),
        notes: nullable(&mut checks, "changes.notes", &input.notes, |notes| text::block(notes, 10_000)),
    };
    checks.require(changes != ContactChanges::default(), "changes", "Send at least one change.");
    checks.finish()?;
    Ok(changes)
}
