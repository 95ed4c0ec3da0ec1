//! What the server is asked while it is found out which paths through it are taken often: a day's work on the demo data, with reading and writing of
//! its nouns. None of it is what is measured, so that the server is not built for the measurement. The handler by hand has nothing but what is
//! measured, and is asked just that, on other data.
//!
//! Both write what they counted when they end by themselves.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use payaid::base::clock::SystemClock;
use payaid::base::id::fresh;
use serde_json::{Value, json};

use crate::content::{Samples, ask};
use crate::load;
use crate::process::{Data, Kind, Programs, Servers};
use crate::works::{Of, WORKS};

/// How it is done.
#[derive(clap::Args)]
pub struct Train {
    /// How long each kind of work of the training lasts, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
}

/// One kind of work: a document, and the variables of the request of a number.
struct Lesson {
    document: &'static str,
    variables: fn(&Ids, usize) -> Value,
}

/// What requests name.
struct Ids {
    contacts: Vec<String>,
    companies: Vec<String>,
    deals: Vec<String>,
}

const LESSONS: &[Lesson] = &[
    Lesson {
        document: "query($id: ID!) { company(id: $id) { id name gstin state industry website addresses { label city pin } owner { name } createdAt } }",
        variables: |ids, n| json!({"id": of(&ids.companies, n)}),
    },
    Lesson {
        document: "query($id: ID!) { company(id: $id) { id name email phone website state industry notes version } }",
        variables: |ids, n| json!({"id": of(&ids.companies, n)}),
    },
    Lesson {
        document: "query($id: ID!) { deal(id: $id) { title status probability value { amount currency } expectedClose stage { name } contact { name phone } \
                   stageHistory { from { name } to { name } at } } }",
        variables: |ids, n| json!({"id": of(&ids.deals, n)}),
    },
    Lesson {
        document: "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Contact { name tags company { name } } ... on Deal { title version } } }",
        variables: |ids, n| json!({"ids": [of(&ids.contacts, n), of(&ids.deals, n), of(&ids.contacts, n + 1)]}),
    },
    Lesson {
        document: "query($city: String) { contacts(first: 30, orderBy: {field: NAME}, filter: {city: {eq: $city}}) { edges { cursor node { ...Card } } \
                   pageInfo { hasNextPage endCursor } } } fragment Card on Contact { id name phone tags owner { name } company { name state } }",
        variables: |_, n| json!({"city": (n % 2 == 0).then_some("Pune")}),
    },
    Lesson {
        document: "query($status: DealStatus!) { deals(first: 25, filter: {status: {eq: $status}}, orderBy: {field: VALUE, direction: DESC}) { totalCount \
                   nodes { id title value { amount } stage { name probability } contact { id name } tasks(first: 2) { nodes { title isOverdue } } } } }",
        variables: |_, n| json!({"status": of(&["OPEN", "WON", "LOST"], n)}),
    },
    Lesson {
        document: "{ companies(first: 20) { nodes { name contacts(first: 3) { nodes { name email } totalCount } deals(first: 3) { nodes { title status } } } } }",
        variables: |_, _| json!({}),
    },
    Lesson {
        document: "query($late: Boolean!) { tasks(first: 40, orderBy: {field: DUE_AT}) { nodes { id title priority dueAt isOverdue @include(if: $late) \
                   assignee { name } contact { name } } } }",
        variables: |_, n| json!({"late": n % 2 == 0}),
    },
    Lesson {
        document: "query($id: ID!) { contact(id: $id) { name notes activities(first: 10) { nodes { kind subject occurredAt author { name } } } } }",
        variables: |ids, n| json!({"id": of(&ids.contacts, n)}),
    },
    Lesson {
        document: "query($words: String!) { contacts(first: 10, search: $words) { edges { node { id name company { name } } } } }",
        variables: |_, n| json!({"words": of(&["a", "sharma", "pune", "ra"], n)}),
    },
    Lesson {
        document: "query($period: DashboardPeriod!) { dashboard(period: $period) { from contactsByStage { stage count } pipelineByStage { stageName value \
                   { amount } } wonByMonth { month value { amount currency } } tasks { open overdue } } }",
        variables: |_, n| json!({"period": of(&["THIS_MONTH", "THIS_QUARTER", "LAST_30_DAYS"], n)}),
    },
    Lesson {
        document: "{ auditLog(first: 20) { nodes { at action noun objectId before after actor { name } } pageInfo { endCursor } } }",
        variables: |_, _| json!({}),
    },
    Lesson { document: "{ viewer { role permissions user { name email } organization { name plan } } }", variables: |_, _| json!({}) },
    Lesson {
        document: "mutation($input: CompanyCreateInput!) { companyCreate(input: $input) { company { id name state addresses { city } version } userErrors \
                   { code message } } }",
        variables: |_, _| {
            let name = format!("Trained {}", fresh(&SystemClock).simple());
            json!({"input": {"name": name, "stateCode": "27", "email": "office@trained.example", "addresses": [{"label": "Office", "line1": "12 MG Road", "city": "Pune"}]}})
        },
    },
    Lesson {
        document: "mutation($input: TaskCreateInput!) { taskCreate(input: $input) { task { id title dueAt assignee { name } contact { name } } userErrors \
                   { code field message } } }",
        variables: |ids, n| json!({"input": {"title": "Call back", "dueAt": "2030-01-31T10:00:00Z", "contactId": of(&ids.contacts, n)}}),
    },
    Lesson {
        document: "mutation($input: ActivityCreateInput!) { activityCreate(input: $input) { activity { id subject occurredAt contact { name } } userErrors \
                   { code field message } } }",
        variables: |ids, n| json!({"input": {"kind": "CALL", "subject": "Asked for a price", "durationMinutes": 5, "contactId": of(&ids.contacts, n)}}),
    },
    Lesson {
        document: "mutation($input: ContactCreateInput!) { contactCreate(input: $input) { contact { id name tags version } userErrors { code field } } }",
        variables: |ids, n| {
            let email = format!("{}@trained.example", fresh(&SystemClock).simple());
            json!({"input": {"name": "Ravi Iyer", "email": email, "tags": ["trained"], "companyId": of(&ids.companies, n), "source": "REFERRAL"}})
        },
    },
    Lesson {
        document: "mutation($input: ContactBulkUpdateInput!) { contactBulkUpdate(input: $input) { contacts { id version } userErrors { code message } } }",
        variables: |ids, n| json!({"input": {"ids": [of(&ids.contacts, n)], "changes": {"notes": format!("Called {n} times")}}}),
    },
];

fn of<T: Clone>(all: &[T], number: usize) -> T {
    all[number % all.len()].clone()
}

const CONNECTIONS: usize = 16;

/// Fewer answers than this in a lesson have taught nothing.
const FEWEST: usize = 50;

/// Asks the server all of it, and the handler by hand what it can answer, and lets both end by themselves.
pub async fn train(train: &Train, programs: Programs) -> Result<()> {
    let length = Duration::from_secs(train.seconds);
    // As it is used: with a line in the log for each request.
    let servers = Servers::start(programs, Data::Demo, "info").await?;
    let (samples, ids) = look_around(&servers).await?;
    let token = samples.token(Of::Large);
    for (number, lesson) in LESSONS.iter().enumerate() {
        let requests = (0..lesson.count()).map(|n| lesson.request(&ids, token, n)).collect();
        let done = load::run(&servers.product, requests, CONNECTIONS, length).await.with_context(|| lesson.document)?;
        ensure!(done.requests >= FEWEST, "only {} answers to {}", done.requests, lesson.document);
        lesson.ask(&servers, &ids, token, lesson.count()).await?;
        println!("Lesson {} of {}: {} requests", number + 1, LESSONS.len(), done.requests);
    }
    for work in WORKS {
        let done = load::run(&servers.plain, work.requests(Kind::Plain, &samples), CONNECTIONS, length).await.context(work.name)?;
        ensure!(done.requests >= FEWEST, "only {} answers to {}", done.requests, work.name);
    }
    servers.end().await
}

/// Sees that the programs answer every lesson, or what the handler by hand can answer, and that nobody is shown a dashboard without signing in.
pub async fn examine(programs: Programs) -> Result<()> {
    let servers = Servers::start(programs, Data::Demo, "info").await?;
    let (samples, ids) = look_around(&servers).await?;
    for lesson in LESSONS {
        lesson.ask(&servers, &ids, samples.token(Of::Large), lesson.count()).await?;
    }
    let nobody = load::request("/graphql", None, &json!({"query": "{ dashboard { from } }"}).to_string());
    let refused = load::once(&servers.product, &nobody).await.err().context("nobody was shown a dashboard")?;
    ensure!(refused.to_string().contains("UNAUTHENTICATED"), "nobody was not refused as such: {refused}");
    for work in WORKS {
        let request = work.requests(Kind::Plain, &samples).into_iter().next().context("no request")?;
        load::once(&servers.plain, &request).await.context(work.name)?;
    }
    servers.end().await
}

async fn look_around(servers: &Servers) -> Result<(Samples, Ids)> {
    let samples = Samples::take(servers, ["owner@sharma.example"; 2], 1).await?;
    let ids = Ids::take(servers, samples.token(Of::Large)).await?;
    Ok((samples, ids))
}

impl Lesson {
    /// How many different requests there are of it.
    fn count(&self) -> usize {
        if self.document.starts_with("mutation") { 50_000 } else { 499 }
    }

    fn request(&self, ids: &Ids, token: &str, number: usize) -> Vec<u8> {
        let body = json!({"query": self.document, "variables": (self.variables)(ids, number)});
        load::request("/graphql", Some(token), &body.to_string())
    }

    /// Asks once, and looks at what the answer says.
    async fn ask(&self, servers: &Servers, ids: &Ids, token: &str, number: usize) -> Result<()> {
        let answer = load::once(&servers.product, &self.request(ids, token, number)).await.with_context(|| self.document)?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let data = answer["data"].as_object().with_context(|| format!("no data in {answer}"))?;
        for field in data.values() {
            let is_empty = field.is_null() || ["nodes", "edges"].iter().any(|list| field[list] == json!([]));
            let is_refused = field.get("userErrors").is_some_and(|errors| *errors != json!([]));
            ensure!(!is_empty && !is_refused, "{} was answered with {answer}", self.document);
        }
        Ok(())
    }
}

impl Ids {
    async fn take(servers: &Servers, token: &str) -> Result<Self> {
        let document = "{ contacts(first: 100) { nodes { id } } companies(first: 50) { nodes { id } } deals(first: 100) { nodes { id } } }";
        let answer = ask(&servers.product, Some(token), document, json!({})).await?;
        let all = |noun: &str| -> Result<Vec<String>> {
            let nodes = answer["data"][noun]["nodes"].as_array().with_context(|| format!("no {noun} in {answer}"))?;
            ensure!(!nodes.is_empty(), "there are no {noun}");
            Ok(nodes.iter().filter_map(|node| node["id"].as_str()).map(str::to_owned).collect())
        };
        Ok(Self { contacts: all("contacts")?, companies: all("companies")?, deals: all("deals")? })
    }
}
