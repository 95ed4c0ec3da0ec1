//! Reading: one connection, one snapshot, only what is selected, and as many statements for a hundred parents as for one.

use std::sync::Arc;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Integer};
use payaid::base::clock::SystemClock;
use payaid::platform::postgres::{Access, Settings, Transaction};
use serde_json::{Value, json};

use crate::harness::crowd;
use crate::harness::schema::{Field, Schema};
use crate::harness::statements::Recorder;
use crate::harness::waiting::until;
use crate::harness::{Client, TestApp};

const NESTED: &str = "query($first: Int!) { contacts(first: $first) { totalCount nodes { name owner { name } company { name } \
    deals(first: 3) { totalCount nodes { title stage { name } } } tasks(first: 2) { nodes { title assignee { name } } } \
    activities(first: 2) { nodes { subject } } } } }";

/// `count` contacts, each with a company, two deals, a task and an activity.
async fn fill(owner: &Client, count: usize) {
    let viewer = owner.query("{ viewer { user { id } } }").await;
    let user = viewer["viewer"]["user"]["id"].clone();
    for index in 0..count {
        let company = owner.done("companyCreate", json!({"name": format!("Company {index}")}), "company { id }").await;
        let contact = json!({"name": format!("Contact {index:03}"), "companyId": company["company"]["id"], "ownerId": user});
        let contact = owner.done("contactCreate", contact, "contact { id }").await["contact"]["id"].clone();
        for deal in 0..2 {
            owner
                .done("dealCreate", json!({"title": format!("Deal {deal}"), "value": {"amount": "10.50"}, "contactId": contact}), "deal { id }")
                .await;
        }
        owner.done("taskCreate", json!({"title": "Call", "contactId": contact, "assigneeId": user}), "task { id }").await;
        owner
            .done(
                "activityCreate",
                json!({"kind": "CALL", "subject": "Hello", "occurredAt": "2026-04-01T10:00:00Z", "contactId": contact}),
                "activity { id }",
            )
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_statements_does_not_grow_with_the_parents() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    fill(&owner, 30).await;
    let mut counts = Vec::new();
    for first in [1, 10, 30] {
        let recorder = Recorder::start(&app).await;
        let data = owner.data(NESTED, json!({"first": first})).await;
        let statements = recorder.finish();
        assert_eq!(data["contacts"]["nodes"].as_array().unwrap().len(), first);
        assert_eq!(data["contacts"]["totalCount"], 30);
        assert!(data["contacts"]["nodes"].as_array().unwrap().iter().all(|contact| contact["deals"]["totalCount"] == 2));
        counts.push(statements.len());
    }
    assert_eq!(counts, [counts[0]; 3]);
    // Contacts and their number, owners, companies, deals and their number, stages, tasks, activities; assignees are the owners.
    assert!((8..=10).contains(&counts[0]), "{counts:?}");
}

#[tokio::test]
async fn only_selected_columns_are_read() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    owner.done("contactCreate", json!({"name": "Asha", "notes": "long"}), "contact { id }").await;
    let recorder = Recorder::start(&app).await;
    owner.query("{ contacts(first: 1) { nodes { name } } }").await;
    let statements = recorder.finish();
    let [page] = statements.as_slice() else { panic!("{statements:#?}") };
    assert!(page.contains("\"contacts\".\"name\""), "{page}");
    for column in ["notes", "email", "phone", "tags", "city"] {
        assert!(!page.contains(&format!("\"{column}\"")), "{column} is read: {page}");
    }
}

/// Each field of each object selected alone says the same as when everything is selected: no field needs a column that its name does not bring along.
#[tokio::test(flavor = "multi_thread")]
async fn every_field_can_be_selected_alone() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    crowd::fill(&app, &owner, 2).await;
    let schema = Schema::served();
    let (mut fields, mut empty) = (0, Vec::new());
    for of in &schema.interfaces["Node"] {
        let id = crowd::ids(&app, "Sharma", of, 1).await.remove(0);
        let select = async |selection: &str| {
            let mut data = owner.query(&format!("{{ node(id: \"{id}\") {{ ... on {of} {{ {selection} }} }} }}")).await;
            data["node"].take()
        };
        let answered = |field: &&Field| field.arguments.iter().all(|argument| !argument.required);
        let leaves: Vec<&str> =
            schema.objects[of].iter().filter(answered).filter(|field| schema.is_leaf(&field.of)).map(|field| field.name.as_str()).collect();
        for field in schema.objects[of].iter().filter(answered) {
            let name = field.name.as_str();
            let selection = if schema.is_leaf(&field.of) { name.to_owned() } else { format!("{name} {{ __typename }}") };
            let (alone, after_all) = (select(&selection).await, select(&format!("{} {selection}", leaves.join(" "))).await);
            assert_eq!(alone[name], after_all[name], "{of}.{name}");
            // A column that was not read would be null.
            if alone[name].is_null() {
                empty.push(format!("{of}.{name}"));
            }
            fields += 1;
        }
    }
    assert_eq!(empty, EMPTY);
    assert!(fields > 150, "{fields}");
}

/// Fields that are empty in the first object of the crowd.
const EMPTY: &[&str] = &["Member.removedAt", "Message.template", "Organization.gstin", "WebhookDelivery.nextAt"];

/// A write that another connection commits between two statements of one operation is seen by neither of them or by both.
#[tokio::test(flavor = "multi_thread")]
async fn one_operation_sees_one_state() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let writer = owner.clone();
    let writing = tokio::spawn(async move {
        for index in 0..60 {
            writer.done("contactCreate", json!({"name": format!("Contact {index}")}), "contact { id }").await;
        }
    });
    let mut seen = 0;
    while !writing.is_finished() {
        let data = owner.query("{ a: contacts(first: 1) { totalCount } viewer { user { name } } b: contacts(first: 100) { totalCount nodes { id } } c: contacts(last: 1) { totalCount } }").await;
        let (a, b, c) = (&data["a"]["totalCount"], &data["b"]["totalCount"], &data["c"]["totalCount"]);
        assert!(a == b && b == c, "{data}");
        assert_eq!(data["b"]["nodes"].as_array().unwrap().len() as i64, b.as_i64().unwrap().min(100));
        seen += 1;
    }
    writing.await.unwrap();
    assert!(seen > 3, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_in_every_ordering_and_direction() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for name in ["Esha", "Asha", "Dev", "Bina", "Asha", "Chandra", "Farid"] {
        owner.done("contactCreate", json!({"name": name}), "contact { id }").await;
    }
    for field in ["NAME", "CREATED_AT", "UPDATED_AT"] {
        for direction in ["ASC", "DESC"] {
            let order = format!("orderBy: {{field: {field}, direction: {direction}}}");
            let all = ids(&owner.query(&format!("{{ contacts({order}) {{ nodes {{ id name }} }} }}")).await);
            assert_eq!(all.len(), 7);
            assert_eq!(walk(&owner, &order, "first", "after", "hasNextPage", "endCursor").await, all, "{order} forward");
            let mut backward = walk(&owner, &order, "last", "before", "hasPreviousPage", "startCursor").await;
            backward.sort_by_key(|id| all.iter().position(|known| known == id));
            assert_eq!(backward, all, "{order} backward");
        }
    }
    let names = owner.query("{ contacts(orderBy: {field: NAME}) { nodes { name } } }").await;
    assert_eq!(names["contacts"]["nodes"][0]["name"], "Asha");
    assert_eq!(names["contacts"]["nodes"][6]["name"], "Farid");
}

fn ids(data: &Value) -> Vec<String> {
    data["contacts"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

async fn walk(owner: &Client, order: &str, size: &str, from: &str, more: &str, cursor: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = Value::Null;
    loop {
        let query = format!("query($at: String) {{ contacts({size}: 2, {from}: $at, {order}) {{ nodes {{ id }} pageInfo {{ {more} {cursor} }} }} }}");
        let data = owner.data(&query, json!({"at": at})).await;
        found.extend(ids(&data));
        if data["contacts"]["pageInfo"][more] == false {
            return found;
        }
        at = data["contacts"]["pageInfo"][cursor].clone();
        assert!(found.len() <= 7, "pages repeat");
    }
}

/// Clients decide how many statements there are: a connection that keeps too many of them prepared is replaced.
#[tokio::test]
async fn prepared_statements_stay_bounded() {
    const MOST: usize = 40;
    let app = TestApp::with(
        |config| {
            config.database.pool_size = 1;
            config.database.max_prepared = MOST;
        },
        std::sync::Arc::new(payaid::base::clock::SystemClock),
    )
    .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let pool = app.app.services.databases.primary();
    let kept = async || {
        let db = Transaction::new(pool.clone(), Access::Snapshot, &Settings::default());
        let counts = sql::<(BigInt, Integer)>("count(*), pg_backend_pid() FROM pg_prepared_statements");
        db.first::<_, (i64, i32), _>(diesel::select(counts)).await.unwrap().unwrap()
    };
    let (mut backends, mut most) = (std::collections::BTreeSet::new(), 0);
    let columns = ["name", "email", "phone", "city", "notes", "tags", "status"];
    for shape in 1..128_u32 {
        let selected = columns.iter().enumerate().filter(|(index, _)| shape & (1 << index) != 0);
        let selected = selected.map(|(_, column)| *column).collect::<Vec<_>>().join(" ");
        owner.query(&format!("{{ contacts(first: 1) {{ nodes {{ {selected} }} }} }}")).await;
        let (count, backend) = kept().await;
        backends.insert(backend);
        most = most.max(count);
    }
    assert!((20..=i64::try_from(MOST).unwrap() + 2).contains(&most), "{most} statements were prepared on one connection");
    assert!((3..=10).contains(&backends.len()), "{} connections for 127 shapes", backends.len());
}

/// Pages of all sizes are read by a few statements, and none shows more than was asked for.
#[tokio::test]
async fn a_page_of_each_size_has_that_size() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    crate::harness::crowd::fill(&app, &owner, 30).await;
    let recorder = Recorder::start(&app).await;
    for size in 0..=31 {
        for way in ["first", "last"] {
            let data = owner.query(&format!("{{ contacts({way}: {size}) {{ nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}")).await;
            assert_eq!(ids(&data).len(), size.min(30), "{way}: {size}");
            let more = if way == "first" { "hasNextPage" } else { "hasPreviousPage" };
            assert_eq!(data["contacts"]["pageInfo"][more], size < 30, "{way}: {size}");
        }
    }
    let texts: std::collections::BTreeSet<String> = recorder.finish().into_iter().collect();
    assert!((2..=20).contains(&texts.len()), "{texts:#?}");
}

/// A list, and what one read of a row cannot be: it has a snapshot to itself.
const LIST: &str = "{ contacts { totalCount nodes { name } } }";

/// Each begins anew, whoever was there before, and whether or not that one waited for its answer.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_take_turns_on_one_connection() {
    let app = TestApp::with(|config| config.database.pool_size = 1, Arc::new(SystemClock)).await;
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    for (owner, count) in [(&a, 3), (&b, 5)] {
        for number in 0..count {
            owner.done("contactCreate", json!({"name": format!("Contact {number}")}), "contact { id }").await;
        }
    }
    let impatient = {
        let a = a.clone();
        tokio::spawn(async move {
            for number in 0..120 {
                let _ = tokio::time::timeout(Duration::from_micros(300 * (number % 20)), a.send(LIST, json!({}))).await;
            }
        })
    };
    let patient = [(a, 3), (b, 5)].map(|(owner, count)| {
        tokio::spawn(async move {
            for _ in 0..60 {
                let list = owner.query(LIST).await["contacts"].take();
                assert_eq!((&list["totalCount"], list["nodes"].as_array().map(Vec::len)), (&json!(count), Some(count)), "{list}");
            }
        })
    });
    for task in patient.into_iter().chain([impatient]) {
        task.await.unwrap();
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'payaid_server' AND state LIKE 'idle in transaction%'";
    let superuser = app.superuser().await;
    until("every transaction has ended", async || superuser.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}
