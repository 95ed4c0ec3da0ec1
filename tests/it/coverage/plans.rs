//! Every list has its indexes: in every order that it offers, from both ends, onwards from a cursor, and by every operator of every filter.
//!
//! What is judged are the plans of the statements that the server really ran, as the role it runs them as, with row level security on: PostgreSQL's own
//! auto_explain writes them down, also those of the statements inside functions. The data is the demo's (see [`business`]).
//!
//! What must hold:
//! - No table is read from end to end.
//! - A list that nothing narrows comes from an index in the order that was asked for: nothing is sorted. Under a parent that is so for the usual order;
//!   in any other the parent's own rows, and no more, may be sorted, unless they can be many ([`MANY`]).
//! - Both as planned for the values at hand, and as planned once for any, which PostgreSQL turns to on its own: then only the first is judged.

mod business;
mod questions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use payaid::commands::seed;
use serde_json::{Value, json};

use crate::harness::clock::HeldClock;
use crate::harness::schema::Schema;
use crate::harness::statements::Recorder;
use crate::harness::waiting::LIMIT;
use crate::harness::{Client, TestApp};
use business::Planning;
use questions::{ListField, Question, Values};

/// Tables that may be read from end to end, with the reason.
const TINY: &[(&str, &str)] = &[("pipelines", "a business has one or a few, so that all of them stand on a page"), ("pipeline_stages", "likewise")];

/// Tables whose rows may be sorted, with the reason.
const SORTED: &[(&str, &str)] = &[
    ("memberships", "a business has some dozens, and two policies, so that PostgreSQL may put them together from two indexes"),
    ("invitations", "likewise"),
];

/// Parents that can have a large part of a table.
const MANY: &[&str] = &["PipelineStage"];

/// How many parents a list below one is asked of at once.
const PARENTS: usize = 20;

/// A server with one connection, so that an operation's statements are all over when the next one begins.
struct Walk {
    planning: Planning,
    app: TestApp,
    owner: Client,
    schema: Schema,
    values: Values,
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
        let app = TestApp::on_with(database, |config| config.database.pool_size = 1, Arc::new(HeldClock::at(business::NOW))).await;
        let owner = app.sign_in(seed::DEMO_OWNERS[0].1, seed::DEMO_PASSWORD).await;
        let schema = Schema::served();
        let values = Values::gather(&schema, &owner).await;
        let walk = Self { planning, app, owner, schema, values, wrong: Vec::new(), excepted: BTreeSet::new(), inside: false, asked: 0 };
        walk.settle().await;
        walk
    }

    /// Asks all lists; what was wrong with them.
    async fn all(mut self) -> String {
        let lists = ListField::all(&self.schema);
        for list in &lists {
            self.list(list).await;
        }
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
                self.ask(list, &onwards).await;
            }
        }
        let orders = if self.planning == Planning::ForValues { usize::MAX } else { 1 };
        for question in list.narrowed(&self.schema, &self.values, orders) {
            self.ask(list, &question).await;
        }
    }

    /// Asks a question and judges the plans; the answer.
    async fn ask(&mut self, list: &ListField, question: &Question) -> Option<Value> {
        self.asked += 1;
        let recorder = Recorder::start(&self.app).await;
        let mut answer = self.owner.send(&question.operation, json!({"first": PARENTS})).await;
        self.settle().await;
        let (statements, plans) = (recorder.finish(), recorder.plans());
        let mut faults = unseen(&statements, &plans);
        if answer.get("errors").is_some() {
            faults.push(format!("it was not understood: {}", answer["errors"]));
        }
        for plan in &plans {
            self.inside |= plan["Query Text"].as_str().is_some_and(|sql| !statements.iter().any(|statement| statement == sql));
            let own = judge(self.planning, list, question, plan, &mut self.excepted).into_iter();
            faults.extend(own.map(|fault| format!("{fault}\n    {}", plan["Query Text"])));
        }
        self.wrong.extend(faults.into_iter().map(|fault| format!("{}({}): {fault}", list.shown(), question.arguments)));
        answer.get("errors").is_none().then(|| answer["data"].take())
    }

    /// Waits until the connection is free: only then are the plans of what was run on it written down.
    async fn settle(&self) {
        let free = async {
            while self.app.app.services.databases.primary().in_use() > 0 {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        tokio::time::timeout(LIMIT, free).await.expect("the connection does not become free");
    }
}

/// What of a question's statements was not seen: the page, the count, or the plan of any.
fn unseen(statements: &[String], plans: &[Value]) -> Vec<String> {
    let planned = |statement: &&String| plans.iter().any(|plan| plan["Query Text"] == statement.as_str());
    let mut faults: Vec<String> =
        statements.iter().filter(|statement| !planned(statement)).map(|statement| format!("its plan was not seen: {statement}")).collect();
    let counts = statements.iter().filter(|statement| statement.to_lowercase().contains("count(*)")).count();
    if counts == 0 || counts == statements.len() {
        faults.push(format!("not both a page and a count were read: {statements:#?}"));
    }
    faults
}

/// What is wrong with a plan; notes which exceptions it needs.
fn judge(planning: Planning, list: &ListField, question: &Question, plan: &Value, excepted: &mut BTreeSet<String>) -> Vec<String> {
    let under_parents = list.of != "Query";
    // Before the list itself, its parents are read.
    let own = !under_parents || plan["Query Text"].as_str().is_some_and(|sql| sql.starts_with("SELECT child.*"));
    let by_parent = |node| nodes(node).any(|node| node["Index Cond"].as_str().is_some_and(|condition| condition.contains("= parent.id")));
    let mut faults = Vec::new();
    let mut fault = |exceptions: &[(&str, &str)], table: &str, text: String| match exceptions.iter().find(|(name, _)| *name == table) {
        Some(_) => drop(excepted.insert(table.to_owned())),
        None => faults.push(text),
    };
    if own && question.whole && MANY.contains(&list.of.as_str()) && !by_parent(&plan["Plan"]) {
        fault(&[], "", format!("no index finds the parent's rows: {}", nodes(&plan["Plan"]).map(brief).collect::<Vec<_>>().join(", ")));
    }
    for node in nodes(&plan["Plan"]) {
        let table = nodes(node).find_map(|node| node["Relation Name"].as_str()).unwrap_or_default();
        if kind(node) == "Seq Scan" {
            fault(TINY, table, format!("{table} is read from end to end: {}", brief(node)));
        }
        // A plan for any value cannot know how little a cursor leaves, and may sort that.
        let in_order = own && question.whole && planning == Planning::ForValues;
        let few = under_parents && !question.usual && !MANY.contains(&list.of.as_str());
        if kind(node).ends_with("Sort") && in_order && !(few && by_parent(node)) {
            fault(
                SORTED,
                table,
                format!("no index has this order: {} of {}", brief(node), nodes(node).skip(1).map(brief).collect::<Vec<_>>().join(", ")),
            );
        }
    }
    faults
}

fn kind(node: &Value) -> &str {
    node["Node Type"].as_str().unwrap_or_default()
}

/// A node and all below it.
fn nodes(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    let below = node["Plans"].as_array().into_iter().flatten();
    Box::new(std::iter::once(node).chain(below.flat_map(nodes)))
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
        ("PipelineStage.deals", "PipelineStage.deals(first: 20, orderBy: {field: VALUE, direction: DESC}): no index"),
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
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
}
