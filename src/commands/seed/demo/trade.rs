//! What a demo business sells: its pipeline, and a year of deals on their way through it.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::commands::seed::demo::businesses::Business;
use crate::commands::seed::demo::calendar::{Calendar, day_of};
use crate::commands::seed::dice::Dice;
use crate::commands::seed::rows::{Contact, Deal, Pipeline, Stage, StageChange};

/// The stages of the pipeline: name, kind, probability.
const STAGES: [(&str, &str, i32); 6] =
    [("New", "OPEN", 10), ("Qualified", "OPEN", 25), ("Proposal", "OPEN", 50), ("Negotiation", "OPEN", 75), ("Won", "WON", 100), ("Lost", "LOST", 0)];
/// The place of the stage of won deals; that of lost ones comes after it.
const WON: usize = 4;

const WON_REASONS: [&str; 5] =
    ["Best quality of three samples", "Quick delivery", "Long relationship", "Price matched", "Recommended by another customer"];
const LOST_REASONS: [&str; 6] = [
    "Price too high",
    "Bought from a local supplier",
    "No budget this season",
    "No answer after the quotation",
    "Delivery date not possible",
    "Requirement dropped",
];

/// A pipeline with its stages in order.
pub struct Funnel {
    pub pipeline: Pipeline,
    pub stages: Vec<Stage>,
}

/// Makes the pipeline.
pub fn funnel(organization: Uuid, founded: DateTime<Utc>, dice: &mut Dice) -> Funnel {
    let pipeline =
        Pipeline { organization_id: organization, id: dice.id(founded), name: "Sales", is_default: true, created_at: founded, updated_at: founded };
    let stages = STAGES
        .into_iter()
        .zip(0..)
        .map(|((name, kind, probability), position)| Stage {
            organization_id: organization,
            id: dice.id(founded),
            pipeline_id: pipeline.id,
            name,
            position,
            kind,
            probability,
            created_at: founded,
            updated_at: founded,
        })
        .collect();
    Funnel { pipeline, stages }
}

/// Deals and how each moved through the stages.
#[derive(Default)]
pub struct Trade {
    pub deals: Vec<Deal>,
    pub changes: Vec<StageChange>,
}

/// Makes the deals of the contacts, in the order of their creation.
pub fn deals(business: &Business, funnel: &Funnel, contacts: &[Contact], calendar: &Calendar, dice: &mut Dice) -> Trade {
    let mut trade = Trade::default();
    for at in calendar.instants(dice, business.sizes.deals) {
        let Some(contact) = known_at(contacts, at, dice) else { continue };
        let (title, usual) = dice.pick(business.products);
        let at = at.max(contact.created_at);
        let journey = journey(at, calendar, dice);
        let deal = deal(title, dice.spread(usual), contact, at, &journey, funnel, dice);
        trade.changes.extend(changes(&deal, &journey, funnel, dice));
        trade.deals.push(deal);
    }
    trade
}

/// A contact that was known at that time: in half of the cases one of the latest.
fn known_at<'a>(contacts: &'a [Contact], at: DateTime<Utc>, dice: &mut Dice) -> Option<&'a Contact> {
    let known = contacts.partition_point(|contact| contact.created_at <= at).max(1);
    let latest = if dice.chance(50) { known.min(60) } else { known };
    contacts.get(known - 1 - dice.index(latest))
}

/// The stages that a deal has come to, each with the time it did, and when it is meant to be closed.
struct Journey {
    steps: Vec<(usize, DateTime<Utc>)>,
    expected: DateTime<Utc>,
}

/// Sends a deal on its way. What lies after now has not happened yet, and a few deals are forgotten half way.
fn journey(begin: DateTime<Utc>, calendar: &Calendar, dice: &mut Dice) -> Journey {
    let won = dice.chance(44);
    let open_stages = if won { WON } else { dice.weighted(&[(1, 20), (2, 30), (3, 32), (4, 18)]) };
    let mut path: Vec<usize> = (0..open_stages).collect();
    if !dice.chance(4) {
        path.push(if won { WON } else { WON + 1 });
    }
    let length = Duration::hours(dice.spread(24 * 24));
    let share = i32::try_from(path.len()).unwrap_or(1).max(2) - 1;
    let mut steps = vec![(0, begin)];
    for (place, stage) in path.into_iter().enumerate().skip(1) {
        let planned = begin + length / share * i32::try_from(place).unwrap_or(1);
        if planned > calendar.now {
            break;
        }
        let last = steps.last().map_or(begin, |(_, at)| *at);
        steps.push((stage, calendar.working(dice, planned).max(last)));
    }
    Journey { steps, expected: begin + length + Duration::days(dice.between(-6, 6)) }
}

fn deal(title: &str, rupees: i64, contact: &Contact, at: DateTime<Utc>, journey: &Journey, funnel: &Funnel, dice: &mut Dice) -> Deal {
    let (place, moved) = journey.steps.last().copied().unwrap_or((0, at));
    let stage = funnel.stages.get(place);
    let status = stage.map_or("OPEN", |stage| stage.kind);
    Deal {
        organization_id: contact.organization_id,
        id: dice.id(at),
        title: format!("{title} for {}", contact.name),
        pipeline_id: funnel.pipeline.id,
        stage_id: stage.map_or(Uuid::nil(), |stage| stage.id),
        status,
        contact_id: contact.id,
        company_id: contact.company_id,
        owner_id: contact.owner_id,
        // People round to five hundred rupees; the database counts paise.
        value_minor: (rupees / 500).max(1) * 50_000,
        currency: "INR",
        probability: stage.map_or(0, |stage| stage.probability),
        expected_close: day_of(journey.expected).max(day_of(at)),
        closed_at: (status != "OPEN").then_some(moved),
        closed_reason: match status {
            "WON" => Some(dice.pick(&WON_REASONS)),
            "LOST" => Some(dice.pick(&LOST_REASONS)),
            _ => None,
        },
        created_at: at,
        updated_at: moved,
        version: i32::try_from(journey.steps.len()).unwrap_or(1),
    }
}

fn changes(deal: &Deal, journey: &Journey, funnel: &Funnel, dice: &mut Dice) -> Vec<StageChange> {
    let mut from = None;
    let mut changes = Vec::new();
    for (place, at) in &journey.steps {
        let Some(to) = funnel.stages.get(*place) else { continue };
        changes.push(StageChange {
            organization_id: deal.organization_id,
            id: dice.id(*at),
            deal_id: deal.id,
            from_stage_id: from,
            to_stage_id: to.id,
            actor_id: deal.owner_id,
            at: *at,
        });
        from = Some(to.id);
    }
    changes
}

/// Brings the contacts to the stage that their deals have brought them to: customers have bought, former ones long ago.
pub fn promote(contacts: &mut [Contact], deals: &[Deal], calendar: &Calendar) {
    let long_ago = calendar.now - Duration::days(270);
    for contact in contacts {
        let own = || deals.iter().filter(|deal| deal.contact_id == contact.id);
        let bought = own().filter(|deal| deal.status == "WON").filter_map(|deal| deal.closed_at).max();
        let open = own().any(|deal| deal.status == "OPEN");
        contact.stage = match bought {
            Some(at) if at < long_ago && !open => "FORMER",
            Some(_) => "CUSTOMER",
            None if open => "PROSPECT",
            None => "LEAD",
        };
        contact.updated_at = own().map(|deal| deal.updated_at).max().unwrap_or(contact.created_at).max(contact.created_at);
        if open {
            contact.status = "ACTIVE";
        }
    }
}
