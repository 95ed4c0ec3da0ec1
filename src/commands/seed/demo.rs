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

use crate::commands::seed::Summary;
use crate::commands::seed::database::{self, insert};
use crate::commands::seed::demo::businesses::{BUSINESSES, Business};
use crate::commands::seed::demo::calendar::Calendar;
use crate::commands::seed::demo::people::{Firm, Team};
use crate::commands::seed::demo::trade::{Funnel, Trade};
use crate::commands::seed::dice::Dice;
use crate::commands::seed::rows::{Activity, AuditEntry, Contact, Organization, Task};
use crate::platform::postgres::{Pool, Transaction};

/// Loads the demo data of the year before `now`, unless it is there; `say` is told what is being loaded.
///
/// # Errors
/// When the database cannot be reached, is not migrated, or has users of the demo's addresses; the organization concerned is then not there.
pub async fn demo(url: &str, now: DateTime<Utc>, say: &dyn Fn(String)) -> anyhow::Result<Summary> {
    let pool = database::connect(url)?;
    let mut summary = Summary::default();
    for business in BUSINESSES {
        summary.add(load(&pool, business, now, say).await.with_context(|| format!("the demo data of {} cannot be loaded", business.name))?);
    }
    Ok(summary)
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
    let calendar = Calendar::new(now, &business.months);
    let organization = organization(business, &calendar);
    let mut dice = Dice::new(business.seed);
    let team = people::team(business, organization.id, organization.created_at)?;
    let funnel = trade::funnel(organization.id, organization.created_at, &mut dice);
    let firms = people::firms(business, &team, &calendar, &mut dice);
    let mut contacts = people::contacts(business, &team, &firms, &calendar, &mut dice);
    let trade = trade::deals(business, &funnel, &contacts, &calendar, &mut dice);
    trade::promote(&mut contacts, &trade.deals, &calendar);
    let tasks = work::tasks(business, &team, &contacts, &trade.deals, &calendar, &mut dice);
    let activities = work::activities(business, &contacts, &trade.deals, &calendar, &mut dice);
    Ok(Book { organization, team, funnel, firms, contacts, trade, tasks, activities })
}

/// The business itself, a month before its year begins.
fn organization(business: &Business, calendar: &Calendar) -> Organization {
    let founded = calendar.begin() - chrono::Duration::days(30);
    Organization {
        id: Uuid::from_u128(business.id),
        name: business.name.to_owned(),
        gstin: people::gstin_of(business.state_code, business.pan),
        state_code: business.state_code,
        plan: "PRO",
        created_at: founded,
        updated_at: founded,
    }
}

async fn load(pool: &Pool, business: &Business, now: DateTime<Utc>, say: &dyn Fn(String)) -> anyhow::Result<Summary> {
    let organization = organization(business, &Calendar::new(now, &business.months));
    let db = database::begin(pool, organization.id);
    if !database::claim(&db, &organization).await? {
        return Ok(Summary::already_there(business.name));
    }
    say(format!("Loading the demo data of {}.", business.name));
    let book = book(business, now)?;
    write(&db, &book).await?;
    db.commit().await.map_err(database::explain)?;
    Ok(Summary {
        loaded: vec![business.name.to_owned()],
        companies: book.firms.len(),
        contacts: book.contacts.len(),
        deals: book.trade.deals.len(),
        tasks: book.tasks.len(),
        activities: book.activities.len(),
        ..Summary::default()
    })
}

async fn write(db: &Transaction, book: &Book) -> anyhow::Result<()> {
    database::insert_users(db, &book.team.users).await?;
    insert!(db, memberships, book.team.memberships);
    insert!(db, pipelines, [book.funnel.pipeline.clone()]);
    insert!(db, pipeline_stages, book.funnel.stages);
    insert!(db, companies, book.firms.iter().map(|firm| firm.row.clone()).collect::<Vec<_>>());
    insert!(db, contacts, book.contacts);
    insert!(db, deals, book.trade.deals);
    insert!(db, deal_stage_changes, book.trade.changes);
    insert!(db, tasks, book.tasks);
    insert!(db, activities, book.activities);
    insert!(db, audit_entries, [entry(book)]);
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
