//! No N+1 anywhere: for every field that has a list above it as many statements for a hundred parents as for one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::broken;
use super::ways::{least, to_everything, under_lists};
use crate::harness::crowd::{fill_and_tell, ids};
use crate::harness::schema::{Field, Schema};
use crate::harness::statements::Recorder;
use crate::harness::{Client, TestApp};

pub const SIZES: [usize; 3] = [1, 10, 100];

/// Types, or fields, of which there never are a hundred in an answer, with the reason. They are asked for all the same.
const FEW: &[(&str, &str)] = &[
    ("ContactStageFigures", "as many as there are stages of contacts"),
    ("WonMonthFigures", "as many as the period has months"),
    ("Node.Organization", "nobody is shown another than her own"),
];

/// Fields that are empty in a crowd, with the reason.
const EMPTY: &[(&str, &str)] = &[
    ("Member.removedAt", "removed members are listed only when asked for"),
    ("Message.template", "text messages have none, and mails come after them"),
];

/// Types that never stand below a list, and so are there once in an answer.
const ONCE: &str = "ActivityChange ApiKeyConnection AuditEntryConnection ChangePage CompanyChange CompanyConnection ContactChange Dashboard DealChange \
    InvitationConnection JobChange JobConnection MemberConnection MessageChange PipelineChange PipelineStageChange Query RateLimit SmsTemplateConnection \
    Subscription SuppressionConnection TaskChange TaskFigures Viewer WebhookEndpointConnection";

/// What a field came to for one size.
#[derive(Debug, Clone)]
pub struct Found {
    /// How many objects the field was asked of.
    pub parents: usize,
    /// How many of them had something there.
    pub filled: usize,
    /// The statements of the whole operation.
    pub statements: Vec<String>,
    /// How many there are without the field, where there are never enough parents to tell by.
    pub without: Option<usize>,
}

/// What is wrong with what a field came to at the three sizes.
pub fn judge(of: &str, field: &str, found: &[Found]) -> Option<String> {
    let shown = format!("{of}.{field}");
    let counts: Vec<usize> = found.iter().map(|found| found.statements.len()).collect();
    let parents: Vec<usize> = found.iter().map(|found| found.parents).collect();
    if counts.iter().any(|count| *count != counts[0]) {
        let most = found.iter().max_by_key(|found| found.statements.len()).map(|found| found.statements.iter().take(12).collect::<Vec<_>>());
        return Some(format!("{shown}: {counts:?} statements for {parents:?} parents: {most:#?}"));
    }
    let enough = parents.iter().zip(SIZES).all(|(parents, size)| *parents >= size);
    if !enough && !FEW.iter().any(|(few, _)| *few == of || *few == shown) {
        return Some(format!("{shown}: {parents:?} parents are too few to tell"));
    }
    if found.iter().any(|found| found.without.is_some_and(|without| found.statements.len() > without)) {
        return Some(format!("{shown}: it reads for itself, and {parents:?} parents are too few to tell how often"));
    }
    let filled: Vec<usize> = found.iter().map(|found| found.filled).collect();
    if filled.iter().all(|filled| *filled == 0) {
        return (!EMPTY.iter().any(|(empty, _)| *empty == shown)).then(|| format!("{shown}: always empty, so nothing was told"));
    }
    // One of a hundred would cost no more than one of one.
    if enough && filled.iter().zip(SIZES).any(|(filled, size)| *filled < size / 2) {
        return Some(format!("{shown}: {filled:?} of {parents:?} parents had something, which is too few to tell"));
    }
    None
}

/// An organization with as many of everything as its size says, on a server of its own, so that its statements are its own.
pub struct Crowd {
    pub app: TestApp,
    pub owner: Client,
    pub size: usize,
    /// The cursor of before there was anything.
    since: Value,
}

impl Crowd {
    pub async fn gather(size: usize) -> Self {
        let app = TestApp::start().await;
        let owner = app.sign_up("Sharma", "owner@sharma.example").await;
        let since = fill_and_tell(&app, &owner, size).await;
        Self { app, owner, size, since }
    }

    pub async fn record(&self, operation: &str, variables: Value) -> (Value, Vec<String>) {
        let recorder = Recorder::start(&self.app).await;
        let data = self.owner.data(operation, variables).await;
        (data, recorder.finish())
    }

    /// Asks for every field below a list, one after another.
    async fn walk(self, schema: &Schema) -> BTreeMap<(String, String), Found> {
        let mut all = BTreeMap::new();
        for (of, way) in under_lists(schema) {
            let ids = if way.steps.iter().any(|step| step.field.takes("ids")) { ids(&self.app, "Sharma", &of, self.size).await } else { Vec::new() };
            let variables = json!({"first": self.size, "ids": ids, "since": self.since});
            let without = match FEW.iter().any(|(few, _)| *few == of) {
                true => Some(self.record(&way.operation("__typename"), variables.clone()).await.1.len()),
                false => None,
            };
            for field in &schema.objects[&of] {
                for (name, selection) in asked(schema, field) {
                    let (data, statements) = self.record(&way.operation(&selection), variables.clone()).await;
                    let ends = way.ends(&data);
                    let filled = ends.iter().filter(|end| reaches(end, &name)).count();
                    all.insert((of.clone(), name), Found { parents: ends.len(), filled, statements, without });
                }
            }
        }
        for of in schema.interfaces.get("Node").into_iter().flatten() {
            let operation = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename ... on {of} {} }} }}", schema.selection(of, 2));
            let (data, statements) = self.record(&operation, json!({"ids": ids(&self.app, "Sharma", of, self.size).await})).await;
            let parents = data["nodes"].as_array().unwrap().iter().filter(|node| !node.is_null()).count();
            all.insert(("Node".to_owned(), of.clone()), Found { parents, filled: parents, statements, without: None });
        }
        all
    }
}

/// What is asked of a field: the least, and of a list each list of its rows, so that there are lists at every depth.
fn asked(schema: &Schema, field: &Field) -> Vec<(String, String)> {
    let row =
        |field: &Field| field.of.ends_with("Connection").then(|| &schema.objects[&field.of].iter().find(|below| below.name == "nodes").unwrap().of);
    let below = row(field).into_iter().flat_map(|row| &schema.objects[row]).filter(|below| row(below).is_some());
    let lists =
        below.map(|below| (format!("{}.{}", field.name, below.name), format!("{}(first: 2) {{ nodes {{ {} }} }}", field.name, least(schema, below))));
    std::iter::once((field.name.clone(), least(schema, field))).chain(lists).collect()
}

/// Whether there is something in a field of an object, or in a list of the rows of one.
fn reaches(end: &Value, name: &str) -> bool {
    match name.split_once('.') {
        None => is_filled(&end[name]),
        Some((list, below)) => end[list]["nodes"].as_array().unwrap().iter().any(|row| is_filled(&row[below])),
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) if fields.contains_key("nodes") => is_filled(&fields["nodes"]),
        _ => true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_costs_more_statements_for_more_parents() {
    let schema = Schema::served();
    let crowds = futures_util::future::join_all(SIZES.map(async |size| Crowd::gather(size).await.walk(&schema).await)).await;
    let below: BTreeSet<String> = crowds[0].keys().map(|(of, _)| of.clone()).collect();
    let once: Vec<String> = to_everything(&schema).into_keys().filter(|of| !below.contains(of)).collect();
    assert_eq!(once.join(" "), ONCE, "what never stands below a list");
    let fields = schema.objects.iter().flat_map(|(of, fields)| fields.iter().map(move |field| (of, field)));
    let missed = fields.filter(|(of, field)| once.contains(&field.of) && (field.list || below.contains(*of)));
    assert_eq!(missed.map(|(of, field)| format!("{of}.{}", field.name)).collect::<Vec<_>>(), Vec::<String>::new(), "and yet it stands below one");
    let wrong = judge_all(&crowds);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), crowds[0].len(), wrong.join("\n"));
    let deep = crowds[0].keys().filter(|(_, field)| field.contains('.')).count();
    assert!(deep >= 10, "only {deep} lists of lists of lists");
    assert_eq!(needless(&crowds), Vec::<&str>::new(), "these exceptions are not needed");
    assert!(crowds[0].len() > 150, "only {} fields", crowds[0].len());
}

/// An exception that is no longer needed is one too many.
fn needless(crowds: &[BTreeMap<(String, String), Found>]) -> Vec<&'static str> {
    let shown = |key: &(String, String)| format!("{}.{}", key.0, key.1);
    let few = |of: &str| {
        crowds.iter().zip(SIZES).any(|(crowd, size)| crowd.iter().any(|(key, found)| (key.0 == of || shown(key) == of) && found.parents < size))
    };
    let empty = |of: &str| crowds.iter().all(|crowd| crowd.iter().any(|(key, found)| shown(key) == of && found.filled == 0));
    let few = FEW.iter().map(|(of, _)| *of).filter(|of| !few(of));
    few.chain(EMPTY.iter().map(|(shown, _)| *shown).filter(|shown| !empty(shown))).collect()
}

/// What is wrong with the fields that were asked for at the three sizes.
fn judge_all(crowds: &[BTreeMap<(String, String), Found>]) -> Vec<String> {
    let found = |key: &(String, String)| crowds.iter().map(|crowd| crowd[key].clone()).collect::<Vec<_>>();
    crowds[0].keys().filter_map(|key| judge(&key.0, &key.1, &found(key))).collect()
}

/// A field that passes by its loader is found by the walk, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_is_passed_by_is_found() {
    let crowds = SIZES.map(async |size| {
        let (schema, crowd) = broken::crowd(size, broken::api()).await;
        crowd.walk(&schema).await
    });
    let crowds = futures_util::future::join_all(crowds).await;
    assert_eq!(crowds[0].len(), 4);
    let wrong = judge_all(&crowds);
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert!(wrong[0].starts_with("Person.companyAlone: [2, 11, 101] statements for [1, 10, 100] parents"), "{wrong:#?}");
}

/// The walk's judge finds what it is there to find.
#[test]
fn a_field_that_reads_once_for_each_parent_is_found() {
    let found =
        |parents: usize, statements: usize, filled: usize| Found { parents, filled, statements: vec![String::new(); statements], without: None };
    let well = [found(1, 2, 1), found(10, 2, 10), found(100, 2, 100)];
    assert_eq!(judge("Contact", "company", &well), None);
    let one_each = [found(1, 2, 1), found(10, 11, 10), found(100, 101, 100)];
    assert!(judge("Contact", "company", &one_each).unwrap().contains("[2, 11, 101] statements"));
    assert!(judge("Contact", "company", &[found(1, 2, 1), found(10, 2, 10), found(11, 2, 11)]).unwrap().contains("too few"));
    assert!(judge("Contact", "company", &[found(1, 2, 0), found(10, 2, 0), found(100, 2, 0)]).unwrap().contains("empty"));
    assert!(judge("Contact", "company", &[found(1, 2, 1), found(10, 2, 1), found(100, 2, 1)]).unwrap().contains("had something"));
    let few = |without| [(); 3].map(|()| Found { without: Some(without), ..found(4, 5, 4) });
    assert_eq!(judge("ContactStageFigures", "count", &few(5)), None);
    assert!(judge("ContactStageFigures", "lastName", &few(1)).unwrap().contains("reads for itself"));
}
