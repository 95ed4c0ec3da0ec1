//! Lists below several parents are read together, and a list that was asked for under one parent is asked for again under the others. What must hold:
//! each parent has the rows that it has when it is asked about alone, whatever the arguments, also when one operation asks for the same list under many
//! names; and many parents take as many statements as two.

use std::sync::Arc;

use futures_util::future::join_all;
use payaid::commands::seed;
use serde_json::{Value, json};

use super::plans::business::{self, PARENTS, Planning};
use super::plans::questions::{ListField, Values};
use crate::harness::clock::HeldClock;
use crate::harness::schema::Schema;
use crate::harness::statements::Recorder;
use crate::harness::{Client, TestApp};

/// How many of the parents that are asked about at once are asked about alone.
const ALONE: usize = 3;

/// Under how many names an operation asks for a list.
const NAMES: usize = 6;

/// What is asked of a list; cursors are another matter.
const ROWS: &str = "{ totalCount pageInfo { hasNextPage hasPreviousPage } nodes { id } }";

/// A list under many names, as its parents have it together, and some of them alone.
struct Asked {
    shown: String,
    arguments: Vec<String>,
    parents: Vec<Value>,
    /// Of which parent, and its lists.
    alone: Vec<(usize, Vec<Value>)>,
    /// How many statements two parents took, and all of them.
    statements: [usize; 2],
}

impl Asked {
    async fn of(lists: &Lists, list: &ListField, arguments: &[String]) -> Self {
        let owner = &lists.owner;
        let name = &list.field.name;
        let selection: String = arguments.iter().enumerate().map(|(n, arguments)| format!(" a{n}: {name}({arguments}) {ROWS}")).collect();
        let together = async |count: usize| {
            let recorder = Recorder::start(&lists.app).await;
            let data = owner.data(&list.way.operation(&format!("id{selection}")), json!({"first": count})).await;
            (data, recorder.finish().len())
        };
        let ((_, few), (data, many)) = (together(2).await, together(PARENTS).await);
        let parents: Vec<Value> = list.way.ends(&data).into_iter().cloned().collect();
        let mut most: Vec<usize> = (0..parents.len()).collect();
        most.sort_by_key(|parent| std::cmp::Reverse((0..arguments.len()).map(|n| rows(&parents[*parent][format!("a{n}")])).sum::<usize>()));
        let each = most.into_iter().take(ALONE).map(async |parent| {
            let each = arguments.iter().map(async |arguments| {
                let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on {} {{ {name}({arguments}) {ROWS} }} }} }}", list.of);
                owner.data(&query, json!({"id": parents[parent]["id"]})).await["node"][name].take()
            });
            (parent, join_all(each).await)
        });
        let alone = join_all(each).await;
        Self { shown: list.shown(), arguments: arguments.to_vec(), parents, alone, statements: [few, many] }
    }

    /// Where a parent has something else together with others than alone.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let [few, many] = self.statements;
        if few != many {
            wrong.push(format!("{}({:?}): {few} statements for two parents, and {many} for {}", self.shown, self.arguments, self.parents.len()));
        }
        for (parent, lists) in &self.alone {
            for (n, (alone, arguments)) in lists.iter().zip(&self.arguments).enumerate() {
                let together = &self.parents[*parent][format!("a{n}")];
                if together != alone {
                    wrong.push(format!("{}({arguments}) of parent {parent}: {together}\ninstead of\n{alone}", self.shown));
                }
            }
        }
        wrong
    }

    /// How many of the lists that parents after the first have have several rows, and are not as they are under the other names.
    fn telling(&self) -> usize {
        let later = self.alone.iter().filter(|(parent, _)| *parent > 0);
        let telling = later.flat_map(|(_, lists)| lists.iter().filter(move |list| rows(list) > 1 && lists.iter().any(|other| other != *list)));
        telling.count()
    }
}

fn rows(list: &Value) -> usize {
    list["nodes"].as_array().map_or(0, Vec::len)
}

struct Lists {
    app: TestApp,
    owner: Client,
    schema: Schema,
}

impl Lists {
    async fn begin() -> Self {
        let database = business::database(Planning::ForValues).await;
        let app = TestApp::on_with(database, |_| {}, Arc::new(HeldClock::at(business::NOW))).await;
        let owner = app.sign_in(seed::DEMO_OWNERS[0].1, seed::DEMO_PASSWORD).await;
        let schema = Schema::served();
        Self { app, owner, schema }
    }

    /// The lists that several parents can have.
    fn nested(&self) -> Vec<ListField> {
        ListField::all(&self.schema).into_iter().filter(|list| list.of != "Query").collect()
    }

    /// Everything that a list can be asked, in pages of one to four rows.
    async fn arguments(&self, list: &ListField) -> Vec<String> {
        let values = Values::of(list, &self.schema, &self.owner).await;
        let questions = list.whole(&self.schema).into_iter().chain(list.narrowed(&self.schema, &values, 1));
        questions.enumerate().map(|(n, question)| question.arguments.replacen("20", &(n % 4 + 1).to_string(), 1)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_parent_has_the_rows_that_it_has_alone() {
    let lists = Lists::begin().await;
    let (mut wrong, mut few) = (Vec::new(), Vec::new());
    for list in lists.nested() {
        let mut telling = 0;
        for arguments in lists.arguments(&list).await.chunks(NAMES) {
            let asked = Asked::of(&lists, &list, arguments).await;
            wrong.extend(asked.wrong());
            telling += asked.telling();
        }
        if telling < NAMES {
            few.push(format!("{}: {telling}", list.shown()));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {}", wrong.len(), wrong[0]);
    assert!(few.is_empty(), "too few rows to tell: {few:?}");
}

/// A parent that is answered what was asked under another name, or what another parent has, is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_parent_with_the_rows_of_another_list_is_found() {
    let lists = Lists::begin().await;
    let list = lists.nested().into_iter().find(|list| list.shown() == "Contact.deals").unwrap();
    let arguments = lists.arguments(&list).await;
    let asked = async || Asked::of(&lists, &list, &arguments[..NAMES]).await;
    let (mut named, mut parents) = (asked().await, asked().await);
    assert_eq!((named.wrong(), parents.wrong()), (Vec::new(), Vec::new()));
    let (one, other) = (named.alone[0].0, named.alone[1].0);
    named.parents[one]["a1"] = named.parents[one]["a0"].clone();
    assert_eq!(named.wrong().len(), 1, "{:?}", named.wrong());
    parents.parents[one]["a1"] = parents.parents[other]["a1"].clone();
    assert_eq!(parents.wrong().len(), 1, "{:?}", parents.wrong());
    parents.statements[1] += 1;
    assert_eq!(parents.wrong().len(), 2, "{:?}", parents.wrong());
}
