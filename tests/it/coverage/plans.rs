//! Every list has its indexes: in every order that it offers, from both ends, onwards from a cursor, and by every operator of every filter.
//!
//! What is judged are the plans of the statements that the server really ran, as the role it runs them as, with row level security on: PostgreSQL's own
//! auto_explain writes them down, also those of the statements inside functions. The data is the demo's (see [`business`]).
//!
//! What must hold:
//! - No table, and no index, is read from end to end.
//! - A list that nothing narrows comes from an index in the order that was asked for: nothing is sorted. Under a parent that is so for the usual order;
//!   in any other the parent's own rows, and no more, may be sorted, unless they can be many ([`MANY`]).
//! - Whatever narrows a list leaves it some rows: a query that finds none tells nothing of its plan.
//! - Both as planned for the values at hand, and as planned once for any, which PostgreSQL turns to on its own: then only the first is judged.

pub mod business;
pub mod questions;

use std::collections::BTreeSet;
use std::sync::Arc;

use payaid::access::events::{EventPosition, log};
use payaid::base::id::AnyId;
use payaid::commands::seed;
use payaid::platform::config::ServerConfig;
use payaid::platform::postgres::{Access, Settings, Transaction};
use serde_json::{Value, json};

use crate::coverage::ways::ways;
use crate::harness::clock::HeldClock;
use crate::harness::crowd::cursor;
use crate::harness::schema::Schema;
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};
use business::{PARENTS, Planning};
use questions::{ListField, Question, Values};

/// Tables that may be read from end to end, with the reason.
const TINY: &[(&str, &str)] = &[("pipelines", "a business has one or a few, so that all of them stand on a page"), ("pipeline_stages", "likewise")];

/// Tables whose rows may be sorted, with the reason.
const SORTED: &[(&str, &str)] = &[
    ("memberships", "a business has some dozens, and two policies, so that PostgreSQL may put them together from two indexes"),
    ("invitations", "likewise"),
    ("api_keys", "likewise"),
    ("messages", "of one contact there are few, and two policies, likewise"),
];

/// Parents that can have a large part of a table.
const MANY: &[&str] = &["PipelineStage"];

/// A server with one connection, so that an operation's statements are all over when the next one begins.
struct Walk {
    planning: Planning,
    app: TestApp,
    owner: Client,
    schema: Schema,
    /// The cursor of the changes before the walk.
    since: Value,
    /// What was wrong.
    wrong: Vec<String>,
    /// Exceptions that were needed.
    excepted: BTreeSet<String>,
    /// Whether statements inside functions were seen.
    inside: bool,
    asked: usize,
}

impl Walk {
    async fn begin(planning: Planning) -> Self {
        let database = business::database(planning).await;
        let one_for_all = |config: &mut ServerConfig| {
            config.database.pool_size = 1;
            // One that is replaced takes the plan of its last statement with it.
            config.database.max_prepared = usize::MAX;
        };
        let app = TestApp::on_with(database, one_for_all, Arc::new(HeldClock::at(business::NOW))).await;
        let owner = app.sign_in(seed::DEMO_OWNERS[0].1, seed::DEMO_PASSWORD).await;
        let schema = Schema::served();
        let since = cursor(&owner).await;
        let walk = Self { planning, app, owner, schema, since, wrong: Vec::new(), excepted: BTreeSet::new(), inside: false, asked: 0 };
        walk.settle().await;
        walk
    }

    /// Asks all lists; what was wrong with them.
    async fn all(mut self) -> String {
        let lists = ListField::all(&self.schema);
        for list in &lists {
            self.list(list).await;
        }
        self.rest().await;
        self.log().await;
        // Planned for any value, sorting is not judged.
        let judged = if self.planning == Planning::ForValues { [TINY, SORTED].concat() } else { TINY.to_vec() };
        assert_eq!(self.excepted, judged.iter().map(|(table, _)| (*table).to_owned()).collect(), "exceptions that are not needed");
        assert!(self.inside, "no statement inside a function was seen");
        assert!(lists.len() >= 16 && self.asked > 25 * lists.len(), "only {} questions to {} lists", self.asked, lists.len());
        self.wrong.join("\n")
    }

    /// Asks a list everything it can be asked.
    async fn list(&mut self, list: &ListField) {
        for question in list.whole(&self.schema) {
            if let Some(data) = self.ask(list, &question).await {
                let onwards = list.onwards(&self.schema, &question, &data);
                self.ask_some(list, &onwards).await;
            }
        }
        // Under parents a filter narrows what the parent's key has narrowed already, whatever the order.
        let orders = if self.planning == Planning::ForValues && list.of == "Query" { usize::MAX } else { 1 };
        let values = Values::of(list, &self.schema, &self.owner).await;
        for question in list.narrowed(&self.schema, &values, orders) {
            self.ask_some(list, &question).await;
        }
    }

    /// Asks a question that some rows must answer.
    async fn ask_some(&mut self, list: &ListField, question: &Question) {
        if let Some(data) = self.ask(list, question).await
            && !list.has_rows(&data)
        {
            self.wrong.push(format!("{}({}): no row is found, which is too few to tell", list.shown(), question.arguments));
        }
    }

    /// Asks a question and judges the plans; the answer.
    async fn ask(&mut self, list: &ListField, question: &Question) -> Option<Value> {
        self.asked += 1;
        let shown = format!("{}({})", list.shown(), question.arguments);
        let seen = self.run(&shown, &question.operation).await;
        let counts = seen.statements.iter().filter(|statement| statement.to_lowercase().contains("count(*)")).count();
        if counts == 0 || counts == seen.statements.len() {
            self.wrong.push(format!("{shown}: not both a page and a count were read: {:#?}", seen.statements));
        }
        for plan in &seen.plans {
            let faults = out_of_order(self.planning, list, question, plan, &mut self.excepted).into_iter();
            self.wrong.extend(faults.map(|fault| format!("{shown}: {fault}\n    {}", plan["Query Text"])));
        }
        seen.data
    }

    /// Everything that is no list of its own: what every type brings along, the dashboard, and the first change since the walk began.
    async fn rest(&mut self) {
        // Of a task, which calls no webhooks.
        let change = "mutation($input: TaskUpdateInput!) { taskUpdate(input: $input) { userErrors { message } } }";
        let mut task = self.owner.query("{ tasks(first: 1) { nodes { id version } } }").await["tasks"]["nodes"][0].take();
        task["changes"] = json!({"title": "Another"});
        self.owner.data(change, json!({"input": task})).await;
        let changes = json!({"first": 1, "since": self.since});
        let told = "query($first: Int!, $since: String!) { changes(first: $first, since: $since) { nodes { id } } }";
        until("the change is told", async || self.owner.data(told, changes.clone()).await["changes"]["nodes"][0].is_object()).await;
        for (of, way) in ways(&self.schema, "Query", &|field| !field.takes("ids"), false) {
            let selection = self.schema.selection(&of, 2);
            let operation = way.operation(selection.trim().trim_start_matches('{').trim_end_matches('}'));
            let seen = self.run(&format!("all of {of}"), &operation).await;
            if seen.data.is_some_and(|data| way.ends(&data).is_empty()) {
                self.wrong.push(format!("all of {of}: there is none, which tells nothing"));
            }
        }
    }

    /// What is told of changes after a cursor, to those who ask and those who listen: of objects, and of jobs, which have a log of their own.
    async fn log(&mut self) {
        let services = self.app.app.services.clone();
        let viewer = self.owner.query("{ viewer { organization { id } } }").await;
        let organization = AnyId::parse(viewer["viewer"]["organization"]["id"].as_str().unwrap()).unwrap().uuid;
        let settings = Settings { organization: Some(organization), ..Settings::default() };
        for noun in ["contact", "job"] {
            let read = async || {
                let db = Transaction::new(services.databases.primary().clone(), Access::Snapshot, &settings);
                log::read(&db, organization, &[noun], EventPosition { tx: 0, seq: 0 }, PARENTS).await.unwrap().events.len()
            };
            // Other tests' transactions hold up what is told.
            until("the log is complete", async || read().await == PARENTS).await;
            self.settle().await;
            let recorder = Recorder::start(&self.app).await;
            read().await;
            let shown = format!("the changes of every {noun}");
            let (_, plans) = self.judge(&shown, &recorder).await;
            for node in plans.iter().flat_map(|plan| nodes(&plan["Plan"])).filter(|node| kind(node).ends_with("Sort")) {
                self.wrong.push(format!("{shown}: no index has this order: {}", all_brief(node)));
            }
        }
    }

    /// Runs an operation and notes what is wrong with any: what was not seen of it, and what was read from end to end.
    async fn run(&mut self, shown: &str, operation: &str) -> Seen {
        let recorder = Recorder::start(&self.app).await;
        let mut answer = self.owner.send(operation, json!({"first": PARENTS, "since": self.since})).await;
        let understood = answer.get("errors").is_none();
        if !understood {
            self.wrong.push(format!("{shown}: it was not understood: {}", answer["errors"]));
        }
        let (statements, plans) = self.judge(shown, &recorder).await;
        Seen { data: understood.then(|| answer["data"].take()), statements, plans }
    }

    /// The statements since then and their plans. Notes those that were not seen, and what was read from end to end.
    async fn judge(&mut self, shown: &str, recorder: &Recorder) -> (Vec<String>, Vec<Value>) {
        self.settle().await;
        let (statements, plans) = (recorder.finish(), recorder.plans());
        // Of a statement in several lines the log has the first in its own.
        let text = |plan: &Value| plan["Query Text"].as_str().and_then(|sql| sql.lines().next()).unwrap_or_default().to_owned();
        let planned: BTreeSet<String> = plans.iter().map(text).collect();
        self.inside |= planned.iter().any(|sql| !statements.contains(sql));
        let unseen = statements.iter().filter(|statement| !planned.contains(*statement));
        self.wrong.extend(unseen.map(|statement| format!("{shown}: its plan was not seen: {statement}")));
        for plan in &plans {
            for node in nodes(&plan["Plan"]).filter(|node| reads_all(node)) {
                let table = table(node);
                let fault = format!("{shown}: {table} is read from end to end: {}\n    {}", brief(node), plan["Query Text"]);
                self.wrong.extend(unless_excepted(TINY, table, &mut self.excepted).then_some(fault));
            }
        }
        (statements, plans)
    }

    /// Waits for the only connection, which comes back when the last snapshot has ended: only then are the plans of what was run on it written down.
    async fn settle(&self) {
        drop(self.app.app.services.databases.primary().get().await.expect("the connection does not become free"));
    }
}

/// What an operation led to.
struct Seen {
    data: Option<Value>,
    statements: Vec<String>,
    plans: Vec<Value>,
}

/// Whether a table is no exception; notes it when it is.
fn unless_excepted(exceptions: &[(&str, &str)], table: &str, excepted: &mut BTreeSet<String>) -> bool {
    let known = exceptions.iter().any(|(name, _)| *name == table);
    if known {
        excepted.insert(table.to_owned());
    }
    !known
}

/// What of a plan of a list that nothing narrows does not come from an index in its order.
fn out_of_order(planning: Planning, list: &ListField, question: &Question, plan: &Value, excepted: &mut BTreeSet<String>) -> Vec<String> {
    let (under_parents, many) = (list.of != "Query", MANY.contains(&list.of.as_str()));
    // Before the list itself, its parents are read.
    let own = !under_parents || plan["Query Text"].as_str().is_some_and(|sql| sql.starts_with("SELECT child.*"));
    if !own || !question.whole {
        return Vec::new();
    }
    let by_parent = |node| nodes(node).any(|node| node["Index Cond"].as_str().is_some_and(|condition| condition.contains("= parent.id")));
    let mut faults = Vec::new();
    if many && !by_parent(&plan["Plan"]) {
        faults.push(format!("no index has the parent's rows in this order: {}", all_brief(&plan["Plan"])));
    }
    // A plan for any value cannot know how little a cursor leaves, and may sort that.
    let sorts = nodes(&plan["Plan"]).filter(|node| kind(node).ends_with("Sort") && planning == Planning::ForValues);
    let may_sort = under_parents && !many && !question.usual;
    for node in sorts {
        if !(may_sort && by_parent(node)) && unless_excepted(SORTED, table(node), excepted) {
            faults.push(format!("no index has this order: {}", all_brief(node)));
        }
    }
    faults
}

/// Whether a node reads a table, or an index, from end to end.
fn reads_all(node: &Value) -> bool {
    let index = kind(node).contains("Index") && kind(node).ends_with("Scan");
    kind(node) == "Seq Scan" || index && node.get("Index Cond").is_none()
}

fn kind(node: &Value) -> &str {
    node["Node Type"].as_str().unwrap_or_default()
}

/// A node and all below it.
fn nodes(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    let below = node["Plans"].as_array().into_iter().flatten();
    Box::new(std::iter::once(node).chain(below.flat_map(nodes)))
}

/// The table that a node reads, or the first of those that are read below it.
fn table(node: &Value) -> &str {
    nodes(node).find_map(|node| node["Relation Name"].as_str()).unwrap_or_default()
}

/// A node and all below it, in a line.
fn all_brief(node: &Value) -> String {
    nodes(node).map(brief).collect::<Vec<_>>().join(" of ")
}

/// A node without those below it.
fn brief(node: &Value) -> String {
    let keys = ["Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Sort Key", "Presorted Key", "Plan Rows", "Total Cost"];
    let known = keys.iter().filter_map(|key| node.get(*key).map(|value| format!("{key} {value}")));
    known.collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_its_indexes() {
    let wrong = Walk::begin(Planning::ForValues).await.all().await;
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_its_indexes_whatever_the_values() {
    let wrong = Walk::begin(Planning::ForAny).await.all().await;
    assert!(wrong.is_empty(), "{wrong}");
}

/// A list with no row for one of its narrowings is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_too_few_rows_is_found() {
    let mut walk = Walk::begin(Planning::ForValues).await;
    let list = ListField::all(&walk.schema).into_iter().find(|list| list.shown() == "Query.suppressions").unwrap();
    walk.list(&list).await;
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
    walk.app.superuser().await.batch_execute("DELETE FROM suppressions WHERE channel = 'SMS'").await.unwrap();
    walk.list(&list).await;
    let few = |wrong: &String| wrong.contains("channel: {") && wrong.contains("SMS") && wrong.ends_with("no row is found, which is too few to tell");
    assert!(!walk.wrong.is_empty() && walk.wrong.iter().all(few), "{}", walk.wrong.join("\n"));
    walk.wrong.clear();
    walk.app.superuser().await.batch_execute("DELETE FROM suppressions WHERE id <> (SELECT id FROM suppressions ORDER BY id LIMIT 1)").await.unwrap();
    walk.list(&list).await;
    let onwards = |wrong: &&String| wrong.contains("after: ") && wrong.ends_with("no row is found, which is too few to tell");
    assert!(walk.wrong.iter().any(|wrong| onwards(&wrong)), "{}", walk.wrong.join("\n"));
}

#[test]
fn what_reads_from_end_to_end_is_known() {
    for (node, all) in [
        (json!({"Node Type": "Seq Scan"}), true),
        (json!({"Node Type": "Index Only Scan"}), true),
        (json!({"Node Type": "Bitmap Index Scan"}), true),
        (json!({"Node Type": "Index Scan", "Index Cond": "(id = $1)"}), false),
        (json!({"Node Type": "Bitmap Heap Scan"}), false),
        (json!({"Node Type": "Sort"}), false),
    ] {
        assert_eq!(reads_all(&node), all, "{node}");
    }
}

/// Without one of its indexes a list is found, and what of it is wrong; without any, what reads the whole table.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_its_indexes_is_found() {
    let mut walk = Walk::begin(Planning::ForValues).await;
    let lists = ListField::all(&walk.schema);
    let list = |name: &str| lists.iter().find(|list| list.shown() == name).unwrap();
    let drop_all = "DO $$ DECLARE part record; BEGIN
        FOR part IN SELECT conname AS name FROM pg_constraint WHERE conrelid = 'activities'::regclass AND contype = 'p' LOOP
            EXECUTE format('ALTER TABLE activities DROP CONSTRAINT %I', part.name);
        END LOOP;
        FOR part IN SELECT indexname AS name FROM pg_indexes WHERE tablename = 'activities' LOOP
            EXECUTE format('DROP INDEX %I', part.name);
        END LOOP; END $$";
    let superuser = walk.app.superuser().await;
    superuser.batch_execute("DROP INDEX contacts_by_name; DROP INDEX deals_by_contact; DROP INDEX deals_by_stage_and_value").await.unwrap();
    superuser.batch_execute(drop_all).await.unwrap();
    for (name, expected) in [
        ("Query.contacts", "Query.contacts(first: 20, orderBy: {field: NAME, direction: DESC}): no index has this order"),
        ("PipelineStage.deals", "PipelineStage.deals(first: 20, orderBy: {field: VALUE, direction: DESC}): no index has"),
        ("Contact.deals", "Contact.deals(first: 20): no index has this order"),
        (
            "Query.activities",
            "Query.activities(first: 20, orderBy: {field: OCCURRED_AT, direction: DESC}, filter: {kind: {eq: CALL}}): activities is read from end to end",
        ),
    ] {
        walk.list(list(name)).await;
        let wrong = std::mem::take(&mut walk.wrong);
        assert!(wrong.iter().any(|wrong| wrong.starts_with(expected)), "{name}: {}", wrong.join("\n"));
        let elsewhere = wrong.iter().find(|wrong| name == "Query.contacts" && !wrong.contains("{field: NAME"));
        assert_eq!(elsewhere, None, "the other orders have their indexes");
    }
    walk.list(list("Query.tasks")).await;
    walk.log().await;
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
    superuser.batch_execute("DROP INDEX audit_entries_by_position; DROP INDEX jobs_by_position").await.unwrap();
    walk.log().await;
    for noun in ["contact", "job"] {
        let expected = format!("the changes of every {noun}: ");
        assert!(walk.wrong.iter().any(|wrong| wrong.starts_with(&expected)), "{noun}: {}", walk.wrong.join("\n"));
    }
}
