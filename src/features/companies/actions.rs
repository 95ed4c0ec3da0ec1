//! What is done with companies: check, write, audit, in the caller's transaction.

use async_graphql::{InputObject, MaybeUndefined};

use crate::access::Act;
use crate::base::patch::{nullable, optional, plain};
use crate::base::{Checks, Error, Result, email, gstin, phone, state, text};
use crate::features::accounts::model::UserId;
use crate::features::companies::model::{Address, Addresses, Company, CompanyChanges, CompanyId, NewCompany};
use crate::features::companies::rules::{country, pin, settled_state, website};
use crate::features::{bulk, rows};
use crate::inputs;

/// The most addresses of one company.
const MOST_ADDRESSES: usize = 10;

/// A postal address.
#[derive(Debug, Clone, InputObject)]
pub struct AddressInput {
    /// What the address is for, such as `Billing`, up to 40 characters.
    pub label: Option<String>,
    /// House and street, 1 to 200 characters.
    pub line1: String,
    /// Area or landmark, up to 200 characters.
    pub line2: Option<String>,
    /// The town or city, 1 to 100 characters.
    pub city: String,
    /// The two-digit GST code of the state; only in India.
    pub state_code: Option<String>,
    /// The postal code: in India the six-digit PIN, elsewhere up to 12 characters.
    pub pin: Option<String>,
    /// The country's two letters, ISO 3166-1.
    #[graphql(default = "IN")]
    pub country: String,
}

/// A company to create.
#[derive(Debug, Clone, InputObject)]
pub struct CompanyCreateInput {
    /// The name, 1 to 200 characters.
    pub name: String,
    /// The GSTIN; no other company of the organization may have it.
    pub gstin: Option<String>,
    /// The two-digit GST code of the state, which must be that of the GSTIN; taken from the GSTIN when left out.
    pub state_code: Option<String>,
    /// The line of business, up to 100 characters.
    pub industry: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number; Indian unless it begins with `+`.
    pub phone: Option<String>,
    /// The address on the web, beginning with `http://` or `https://`, up to 500 characters.
    pub website: Option<String>,
    /// Up to 10 postal addresses.
    #[graphql(default)]
    pub addresses: Vec<AddressInput>,
    /// Free text, up to 10,000 characters.
    pub notes: Option<String>,
    /// The member who looks after the company.
    pub owner_id: Option<UserId>,
}

/// Changes to one or several companies: what is left out stays, and `null` empties what may be empty.
#[derive(Debug, Clone, Default, InputObject)]
pub struct CompanyChangesInput {
    /// The name, 1 to 200 characters.
    pub name: Option<String>,
    /// The GSTIN; no other company of the organization may have it.
    pub gstin: MaybeUndefined<String>,
    /// The two-digit GST code of the state, which must be that of the GSTIN; taken from a new GSTIN when left out.
    pub state_code: MaybeUndefined<String>,
    /// The line of business, up to 100 characters.
    pub industry: MaybeUndefined<String>,
    /// The e-mail address.
    pub email: MaybeUndefined<String>,
    /// The telephone number; Indian unless it begins with `+`.
    pub phone: MaybeUndefined<String>,
    /// The address on the web, beginning with `http://` or `https://`, up to 500 characters.
    pub website: MaybeUndefined<String>,
    /// The postal addresses, up to 10, which replace those it has.
    pub addresses: Option<Vec<AddressInput>>,
    /// Free text, up to 10,000 characters.
    pub notes: MaybeUndefined<String>,
    /// The member who looks after the company.
    pub owner_id: MaybeUndefined<UserId>,
}

inputs! {
    "company", "companies": CompanyId, CompanyChangesInput;
    CompanyUpdateInput, CompanyBulkUpdateInput, CompanyDeleteInput, CompanyBulkDeleteInput
}

/// Creates a company.
///
/// # Errors
/// `VALIDATION_ERROR` with everything that is wrong, `CONFLICT` when the GSTIN is taken, `NOT_FOUND` for an owner who is not there.
pub async fn create(act: &Act, input: CompanyCreateInput) -> Result<Company> {
    let mut checks = Checks::new();
    let name = checks.take("name", text::line(&input.name, 200));
    let gstin = optional(&mut checks, "gstin", input.gstin.as_deref(), gstin::parse);
    let state_code = optional(&mut checks, "stateCode", input.state_code.as_deref(), state::parse);
    let state_code = checks.take("stateCode", settled_state(gstin.as_deref(), state_code.as_deref())).flatten();
    let industry = optional(&mut checks, "industry", input.industry.as_deref(), |industry| text::line(industry, 100));
    let email = optional(&mut checks, "email", input.email.as_deref(), email::parse);
    let phone = optional(&mut checks, "phone", input.phone.as_deref(), phone::parse);
    let website = optional(&mut checks, "website", input.website.as_deref(), website);
    let addresses = addresses(&mut checks, "addresses", &input.addresses);
    let notes = optional(&mut checks, "notes", input.notes.as_deref(), |notes| text::block(notes, 10_000));
    checks.finish()?;
    let now = act.now();
    let new = NewCompany {
        organization_id: act.organization(),
        id: act.fresh_id(),
        name: name.unwrap_or_default(),
        gstin,
        state_code,
        industry,
        email,
        phone,
        website,
        addresses,
        notes,
        owner_id: input.owner_id.map(UserId::uuid),
        created_at: now,
        updated_at: now,
    };
    rows::create(act, new).await
}

/// Changes a company.
///
/// # Errors
/// As [`create`], and `CONFLICT` when somebody else changed it first.
pub async fn update(act: &Act, input: CompanyUpdateInput) -> Result<Company> {
    let changes = checked(&input.changes)?;
    rows::update(act, input.id, input.version, |company| settled(company, &changes)).await
}

/// Changes up to 100 companies alike: all of them, or none when one is not there.
///
/// # Errors
/// As [`create`].
pub async fn bulk_update(act: &Act, input: CompanyBulkUpdateInput) -> Result<Vec<Company>> {
    let changes = checked(&input.changes)?;
    if bulk::distinct(&input.ids)?.len() > 1 && matches!(changes.gstin, Some(Some(_))) {
        return Err(Error::invalid("changes.gstin", "Several companies cannot share one GSTIN."));
    }
    rows::update_all(act, &input.ids, |company| settled(company, &changes)).await
}

fn checked(input: &CompanyChangesInput) -> Result<CompanyChanges> {
    let mut checks = Checks::new();
    let changes = CompanyChanges {
        name: optional(&mut checks, "changes.name", input.name.as_deref(), |name| text::line(name, 200)),
        gstin: nullable(&mut checks, "changes.gstin", &input.gstin, |gstin| gstin::parse(gstin)),
        state_code: nullable(&mut checks, "changes.stateCode", &input.state_code, |code| state::parse(code)),
        industry: nullable(&mut checks, "changes.industry", &input.industry, |industry| text::line(industry, 100)),
        email: nullable(&mut checks, "changes.email", &input.email, |email| email::parse(email)),
        phone: nullable(&mut checks, "changes.phone", &input.phone, |phone| phone::parse(phone)),
        website: nullable(&mut checks, "changes.website", &input.website, |text| website(text)),
        addresses: input.addresses.as_ref().map(|list| addresses(&mut checks, "changes.addresses", list)),
        notes: nullable(&mut checks, "changes.notes", &input.notes, |notes| text::block(notes, 10_000)),
        owner_id: plain(&input.owner_id).map(|id| id.map(UserId::uuid)),
    };
    checks.require(changes != CompanyChanges::default(), "changes", "Send at least one change.");
    checks.finish()?;
    Ok(changes)
}

/// The changes with the state that the company then has: that of its GSTIN, else the one that is given, else the one it had.
fn settled(company: &Company, changes: &CompanyChanges) -> Result<CompanyChanges> {
    let mut changes = changes.clone();
    if changes.gstin.is_some() || changes.state_code.is_some() {
        let gstin = match &changes.gstin {
            Some(changed) => changed.as_deref(),
            None => company.gstin.text()?,
        };
        let given = changes.state_code.as_ref().and_then(Option::as_deref);
        let state = settled_state(gstin, given).map_err(|message| Error::invalid("changes.stateCode", message))?;
        let stays = if changes.state_code.is_none() { company.state_code.get()?.clone() } else { None };
        changes.state_code = Some(state.or(stays));
    }
    Ok(changes)
}

fn addresses(checks: &mut Checks, field: &str, list: &[AddressInput]) -> Addresses {
    checks.require(list.len() <= MOST_ADDRESSES, field, format!("At most {MOST_ADDRESSES} addresses can be kept."));
    let kept = list.iter().take(MOST_ADDRESSES).enumerate();
    Addresses(kept.filter_map(|(index, input)| address(checks, &format!("{field}.{index}"), input)).collect())
}

fn address(checks: &mut Checks, field: &str, input: &AddressInput) -> Option<Address> {
    let at = |name: &str| format!("{field}.{name}");
    let country = checks.take(&at("country"), country(&input.country));
    let in_india = country.as_deref() == Some("IN");
    checks.require(in_india || input.state_code.is_none(), &at("stateCode"), "A state's GST code belongs to an address in India.");
    let label = optional(checks, &at("label"), input.label.as_deref(), |label| text::line(label, 40));
    let line1 = checks.take(&at("line1"), text::line(&input.line1, 200));
    let line2 = optional(checks, &at("line2"), input.line2.as_deref(), |line| text::line(line, 200));
    let city = checks.take(&at("city"), text::line(&input.city, 100));
    let state_code = optional(checks, &at("stateCode"), input.state_code.as_deref(), state::parse);
    let pin = optional(checks, &at("pin"), input.pin.as_deref(), |code| if in_india { pin(code) } else { text::line(code, 12) });
    Some(Address { label, line1: line1?, line2, city: city?, state_code, pin, country: country? })
}
