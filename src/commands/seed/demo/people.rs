//! Whom a demo business knows: its own members, companies and contacts.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::base::gstin;
use crate::commands::seed::demo::businesses::{Business, Town};
use crate::commands::seed::demo::calendar::Calendar;
use crate::commands::seed::dice::Dice;
use crate::commands::seed::password;
use crate::commands::seed::rows::{Company, Contact, Membership, User};

/// The members of a business.
pub struct Team {
    pub organization: Uuid,
    pub users: Vec<User>,
    pub memberships: Vec<Membership>,
    /// Who looks after contacts and deals, with weights.
    pub sellers: Vec<(Uuid, i64)>,
    /// Who looks after customers' questions.
    pub supporters: Vec<Uuid>,
}

/// Makes the members.
pub fn team(business: &Business, organization: Uuid, founded: DateTime<Utc>) -> anyhow::Result<Team> {
    let mut dice = Dice::new(business.seed.wrapping_mul(1_000));
    let mut team = Team { organization, users: Vec::new(), memberships: Vec::new(), sellers: Vec::new(), supporters: Vec::new() };
    for (place, (name, local, role, weight)) in business.team.iter().enumerate() {
        let joined = founded + Duration::days(i64::try_from(place).unwrap_or_default());
        let user = dice.lasting_id();
        team.users.push(User {
            id: user,
            email: format!("{local}@{}", business.domain),
            name: (*name).to_owned(),
            password_hash: password::hash(&dice.bytes())?,
            created_at: joined,
            updated_at: joined,
        });
        team.memberships.push(Membership {
            organization_id: organization,
            id: dice.lasting_id(),
            user_id: user,
            role,
            created_at: joined,
            updated_at: joined,
        });
        if *weight > 0 {
            team.sellers.push((user, *weight));
        }
        if *role == "SUPPORT" {
            team.supporters.push(user);
        }
    }
    Ok(team)
}

/// A company with what its contacts share.
pub struct Firm {
    pub row: Company,
    town: Town,
    domain: String,
}

/// Makes the companies, in the order of their creation.
pub fn firms(business: &Business, team: &Team, calendar: &Calendar, dice: &mut Dice) -> Vec<Firm> {
    let mut names = HashSet::new();
    calendar
        .instants(dice, business.sizes.companies)
        .into_iter()
        .map(|at| {
            let town = dice.weighted(business.towns);
            let (name, industry) = firm_name(business, town, &mut names, dice);
            let domain = format!("{}.example", slug(&name));
            let (city, state_code, postal) = town;
            let row = Company {
                organization_id: team.organization,
                id: dice.id(at),
                gstin: if dice.chance(85) { make_gstin(state_code, &name, dice) } else { None },
                state_code,
                industry,
                email: format!("accounts@{domain}"),
                phone: mobile(business, dice),
                website: format!("https://www.{domain}"),
                addresses: json!([{
                    "label": "Head office",
                    "line1": format!("{} {}", dice.between(1, 240), dice.pick(&STREETS)),
                    "line2": null,
                    "city": city,
                    "state_code": state_code,
                    "pin": format!("{postal}{:03}", dice.between(1, 99)),
                    "country": "IN",
                }]),
                owner_id: dice.weighted(&team.sellers),
                created_at: at,
                updated_at: at,
                name,
            };
            Firm { row, town, domain }
        })
        .collect()
}

/// Makes the contacts, in the order of their creation. Their stage is what they are before any deal: leads.
pub fn contacts(business: &Business, team: &Team, firms: &[Firm], calendar: &Calendar, dice: &mut Dice) -> Vec<Contact> {
    let mut taken = HashSet::new();
    // A third came along from the address book of the days before.
    let imported = business.sizes.contacts / 3;
    let import = calendar.working(dice, calendar.begin() + Duration::days(1));
    let mut instants = vec![import; imported];
    instants.extend(calendar.instants(dice, business.sizes.contacts - imported).into_iter().map(|at| at.max(import)));
    instants
        .into_iter()
        .map(|at| {
            let (given, surname) = (dice.pick(business.given_names), dice.pick(business.surnames));
            let firm = if dice.chance(55) { firms.get(dice.index(firms.len())) } else { None };
            let (city, state_code, _) = firm.map_or_else(|| dice.weighted(business.towns), |firm| firm.town);
            let domain = firm.map_or("mail.example", |firm| &firm.domain);
            Contact {
                organization_id: team.organization,
                id: dice.id(at),
                name: format!("{given} {surname}"),
                email: dice.chance(86).then(|| address(given, surname, domain, &mut taken)),
                phone: dice.chance(92).then(|| mobile(business, dice)),
                company_id: firm.map(|firm| firm.row.id),
                city,
                state_code,
                stage: "LEAD",
                status: dice.weighted(&[("ACTIVE", 92), ("INACTIVE", 6), ("BLOCKED", 2)]),
                source: if at == import { "IMPORT" } else { dice.weighted(&SOURCES) },
                tags: tags(business, dice),
                owner_id: dice.weighted(&team.sellers),
                notes: dice.chance(18).then(|| dice.pick(&NOTES)),
                created_at: at,
                updated_at: at,
            }
        })
        .collect()
}

/// The registration of a business: state, PAN, first registration, ordinary taxpayer, check character.
pub fn gstin_of(state_code: &str, pan: &str) -> Option<String> {
    gstin::complete(&format!("{state_code}{pan}1Z"))
}

fn make_gstin(state_code: &str, name: &str, dice: &mut Dice) -> Option<String> {
    let letters: String = (0..3).map(|_| letter(dice)).collect();
    let initial = name.chars().next().unwrap_or('A').to_ascii_uppercase();
    // The fourth letter of a PAN tells companies from firms, the fifth is the name's first.
    let form = dice.pick(&["C", "F"]);
    gstin_of(state_code, &format!("{letters}{form}{initial}{:04}{}", dice.between(1, 9_999), letter(dice)))
}

fn letter(dice: &mut Dice) -> char {
    ('A'..='Z').nth(dice.index(26)).unwrap_or('A')
}

/// A name nobody has yet: with the town when it was thrown before, and with a number when that was, too.
fn firm_name(business: &Business, town: Town, taken: &mut HashSet<String>, dice: &mut Dice) -> (String, &'static str) {
    let (kind, industry) = dice.pick(business.company_kinds);
    let plain = format!("{} {kind}", dice.pick(business.company_names));
    let mut name = plain.clone();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        name = if number == 1 { format!("{plain}, {}", town.0) } else { format!("{plain}, {} {number}", town.0) };
        number += 1;
    }
    (name, industry)
}

fn address(given: &str, surname: &str, domain: &str, taken: &mut HashSet<String>) -> String {
    let local = format!("{given}.{surname}").to_lowercase();
    let mut address = format!("{local}@{domain}");
    let mut number = 2;
    while !taken.insert(address.clone()) {
        address = format!("{local}{number}@{domain}");
        number += 1;
    }
    address
}

fn mobile(business: &Business, dice: &mut Dice) -> String {
    format!("+91{}{:05}", dice.pick(business.mobile_prefixes), dice.below(100_000))
}

fn tags(business: &Business, dice: &mut Dice) -> Vec<&'static str> {
    let mut tags: Vec<_> = (0..dice.weighted(&[(0, 45), (1, 35), (2, 15), (3, 5)])).map(|_| dice.pick(business.tags)).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn slug(name: &str) -> String {
    let words: Vec<String> =
        name.to_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.join("-")
}

const STREETS: [&str; 10] = [
    "Mahatma Gandhi Road",
    "Station Road",
    "Nehru Street",
    "Market Yard",
    "Gandhi Chowk",
    "Temple Street",
    "Industrial Estate",
    "Lake View Road",
    "Old Bazaar",
    "Ring Road",
];

const SOURCES: [(&str, i64); 7] =
    [("WEBSITE", 24), ("REFERRAL", 26), ("WHATSAPP", 20), ("PHONE", 12), ("EVENT", 9), ("ADVERTISEMENT", 6), ("OTHER", 3)];

const NOTES: [&str; 12] = [
    "Prefers WhatsApp to e-mail.",
    "Call only after 4 in the afternoon.",
    "Asks for a proforma invoice before every order.",
    "Pays on time, usually by UPI.",
    "Wants delivery before the festival season.",
    "Met at the trade fair; asked for a price list.",
    "Decides together with her brother, who runs the second shop.",
    "Needs the GST invoice on the same day.",
    "Compared our prices with two other suppliers.",
    "Good customer for many years; handle complaints at once.",
    "Speaks Hindi and Marathi, little English.",
    "Interested in a yearly contract if the first delivery goes well.",
];
