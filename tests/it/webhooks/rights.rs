//! What is sent is what the member may see who set it, as it is at that moment.

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{contact, deliveries, endpoint, only, work};
use crate::harness::{Client, TestApp};

const DOCUMENT: &str = "subscription { contactChanged { kind contactId contact { name city company { name } } } }";

fn sent(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_chooses_what_is_sent_as_it_is_at_or_after_the_event() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    endpoint(&owner, json!({"url": receiver.url, "events": ["contact.*", "company.*"], "document": DOCUMENT})).await;
    let id = contact(&owner, "Asha").await;
    work(&app).await;
    let call = receiver.calls().pop().unwrap();
    let asked = owner.data("query($id: ID!) { contact(id: $id) { name city company { name } } }", json!({"id": id})).await;
    assert_eq!(sent(&call.body), json!({"contactChanged": {"kind": "CREATED", "contactId": id, "contact": asked["contact"]}}));
    // Two changes before the first is told: it shows the state after both.
    let change = async |version: i32, name: &str| {
        owner.done("contactUpdate", json!({"id": id, "version": version, "changes": {"name": name}}), "contact { id }").await;
    };
    change(1, "Asha Rao").await;
    change(2, "Asha Patil").await;
    work(&app).await;
    let calls = receiver.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls[1..].iter().all(|call| sent(&call.body)["contactChanged"]["contact"]["name"] == "Asha Patil"), "{calls:?}");
    // An event that the document does not tell of is let pass.
    owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await;
    work(&app).await;
    let passed: Vec<Value> = deliveries(&owner).await.into_iter().filter(|delivery| delivery["event"] == "company.create").collect();
    assert_eq!((passed[0]["state"].as_str(), passed[0]["attemptCount"].as_i64()), (Some("SKIPPED"), Some(0)), "{passed:?}");
    assert_eq!(receiver.calls().len(), 3);
    // A deletion has nothing to show but which it was.
    owner.done("contactDelete", json!({"id": id}), "deletedIds").await;
    work(&app).await;
    let told = sent(&receiver.calls().pop().unwrap().body)["contactChanged"].clone();
    assert_eq!((&told["kind"], &told["contactId"], &told["contact"]), (&json!("DELETED"), &json!(id), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_is_refused_when_it_is_set() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let many = "subscription($n: Int!) { contactChanged { contact { activities(first: $n) { nodes { id } } } } }";
    for document in
        [many, "nonsense", "{ contacts { totalCount } }", "subscription { contactChanged { nothing } }", "mutation { signOut { success } }"]
    {
        let input = json!({"url": "http://127.0.0.1:9/", "events": ["contact.*"], "document": document});
        let payload = owner.mutate("webhookEndpointCreate", input, "secret").await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["input", "document"]), "{document}: {payload}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_her_rights_has_nothing_more_sent() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let admin = app.member(&owner, "ADMIN", "admin@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    let (id, _) = endpoint(&admin, json!({"url": receiver.url, "events": ["contact.*"], "document": DOCUMENT})).await;
    let own = endpoint(&owner, json!({"url": receiver.url, "events": ["deal.*"]})).await;
    let members = owner.query("{ members { nodes { id user { email } } } }").await;
    let of_admin = members["members"]["nodes"].as_array().unwrap().iter().find(|member| member["user"]["email"] == "admin@sharma.example").unwrap();
    owner.done("memberRemove", json!({"memberId": of_admin["id"]}), "member { id }").await;
    contact(&owner, "Asha").await;
    work(&app).await;
    let delivery = only(&owner).await;
    assert_eq!((delivery["state"].as_str(), delivery["endpoint"]["state"].as_str()), (Some("FAILED"), Some("DISABLED")), "{delivery}");
    assert!(delivery["error"].as_str().unwrap().contains("no member any more"), "{delivery}");
    assert_eq!(receiver.calls().len(), 0);
    // Whoever enables it answers for it.
    let version =
        owner.data("query($id: ID!) { webhookEndpoint(id: $id) { version } }", json!({"id": id})).await["webhookEndpoint"]["version"].clone();
    let on = json!({"id": id, "version": version, "changes": {"state": "ENABLED"}});
    let on = owner.done("webhookEndpointUpdate", on, "webhookEndpoint { actsFor { email } }").await;
    assert_eq!(on["webhookEndpoint"]["actsFor"]["email"], "owner@sharma.example");
    owner.done("webhookReplay", json!({"deliveryId": delivery["id"]}), "count").await;
    work(&app).await;
    assert_eq!(receiver.calls().len(), 1);
    assert_ne!(own.0, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_has_sent_ends_where_its_scopes_end_and_with_the_key() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let made = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": ["webhooks.manage", "contacts.read"]}), "key apiKey { id }").await;
    let program = Client::new(app.url("/graphql"), Some(made["key"].as_str().unwrap().to_owned()));
    let receiver = Receiver::start(&[]).await;
    let refused = json!({"url": receiver.url, "events": ["deal.*"], "document": "subscription { dealChanged { dealId } }"});
    let refused = program.mutate("webhookEndpointCreate", refused, "secret").await;
    assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains("deals.read"), "{refused}");
    endpoint(
        &program,
        json!({"url": receiver.url, "events": ["contact.create"], "document": "subscription { contactChanged { contact { name } } }"}),
    )
    .await;
    contact(&owner, "Asha").await;
    work(&app).await;
    assert_eq!(receiver.calls().len(), 1);
    owner.done("apiKeyRevoke", json!({"id": made["apiKey"]["id"]}), "apiKey { id }").await;
    contact(&owner, "Ravi").await;
    work(&app).await;
    assert_eq!(receiver.calls().len(), 1);
    let reasons: Vec<Value> = deliveries(&owner).await.into_iter().map(|delivery| delivery["error"].clone()).collect();
    assert!(reasons.contains(&json!("The API key that set what is sent here has ended.")), "{reasons:?}");
}

/// Nobody pays for what a document answers, so that it may cost no more than one operation may.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_costs_no_more_than_an_operation_may() {
    let app = TestApp::with(|config| config.documents.document_max_cost = 100, std::sync::Arc::new(payaid::base::clock::SystemClock)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let document = |first: i32| format!("subscription {{ contactChanged {{ contact {{ activities(first: {first}) {{ nodes {{ id }} }} }} }} }}");
    let input = |first: i32| json!({"url": "http://127.0.0.1:9/", "events": ["contact.*"], "document": document(first)});
    let payload = owner.mutate("webhookEndpointCreate", input(100), "secret").await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["input", "document"]), "{payload}");
    assert!(payload["userErrors"][0]["message"].as_str().unwrap().contains("at most 100 are allowed"), "{payload}");
    endpoint(&owner, input(10)).await;
}

/// Without a document, the kind of event and the identifier are sent, which are for those who may see such objects, or may read the log.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_document_is_told_to_whom_its_object_may_be_shown() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let keyed = async |scopes: Value| {
        let made = owner.done("apiKeyCreate", json!({"name": "Key", "scopes": scopes}), "key").await;
        Client::new(app.url("/graphql"), Some(made["key"].as_str().unwrap().to_owned()))
    };
    let mut receivers = Vec::new();
    let few = keyed(json!(["webhooks.manage"])).await;
    for scopes in [json!(["webhooks.manage"]), json!(["webhooks.manage", "contacts.read"]), json!(["webhooks.manage", "audit.read"])] {
        let (program, receiver) = (keyed(scopes).await, Receiver::start(&[]).await);
        endpoint(&program, json!({"url": receiver.url, "events": ["contact.*", "company.*", "invitation.*"]})).await;
        receivers.push(receiver);
    }
    contact(&owner, "Asha").await;
    owner.done("companyCreate", json!({"name": "Mill"}), "company { id }").await;
    owner.done("memberInvite", json!({"email": "asha@example.org", "role": "VIEWER"}), "inviteToken").await;
    work(&app).await;
    let told: Vec<Vec<String>> = receivers
        .iter()
        .map(|receiver| {
            receiver.calls().iter().map(|call| serde_json::from_str::<Value>(&call.body).unwrap()["type"].as_str().unwrap().to_owned()).collect()
        })
        .collect();
    assert_eq!(told, [vec![], vec!["contact.create"], vec!["invitation.create"]]);
    let query = "{ webhookDeliveries { nodes { event objectId state error } } }";
    let log = owner.query(query).await["webhookDeliveries"]["nodes"].as_array().unwrap().clone();
    let skipped = log.iter().filter(|delivery| delivery["state"] == "SKIPPED" && delivery["error"].as_str().unwrap().contains("may not see")).count();
    assert_eq!((log.len(), skipped), (9, 7));
    assert!(log.iter().all(|delivery| delivery["objectId"].is_string()));
    let log = few.query(query).await["webhookDeliveries"]["nodes"].as_array().unwrap().clone();
    assert!(log.iter().all(|delivery| delivery["objectId"].is_null()), "{log:?}");
}
