//! A list tells of its rows by its length and its cursors as well. Every role reads all business data, so only keys show whether a list below another
//! object asks for the permission of its own rows: for every such scope a key that lacks it, and every list of the schema.

use std::collections::BTreeSet;

use serde_json::json;

use super::with_scopes;
use crate::coverage::ways::{Way, ways};
use crate::harness::TestApp;
use crate::harness::client::codes;
use crate::harness::crowd::fill;
use crate::harness::schema::Schema;

const READS: [&str; 11] = [
    "members.read",
    "contacts.read",
    "companies.read",
    "deals.read",
    "tasks.read",
    "activities.read",
    "audit.read",
    "api_keys.read",
    "jobs.read",
    "messages.read",
    "webhooks.manage",
];

/// Lists of objects that ask for the scope of the list's rows themselves.
const HIDDEN_ALREADY: &[&str] = &["PipelineStage.deals", "WebhookEndpoint.deliveries"];

#[tokio::test(flavor = "multi_thread")]
async fn no_list_tells_of_rows_that_a_key_may_not_see() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let schema = Schema::served();
    let mut all = ways(&schema, "Query", &|field| !field.takes("ids"), false);
    all.insert("Query".to_owned(), Way::to("Query"));
    let lists: Vec<(&Way, String, String)> = all
        .iter()
        .flat_map(|(of, way)| schema.objects[of].iter().filter(|field| field.of.ends_with("Connection")).map(move |field| (way, of, field)))
        .filter(|(_, _, field)| field.of != "InvitationConnection")
        .map(|(way, of, field)| (way, format!("{of}.{}", field.name), field.name.clone()))
        .collect();
    assert!(lists.len() >= 14, "{}", lists.len());
    let mut keys = vec![(None, with_scopes(&app, &owner, &READS).await.1)];
    for lacking in READS {
        let others: Vec<&str> = READS.into_iter().filter(|scope| *scope != lacking).collect();
        keys.push((Some(lacking), with_scopes(&app, &owner, &others).await.1));
    }
    fill(&app, &owner, 2).await;
    let (mut hidden, mut wrong) = (BTreeSet::new(), Vec::new());
    for (lacking, program) in &keys {
        for (way, shown, name) in &lists {
            let answer = program.send(&way.operation(&format!("{name}(first: 1) {{ nodes {{ id }} }}")), json!({"first": 2})).await;
            if way.ends(&answer["data"]).is_empty() {
                continue; // what has the list is hidden already
            }
            let refused = codes(&answer).iter().any(|code| code == "INSUFFICIENT_PERMISSIONS");
            let tells = program
                .send(&way.operation(&format!("{name}(first: 1) {{ totalCount edges {{ cursor }} pageInfo {{ endCursor }} }}")), json!({"first": 2}))
                .await;
            let visible = way.ends(&tells["data"]).into_iter().any(|end| !end[name].is_null());
            match lacking {
                None if refused || !visible => wrong.push(format!("{shown} is not shown to a key with all scopes: {answer}")),
                Some(lacking) if refused && visible => wrong.push(format!("{shown} tells of its rows without {lacking}: {tells}")),
                Some(lacking) if refused => {
                    assert!(tells.to_string().contains(lacking), "{shown} without {lacking}: {tells}");
                    hidden.insert((shown.clone(), *lacking));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Each list was hidden at least once, or nothing was proven of it.
    let proven: BTreeSet<&String> = hidden.iter().map(|(shown, _)| shown).collect();
    let unproven: Vec<&String> = lists.iter().map(|(_, shown, _)| shown).filter(|shown| !proven.contains(shown)).collect();
    assert_eq!(unproven, HIDDEN_ALREADY);
    assert_eq!(hidden.len() + HIDDEN_ALREADY.len(), lists.len(), "a list needs the scope of its rows and no other: {hidden:?}");
}
