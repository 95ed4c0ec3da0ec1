//! How many instructions the executor's own part takes: from the parsed document to the JSON, with rows that are there and lists that are loaded,
//! and neither a database nor a network. Counted by valgrind, so that a regression shows on a machine on which seconds say nothing.
//!
//! `make bench-executor` counts and fails when it is more than bench/instructions.txt says by over five in a hundred, and when it is less by as much,
//! since what is then lost again would not show; with `ARGS=--write` it writes the file. Hash maps are seeded anew in each run, which moves the count
//! by less than one in a hundred.

#![allow(clippy::print_stdout, clippy::as_conversions, missing_docs, reason = "a program for the terminal, which counts and divides")]

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use async_graphql::{Context, EmptyMutation, Object, ServerResult, Value};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use payaid::access::document::{Document, TypeMap};
use payaid::access::executor::Executor;
use payaid::access::writer::{Siblings, Writable, Written, WrittenList};
use payaid::access::{Batch, ClientInfo, Means, Operation, Plan, Reader, Role, Scope, Services};
use payaid::base::clock::SystemClock;
use payaid::base::{Error, Map, SharedClock, json};
use payaid::features::contacts::model::{self, ContactSource, ContactStage, ContactStatus};
use payaid::features::contacts::object::Contact;
use payaid::platform::config::ServerConfig;
use payaid::platform::postgres::Col;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DOCUMENT: &str = "query($first: Int!) { groups(first: $first) { number contacts { ...Most ...More } page { contacts { ...More ...Most } } } } \
    fragment Most on Contact { id name email phone city stage status tags createdAt } fragment More on Contact { source updatedAt version }";
const GROUPS: u128 = 50;
const CONTACTS: u128 = 5;
/// In how many operations the two counts differ.
const OPERATIONS: u64 = 200;
const COMMITTED: &str = "bench/instructions.txt";

#[derive(Default)]
struct Query;

impl Writable for Query {}

#[Object]
impl Query {
    async fn groups(&self, first: i32) -> Option<WrittenList<Vec<Group>>> {
        Some(WrittenList((0..u128::try_from(first).unwrap_or_default()).map(Group).collect()))
    }
}

struct Group(u128);

impl Writable for Group {
    fn parent_id(&self) -> Option<Uuid> {
        Some(Uuid::from_u128(self.0))
    }
}

#[Object]
impl Group {
    async fn number(&self) -> String {
        self.0.to_string()
    }

    /// Each group asks for its own.
    async fn contacts(&self, ctx: &Context<'_>) -> payaid::base::Result<Option<WrittenList<Vec<Contact>>>> {
        let found = Operation::of(ctx)?.reads()?.load::<ContactsOfGroup>(self.0).await?;
        Ok(found.map(|contacts| shown(&contacts)))
    }

    /// The first group asks for its own, and all others together, as lists under parents do.
    async fn page(&self, ctx: &Context<'_>) -> payaid::base::Result<Option<Written<Page>>> {
        let reads = Operation::of(ctx)?.reads()?;
        reads.same().note_again(ctx, Arc::new(|siblings: Siblings<'_>| pages(siblings).boxed()));
        Ok(reads.load::<ContactsOfGroups>(Arc::new([Uuid::from_u128(self.0)])).await?.and_then(|found| Page::of(&found, self.0)).map(Written))
    }
}

async fn pages(siblings: Siblings<'_>) -> ServerResult<Vec<Value>> {
    let parents = siblings.parents();
    let found = async { siblings.operation().reads()?.load::<ContactsOfGroups>(parents).await }.await;
    let page = |found: &Option<Pages>, group: Uuid| found.as_ref().and_then(|found| Page::of(found, group.as_u128()));
    siblings.write(|group| page(found.as_ref().map_err(Error::clone)?, group).ok_or_else(|| Error::internal("a group without a page"))).await
}

struct Page(Arc<Vec<Arc<model::Contact>>>);

impl Page {
    fn of(pages: &Pages, group: u128) -> Option<Self> {
        pages.get(&group).cloned().map(Self)
    }
}

impl Writable for Page {
    payaid::plain!(contacts);
}

#[Object]
impl Page {
    async fn contacts(&self) -> WrittenList<Vec<Contact>> {
        shown(&self.0)
    }
}

fn shown(contacts: &[Arc<model::Contact>]) -> WrittenList<Vec<Contact>> {
    WrittenList(contacts.iter().map(|contact| Contact(Arc::clone(contact))).collect())
}

type Pages = Arc<Map<u128, Arc<Vec<Arc<model::Contact>>>>>;

struct ContactsOfGroups;

impl Batch for ContactsOfGroups {
    type Key = Arc<[Uuid]>;
    type Value = Pages;

    async fn load(reader: Reader, keys: Vec<Self::Key>) -> payaid::base::Result<Map<Self::Key, Pages>> {
        let mut found = Map::default();
        for groups in keys {
            let pages = ContactsOfGroup::load(reader.clone(), groups.iter().map(Uuid::as_u128).collect()).await?;
            found.insert(groups, Arc::new(pages));
        }
        Ok(found)
    }
}

struct ContactsOfGroup;

impl Batch for ContactsOfGroup {
    type Key = u128;
    type Value = Arc<Vec<Arc<model::Contact>>>;

    async fn load(_: Reader, keys: Vec<u128>) -> payaid::base::Result<Map<u128, Self::Value>> {
        let contacts = |group: u128| Arc::new((0..CONTACTS).map(|number| Arc::new(contact(group * CONTACTS + number))).collect());
        Ok(keys.into_iter().map(|group| (group, contacts(group))).collect())
    }
}

fn contact(number: u128) -> model::Contact {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    model::Contact {
        id: Uuid::from_u128(number),
        name: Col::read(format!("Contact {number}")),
        email: Col::read(Some(format!("contact{number}@customers.example"))),
        phone: Col::read(None),
        company_id: Col::read(None),
        city: Col::read(Some("Pune".to_owned())),
        state_code: Col::read(None),
        stage: Col::read(ContactStage::Lead),
        status: Col::read(ContactStatus::Active),
        source: Col::read(ContactSource::Website),
        tags: Col::read(vec![Some("vip".to_owned())]),
        owner_id: Col::read(None),
        notes: Col::read(None),
        created_at: Col::read(at),
        updated_at: Col::read(at),
        version: Col::read(1),
    }
}

/// Runs so many operations and gives back the length of the last answer.
async fn run(operations: u64) -> Result<usize> {
    payaid::access::tokens::install_crypto();
    let clock: SharedClock = Arc::new(SystemClock);
    let config = ServerConfig::at("postgres://nobody@nowhere.invalid/none", payaid::access::tokens::generate_key()?);
    let services = Services::new(&config, SharedClock::clone(&clock))?;
    let api = Executor::<Query, EmptyMutation, payaid::features::Subscription>::build(|schema| schema)?;
    let types = TypeMap::from_sdl(&api.schema().sdl())?;
    let document = Document::prepare(DOCUMENT, &types, &config.documents).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut length = 0;
    for _ in 0..operations {
        let scope = Scope {
            organization: Uuid::nil(),
            user: Uuid::nil(),
            means: Means::Session(Uuid::nil()),
            role: Role::Owner,
            permissions: Role::Owner.permissions(),
            plan: Plan::Free,
            time_zone: chrono_tz::Asia::Kolkata,
            request_id: "bench".into(),
            clock: SharedClock::clone(&clock),
        };
        let selection = document.selection(None).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let client = ClientInfo { ip: None, request_id: "bench".into() };
        let operation = Operation::new(services.clone(), Some(scope), selection, client);
        let variables = async_graphql::Variables::from_json(serde_json::json!({"first": u64::try_from(GROUPS)?}));
        let response = api.run(&operation, variables).await;
        ensure!(response.errors.is_empty(), "{:?}", response.errors);
        length = json::to_vec(&response.data)?.len();
    }
    Ok(length)
}

/// The instructions of a run of so many operations, as valgrind counts them.
fn count(operations: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg(operations.to_string())
        .output()
        .context("valgrind cannot be run: apt-get install valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?;
    Ok(collected.1.trim().parse()?)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(operations) = arguments.first().and_then(|argument| argument.parse().ok()) {
        let length = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(operations))?;
        println!("{length} bytes");
        return Ok(());
    }
    let found = (count(20 + OPERATIONS)? - count(20)?) / OPERATIONS;
    println!("{found} instructions for an operation of {} rows with 12 fields", 2 * GROUPS * CONTACTS);
    if arguments.iter().any(|argument| argument == "--write") {
        return Ok(std::fs::write(COMMITTED, format!("{found}\n"))?);
    }
    let committed: u64 = std::fs::read_to_string(COMMITTED)?.trim().parse()?;
    match 100.0 * (found as f64 / committed as f64 - 1.0) {
        more if more > 5.0 => bail!("that is {more:.1} % more than the {committed} of {COMMITTED}"),
        less if less < -5.0 => bail!("that is {:.1} % less than the {committed} of {COMMITTED}: write it with ARGS=--write", -less),
        _ => Ok(()),
    }
}
