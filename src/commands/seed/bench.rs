//! `seed --bench`: data to measure with, made by the database itself: 20 organizations, of which the first has half of everything.
//!
//! Each statement writes some thousands of rows of one table, counted by `i`. Identifiers and instants are functions of that number, so that a deal
//! can name its contact without looking for it. Rows are spread over the year before now.

use std::ops::RangeInclusive;

use anyhow::Context;
use chrono::{DateTime, Utc};
use diesel::sql_types::Bool;

use crate::commands::seed::database::{self, insert};
use crate::commands::seed::dice::Dice;
use crate::commands::seed::rows::{Membership, Organization, Pipeline, Stage, User};
use crate::commands::seed::{Progress, Summary, password};
use crate::platform::postgres::statement::{Bind, Sql};
use crate::platform::postgres::{Pool, Transaction};

const ORGANIZATIONS: u32 = 20;
const CONTACTS: i32 = 200_000;
const DEALS: i32 = 400_000;
const TASKS: i32 = 200_000;
const ACTIVITIES: i32 = 100_000;

/// So many rows are written by one statement, so that the progress moves.
const STEP: usize = 10_000;

const ROLES: [&str; 5] = ["OWNER", "MANAGER", "SALES", "SALES", "VIEWER"];
const STAGES: [(&str, &str, i32); 6] =
    [("New", "OPEN", 10), ("Qualified", "OPEN", 25), ("Proposal", "OPEN", 50), ("Negotiation", "OPEN", 75), ("Won", "WON", 100), ("Lost", "LOST", 0)];

/// Loads the benchmark data of the year before `now`, unless it is there. The owner of the first organization is `owner@bench-01.example`.
///
/// # Errors
/// When the database cannot be reached or is not migrated; the organization concerned is then not there.
pub async fn bench(url: &str, now: DateTime<Utc>, progress: &Progress) -> anyhow::Result<Summary> {
    let pool = database::connect(url)?;
    let hash = password::hash(&Dice::new(0).bytes())?;
    let plan = Plan { now, hash, pool, progress };
    progress.begin("Loading the benchmark data", size(CONTACTS) + size(DEALS) + size(TASKS) + size(ACTIVITIES));
    // The large one beside all others: writing keeps more than one core busy.
    let (large, others) = tokio::try_join!(plan.load(0..=0), plan.load(1..=ORGANIZATIONS - 1))?;
    progress.end();
    let mut summary = large;
    summary.add(others);
    Ok(summary)
}

struct Plan<'a> {
    now: DateTime<Utc>,
    hash: String,
    pool: Pool,
    progress: &'a Progress,
}

/// One organization: who is in it, and how much it has.
struct Tenant {
    organization: Organization,
    name: String,
    users: Vec<User>,
    memberships: Vec<Membership>,
    pipeline: Pipeline,
    stages: Vec<Stage>,
    contacts: i32,
    deals: i32,
    tasks: i32,
    activities: i32,
}

impl Plan<'_> {
    async fn load(&self, numbers: RangeInclusive<u32>) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        for number in numbers {
            let tenant = self.tenant(number);
            summary.add(self.load_one(&tenant).await.with_context(|| format!("{} cannot be loaded", tenant.name))?);
        }
        Ok(summary)
    }

    async fn load_one(&self, tenant: &Tenant) -> anyhow::Result<Summary> {
        let [contacts, deals, tasks, activities] = [tenant.contacts, tenant.deals, tenant.tasks, tenant.activities].map(size);
        let db = database::begin_unchecked(&self.pool, tenant.organization.id).await?;
        if !database::claim(&db, &tenant.organization).await? {
            self.progress.advance(contacts + deals + tasks + activities);
            return Ok(Summary::already_there(&tenant.name));
        }
        database::insert_users(&db, &tenant.users).await?;
        insert!(db, memberships, tenant.memberships);
        insert!(db, pipelines, [tenant.pipeline.clone()]);
        insert!(db, pipeline_stages, tenant.stages);
        self.fill(&db, tenant, INSERT_CONTACTS, tenant.contacts).await?;
        self.fill(&db, tenant, INSERT_DEALS, tenant.deals).await?;
        self.fill(&db, tenant, INSERT_TASKS, tenant.tasks).await?;
        self.fill(&db, tenant, INSERT_ACTIVITIES, tenant.activities).await?;
        db.commit().await.map_err(database::explain)?;
        Ok(Summary { loaded: vec![tenant.name.clone()], contacts, deals, tasks, activities, ..Summary::default() })
    }

    /// Runs a statement for the rows 1 to `rows`, some thousands at a time.
    async fn fill(&self, db: &Transaction, tenant: &Tenant, statement: &'static str, rows: i32) -> anyhow::Result<()> {
        for first in (1..=rows).step_by(STEP) {
            let last = rows.min(first.saturating_add(i32::try_from(STEP)? - 1));
            let binds = vec![
                Bind::Uuid(tenant.organization.id),
                Bind::Instant(self.now),
                Bind::Int(tenant.contacts),
                Bind::Int(tenant.deals),
                Bind::Int(tenant.tasks),
                Bind::Int(tenant.activities),
                Bind::Uuids(tenant.users.iter().map(|user| user.id).collect()),
                Bind::Uuid(tenant.pipeline.id),
                Bind::Uuids(tenant.stages.iter().map(|stage| stage.id).collect()),
                Bind::Int(first),
                Bind::Int(last),
            ];
            let written = db.execute(Sql::<Bool>::new(statement, binds)).await.map_err(database::explain)?;
            self.progress.advance(written);
        }
        Ok(())
    }

    fn tenant(&self, number: u32) -> Tenant {
        let mut dice = Dice::new(u64::from(number) + 1_000_000);
        let at = self.now - chrono::Duration::days(366);
        let label = format!("{:02}", number + 1);
        let name = format!("Bench {label}");
        let id = dice.lasting_id();
        let mut users = Vec::new();
        let mut memberships = Vec::new();
        for (place, role) in ROLES.into_iter().enumerate() {
            let email = if place == 0 { format!("owner@bench-{label}.example") } else { format!("member{place}@bench-{label}.example") };
            let user = dice.lasting_id();
            users.push(User { id: user, name: format!("Member {place}"), email, password_hash: self.hash.clone(), created_at: at, updated_at: at });
            memberships.push(Membership { organization_id: id, id: dice.lasting_id(), user_id: user, role, created_at: at, updated_at: at });
        }
        let pipeline = Pipeline { organization_id: id, id: dice.lasting_id(), name: "Sales", is_default: true, created_at: at, updated_at: at };
        let stages = STAGES
            .into_iter()
            .zip(0..)
            .map(|((name, kind, probability), position)| Stage {
                organization_id: id,
                id: dice.lasting_id(),
                pipeline_id: pipeline.id,
                name,
                position,
                kind,
                probability,
                created_at: at,
                updated_at: at,
            })
            .collect();
        Tenant {
            organization: Organization { id, name: name.clone(), gstin: None, state_code: "27", plan: "PRO", created_at: at, updated_at: at },
            name,
            users,
            memberships,
            pipeline,
            stages,
            contacts: share(CONTACTS, number),
            deals: share(DEALS, number),
            tasks: share(TASKS, number),
            activities: share(ACTIVITIES, number),
        }
    }
}

/// What the organization of that number has of a total: the first a half, the others the rest in equal parts.
fn share(total: i32, number: u32) -> i32 {
    let others = i32::try_from(ORGANIZATIONS).unwrap_or(i32::MAX) - 1;
    let rest = total - total / 2;
    match i32::try_from(number) {
        Ok(0) | Err(_) => total / 2,
        Ok(number) => rest / others + i32::from(number <= rest % others),
    }
}

fn size(rows: i32) -> usize {
    usize::try_from(rows).unwrap_or_default()
}

/// The values that all statements are given, and the rows to write.
macro_rules! given {
    () => {
        " FROM (SELECT ?::uuid AS organization, ?::timestamptz AS now, ?::int AS contacts, ?::int AS deals, ?::int AS tasks, \
           ?::int AS activities, ?::uuid[] AS members, ?::uuid AS pipeline, ?::uuid[] AS stages) AS given, generate_series(?::int, ?::int) AS i"
    };
}

/// The instant at which row `$i` of `$count` was created.
macro_rules! created {
    ($i:expr, $count:expr) => {
        concat!("(now - interval '365 days' * ((", $count, " - ", $i, ")::float8 / ", $count, "))")
    };
}

/// The identifier (version 7) of row `$i` of `$count` of a noun.
macro_rules! id {
    ($noun:expr, $i:expr, $count:expr) => {
        concat!(
            "overlay(overlay(overlay(md5('",
            $noun,
            "' || ",
            $i,
            " || organization::text) PLACING lpad(to_hex((extract(epoch FROM ",
            created!($i, $count),
            ") * 1000)::bigint), 12, '0') FROM 1) PLACING '7' FROM 13) PLACING '8' FROM 17)::uuid"
        )
    };
}

/// The contact of deal `$deal`: 7919 is prime, so neighbours are far apart and every contact has its turn.
macro_rules! contact_of {
    ($deal:expr) => {
        id!("contact", concat!("(1 + ", $deal, "::bigint * 7919 % contacts)"), "contacts")
    };
}

const INSERT_CONTACTS: &str = concat!(
    "INSERT INTO contacts (organization_id, id, name, email, phone, city, state_code, stage, status, source, tags, owner_id, created_at, updated_at) \
     SELECT organization, ",
    id!("contact", "i", "contacts"),
    ", (ARRAY['Asha','Ravi','Meera','Arjun','Kavita','Sanjay','Priya','Imran','Divya','Joseph','Lakshmi','Farah','Vikram'])[1 + i % 13] || ' ' || \
     (ARRAY['Rao','Patel','Iyer','Khan','Sharma','Nair','Das','Singh','Mehta','Reddy','Joshi','Pillai','Gupta','Bose','Shah','Kulkarni','Menon'])[1 + i % 17], \
     'contact' || i || '@customers.example', '+9198' || lpad((i * 7919::bigint % 100000000)::text, 8, '0'), \
     (ARRAY['Mumbai','Pune','Chennai','Bengaluru','Surat','Kochi','Jaipur'])[1 + i % 7], (ARRAY['27','27','33','29','24','32','08'])[1 + i % 7], \
     (ARRAY['LEAD','LEAD','LEAD','PROSPECT','PROSPECT','CUSTOMER','CUSTOMER','CUSTOMER','CUSTOMER','FORMER'])[1 + i / 3 % 10], \
     (ARRAY['ACTIVE','ACTIVE','ACTIVE','ACTIVE','ACTIVE','ACTIVE','ACTIVE','ACTIVE','INACTIVE','INACTIVE','BLOCKED'])[1 + i % 11], \
     (ARRAY['WEBSITE','REFERRAL','WHATSAPP','PHONE','EVENT','ADVERTISEMENT','IMPORT','OTHER'])[1 + i / 5 % 8], \
     CASE i % 4 WHEN 0 THEN ARRAY['wholesale'] WHEN 1 THEN ARRAY['vip', 'retail'] ELSE ARRAY[]::text[] END, members[1 + i % 4], ",
    created!("i", "contacts"),
    ", ",
    created!("i", "contacts"),
    given!()
);

/// Of ten deals, four are open, four won and two lost. Values run from 3,000 to a million rupees, evenly by their logarithm.
const INSERT_DEALS: &str = concat!(
    "INSERT INTO deals (organization_id, id, title, pipeline_id, stage_id, status, contact_id, owner_id, value_minor, currency, probability, \
     expected_close, closed_at, closed_reason, created_at, updated_at) \
     SELECT organization, ",
    id!("deal", "i", "deals"),
    ", 'Order ' || i, pipeline, stages[CASE WHEN i % 10 < 4 THEN 1 + i / 10 % 4 WHEN i % 10 < 8 THEN 5 ELSE 6 END], \
     CASE WHEN i % 10 < 4 THEN 'OPEN' WHEN i % 10 < 8 THEN 'WON' ELSE 'LOST' END, ",
    contact_of!("i"),
    ", members[1 + i % 4], 100 * power(10, 3.5 + i * 7919::bigint % 1000 / 400.0)::bigint, 'INR', \
     CASE WHEN i % 10 < 4 THEN (ARRAY[10, 25, 50, 75])[1 + i / 10 % 4] WHEN i % 10 < 8 THEN 100 ELSE 0 END, \
     (now + (i % 90 - 20) * interval '1 day')::date, \
     CASE WHEN i % 10 >= 4 THEN ",
    created!("i", "deals"),
    " + (now - ",
    created!("i", "deals"),
    ") * (i % 100 / 100.0) END, CASE WHEN i % 10 >= 8 THEN 'Price too high' WHEN i % 10 >= 4 THEN 'Quick delivery' END, ",
    created!("i", "deals"),
    ", ",
    created!("i", "deals"),
    given!()
);

/// Of twenty tasks, seven are open, two in progress, ten done and one cancelled; they are due within a month of now, before or after.
const INSERT_TASKS: &str = concat!(
    "INSERT INTO tasks (organization_id, id, title, status, priority, assignee_id, contact_id, deal_id, due_at, completed_at, created_at, updated_at) \
     SELECT organization, ",
    id!("task", "i", "tasks"),
    ", 'Follow up ' || i, CASE WHEN i % 20 < 7 THEN 'OPEN' WHEN i % 20 < 9 THEN 'IN_PROGRESS' WHEN i % 20 < 19 THEN 'DONE' ELSE 'CANCELLED' END, \
     (ARRAY['LOW','NORMAL','NORMAL','HIGH','URGENT'])[1 + i % 5], members[1 + i % 4], ",
    contact_of!("(1 + i::bigint * 104729 % deals)"),
    ", ",
    id!("deal", "(1 + i::bigint * 104729 % deals)", "deals"),
    ", now + (i % 60 - 30) * interval '1 day' + (i % 9) * interval '1 hour', CASE WHEN i % 20 BETWEEN 9 AND 18 THEN ",
    created!("i", "tasks"),
    " END, ",
    created!("i", "tasks"),
    ", ",
    created!("i", "tasks"),
    given!()
);

/// Each is about a deal and its contact.
const INSERT_ACTIVITIES: &str = concat!(
    "INSERT INTO activities (organization_id, id, kind, subject, occurred_at, duration_minutes, contact_id, deal_id, author_id, created_at, updated_at) \
     SELECT organization, ",
    id!("activity", "i", "activities"),
    ", (ARRAY['CALL','EMAIL','MEETING','NOTE','SMS'])[1 + i % 5], 'Conversation ' || i, ",
    created!("i", "activities"),
    ", CASE i % 5 WHEN 0 THEN 1 + i % 30 WHEN 2 THEN 15 + i % 90 END, ",
    contact_of!("(1 + i::bigint * 104729 % deals)"),
    ", ",
    id!("deal", "(1 + i::bigint * 104729 % deals)", "deals"),
    ", members[1 + i % 4], ",
    created!("i", "activities"),
    ", ",
    created!("i", "activities"),
    given!()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_has_half_and_nothing_is_lost() {
        for total in [CONTACTS, DEALS, TASKS, ACTIVITIES] {
            assert_eq!(share(total, 0), total / 2);
            assert_eq!((0..ORGANIZATIONS).map(|number| share(total, number)).sum::<i32>(), total);
        }
    }
}
