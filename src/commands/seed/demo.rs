//! `seed --demo`: two businesses in different states with a believable year behind them, which ends today.

mod businesses;
mod calendar;
mod people;
mod trade;
mod work;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::commands::seed::database::{self, insert};
use crate::commands::seed::demo::businesses::{BUSINESSES, Business};
use crate::commands::seed::demo::calendar::Calendar;
use crate::commands::seed::demo::people::{Firm, Team};
use crate::commands::seed::demo::trade::{Funnel, Trade};
use crate::commands::seed::dice::Dice;
use crate::commands::seed::rows::{Activity, AuditEntry, Contact, Organization, Task};
use crate::commands::seed::{Progress, SignIn, Summary};
use crate::platform::postgres::{Pool, Transaction};

/// Loads the demo data of the year before `now` through the login of `url`, unless it is there.
///
/// # Errors
/// When the database cannot be reached, is not migrated, or has users of the demo's addresses; the organization concerned is then not there.
pub async fn demo(url: &str, now: DateTime<Utc>, progress: &Progress) -> anyhow::Result<Summary> {
    let pool = database::connect(url)?;
    let mut summary = Summary::default();
    progress.begin("Loading the demo data", BUSINESSES.iter().map(|business| rows(business)).sum());
    for business in BUSINESSES {
        summary.add(load(&pool, business, now, progress).await.with_context(|| format!("{} could not be loaded", business.name))?);
    }
    progress.end();
    if !summary.loaded.is_empty() {
        summary.analyzed = database::analyze(url).await?;
    }
    Ok(summary)
}

/// Who can sign in to the demo data.
#[must_use]
pub fn sign_ins() -> Vec<SignIn> {
    BUSINESSES
        .iter()
        .flat_map(|business| {
            business.team.iter().map(|(_, local, role, _)| SignIn {
                organization: business.name,
                role,
                email: format!("{local}@{}", business.domain),
            })
        })
        .collect()
}

/// How many rows the progress counts; deals' stage changes are written unannounced.
const fn rows(business: &Business) -> usize {
    let sizes = business.sizes;
    sizes.companies + sizes.contacts + sizes.deals + sizes.tasks + sizes.activities
}

/// Everything about one business.
struct Book {
    organization: Organization,
    team: Team,
    funnel: Funnel,
    firms: Vec<Firm>,
    contacts: Vec<Contact>,
    trade: Trade,
    tasks: Vec<Task>,
    activities: Vec<Activity>,
}

/// Makes up everything about a business. The same instant gives the same book.
fn book(business: &Business, now: DateTime<Utc>) -> anyhow::Result<Book> {
    // To the second: the database does not keep nanoseconds.
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let id = Uuid::from_u128(business.id);
    let calendar = Calendar::new(now, &business.months);
    let founded = calendar.begin() - chrono::Duration::days(30);
    let mut dice = Dice::new(business.seed);
    let organization = Organization {
        id,
        name: business.name,
        gstin: people::gstin_of(business.state_code, business.pan),
        state_code: business.state_code,
        plan: "PRO",
        created_at: founded,
        updated_at: founded,
    };
    let team = people::team(business, id, founded)?;
    let funnel = trade::funnel(id, founded, &mut dice);
    let firms = people::firms(business, &team, &calendar, &mut dice);
    let mut contacts = people::contacts(business, &team, &firms, &calendar, &mut dice);
    let trade = trade::deals(business, &funnel, &contacts, &calendar, &mut dice);
    trade::promote(&mut contacts, &trade.deals, &calendar);
    let tasks = work::tasks(business, &team, &contacts, &trade.deals, &calendar, &mut dice);
    let activities = work::activities(business, &contacts, &trade.deals, &calendar, &mut dice);
    Ok(Book { organization, team, funnel, firms, contacts, trade, tasks, activities })
}

async fn load(pool: &Pool, business: &Business, now: DateTime<Utc>, progress: &Progress) -> anyhow::Result<Summary> {
    let book = book(business, now)?;
    let name = business.name.to_owned();
    let db = database::begin(pool, book.organization.id);
    if !database::claim(&db, &book.organization).await? {
        progress.advance(rows(business));
        return Ok(Summary { found: vec![name], ..Summary::default() });
    }
    write(&db, &book, progress).await?;
    db.commit().await.map_err(database::explain)?;
    Ok(Summary {
        loaded: vec![name],
        companies: book.firms.len(),
        contacts: book.contacts.len(),
        deals: book.trade.deals.len(),
        tasks: book.tasks.len(),
        activities: book.activities.len(),
        ..Summary::default()
    })
}

async fn write(db: &Transaction, book: &Book, progress: &Progress) -> anyhow::Result<()> {
    let quiet = Progress::silent();
    database::insert_users(db, &book.team.users).await?;
    insert!(db, quiet, memberships, book.team.memberships);
    insert!(db, quiet, pipelines, [book.funnel.pipeline.clone()]);
    insert!(db, quiet, pipeline_stages, book.funnel.stages);
    let companies: Vec<_> = book.firms.iter().map(|firm| firm.row.clone()).collect();
    insert!(db, progress, companies, companies);
    insert!(db, progress, contacts, book.contacts);
    insert!(db, progress, deals, book.trade.deals);
    insert!(db, quiet, deal_stage_changes, book.trade.changes);
    insert!(db, progress, tasks, book.tasks);
    insert!(db, progress, activities, book.activities);
    insert!(db, quiet, audit_entries, [entry(book)]);
    Ok(())
}

/// The one audit entry of a seed, by nobody.
fn entry(book: &Book) -> AuditEntry {
    let organization = &book.organization;
    AuditEntry {
        organization_id: organization.id,
        id: Dice::new(0).id(organization.created_at),
        at: organization.created_at,
        action: "organization.seed",
        noun: "organization",
        row_id: organization.id,
        after: json!({
            "name": organization.name,
            "companies": book.firms.len(),
            "contacts": book.contacts.len(),
            "deals": book.trade.deals.len(),
            "tasks": book.tasks.len(),
            "activities": book.activities.len(),
        }),
        request_id: "seed",
    }
}

#[cfg(test)]
mod tests;
