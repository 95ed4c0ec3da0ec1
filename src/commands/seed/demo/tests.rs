//! What anybody may rely on about the demo data, whatever the day.

use std::collections::{HashMap, HashSet};

use chrono::Duration;

use super::*;
use crate::base::{email, gstin, phone, state, text};

fn books(now: &str) -> Vec<Book> {
    let now = now.parse().unwrap();
    BUSINESSES.iter().map(|business| book(business, now).unwrap()).collect()
}

const DAYS: [&str; 4] = ["2026-11-21T09:12:33.5Z", "2027-02-28T20:30:00Z", "2026-03-01T00:00:00Z", "2026-08-16T23:59:59Z"];

#[test]
fn the_same_instant_gives_the_same_data() {
    for (one, other) in books(DAYS[0]).iter().zip(books(DAYS[0])) {
        assert_eq!(one.team.users, other.team.users);
        assert_eq!(one.contacts, other.contacts);
        assert_eq!(one.trade.deals, other.trade.deals);
        assert_eq!(one.trade.changes, other.trade.changes);
        assert_eq!(one.tasks, other.tasks);
        assert_eq!(one.activities, other.activities);
    }
}

#[test]
fn organizations_and_users_are_the_same_on_every_day() {
    for (one, other) in books(DAYS[0]).iter().zip(books(DAYS[1])) {
        assert_eq!(one.organization.id, other.organization.id);
        let users = |book: &Book| book.team.users.iter().map(|user| (user.id, user.email.clone(), user.password_hash.clone())).collect::<Vec<_>>();
        assert_eq!(users(one), users(&other));
    }
}

#[test]
fn there_is_as_much_as_was_promised() {
    let books = books(DAYS[0]);
    let sum = |of: fn(&Book) -> usize| books.iter().map(of).sum::<usize>();
    assert_eq!(sum(|book| book.firms.len()), 150);
    assert_eq!(sum(|book| book.contacts.len()), 2_000);
    assert_eq!(sum(|book| book.trade.deals.len()), 3_000);
    assert_eq!(sum(|book| book.tasks.len()), 5_000);
    assert_eq!(sum(|book| book.activities.len()), 6_000);
}

#[test]
fn every_value_passes_the_checks_of_its_kind() {
    for book in DAYS.iter().flat_map(|day| books(day)) {
        let organization = &book.organization;
        assert_eq!(gstin::parse(organization.gstin.as_deref().unwrap()).unwrap().get(..2), Some(organization.state_code));
        let mut gstins = HashSet::new();
        for row in book.firms.iter().map(|firm| &firm.row) {
            assert_eq!(email::parse(&row.email), Ok(row.email.clone()));
            assert_eq!(phone::parse(&row.phone), Ok(row.phone.clone()));
            if let Some(gstin) = &row.gstin {
                assert_eq!(gstin::parse(gstin), Ok(gstin.clone()), "{}", row.name);
                assert!(gstin.starts_with(row.state_code) && gstins.insert(gstin), "{gstin}");
            }
        }
        let mut emails = HashSet::new();
        for row in &book.contacts {
            state::parse(row.state_code).unwrap();
            text::line(&row.name, 200).unwrap();
            if let Some(phone) = &row.phone {
                assert_eq!(phone::parse(phone), Ok(phone.clone()));
            }
            if let Some(address) = &row.email {
                assert_eq!(email::parse(address), Ok(address.clone()));
                assert!(address.ends_with(".example") && emails.insert(address), "{address}");
            }
        }
    }
}

#[test]
fn nothing_happens_in_the_future_or_in_the_wrong_order() {
    for day in DAYS {
        let now: DateTime<Utc> = day.parse().unwrap();
        for book in books(day) {
            let contacts: HashMap<_, _> = book.contacts.iter().map(|contact| (contact.id, contact.created_at)).collect();
            for contact in &book.contacts {
                assert!(contact.created_at <= contact.updated_at && contact.updated_at <= now);
            }
            for deal in &book.trade.deals {
                assert!(contacts[&deal.contact_id] <= deal.created_at && deal.created_at <= deal.updated_at && deal.updated_at <= now, "{deal:?}");
                assert_eq!(deal.closed_at.is_none(), deal.status == "OPEN");
                assert_eq!(deal.closed_at.is_some(), deal.closed_reason.is_some());
            }
            for task in &book.tasks {
                assert!(task.created_at <= task.updated_at && task.updated_at <= now, "{task:?}");
                assert_eq!(task.completed_at.is_some(), task.status == "DONE");
            }
            assert!(book.activities.iter().all(|activity| activity.occurred_at <= now && contacts[&activity.contact_id] <= activity.occurred_at));
        }
    }
}

#[test]
fn a_deal_stands_where_its_last_change_left_it() {
    for book in books(DAYS[0]) {
        let mut last = HashMap::new();
        for change in &book.trade.changes {
            assert_eq!(change.from_stage_id, last.insert(change.deal_id, change.to_stage_id), "{change:?}");
        }
        assert!(book.trade.deals.iter().all(|deal| last.get(&deal.id) == Some(&deal.stage_id)));
    }
}

#[test]
fn the_year_is_a_believable_one() {
    for day in DAYS {
        let now: DateTime<Utc> = day.parse().unwrap();
        for book in books(day) {
            let deals = |status: &str| book.trade.deals.iter().filter(|deal| deal.status == status).count() * 100 / book.trade.deals.len();
            assert!((28..48).contains(&deals("WON")), "{} % won", deals("WON"));
            assert!((8..30).contains(&deals("OPEN")), "{} % open", deals("OPEN"));
            for stage in ["LEAD", "PROSPECT", "CUSTOMER", "FORMER"] {
                let share = book.contacts.iter().filter(|contact| contact.stage == stage).count() * 100 / book.contacts.len();
                assert!((2..60).contains(&share), "{share} % {stage}");
            }
            let open: Vec<_> = book.tasks.iter().filter(|task| matches!(task.status, "OPEN" | "IN_PROGRESS")).collect();
            let overdue = open.iter().filter(|task| task.due_at.is_some_and(|due| due < now)).count();
            let soon = open.iter().filter(|task| task.due_at.is_some_and(|due| due >= now && due < now + Duration::days(7))).count();
            assert!((20..200).contains(&overdue) && (40..400).contains(&soon), "{overdue} overdue, {soon} due soon");
        }
    }
}
