//! What the members of a demo business do: tasks, and the timeline of calls, mails, meetings and notes.

use chrono::{DateTime, Duration, Utc};

use crate::commands::seed::demo::businesses::Business;
use crate::commands::seed::demo::calendar::{Calendar, appointed, day_of};
use crate::commands::seed::demo::people::Team;
use crate::commands::seed::dice::Dice;
use crate::commands::seed::rows::{Activity, Contact, Deal, Task};

const DEAL_TASKS: [&str; 7] = [
    "Send quotation to",
    "Follow up with",
    "Send samples to",
    "Call about the order of",
    "Confirm delivery date with",
    "Send proforma invoice to",
    "Ask for advance from",
];
const CONTACT_TASKS: [&str; 6] =
    ["Call back", "Send price list to", "Update the address of", "Send festival greetings to", "Check GSTIN of", "Share the new catalogue with"];
const OWN_TASKS: [&str; 6] = [
    "File GSTR-1",
    "Count the stock",
    "Prepare the weekly sales review",
    "Renew the trade licence",
    "Check overdue payments",
    "Plan next month's offers",
];

/// Makes the tasks, in the order of their creation; a tenth of them in the last two weeks, so that today's list is a living one.
pub fn tasks(business: &Business, team: &Team, contacts: &[Contact], deals: &[Deal], calendar: &Calendar, dice: &mut Dice) -> Vec<Task> {
    let fresh = business.sizes.tasks / 10;
    let mut instants = calendar.instants(dice, business.sizes.tasks - fresh);
    instants.extend((0..fresh).map(|_| {
        let at = dice.instant(calendar.now - Duration::days(14), calendar.now);
        calendar.working(dice, at)
    }));
    instants.sort_unstable();
    instants.into_iter().map(|at| task(at, team, contacts, deals, calendar, dice)).collect()
}

fn task(at: DateTime<Utc>, team: &Team, contacts: &[Contact], deals: &[Deal], calendar: &Calendar, dice: &mut Dice) -> Task {
    let deal = if dice.chance(60) { lately(deals, |deal| deal.created_at, at, 150, dice) } else { None };
    let contact = match deal {
        Some(deal) => contacts.iter().find(|contact| contact.id == deal.contact_id),
        None if dice.chance(80) => lately(contacts, |contact| contact.created_at, at, 2_000, dice),
        None => None,
    };
    let title = match (deal, contact) {
        (Some(_), Some(contact)) => format!("{} {}", dice.pick(&DEAL_TASKS), contact.name),
        (None, Some(contact)) => format!("{} {}", dice.pick(&CONTACT_TASKS), contact.name),
        (_, None) => dice.pick(&OWN_TASKS).to_owned(),
    };
    let looked_after = contact.map_or_else(|| dice.weighted(&team.sellers), |contact| contact.owner_id);
    let assignee = if dice.chance(15) { dice.pick(&team.supporters) } else { looked_after };
    let due_at = dice.chance(95).then(|| {
        let day = day_of(at) + Duration::days(dice.spread(5).min(45));
        appointed(dice, day).max(at)
    });
    let (status, ended) = outcome(at, due_at, calendar, dice);
    Task {
        organization_id: team.organization,
        id: dice.id(at),
        title,
        status,
        priority: dice.weighted(&[("LOW", 15), ("NORMAL", 60), ("HIGH", 19), ("URGENT", 6)]),
        assignee_id: dice.chance(94).then_some(assignee),
        contact_id: contact.map(|contact| contact.id),
        deal_id: deal.map(|deal| deal.id),
        due_at,
        completed_at: if status == "DONE" { ended } else { None },
        created_at: at,
        updated_at: ended.unwrap_or(at),
    }
}

/// How a task stands, and when it came to an end: what was due long ago is done or given up, what was due lately may be late, and the rest is open.
fn outcome(at: DateTime<Utc>, due: Option<DateTime<Utc>>, calendar: &Calendar, dice: &mut Dice) -> (&'static str, Option<DateTime<Utc>>) {
    let due = due.unwrap_or(at + Duration::days(20));
    let late = calendar.now - due;
    let open = if late > Duration::days(30) {
        0
    } else if late > Duration::zero() {
        22
    } else {
        82
    };
    if dice.chance(open) {
        return (dice.weighted(&[("OPEN", 75), ("IN_PROGRESS", 25)]), None);
    }
    let ended = dice.instant(at, (due + Duration::days(1)).min(calendar.now));
    (dice.weighted(&[("DONE", 94), ("CANCELLED", 6)]), Some(ended))
}

/// Makes the timeline, in the order of what happened.
pub fn activities(business: &Business, contacts: &[Contact], deals: &[Deal], calendar: &Calendar, dice: &mut Dice) -> Vec<Activity> {
    let first = contacts.first().map_or(calendar.now, |contact| contact.created_at);
    calendar
        .instants(dice, business.sizes.activities)
        .into_iter()
        .map(|at| at.max(first))
        .filter_map(|at| {
            let deal = if dice.chance(65) { lately(deals, |deal| deal.created_at, at, 120, dice) } else { None };
            let contact = match deal {
                Some(deal) => contacts.iter().find(|contact| contact.id == deal.contact_id)?,
                None => lately(contacts, |contact| contact.created_at, at, 2_000, dice)?,
            };
            Some(activity(at, contact, deal, dice))
        })
        .collect()
}

fn activity(at: DateTime<Utc>, contact: &Contact, deal: Option<&Deal>, dice: &mut Dice) -> Activity {
    let kind = dice.weighted(&[("CALL", 42), ("EMAIL", 28), ("MEETING", 14), ("NOTE", 16)]);
    let (subjects, duration): (&[&str], _) = match kind {
        "CALL" => (&["Called about the order", "Returned a missed call", "Asked about the payment", "Explained the offer"], Some(dice.spread(7))),
        "EMAIL" => (&["Sent the quotation", "Sent the price list", "Answered a question about GST", "Confirmed the delivery date"], None),
        "MEETING" => {
            (&["Visited the shop", "Showed new samples", "Discussed the yearly contract", "Met at the trade fair"], Some(15 * dice.between(2, 8)))
        }
        _ => (&["Wants better terms", "Asked for a discount", "Happy with the last delivery", "Complained about the packing"], None),
    };
    Activity {
        organization_id: contact.organization_id,
        id: dice.id(at),
        kind,
        subject: dice.pick(subjects).to_owned(),
        occurred_at: at,
        duration_minutes: duration.map(|minutes| i32::try_from(minutes.max(1)).unwrap_or(1)),
        contact_id: contact.id,
        deal_id: deal.map(|deal| deal.id),
        author_id: contact.owner_id,
        created_at: at,
        updated_at: at,
    }
}

/// One of those that were there at that time, not more than `most` back; `None` when there was none.
fn lately<'a, T>(all: &'a [T], created: impl Fn(&T) -> DateTime<Utc>, at: DateTime<Utc>, most: usize, dice: &mut Dice) -> Option<&'a T> {
    let known = all.partition_point(|one| created(one) <= at);
    let back = dice.index(known.min(most));
    known.checked_sub(1 + back).and_then(|place| all.get(place))
}
