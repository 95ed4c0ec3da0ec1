//! No action costs more statements for more of what it is given: rows that are changed or deleted together, and lists within what is written.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::broken;
use super::statements::{Crowd, SIZES};
use crate::harness::crowd::ids;
use crate::harness::schema::{Field, Root, Schema};

/// What an action came to for so many.
struct Done {
    given: usize,
    /// How many entries each list in the answer has.
    answered: Vec<usize>,
    refused: Option<Value>,
    statements: Vec<String>,
}

/// What is wrong with what an action came to for few and for many.
fn judge(action: &str, done: &[Done]) -> Option<String> {
    if let Some(refused) = done.iter().find_map(|done| done.refused.as_ref()) {
        return Some(format!("{action} was not done, which tells nothing: {refused}"));
    }
    if let Some(short) = done.iter().find(|done| done.answered.iter().any(|answered| *answered != done.given)) {
        return Some(format!("{action}: {:?} rows are answered to {} given", short.answered, short.given));
    }
    let counts: Vec<usize> = done.iter().map(|done| done.statements.len()).collect();
    let given: Vec<usize> = done.iter().map(|done| done.given).collect();
    let most = || done.iter().max_by_key(|done| done.statements.len()).map(|done| done.statements.iter().take(12).collect::<Vec<_>>());
    counts.iter().any(|count| *count != counts[0] || *count == 0).then(|| format!("{action}: {counts:?} statements for {given:?}: {:#?}", most()))
}

/// The lists in an answer: of rows, and of the identifiers of rows.
fn lists<'s>(schema: &'s Schema, of: &str) -> impl Iterator<Item = &'s Field> {
    schema.objects[of].iter().filter(|field| field.list && field.of != "UserError")
}

fn lists_of_rows<'s>(schema: &'s Schema, of: &str) -> Vec<&'s Field> {
    lists(schema, of).filter(|field| !schema.is_leaf(&field.of)).collect()
}

async fn take(crowd: &Crowd, schema: &Schema, root: &Root, given: usize, input: Value) -> (Done, Value) {
    // The rows, all that is related to them, and of lists their first pages.
    let selection = schema.selection(&root.returns, 4);
    let operation = format!("mutation($input: {}!) {{ {}(input: $input) {selection} }}", root.arguments[0].of, root.name);
    let (mut data, statements) = crowd.record(&operation, json!({"input": input})).await;
    let payload = data[&root.name].take();
    let answered = lists(schema, &root.returns).map(|list| payload[&list.name].as_array().map_or(0, Vec::len)).collect();
    let refused = (payload["userErrors"] != json!([])).then(|| payload["userErrors"].clone());
    (Done { given, answered, refused, statements }, payload)
}

fn on_many(schema: &Schema) -> Vec<&Root> {
    let mut actions: Vec<&Root> = schema.mutations().filter(|root| root.name.contains("Bulk")).collect();
    // What goes along with a contact is deleted before it.
    actions.sort_by_key(|root| (root.name.ends_with("Delete"), !root.name.starts_with("activity")));
    actions
}

/// What is wrong with the actions on many rows, done in each crowd with all rows that it has.
async fn judge_on_many(schema: &Schema, crowds: &[Crowd]) -> Vec<String> {
    let mut wrong = Vec::new();
    for root in on_many(schema) {
        let noun = root.name.split("Bulk").next().unwrap();
        let of = schema.objects.keys().find(|of| of.to_lowercase() == noun).unwrap();
        let updates = root.name.ends_with("Update");
        assert_eq!(lists_of_rows(schema, &root.returns).len(), usize::from(updates), "{}", root.name);
        let mut done = Vec::new();
        for crowd in crowds {
            let mut input = json!({"ids": ids(&crowd.app, "Sharma", of, crowd.size).await});
            if updates {
                input["changes"] = match noun {
                    "task" | "deal" => json!({"title": "Other"}),
                    "activity" => json!({"subject": "Other"}),
                    _ => json!({"notes": "Other"}),
                };
            }
            done.push(take(crowd, schema, root, crowd.size, input).await.0);
        }
        wrong.extend(judge(&root.name, &done));
        if schema.inputs[&root.arguments[0].of].iter().any(|field| field.name == "stageId") {
            let mut done = Vec::new();
            for crowd in crowds {
                let (deals, stages) = (ids(&crowd.app, "Sharma", of, crowd.size).await, ids(&crowd.app, "Sharma", "PipelineStage", 1).await);
                crowd.app.superuser().await.batch_execute(IN_ONE_PIPELINE).await.unwrap();
                let input = json!({"ids": deals, "stageId": stages[0]});
                done.push(take(crowd, schema, root, crowd.size, input).await.0);
            }
            wrong.extend(judge(&format!("{}(stageId)", root.name), &done));
        }
    }
    wrong
}

/// All that are moved together must be of one pipeline.
const IN_ONE_PIPELINE: &str = "SET session_replication_role = replica; \
    UPDATE deals SET pipeline_id = crowd_id(organization_id, 'pipeline', 1), stage_id = crowd_id(organization_id, 'WON', 1)";

#[tokio::test(flavor = "multi_thread")]
async fn no_action_on_many_costs_more_statements_for_more_rows() {
    let crowds = join_all(SIZES.map(Crowd::gather)).await;
    let schema = Schema::served();
    let others: Vec<&Field> =
        schema.mutations().filter(|root| !root.name.contains("Bulk")).flat_map(|root| lists_of_rows(&schema, &root.returns)).collect();
    assert!(others.is_empty(), "these lists in answers to mutations are not asked for: {others:?}");
    assert!(on_many(&schema).len() >= 10);
    assert_eq!(judge_on_many(&schema, &crowds).await, Vec::<String>::new());
}

/// An action that does one row after another, and one that leaves a row out, are found, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_goes_row_by_row_is_found() {
    let crowds = SIZES.map(|size| broken::crowd(size, broken::actions()));
    let (schemas, crowds): (Vec<_>, Vec<_>) = join_all(crowds).await.into_iter().unzip();
    let wrong = judge_on_many(&schemas[0], &crowds).await;
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong[0].starts_with("dealBulkUpdate: [") && wrong[0].contains("statements for [1, 10, 100]"), "{wrong:#?}");
    assert!(wrong[1].starts_with("dealBulkUpdate(stageId): ["), "{wrong:#?}");
    assert!(wrong[2].starts_with("contactBulkUpdate: [9] rows are answered to 10 given"), "{wrong:#?}");
}

/// A list within what an action is given: the action, the list, and the input with so many entries; those who need one are given an SMS template with
/// as many variables.
type Given = (&'static str, &'static str, fn(usize, &Value) -> Value);

const LISTS: &[Given] = &[
    ("apiKeyCreate", "scopes", |n, _| json!({"name": "Key", "scopes": SCOPES[..n]})),
    (
        "apiKeyCreate",
        "allowedIps",
        |n, _| json!({"name": "Key", "scopes": ["contacts.read"], "allowedIps": each(n, |n| json!(format!("203.0.113.{n}/32")))}),
    ),
    (
        "companyCreate",
        "addresses",
        |n, _| json!({"name": "Company", "addresses": each(n, |n| json!({"line1": format!("{n} Road"), "city": "Pune"}))}),
    ),
    ("contactCreate", "tags", |n, _| json!({"name": "Contact", "tags": each(n, |n| json!(format!("tag{n}")))})),
    ("pipelineCreate", "stages", |n, _| {
        let kinds = ["WON", "LOST"].into_iter().chain(std::iter::repeat("OPEN"));
        let stages: Vec<Value> = kinds.take(n).enumerate().map(|(n, kind)| json!({"name": format!("Stage {n}"), "kind": kind})).collect();
        json!({"name": format!("Of {n}"), "stages": stages})
    }),
    ("smsTemplateCreate", "variables", |n, _| {
        let variables = each(n, |n| json!({"name": format!("v{n}"), "kind": "TEXT"}));
        json!({"name": format!("Of {n}"), "dltTemplateId": format!("11071600000000000{n:02}"), "dltEntityId": "1101160000000000001", "header": "SHARMA",
            "body": format!("Dear {}", "{#var#} ".repeat(n).trim_end()), "variables": variables})
    }),
    ("messageSend", "variables", |n, template| {
        let variables = each(n, |n| json!({"name": format!("v{n}"), "value": "a"}));
        json!({"channel": "SMS", "to": "+919876543210", "transactional": true, "smsTemplateId": template, "variables": variables})
    }),
    ("webhookEndpointCreate", "events", |n, _| json!({"url": "http://127.0.0.1:9/", "events": EVENTS[..n]})),
];

const SCOPES: [&str; 10] = [
    "contacts.read",
    "contacts.write",
    "companies.read",
    "companies.write",
    "deals.read",
    "deals.write",
    "tasks.read",
    "tasks.write",
    "activities.read",
    "activities.write",
];

const EVENTS: [&str; 10] = [
    "contact.create",
    "contact.update",
    "contact.delete",
    "company.create",
    "company.update",
    "company.delete",
    "deal.create",
    "deal.update",
    "deal.delete",
    "task.create",
];

fn each(count: usize, entry: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..count).map(entry).collect()
}

/// The lists that an input has, by their names, however deep.
fn lists_given(schema: &Schema, of: &str) -> Vec<String> {
    let fields = schema.inputs.get(of).into_iter().flatten();
    fields.flat_map(|field| field.list.then(|| field.name.clone()).into_iter().chain(lists_given(schema, &field.of))).collect()
}

/// What is written with a list of ten takes as many statements as with one of three; so does what changes such a list.
#[tokio::test(flavor = "multi_thread")]
async fn no_action_costs_more_statements_for_longer_lists() {
    let schema = Schema::served();
    let crowd = Crowd::gather(1).await;
    let (mut asked, mut wrong, mut template) = (BTreeSet::new(), Vec::new(), [Value::Null, Value::Null]);
    for (name, list, input) in LISTS {
        let root = |name: &str| schema.mutations().find(|root| root.name == name);
        let noun = name.strip_suffix("Create");
        let update = noun
            .and_then(|noun| root(&format!("{noun}Update")))
            .filter(|root| lists_given(&schema, &root.arguments[0].of).contains(&(*list).to_owned()));
        let (mut created, mut updated) = (Vec::new(), Vec::new());
        for (count, template) in [3, 10].into_iter().zip(&mut template) {
            let input = input(count, template);
            let mut changed = input[list].clone();
            let (done, payload) = take(&crowd, &schema, root(name).unwrap(), count, input).await;
            let refused = done.refused.is_some();
            created.push(done);
            if refused {
                continue;
            }
            if *name == "smsTemplateCreate" {
                *template = payload["smsTemplate"]["id"].clone();
            }
            if let (Some(update), Some(noun)) = (update, noun) {
                changed.as_array_mut().unwrap().reverse();
                let row = &payload[noun];
                let input = json!({"id": row["id"], "version": row["version"], "changes": {*list: changed}});
                updated.push(take(&crowd, &schema, update, count, input).await.0);
            }
        }
        wrong.extend(judge(&format!("{name}({list})"), &created));
        asked.insert(format!("{name}.{list}"));
        if let Some(update) = update {
            wrong.extend(judge(&format!("{}({list})", update.name), &updated));
            asked.insert(format!("{}.{list}", update.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let others = schema.mutations().filter(|root| !root.name.contains("Bulk"));
    let given = others
        .flat_map(|root| root.arguments.iter().flat_map(|argument| lists_given(&schema, &argument.of)).map(|list| format!("{}.{list}", root.name)));
    assert_eq!(given.collect::<BTreeSet<_>>(), asked, "the lists that actions are given");
}

#[test]
fn an_action_that_costs_more_for_more_is_found() {
    let done = |given: usize, statements: usize| Done { given, answered: vec![given], refused: None, statements: vec![String::new(); statements] };
    assert_eq!(judge("taskBulkUpdate", &[done(1, 4), done(10, 4)]), None);
    assert!(judge("taskBulkUpdate", &[done(1, 4), done(10, 13)]).unwrap().contains("[4, 13] statements for [1, 10]"));
    assert!(judge("taskBulkUpdate", &[done(1, 0), done(10, 0)]).unwrap().contains("[0, 0] statements"));
    assert!(judge("taskBulkUpdate", &[done(1, 4), Done { answered: vec![9], ..done(10, 4) }]).unwrap().contains("[9] rows"));
    assert!(judge("taskBulkUpdate", &[done(1, 4), Done { refused: Some(json!("no")), ..done(10, 4) }]).unwrap().contains("not done"));
}
