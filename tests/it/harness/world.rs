//! One of everything in an organization, made through the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::Client;

/// Identifiers by their noun: `world["contact"]`.
pub type World = BTreeMap<&'static str, String>;

/// Makes one of everything for a signed-in owner. `tag` keeps e-mail addresses apart.
pub async fn populate(owner: &Client, tag: &str) -> World {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no identifier in {value}")).to_owned();
    let viewer =
        owner.query("{ viewer { user { id } organization { id } } members(first: 1) { nodes { id } } pipelines { id stages { id kind } } }").await;
    let mut world = World::new();
    world.insert("user", text(&viewer["viewer"]["user"]["id"]));
    world.insert("organization", text(&viewer["viewer"]["organization"]["id"]));
    world.insert("member", text(&viewer["members"]["nodes"][0]["id"]));
    world.insert("pipeline", text(&viewer["pipelines"][0]["id"]));
    world.insert("stage", text(&viewer["pipelines"][0]["stages"][0]["id"]));
    let company = owner.done("companyCreate", json!({"name": format!("Company {tag}"), "ownerId": world["user"]}), "company { id }").await;
    world.insert("company", text(&company["company"]["id"]));
    let contact = json!({"name": format!("Contact {tag}"), "email": format!("{tag}@contact.example"), "phone": "+919876543210", "companyId": world["company"], "ownerId": world["user"]});
    let contact = owner.done("contactCreate", contact, "contact { id }").await;
    world.insert("contact", text(&contact["contact"]["id"]));
    let deal = json!({"title": format!("Deal {tag}"), "value": {"amount": "1000.00"}, "contactId": world["contact"], "companyId": world["company"], "ownerId": world["user"]});
    let deal = owner.done("dealCreate", deal, "deal { id }").await;
    world.insert("deal", text(&deal["deal"]["id"]));
    let task = json!({"title": format!("Task {tag}"), "assigneeId": world["user"], "contactId": world["contact"], "dealId": world["deal"]});
    let task = owner.done("taskCreate", task, "task { id }").await;
    world.insert("task", text(&task["task"]["id"]));
    let activity = json!({"kind": "NOTE", "subject": format!("Note {tag}"), "occurredAt": "2026-04-01T10:00:00Z", "contactId": world["contact"], "dealId": world["deal"]});
    let activity = owner.done("activityCreate", activity, "activity { id }").await;
    world.insert("activity", text(&activity["activity"]["id"]));
    let invitation = owner.done("memberInvite", json!({"email": format!("{tag}@invited.example"), "role": "VIEWER"}), "invitation { id }").await;
    world.insert("invitation", text(&invitation["invitation"]["id"]));
    let registered = json!({"name": format!("Text {tag}"), "dltTemplateId": "1107160000000000001", "dltEntityId": "1101160000000000001", "header": "SHARMA", "body": "Dear {#var#}", "variables": [{"name": "name", "kind": "TEXT"}]});
    let sms_template = owner.done("smsTemplateCreate", registered, "smsTemplate { id }").await;
    world.insert("smstemplate", text(&sms_template["smsTemplate"]["id"]));
    let sms = json!({"channel": "SMS", "contactId": world["contact"], "smsTemplateId": world["smstemplate"], "variables": [{"name": "name", "value": tag}]});
    let message = owner.done("messageSend", sms, "message { id }").await;
    world.insert("message", text(&message["message"]["id"]));
    let suppression = json!({"channel": "EMAIL", "address": format!("{tag}@unsubscribed.example"), "detail": format!("Asked {tag}")});
    let suppression = owner.done("suppressionCreate", suppression, "suppression { id }").await;
    world.insert("suppression", text(&suppression["suppression"]["id"]));
    let jobs = owner.query("{ jobs(first: 1) { nodes { id } } }").await;
    world.insert("job", text(&jobs["jobs"]["nodes"][0]["id"]));
    let key = json!({"name": format!("Key {tag}"), "scopes": ["contacts.read"], "expiresAt": "2999-01-01T00:00:00Z", "allowedIps": ["127.0.0.1"]});
    let key = owner.done("apiKeyCreate", key, "apiKey { id }").await;
    world.insert("apikey", text(&key["apiKey"]["id"]));
    // The invitation is sent by one.
    let job = owner.query("{ jobs(first: 1) { nodes { id } } }").await;
    world.insert("job", text(&job["jobs"]["nodes"][0]["id"]));
    let webhook = json!({"url": format!("http://127.0.0.1:9/{tag}"), "description": format!("Webhook {tag}"), "events": ["contact.update"]});
    let webhook = owner.done("webhookEndpointCreate", webhook, "webhookEndpoint { id }").await;
    world.insert("webhook", text(&webhook["webhookEndpoint"]["id"]));
    let delivery = owner.done("webhookTest", json!({"endpointId": world["webhook"]}), "webhookDelivery { id }").await;
    world.insert("delivery", text(&delivery["webhookDelivery"]["id"]));
    let audit = owner.query("{ auditLog(first: 1) { nodes { id } } }").await;
    world.insert("audit", text(&audit["auditLog"]["nodes"][0]["id"]));
    world
}
