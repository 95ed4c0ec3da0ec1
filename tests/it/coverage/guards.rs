//! Who may read and do what: every field and every mutation, asked by everybody, against a committed table.
//!
//! `+` is let through, `-` is refused at this very field, `.` is out of reach because something above it is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use payaid::base::allowance::Allowance;
use payaid::base::clock::SystemClock;
use payaid::platform::config::ServerConfig;
use serde_json::{Value, json};

use super::broken;
use super::ways::{least, to_everything};
use crate::harness::client::codes;
use crate::harness::crowd::{cursor, fill, fill_and_tell, ids};
use crate::harness::schema::{Argument, Root, Schema, noun_of};
use crate::harness::snapshot;
use crate::harness::{Client, TestApp};

/// Everybody who asks, as the columns of the table. The first is not signed in.
const CALLERS: [&str; 8] = ["nobody", "OWNER", "ADMIN", "MANAGER", "SALES", "FINANCE", "SUPPORT", "VIEWER"];

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    // All callers try to sign in as somebody who is not there.
    let often = |config: &mut ServerConfig| config.limits.limit_sign_in = Allowance::per(100, 60);
    let app = TestApp::with(often, Arc::new(SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let mut callers = vec![app.anonymous(), owner.clone()];
    for role in &CALLERS[2..] {
        callers.push(app.member(&owner, role, &format!("{}@sharma.example", role.to_lowercase())).await);
    }
    let since = futures_util::future::join_all(callers.iter().map(cursor)).await;
    fill_and_tell(&app, &owner, 2).await;
    let nodes = nodes(&app).await;
    let columns = callers.into_iter().zip(since).map(|(caller, since)| {
        let nodes = nodes.clone();
        tokio::spawn(async move { ask_everything(&caller, &Schema::served(), &since, &nodes).await })
    });
    let columns: Vec<BTreeMap<String, char>> = futures_util::future::join_all(columns).await.into_iter().map(Result::unwrap).collect();
    let text = table(&columns);
    snapshot::compare("coverage/guards.txt", &text);
    for (field, owners) in &columns[1] {
        assert_eq!(*owners, '+', "{field}: nobody may do what the owner may not");
    }
    assert_eq!(CALLERS[1..], Schema::served().enums["Role"], "every role asks, the owner first");
}

/// The table as it is committed, from a column for each of the callers.
fn table(columns: &[BTreeMap<String, char>]) -> String {
    let longest = columns[0].keys().map(String::len).max().unwrap();
    let rows = columns[0].keys().map(|field| {
        let marks = columns.iter().zip(CALLERS).map(|(column, caller)| format!("{:<width$}", column[field], width = caller.len()));
        format!("{field:<longest$} {}", marks.collect::<Vec<_>>().join(" ").trim_end())
    });
    format!("{:<longest$} {}\n{}\n", "", CALLERS.join(" "), rows.collect::<Vec<_>>().join("\n"))
}

/// The columns of a table.
fn columns(table: &str) -> Vec<BTreeMap<String, char>> {
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let mark = |row: &[&str], column: usize| (row[0].to_owned(), row[column].chars().next().unwrap());
    (1..=CALLERS.len()).map(|column| rows.iter().map(|row| mark(row, column)).collect()).collect()
}

/// An object of every type that has an identifier, by the type.
async fn nodes(app: &TestApp) -> BTreeMap<String, String> {
    let mut nodes = BTreeMap::new();
    for of in &Schema::served().interfaces["Node"] {
        nodes.insert(of.clone(), ids(app, "Sharma", of, 1).await.remove(0));
    }
    nodes
}

/// What one caller is let through to. Of objects that have identifiers also by those alone, past all that leads to them.
async fn ask_everything(caller: &Client, schema: &Schema, since: &Value, nodes: &BTreeMap<String, String>) -> BTreeMap<String, char> {
    let mut marks = BTreeMap::new();
    for (of, id) in nodes {
        let operation = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {of} {} }} }}", schema.selection(of, 2));
        let answer = caller.send(&operation, json!({"ids": [id]})).await;
        for field in schema.objects[of].iter().filter(|field| field.arguments.iter().all(|argument| !argument.required)) {
            let mark = mark(&answer, &["nodes", &field.name]);
            assert!(mark != '+' || answer["data"]["nodes"][0].is_object(), "{of} by its identifier: {answer}");
            marks.insert(format!("node:{of}.{}", field.name), mark);
        }
    }
    let variables = json!({"first": 2, "ids": [], "since": since});
    for (of, way) in to_everything(schema) {
        for field in &schema.objects[&of] {
            let arguments: Vec<String> =
                field.arguments.iter().filter(|argument| argument.required).map(|argument| given(argument, &field.name, schema)).collect();
            let selection = match arguments.is_empty() {
                true => least(schema, field),
                false => format!("{}({}) {}", field.name, arguments.join(", "), schema.selection(&field.of, 1)),
            };
            let name = format!("{of}.{}", field.name);
            // Twice, since a known document is answered in another way, and of two rows where there is a list on the way, since the second may be written
            // in another way than the first.
            for _ in 0..2 {
                let answer: Value = serde_json::from_str(&way.ask(caller, &way.operation(&selection), &variables).await).unwrap();
                let mark = mark(&answer, &way.names(&field.name));
                let ends = way.ends(&answer["data"]);
                let shown = ends.iter().any(|end| !end[&field.name].is_null());
                assert!(mark != '+' || !ends.is_empty(), "nobody was asked about {name}, where there is no row: {answer}");
                assert!(mark != '-' || !shown, "{name} is refused, and shown all the same: {answer}");
                assert_eq!(*marks.entry(name.clone()).or_insert(mark), mark, "{name} the second time");
            }
        }
    }
    // What ends the session comes last.
    let mut mutations: Vec<&Root> = schema.mutations().collect();
    mutations.sort_by_key(|root| ["signOut", "passwordChange"].contains(&root.name.as_str()));
    for root in mutations {
        let arguments: Vec<String> =
            root.arguments.iter().filter(|argument| argument.required).map(|argument| given(argument, &root.name, schema)).collect();
        let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
        let operation = format!("mutation {{ {}{arguments} {} }}", root.name, schema.selection(&root.returns, 2));
        let answer = caller.send(&operation, json!({})).await;
        let (of_root, payload) = (mark(&answer, &[&root.name]), &answer["data"][&root.name]);
        assert!(payload.is_object() == (of_root == '+'), "{} is marked {of_root}, and answers: {answer}", root.name);
        marks.insert(format!("Mutation.{}", root.name), of_root);
        let of_payload = schema.objects[&root.returns].iter().map(|field| (&root.returns, field, vec![root.name.as_str(), field.name.as_str()]));
        let of_errors =
            schema.objects["UserError"].iter().map(|field| ("UserError", field, vec![root.name.as_str(), "userErrors", field.name.as_str()]));
        for (of, field, names) in of_payload.map(|(of, field, names)| (of.as_str(), field, names)).chain(of_errors) {
            let name = format!("{of}.{}", field.name);
            match (of, mark(&answer, &names), marks.get(&name)) {
                // Whoever is let through to one mutation is told its errors, where it has some.
                ("UserError", '.' | '-', Some(_)) => {}
                ("UserError", '+', _) if !payload["userErrors"][0].is_object() => {}
                (_, mark, Some(known)) if of != "UserError" => {
                    assert_eq!(mark, *known, "{name} by {}, which has its payload from another", root.name)
                }
                (_, mark, _) => drop(marks.insert(name, mark)),
            }
        }
    }
    let fields = schema.objects.iter().flat_map(|(of, fields)| fields.iter().map(move |field| format!("{of}.{}", field.name)));
    let unasked: Vec<String> = fields.filter(|name| !marks.contains_key(name)).collect();
    assert!(unasked.is_empty(), "nobody was asked about {unasked:?}");
    marks
}

/// Whether the field of this path was refused, or one above it, or none.
fn mark(answer: &Value, names: &[&str]) -> char {
    let refused =
        |error: &&Value| ["UNAUTHENTICATED", "INSUFFICIENT_PERMISSIONS"].contains(&error["extensions"]["code"].as_str().unwrap_or_default());
    let path =
        |error: &Value| error["path"].as_array().into_iter().flatten().filter_map(|segment| Some(segment.as_str()?.to_owned())).collect::<Vec<_>>();
    assert!(
        !codes(answer).iter().any(|code| matches!(code.as_str(), "INTERNAL_ERROR" | "VALIDATION_ERROR" | "INVALID_ID")),
        "the guard was not reached: {answer}"
    );
    let paths = answer["errors"].as_array().into_iter().flatten().filter(refused).map(path);
    let places = paths.filter(|path| path.iter().zip(names).all(|(path, name)| path == name)).map(|path| path.len());
    match places.min() {
        None => '+',
        Some(0) if names.len() > 1 => '.',
        Some(place) if place > 0 && place < names.len() => '.',
        // What is refused below it has a row of its own.
        Some(place) if place > names.len() => '+',
        Some(_) => '-',
    }
}

/// An argument with a value of its type that refers to nothing.
fn given(argument: &Argument, root: &str, schema: &Schema) -> String {
    let single = match (argument.of.as_str(), schema.inputs.get(&argument.of), schema.enums.get(&argument.of)) {
        (_, Some(fields), _) => {
            let fields: Vec<String> = fields.iter().filter(|field| field.required).map(|field| given(field, root, schema)).collect();
            format!("{{{}}}", fields.join(", "))
        }
        (_, _, Some(values)) => values[0].clone(),
        ("Int", ..) => "1".to_owned(),
        ("Boolean", ..) => "true".to_owned(),
        ("Decimal", ..) => "\"1.00\"".to_owned(),
        ("Date", ..) => "\"2026-04-01\"".to_owned(),
        ("DateTime", ..) => "\"2026-04-01T10:00:00Z\"".to_owned(),
        ("ID", ..) => format!("\"{}\"", crate::harness::identifier(noun_of(&argument.name, root), uuid::Uuid::nil())),
        _ => "\"x\"".to_owned(),
    };
    format!("{}: {}", argument.name, if argument.list { format!("[{single}]") } else { single })
}

/// A field that has lost its guard shows in the table, and no other line does.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_gone_is_found() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let viewer = app.member(&owner, "VIEWER", "viewer@sharma.example").await;
    fill(&app, &owner, 2).await;
    let (schema, url) = broken::serve(&app, broken::api()).await;
    let mut columns = Vec::new();
    // All who are not among the columns are like the viewer here.
    for client in [&app.anonymous(), &owner].into_iter().chain(std::iter::repeat_n(&viewer, CALLERS.len() - 2)) {
        columns.push(ask_everything(&broken::caller(&url, client), &schema, &Value::Null, &BTreeMap::new()).await);
    }
    let found = table(&columns);
    for column in &mut columns {
        let with_guard = column["Person.company"];
        column.insert("Person.companyForAll".to_owned(), with_guard);
    }
    let expected = [
        "- Person.companyForAll  .      +     -     -       -     -       -       -",
        "+ Person.companyForAll  .      +     +     +       +     +       +       +",
    ];
    assert_eq!(snapshot::differences(&table(&columns), &found), expected);
}

/// A viewer whom the guards let through to more, because her row says so, is found field for field.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_let_through_to_more_is_found() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let since = cursor(&app.member(&owner, "VIEWER", "viewer@sharma.example").await).await;
    fill_and_tell(&app, &owner, 2).await;
    app.superuser()
        .await
        .batch_execute(
            "UPDATE memberships SET role = 'SUPPORT' WHERE role = 'VIEWER' AND organization_id IN \
        (SELECT organization_id FROM memberships WHERE role = 'OWNER')",
        )
        .await
        .unwrap();
    let viewer = app.sign_in("viewer@sharma.example", crate::harness::app::PASSWORD).await;
    let committed = include_str!("guards.txt");
    let mut columns = columns(committed);
    assert_eq!(table(&columns), committed);
    let column = |caller: &str| CALLERS.iter().position(|known| *known == caller).unwrap();
    let found = ask_everything(&viewer, &Schema::served(), &since, &nodes(&app).await).await;
    let (support, before) = (columns[column("SUPPORT")].clone(), std::mem::replace(&mut columns[column("VIEWER")], found));
    let more: Vec<&String> = before.iter().filter(|(field, mark)| support[*field] != **mark).map(|(field, _)| field).collect();
    assert!(more.len() > 10, "{more:?}");
    let found = snapshot::differences(committed, &table(&columns));
    let named = |sign: &str| found.iter().filter_map(|line| line.strip_prefix(sign)?.split_whitespace().next()).collect::<Vec<_>>();
    assert_eq!((named("- "), named("+ ")), (more.iter().map(|field| field.as_str()).collect(), more.iter().map(|field| field.as_str()).collect()));
}

/// The table finds a guard that is gone, and one that is too strict.
#[test]
fn a_refusal_is_told_apart_by_its_place() {
    let error = |path: Value| json!({"data": null, "errors": [{"path": path, "extensions": {"code": "INSUFFICIENT_PERMISSIONS"}}]});
    assert_eq!(mark(&json!({"data": {"a": {"b": 1}}}), &["a", "b"]), '+');
    assert_eq!(mark(&error(json!(["a", 0, "b"])), &["a", "b"]), '-');
    assert_eq!(mark(&error(json!(["a", 0, "c"])), &["a", "b"]), '+');
    assert_eq!(mark(&error(json!(["a"])), &["a", "b"]), '.');
    assert_eq!(mark(&error(json!(["a", 0, "b", "c"])), &["a", "b"]), '+');
    let table = "Contact.notes + +\nContact.name + +\n";
    assert_eq!(snapshot::differences(table, "Contact.notes - +\nContact.name + +\n"), ["- Contact.notes + +", "+ Contact.notes - +"]);
}
