//! What is done with contacts: check, write, audit, in the caller's transaction.

use std::collections::HashMap;

use async_graphql::{InputObject, MaybeUndefined};
use uuid::Uuid;

use crate::access::Act;
use crate::access::audit::{self, Changed};
use crate::base::patch::{nullable, optional, plain};
use crate::base::{Checks, Code, Error, Result, email, phone, state, text};
use crate::features::accounts::model::UserId;
use crate::features::bulk;
use crate::features::companies::model::CompanyId;
use crate::features::contacts::model::{Contact, ContactChanges, ContactId, ContactSource, ContactStage, ContactStatus, NewContact};
use crate::features::contacts::queries;
use crate::platform::postgres::failure::violated;

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

/// A change of one contact.
#[derive(Debug, Clone, InputObject)]
pub struct ContactUpdateInput {
    /// The contact.
    pub id: ContactId,
    /// The version that the change is based on, as it was read.
    pub version: i32,
    /// What changes.
    pub changes: ContactChangesInput,
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
    let created = queries::insert(act, new).await.map_err(|error| explain(error, ""))?;
    let contact = created.into_iter().next().ok_or_else(|| Error::internal("an inserted contact was not returned"))?;
    audit::record(act, "contact.create", &[Changed { id: contact.id, before: None, after: Some(&contact) }]).await?;
    Ok(contact)
}

/// Changes a contact.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: ContactUpdateInput) -> Result<Contact> {
    let changes = checked(&input.changes)?;
    let before = queries::lock(act, &[input.id.uuid()]).await?;
    let found = before.first().ok_or_else(|| Error::field_not_found("id", "contact"))?;
    let version = found.version.value()?;
    if version != input.version {
        return Err(Error::version_conflict("contact", input.version, version));
    }
    let after = apply(act, "contact.update", &before, changes).await?;
    after.into_iter().next().ok_or_else(|| Error::internal("an updated contact was not returned"))
}

/// Changes up to 100 contacts alike: all of them, or none when one is not there.
///
/// # Errors
/// As [`create`].
pub async fn bulk_update(act: &Act, ids: &[ContactId], changes: &ContactChangesInput) -> Result<Vec<Contact>> {
    let changes = checked(changes)?;
    let ids = bulk::distinct(ids)?;
    if ids.len() > 1 && matches!(changes.email, Some(Some(_))) {
        return Err(Error::invalid("changes.email", "Several contacts cannot share one e-mail address."));
    }
    let before = lock_all(act, &ids).await?;
    apply(act, "contact.update", &before, changes).await
}

/// Deletes up to 100 contacts: all of them, or none when one is not there.
///
/// # Errors
/// `NOT_FOUND` when one is not there.
pub async fn delete(act: &Act, ids: &[ContactId]) -> Result<Vec<ContactId>> {
    let ids = bulk::distinct(ids)?;
    let before = lock_all(act, &ids).await?;
    queries::delete(act, &ids).await?;
    let changes: Vec<_> = before.iter().map(|row| Changed { id: row.id, before: Some(row), after: None }).collect();
    audit::record(act, "contact.delete", &changes).await?;
    Ok(ids.into_iter().map(ContactId::new).collect())
}

async fn lock_all(act: &Act, ids: &[Uuid]) -> Result<Vec<Contact>> {
    let rows = queries::lock(act, ids).await?;
    bulk::all_there::<Contact>(ids, rows.iter().map(|row| row.id))?;
    Ok(rows)
}

async fn apply(act: &Act, action: &'static str, before: &[Contact], changes: ContactChanges) -> Result<Vec<Contact>> {
    let ids: Vec<Uuid> = before.iter().map(|row| row.id).collect();
    let after = queries::update(act, &ids, changes).await.map_err(|error| explain(error, "changes."))?;
    let earlier: HashMap<Uuid, &Contact> = before.iter().map(|row| (row.id, row)).collect();
    let changed: Vec<_> = after.iter().map(|row| Changed { id: row.id, before: earlier.get(&row.id).copied(), after: Some(row) }).collect();
    audit::record(act, action, &changed).await?;
    Ok(after)
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

/// Names the field that a violated constraint is about.
fn explain(error: Error, under: &str) -> Error {
    if violated(&error, "contacts_email") {
        return Error::on_field(Code::Conflict, &format!("{under}email"), "Another contact has this e-mail address.");
    }
    if violated(&error, "contacts_organization_id_company_id_fkey") {
        return Error::field_not_found(&format!("{under}companyId"), "company");
    }
    if violated(&error, "contacts_organization_id_owner_id_fkey") {
        return Error::field_not_found(&format!("{under}ownerId"), "member");
    }
    error
}
