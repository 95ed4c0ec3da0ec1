//! The walk itself: finds every place that takes an identifier, fills in the rest, and compares the answers.

use std::collections::BTreeSet;
use std::time::Duration;

use payaid::base::id::AnyId;
use serde_json::{Map, Value, json};

use crate::harness::app::PASSWORD;
use crate::harness::crowd::cursor;
use crate::harness::schema::{Argument, Root, Schema, noun_of};
use crate::harness::waiting::{LIMIT, until};
use crate::harness::world::{World, populate};
use crate::harness::{Client, TestApp};

/// The way to a place: argument, then fields of inputs.
type Way = Vec<String>;

pub struct Walk<'a> {
    caller: &'a Client,
    schema: &'a Schema,
    foreign: &'a World,
    /// Whose the foreign objects are, where there is to be something to tell of them.
    other: Option<&'a Client>,
    /// Keeps what samples make apart.
    pub fresh: usize,
    /// From where a subscription tells of all that was made for the last place.
    since: Value,
    pub slots: usize,
    pub failures: Vec<String>,
    /// Places that say nothing.
    pub silent: BTreeSet<(&'static str, &'static str)>,
}

/// Places that rightly answer an own identifier of a noun like a random one: the log of a fresh organization has no entry about such objects.
/// No key of its has done anything either: that the log of one is shown is tested with the keys.
pub const SAYS_NOTHING: &[(&str, &str)] = &[
    ("auditLog(filter.apiKeyId)", "apikey"),
    ("auditLog(filter.objectId)", "audit"),
    ("auditLog(filter.objectId)", "delivery"),
    ("auditLog(filter.objectId)", "job"),
    ("auditLog(filter.objectId)", "user"),
];

/// How long nothing is told of what there is nothing to tell of.
const SILENCE: Duration = Duration::from_millis(300);

/// Places whose identifier is not one of another organization's objects: what they do is tested by hand.
const APART: &[&str] = &["organizationSwitch", "signIn"];

impl<'a> Walk<'a> {
    pub fn new(caller: &'a Client, schema: &'a Schema, foreign: &'a World) -> Self {
        Self { caller, schema, foreign, other: None, fresh: 0, since: Value::Null, slots: 0, failures: Vec::new(), silent: BTreeSet::new() }
    }

    /// As [`Walk::new`], with foreign objects that are made while the caller listens.
    pub fn listening(caller: &'a Client, other: &'a Client, schema: &'a Schema, foreign: &'a World) -> Self {
        Self { other: Some(other), ..Self::new(caller, schema, foreign) }
    }

    pub async fn root(&mut self, root: &Root) {
        if APART.contains(&root.name.as_str()) {
            return;
        }
        for way in self.places(&root.arguments, &[]) {
            self.place(root, &way).await;
        }
    }

    /// Every way to an `ID` below these arguments.
    fn places(&self, arguments: &[Argument], before: &[String]) -> Vec<Way> {
        let mut found = Vec::new();
        for argument in arguments {
            let way = [before, std::slice::from_ref(&argument.name)].concat();
            if argument.of == "ID" {
                found.push(way);
            } else if let Some(fields) = self.schema.inputs.get(&argument.of) {
                found.extend(self.places(fields, &way));
            }
        }
        found
    }

    async fn place(&mut self, root: &Root, way: &Way) {
        let under = root.under.as_ref().map(|of| format!("{of}.")).unwrap_or_default();
        let shown = format!("{under}{}({})", root.name, way.join("."));
        for noun in self.nouns(root, way).await {
            let (made, own) = self.worlds().await;
            let Some(theirs) = made.as_ref().unwrap_or(self.foreign).get(noun.as_str()).cloned() else {
                self.failures.push(format!("{shown}: the walk has no {noun}"));
                continue;
            };
            let random = random_like(&theirs);
            if made.is_some() {
                // Transactions of other tests hold up what is told. What was made before the own world is not held up any more when that is told of.
                let changes = format!("query($since: String!) {{ changes(since: $since, first: 100) {} }}", self.schema.selection("ChangePage", 3));
                let told = async || self.caller.data(&changes, json!({"since": self.since})).await.to_string();
                until("the own objects are told of", async || told().await.contains(&own["message"])).await;
            }
            let told = if root.kind == "subscription" { Some(self.ask(root, way, &own[noun.as_str()], &own).await) } else { None };
            let (foreign, random) = (self.ask(root, way, &theirs, &own).await, self.ask(root, way, &random, &own).await);
            if foreign != random {
                self.failures.push(format!("{shown} tells a foreign {noun} from a random one:\n{foreign}\n{random}"));
            }
            let mine = match told {
                Some(told) => told,
                None => self.ask(root, way, &own[noun.as_str()], &own).await,
            };
            let excepted = SAYS_NOTHING.iter().find(|(place, of)| *place == shown && *of == noun);
            if let (true, Some(excepted)) = (mine == random, excepted) {
                self.silent.insert(*excepted);
            } else if mine == random {
                self.failures.push(format!("{shown} answers the same for an own {noun}, so nothing was proven: {mine}"));
            }
            self.slots += 1;
        }
    }

    /// Whether a place answers otherwise for this identifier than for a random one.
    pub async fn tells(&self, root: &Root, way: &Way, id: &str, own: &World) -> bool {
        self.ask(root, way, id, own).await != self.ask(root, way, &random_like(id), own).await
    }

    /// A fresh world of the caller's own, since the walk also deletes; and before it one of the other's, where there is to be something to tell.
    async fn worlds(&mut self) -> (Option<World>, World) {
        self.fresh += 1;
        self.since = cursor(self.caller).await;
        let made = match self.other {
            Some(other) => Some(populate(other, &format!("other{}", self.fresh)).await),
            None => None,
        };
        (made, populate(self.caller, &format!("own{}", self.fresh)).await)
    }

    /// Which kinds of identifier a place takes: the server says so when it gets one of a kind that does not exist.
    async fn nouns(&mut self, root: &Root, way: &Way) -> Vec<String> {
        let (_, own) = self.worlds().await;
        let answer = self.send(root, way, "probe_00000000000000000000000000", &own).await.to_string();
        if let Some((_, rest)) = answer.split_once("and this takes one of a ") {
            return vec![rest.split('.').next().unwrap().to_owned()];
        }
        if answer.contains("no objects of the kind") || !answer.contains("INVALID_ID") {
            return self.foreign.keys().map(|noun| (*noun).to_owned()).collect();
        }
        self.failures.push(format!("{}({}) of {:?}: it cannot be told what identifier this takes: {answer}", root.name, way.join("."), root.under));
        Vec::new()
    }

    async fn ask(&self, root: &Root, way: &Way, id: &str, own: &World) -> String {
        let answer = self.send(root, way, id, own).await;
        let mut kept = json!({"data": answer["data"], "errors": answer["errors"]});
        for error in kept["errors"].as_array_mut().into_iter().flatten() {
            if let Some(extensions) = error["extensions"].as_object_mut() {
                extensions.remove("requestId");
            }
        }
        kept.to_string().replace(id, "<id>")
    }

    async fn send(&self, root: &Root, way: &Way, id: &str, own: &World) -> Value {
        let call = self.call(root, Some(way), id, own).await;
        let selection = self.schema.selection(&root.returns, 3);
        let operation = match &root.under {
            Some(of) => format!("{{ node(id: \"{}\") {{ ... on {of} {{ {call} {selection} }} }} }}", own[noun_of("id", &uncapitalized(of))]),
            None => format!("{} {{ {call} {selection} }}", root.kind),
        };
        if root.kind != "subscription" {
            return self.caller.send(&operation, json!({})).await;
        }
        let time = if own.values().any(|own| own == id) { LIMIT } else { SILENCE };
        let told = self.caller.told_within(time, &operation, &json!({})).await;
        told.map_or(Value::Null, |told| serde_json::from_str(&told).unwrap())
    }

    /// A root field with its arguments: the identifier at the end of the way, and samples wherever one is needed.
    pub async fn call(&self, root: &Root, way: Option<&Way>, id: &str, own: &World) -> String {
        let versions = self.versions(own).await;
        let arguments: Map<String, Value> = root
            .arguments
            .iter()
            .filter_map(|argument| self.value(argument, way.map(Vec::as_slice), id, own, &versions, root).map(|value| (argument.name.clone(), value)))
            .collect();
        let text: Vec<String> = arguments.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect();
        if text.is_empty() { root.name.clone() } else { format!("{}({})", root.name, text.join(", ")) }
    }

    /// What to send for an argument: the identifier when the way leads here, a sample when it is required, nothing else.
    fn value(&self, argument: &Argument, way: Option<&[String]>, id: &str, own: &World, version: &Value, root: &Root) -> Option<Value> {
        let on_way = way.is_some_and(|way| way.first() == Some(&argument.name));
        if !on_way && !argument.required && !helpful(&argument.name, root) {
            return None;
        }
        let rest = if on_way { way.map(|way| &way[1..]) } else { None };
        let single = if argument.of == "ID" && on_way {
            json!(id)
        } else if let Some(fields) = self.schema.inputs.get(&argument.of) {
            let mut object: Map<String, Value> =
                fields.iter().filter_map(|field| self.value(field, rest, id, own, version, root).map(|value| (field.name.clone(), value))).collect();
            // Changes must have something in them.
            if object.is_empty() && argument.name == "changes" {
                let harmless = fields.iter().find(|field| matches!(field.name.as_str(), "notes" | "description" | "body" | "name"));
                object.extend(harmless.map(|field| (field.name.clone(), json!("changed"))));
            }
            Value::Object(object)
        } else {
            self.sample(argument, own, version, root)
        };
        Some(if argument.list && !single.is_array() { json!([single]) } else { single })
    }

    fn sample(&self, argument: &Argument, own: &World, version: &Value, root: &Root) -> Value {
        if let Some(values) = self.schema.enums.get(&argument.of) {
            // Nobody is invited as an owner, which comes first.
            return json!({"$enum": if argument.of == "Role" { "VIEWER" } else { &values[0] }});
        }
        match (argument.of.as_str(), argument.name.as_str()) {
            ("ID", name) => own.get(noun_of(name, &root.name)).map_or(json!("contact_00000000000000000000000000"), |id| json!(id)),
            ("Int", "version") => version[noun_of("id", &root.name)].clone(),
            ("Int", _) => json!(1),
            ("Boolean", _) => json!(true),
            ("Decimal", _) => json!("10.00"),
            ("Date", _) => json!("2026-04-01"),
            ("DateTime", _) => json!("2026-04-01T10:00:00Z"),
            ("String", "since") => self.since.clone(),
            ("String", "password" | "currentPassword") => json!(PASSWORD),
            ("String", "newPassword") => json!("another horse battery"),
            ("String", "email" | "address") => json!(format!("sample{}@sample.example", self.fresh)),
            ("String", "stateCode") => json!("27"),
            ("String", "scopes") => json!("contacts.read"),
            ("String", "url") => json!("http://127.0.0.1:9/"),
            ("String", "events") => json!("contact.update"),
            _ => json!(format!("sample {}", self.fresh)),
        }
    }

    /// The present version of each own object, by its noun.
    async fn versions(&self, own: &World) -> Value {
        let mut versions = json!({});
        for (noun, object) in [
            ("contact", "Contact"),
            ("company", "Company"),
            ("deal", "Deal"),
            ("task", "Task"),
            ("activity", "Activity"),
            ("pipeline", "Pipeline"),
            ("stage", "PipelineStage"),
            ("organization", "Organization"),
            ("apikey", "ApiKey"),
            ("job", "Job"),
            ("message", "Message"),
            ("smstemplate", "SmsTemplate"),
            ("webhook", "WebhookEndpoint"),
        ] {
            versions[noun] = json!(1);
            let Some(id) = own.get(noun) else { continue };
            let answer = self.caller.send(&format!("{{ node(id: \"{id}\") {{ ... on {object} {{ version }} }} }}"), json!({})).await;
            if answer["data"]["node"]["version"].is_i64() {
                versions[noun] = answer["data"]["node"]["version"].clone();
            }
        }
        versions
    }
}

/// Optional arguments without which a call cannot get far enough to look at the identifier.
fn helpful(name: &str, root: &Root) -> bool {
    name == "contactId" && root.name == "activityCreate" || name == "since" && root.kind == "subscription"
}

fn uncapitalized(of: &str) -> String {
    let (first, rest) = of.split_at(1);
    format!("{}{rest}", first.to_lowercase())
}

fn random_like(id: &str) -> String {
    let any = AnyId::parse(id).unwrap();
    let random = uuid::Uuid::from_u128(any.uuid.as_u128() ^ 0x00ff_00ff_00ff_00ff);
    crate::harness::identifier(&any.prefix, random)
}

/// A value in GraphQL's own notation.
fn literal(value: &Value) -> String {
    match value {
        Value::Object(object) if object.contains_key("$enum") => object["$enum"].as_str().unwrap().to_owned(),
        Value::Object(object) => {
            format!("{{{}}}", object.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A digest of every row of an organization in every tenant table, of itself and of its people.
pub async fn rows_of(app: &TestApp, organization: &str) -> Vec<(String, String)> {
    let id = AnyId::parse(organization).unwrap().uuid;
    let client = app.superuser().await;
    let tables =
        "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'organization_id' AND table_schema = 'public' ORDER BY 1";
    let mut digests = Vec::new();
    for row in client.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let digest =
            format!("SELECT coalesce(md5(string_agg(t::text, ';' ORDER BY t::text)), 'empty') FROM {table} t WHERE organization_id = '{id}'");
        digests.push((table, client.query_one(&digest, &[]).await.unwrap().get(0)));
    }
    assert!(digests.len() > 8, "{digests:?}");
    let people = format!("id IN (SELECT user_id FROM memberships WHERE organization_id = '{id}')");
    for (table, own) in [("organizations", format!("id = '{id}'")), ("users", people)] {
        let digest = format!("SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {table} t WHERE {own}");
        digests.push((table.to_owned(), client.query_one(&digest, &[]).await.unwrap().get(0)));
    }
    digests
}
