//! Pipelines and their stages: made, changed, moved and deleted.

use serde_json::{Value, json};

use super::{create, refused, stages};
use crate::harness::waiting::until_blocked;
use crate::harness::{Client, TestApp};

/// The stages of the oldest pipeline, as far as moving them goes.
async fn positions(owner: &Client) -> Vec<(String, i64, i64)> {
    let data = owner.query("{ pipelines { stages { name position version } } }").await;
    let stages = data["pipelines"][0]["stages"].as_array().unwrap();
    let number = |value: &Value| value.as_i64().unwrap();
    stages.iter().map(|stage| (stage["name"].as_str().unwrap().to_owned(), number(&stage["position"]), number(&stage["version"]))).collect()
}

fn at(stages: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    stages.iter().map(|(name, position, version)| ((*name).to_owned(), *position, *version)).collect()
}

/// The entries of an action in the audit log, newest first.
async fn entries(owner: &Client, action: &str) -> Vec<Value> {
    let data = owner.query("{ auditLog(first: 100) { nodes { action objectId before after } } }").await;
    data["auditLog"]["nodes"].as_array().unwrap().iter().filter(|entry| entry["action"] == action).cloned().collect()
}

async fn second_pipeline(owner: &Client) -> Value {
    let stages = json!([{"name": "Enquiry"}, {"name": "Sample"}, {"name": "Won", "kind": "WON"}, {"name": "Lost", "kind": "LOST"}]);
    let payload = owner.done("pipelineCreate", json!({"name": "Exports", "stages": stages}), "pipeline { id stages { id name } }").await;
    payload["pipeline"].clone()
}

#[tokio::test]
async fn a_new_pipeline_can_become_the_default() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let first = owner.query("{ pipelines { id version } }").await["pipelines"][0].clone();
    let select = "pipeline { id name isDefault version stages { id name kind probability position } }";
    let ends = [json!({"name": "Won", "kind": "WON"}), json!({"name": "Lost", "kind": "LOST"})];
    let stages = json!([{"name": "Enquiry"}, {"name": "Sample", "probability": 40}, ends[0], ends[1]]);
    let payload = owner.done("pipelineCreate", json!({"name": "Exports", "isDefault": true, "stages": stages}), select).await;
    let pipeline = &payload["pipeline"];
    let seen: Vec<_> =
        pipeline["stages"].as_array().unwrap().iter().map(|stage| json!([stage["name"], stage["kind"], stage["probability"]])).collect();
    assert_eq!(json!(seen), json!([["Enquiry", "OPEN", 50], ["Sample", "OPEN", 40], ["Won", "WON", 100], ["Lost", "LOST", 0]]));
    assert_eq!((&pipeline["name"], &pipeline["isDefault"]), (&json!("Exports"), &json!(true)));
    let taken = owner.mutate("pipelineCreate", json!({"name": "Exports", "stages": stages}), select).await;
    refused(&taken, "CONFLICT", "input.name");
    let endless = owner.mutate("pipelineCreate", json!({"name": "Endless", "stages": [{"name": "New"}, ends[0]]}), select).await;
    refused(&endless, "VALIDATION_ERROR", "input.stages");
    let deal = owner.done("dealCreate", json!({"title": "Rugs"}), "deal { id probability stage { name } pipeline { name } }").await["deal"].clone();
    assert_eq!((&deal["probability"], &deal["stage"]["name"], &deal["pipeline"]["name"]), (&json!(50), &json!("Enquiry"), &json!("Exports")));
    let data = owner.query("{ pipelines { id isDefault version stages { id } } }").await;
    let old = data["pipelines"].as_array().unwrap().iter().find(|pipeline| pipeline["id"] == first["id"]).unwrap().clone();
    assert_eq!(old["isDefault"], false);
    let elsewhere = json!({"id": deal["id"], "version": 1, "stageId": old["stages"][1]["id"]});
    refused(&owner.mutate("dealStageSet", elsewhere, "deal { id }").await, "VALIDATION_ERROR", "input.stageId");
    let input = json!({"id": first["id"], "version": old["version"], "changes": {"name": "At home", "isDefault": true}});
    let renamed = owner.done("pipelineUpdate", input.clone(), select).await;
    assert_eq!((&renamed["pipeline"]["name"], &renamed["pipeline"]["isDefault"]), (&json!("At home"), &json!(true)));
    refused(&owner.mutate("pipelineUpdate", input, select).await, "CONFLICT", "input.version");
    let none = json!({"id": first["id"], "version": renamed["pipeline"]["version"], "changes": {"isDefault": false}});
    refused(&owner.mutate("pipelineUpdate", none, select).await, "VALIDATION_ERROR", "input.changes.isDefault");
    let data = owner.query("{ pipelines { name isDefault } }").await;
    let defaults: Vec<_> = data["pipelines"].as_array().unwrap().iter().filter(|pipeline| pipeline["isDefault"] == true).collect();
    assert_eq!(defaults, [&json!({"name": "At home", "isDefault": true})]);
}

#[tokio::test]
async fn stages_are_added_and_changed() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let pipeline = owner.query("{ pipelines { id } }").await["pipelines"][0]["id"].clone();
    let stages = stages(&owner).await;
    let deal = create(&owner, json!({"title": "Looms"})).await;
    let select = "stage { id name kind probability position version pipeline { id } }";
    let added = owner.done("pipelineStageCreate", json!({"pipelineId": pipeline, "name": "Contract", "probability": 90}), select).await;
    let expected = json!({"id": added["stage"]["id"], "name": "Contract", "kind": "OPEN", "probability": 90, "position": 4, "version": 1, "pipeline": {"id": pipeline}});
    assert_eq!(added["stage"], expected, "after the last open stage");
    owner.done("pipelineStageCreate", json!({"pipelineId": pipeline, "name": "Heard of", "position": 0}), select).await;
    let names = owner.query("{ pipelines { stages { name position } } }").await;
    let order = ["Heard of", "New", "Qualified", "Proposal", "Negotiation", "Contract", "Won", "Lost"];
    let expected: Vec<_> = order.iter().enumerate().map(|(position, name)| json!({"name": name, "position": position})).collect();
    assert_eq!(names["pipelines"][0]["stages"], json!(expected));
    let taken = owner.mutate("pipelineStageCreate", json!({"pipelineId": pipeline, "name": "Contract"}), select).await;
    refused(&taken, "CONFLICT", "input.name");
    let outside = owner.mutate("pipelineStageCreate", json!({"pipelineId": pipeline, "name": "Far", "position": 9}), select).await;
    refused(&outside, "VALIDATION_ERROR", "input.position");
    let query = "query($id: ID!) { node(id: $id) { ... on PipelineStage { version } } }";
    let version = owner.data(query, json!({"id": stages["New"]})).await["node"]["version"].clone();
    let changed = json!({"id": stages["New"], "version": version, "changes": {"name": "Fresh", "probability": 15}});
    let changed = owner.done("pipelineStageUpdate", changed, select).await;
    assert_eq!((&changed["stage"]["name"], &changed["stage"]["probability"]), (&json!("Fresh"), &json!(15)));
    let stays = owner.data("query($id: ID!) { deal(id: $id) { probability stage { name } } }", json!({"id": deal})).await;
    assert_eq!(stays["deal"], json!({"probability": 10, "stage": {"name": "Fresh"}}), "a deal keeps its probability");
    let won = owner.data(query, json!({"id": stages["Won"]})).await["node"]["version"].clone();
    let certain = owner.mutate("pipelineStageUpdate", json!({"id": stages["Won"], "version": won, "changes": {"probability": 90}}), select).await;
    refused(&certain, "VALIDATION_ERROR", "input.changes.probability");
}

#[tokio::test]
async fn stages_that_move_are_counted_up_and_noted() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let pipeline = owner.query("{ pipelines { id } }").await["pipelines"][0]["id"].clone();
    let old = stages(&owner).await;
    owner.done("pipelineStageCreate", json!({"pipelineId": pipeline, "name": "Contract", "position": 3}), "stage { id }").await;
    let expected = [("New", 0, 1), ("Qualified", 1, 1), ("Proposal", 2, 1), ("Contract", 3, 1), ("Negotiation", 4, 2), ("Won", 5, 2), ("Lost", 6, 2)];
    assert_eq!(positions(&owner).await, at(&expected));
    let moves = entries(&owner, "pipeline.stageMove").await;
    assert_eq!(moves.len(), 3, "{moves:?}");
    let won = moves.iter().find(|entry| entry["objectId"] == old["Won"]).unwrap();
    assert_eq!((&won["before"]["position"], &won["after"]["position"], &won["after"]["version"]), (&json!(4), &json!(5), &json!(2)));
    assert!(won["after"]["updated_at"].is_string(), "{won}");
    let stale = json!({"id": old["Won"], "version": 1, "changes": {"name": "Done"}});
    refused(&owner.mutate("pipelineStageUpdate", stale, "stage { id }").await, "CONFLICT", "input.version");
}

#[tokio::test]
async fn a_stage_that_no_deal_ever_stood_in_is_deleted() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let stages = stages(&owner).await;
    let delete = async |stage: &Value| owner.mutate("pipelineStageDelete", json!({"id": stage}), "deletedIds").await;
    for end in ["Won", "Lost"] {
        refused(&delete(&stages[end]).await, "CONFLICT", "input.id");
    }
    let deal = create(&owner, json!({"title": "Looms", "stageId": stages["Proposal"]})).await;
    let standing = delete(&stages["Proposal"]).await;
    refused(&standing, "CONFLICT", "input.id");
    assert!(standing["userErrors"][0]["message"].as_str().unwrap().contains("stand in"), "{standing}");
    owner.done("dealStageSet", json!({"id": deal, "version": 1, "stageId": stages["Negotiation"]}), "deal { id }").await;
    let history = delete(&stages["Proposal"]).await;
    refused(&history, "CONFLICT", "input.id");
    assert!(history["userErrors"][0]["message"].as_str().unwrap().contains("history"), "{history}");
    let deleted = delete(&stages["Qualified"]).await;
    assert_eq!((&deleted["deletedIds"], &deleted["userErrors"]), (&json!([stages["Qualified"]]), &json!([])));
    refused(&delete(&stages["Qualified"]).await, "NOT_FOUND", "input.id");
    let expected = [("New", 0, 1), ("Proposal", 1, 2), ("Negotiation", 2, 2), ("Won", 3, 2), ("Lost", 4, 2)];
    assert_eq!(positions(&owner).await, at(&expected));
    let noted = entries(&owner, "pipeline.stageDelete").await;
    assert_eq!((noted.len(), &noted[0]["objectId"], &noted[0]["before"]["name"]), (1, &stages["Qualified"], &json!("Qualified")));
    assert_eq!(entries(&owner, "pipeline.stageMove").await.len(), 4);
    owner.done("dealDelete", json!({"id": deal}), "deletedIds").await;
    for stage in ["Proposal", "Negotiation"] {
        assert_eq!(delete(&stages[stage]).await["userErrors"], json!([]), "{stage}");
    }
    let last = delete(&stages["New"]).await;
    refused(&last, "CONFLICT", "input.id");
    assert!(last["userErrors"][0]["message"].as_str().unwrap().contains("at least one open"), "{last}");
}

#[tokio::test]
async fn a_pipeline_without_deals_is_deleted() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let first = owner.query("{ pipelines { id } }").await["pipelines"][0]["id"].clone();
    let second = second_pipeline(&owner).await;
    let delete = async |pipeline: &Value| owner.mutate("pipelineDelete", json!({"id": pipeline}), "deletedIds").await;
    let default = delete(&first).await;
    refused(&default, "CONFLICT", "input.id");
    assert!(default["userErrors"][0]["message"].as_str().unwrap().contains("default"), "{default}");
    let deal = create(&owner, json!({"title": "Rugs", "pipelineId": second["id"]})).await;
    let used = delete(&second["id"]).await;
    refused(&used, "CONFLICT", "input.id");
    assert!(used["userErrors"][0]["message"].as_str().unwrap().contains("has deals"), "{used}");
    owner.done("dealDelete", json!({"id": deal}), "deletedIds").await;
    assert_eq!(delete(&second["id"]).await["deletedIds"], json!([second["id"]]));
    refused(&delete(&second["id"]).await, "NOT_FOUND", "input.id");
    assert_eq!(owner.query("{ pipelines { id } }").await["pipelines"], json!([{"id": first}]));
    let noted = entries(&owner, "pipeline.delete").await;
    assert_eq!(noted.len(), 5, "the pipeline and its four stages: {noted:?}");
    assert!(noted.iter().any(|entry| entry["objectId"] == second["id"] && entry["before"]["name"] == "Exports"), "{noted:?}");
    let sales = app.member(&owner, "SALES", "sales@sharma.example").await;
    let ask = "mutation($id: ID!) { pipelineDelete(input: {id: $id}) { deletedIds } }";
    assert_eq!(sales.codes(ask, json!({"id": first})).await, ["INSUFFICIENT_PERMISSIONS"]);
}

/// The hundredth is being made: the next one waits, and is refused.
#[tokio::test]
async fn an_organization_has_a_hundred_pipelines_at_most() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let (db, watch) = (app.superuser().await, app.superuser().await);
    let make = |from: i32, to: i32| {
        format!(
            "INSERT INTO pipelines (organization_id, id, name, created_at, updated_at) \
             SELECT organizations.id, gen_random_uuid(), 'P' || n, now(), now() FROM organizations, generate_series({from}, {to}) n"
        )
    };
    db.batch_execute(&make(2, 99)).await.unwrap();
    db.batch_execute(&format!("BEGIN; SELECT FROM organizations FOR NO KEY UPDATE; {}", make(100, 100))).await.unwrap();
    let stages = json!([{"name": "New"}, {"name": "Won", "kind": "WON"}, {"name": "Lost", "kind": "LOST"}]);
    let making = owner.mutate("pipelineCreate", json!({"name": "One more", "stages": stages}), "pipeline { id }");
    let commit = async {
        until_blocked(&watch, 1).await;
        db.batch_execute("COMMIT").await.unwrap();
    };
    let payload = tokio::join!(making, commit).0;
    refused(&payload, "VALIDATION_ERROR", "input.name");
    assert!(payload["userErrors"][0]["message"].as_str().unwrap().contains("delete one"), "{payload}");
}
