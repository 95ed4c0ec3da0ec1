//! What every name, type and description of the schema holds to, as its introspection tells it to any client: so that a new field cannot break it.
//!
//! What must hold:
//! - Everything is described, in sentences. Of an output field that can be null the description says when; no list has nulls in it.
//! - Relay's rules: `Node` and the fields that find one, connections, edges, `PageInfo`, and the arguments of a list, which are the same everywhere.
//! - Mutations are called by their noun and then by what they do to it, take one input of their name and answer with a payload of their name.
//! - Custom scalars say where they are specified. No argument names a tenant: that is whom the caller is signed in to.
//!
//! Each deviation is in [`EXCEPTIONS`] with its reason, and fails when it is none any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Which rule is not kept where, with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("no nulls in lists", "Query.nodes", "each place stands for the identifier at the same place"),
    ("no argument names a tenant", "SignInInput.organizationId", "nobody is signed in yet, and only her own organizations are taken"),
    ("no argument names a tenant", "OrganizationSwitchInput.organizationId", "the way to another of one's own organizations"),
    ("mutations begin with their noun", "Mutation.signUp", "what it is called everywhere"),
    ("mutations begin with their noun", "Mutation.signIn", "what it is called everywhere"),
    ("mutations begin with their noun", "Mutation.signOut", "what it is called everywhere"),
    ("mutations begin with their noun", "Mutation.sessionRefresh", "a session is no object of the schema"),
    ("mutations begin with their noun", "Mutation.passwordChange", "a password is no object of the schema"),
    ("mutations begin with their noun", "Mutation.webhookSecretRotate", "in short for an endpoint and a delivery, as they are spoken of"),
    ("mutations begin with their noun", "Mutation.webhookReplay", "likewise"),
    ("mutations begin with their noun", "Mutation.webhookTest", "likewise"),
    ("mutations take one input of their name", "Mutation.signOut", "the token that it is sent with says all"),
];

const INTROSPECTION: &str = "{ __schema { directives { name description args(includeDeprecated: true) { ...A } } types { kind name description specifiedByURL interfaces { name } \
    fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...A } type { ...T } } inputFields(includeDeprecated: true) { ...A } enumValues(includeDeprecated: true) { name description } } } } \
    fragment A on __InputValue { name description defaultValue type { ...T } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";

/// The schema's introspection, as it is served.
async fn introspection() -> Value {
    let answer = payaid::features::build().unwrap().schema().execute(INTROSPECTION).await;
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    serde_json::to_value(answer.data).unwrap()
}

/// The items of a list that may be null.
fn each<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value[key].as_array().into_iter().flatten()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// A type as the schema's language writes it.
fn written(of: &Value) -> String {
    match of["kind"].as_str().unwrap_or_default() {
        "NON_NULL" => format!("{}!", written(&of["ofType"])),
        "LIST" => format!("[{}]", written(&of["ofType"])),
        _ => name(of).to_owned(),
    }
}

/// The name at the bottom of a type.
fn named(of: &Value) -> &str {
    if of["ofType"].is_null() { name(of) } else { named(&of["ofType"]) }
}

/// The fields or arguments of something, written as `name: Type`.
fn signature(value: &Value, key: &str) -> Vec<String> {
    each(value, key).map(|part| format!("{}: {}", name(part), written(&part["type"]))).collect()
}

/// The rules, and what was found against them.
struct Rules<'s> {
    types: BTreeMap<&'s str, &'s Value>,
    directives: Vec<&'s Value>,
    wrong: Vec<String>,
    excepted: BTreeSet<(&'static str, &'static str)>,
}

/// What is wrong with a schema.
fn judge(schema: &Value) -> Vec<String> {
    let types = each(&schema["__schema"], "types").filter(|of| !name(of).starts_with("__")).map(|of| (name(of), of)).collect();
    let directives = each(&schema["__schema"], "directives").collect();
    let mut rules = Rules { types, directives, wrong: Vec::new(), excepted: BTreeSet::new() };
    let all: Vec<&Value> = rules.types.values().copied().collect();
    for of in &all {
        rules.names(of);
        rules.descriptions(of);
        rules.scalar(of);
        rules.outputs(of);
        rules.tenancy(of);
        rules.lists(of);
        rules.node(of);
        rules.page(of);
    }
    rules.roots();
    let needless = EXCEPTIONS.iter().filter(|(rule, place, _)| !rules.excepted.contains(&(*rule, *place)));
    rules.wrong.extend(needless.map(|(rule, place, _)| format!("{place} is no exception to \"{rule}\" any more")));
    rules.wrong
}

impl Rules<'_> {
    /// Notes that a rule is not kept.
    fn wrong(&mut self, rule: &str, place: &str, found: &str) {
        match EXCEPTIONS.iter().find(|(known, exception, _)| *known == rule && *exception == place) {
            Some((rule, place, _)) => drop(self.excepted.insert((*rule, *place))),
            None => self.wrong.push(format!("{place} breaks \"{rule}\": {found}")),
        }
    }

    fn expect(&mut self, rule: &str, place: &str, found: &str, expected: &str) {
        if found != expected {
            self.wrong(rule, place, &format!("`{found}` instead of `{expected}`"));
        }
    }

    fn names(&mut self, of: &Value) {
        let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric());
        let begins = |text: &str, test: fn(&char) -> bool| text.chars().next().as_ref().is_some_and(test);
        if !(plain(name(of)) && begins(name(of), char::is_ascii_uppercase)) {
            self.wrong("types are PascalCase", name(of), name(of));
        }
        let fields = each(of, "fields").chain(each(of, "inputFields"));
        for part in fields.flat_map(|field| std::iter::once(field).chain(each(field, "args"))) {
            if !(plain(name(part)) && begins(name(part), char::is_ascii_lowercase)) {
                self.wrong("fields are camelCase", &format!("{}.{}", name(of), name(part)), name(part));
            }
        }
        for value in each(of, "enumValues") {
            let screaming = name(value).chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
            if !(screaming && begins(name(value), char::is_ascii_uppercase)) {
                self.wrong("enum values are SCREAMING_CASE", &format!("{}.{}", name(of), name(value)), name(value));
            }
        }
    }

    fn descriptions(&mut self, of: &Value) {
        if !["Int", "Float", "String", "Boolean", "ID"].contains(&name(of)) {
            self.described(name(of), of);
        }
        for part in ["fields", "inputFields", "enumValues"].iter().flat_map(|key| each(of, key)) {
            let place = format!("{}.{}", name(of), name(part));
            self.described(&place, part);
            for argument in each(part, "args") {
                self.described(&format!("{place}({})", name(argument)), argument);
            }
        }
    }

    fn described(&mut self, place: &str, part: &Value) {
        let text = part["description"].as_str().unwrap_or_default().trim();
        if !(text.ends_with('.') && text.len() > 5) {
            self.wrong("everything is described in sentences", place, text);
        }
    }

    fn scalar(&mut self, of: &Value) {
        let custom = of["kind"] == "SCALAR" && !["Int", "Float", "String", "Boolean", "ID"].contains(&name(of));
        if custom && !of["specifiedByURL"].as_str().is_some_and(|url| url.starts_with("https://")) {
            self.wrong("scalars say where they are specified", name(of), &of["specifiedByURL"].to_string());
        }
    }

    fn outputs(&mut self, of: &Value) {
        for field in each(of, "fields") {
            let place = format!("{}.{}", name(of), name(field));
            let (text, is) = (field["description"].as_str().unwrap_or_default().to_lowercase(), written(&field["type"]));
            if !is.ends_with('!') && !text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "null") {
                self.wrong("what can be null says when", &place, &text);
            }
            if is.contains(']') && !is.contains("!]") {
                self.wrong("no nulls in lists", &place, &is);
            }
        }
    }

    fn tenancy(&mut self, of: &Value) {
        let arguments = each(of, "fields").flat_map(|field| each(field, "args")).chain(each(of, "inputFields"));
        for argument in arguments.filter(|argument| name(argument).starts_with("tenant") || name(argument) == "organizationId") {
            self.wrong("no argument names a tenant", &format!("{}.{}", name(of), name(argument)), &written(&argument["type"]));
        }
    }

    /// Fields that return a connection, and what only those take.
    fn lists(&mut self, of: &Value) {
        for field in each(of, "fields") {
            let place = format!("{}.{}", name(of), name(field));
            let Some(row) = named(&field["type"]).strip_suffix("Connection") else {
                if each(field, "args").any(|argument| ["after", "last", "before", "orderBy", "filter", "search"].contains(&name(argument)))
                    && name(of) != "Subscription"
                {
                    self.wrong("what is paged is a connection", &place, &written(&field["type"]));
                }
                continue;
            };
            let mut found = signature(field, "args");
            found.retain(|argument| argument != "search: String");
            let expected = format!("first: Int, after: String, last: Int, before: String, filter: {row}Filter, orderBy: {row}Order");
            self.expect("lists take the same arguments", &place, &found.join(", "), &expected);
        }
        if let Some(row) = name(of).strip_suffix("Order") {
            let expected = format!("field: {row}OrderField!, direction: OrderDirection!");
            self.expect("orderings are alike", name(of), &signature(of, "inputFields").join(", "), &expected);
        }
    }

    /// What has an identifier can be found by it.
    fn node(&mut self, of: &Value) {
        let has_id = signature(of, "fields").contains(&"id: ID!".to_owned());
        let is_node = each(of, "interfaces").any(|interface| name(interface) == "Node");
        if of["kind"] == "OBJECT" && has_id != is_node {
            self.wrong("what has an id is a node", name(of), &format!("id: {has_id}, Node: {is_node}"));
        }
    }

    /// Connections and edges.
    fn page(&mut self, of: &Value) {
        if let Some(row) = name(of).strip_suffix("Connection") {
            let expected = format!("edges: [{row}Edge!]!, nodes: [{row}!]!, pageInfo: PageInfo!, totalCount: Int!");
            self.expect("connections are alike", name(of), &signature(of, "fields").join(", "), &expected);
            self.expect("connections have edges", name(of), &self.has(&format!("{row}Edge")), "true");
        }
        if let Some(row) = name(of).strip_suffix("Edge") {
            self.expect("edges are alike", name(of), &signature(of, "fields").join(", "), &format!("node: {row}!, cursor: String!"));
            self.expect("edges have connections", name(of), &self.has(&format!("{row}Connection")), "true");
        }
    }

    fn has(&self, of: &str) -> String {
        self.types.contains_key(of).to_string()
    }

    /// What there is one of.
    fn roots(&mut self) {
        let missing = json!({});
        let of = |rules: &Self, name: &str| rules.types.get(name).copied().unwrap_or(&missing).clone();
        self.expect("Relay's Node", "Node", &signature(&of(self, "Node"), "fields").join(", "), "id: ID!");
        let info = "hasPreviousPage: Boolean!, hasNextPage: Boolean!, startCursor: String, endCursor: String";
        self.expect("Relay's PageInfo", "PageInfo", &signature(&of(self, "PageInfo"), "fields").join(", "), info);
        let query = of(self, "Query");
        for (field, arguments, returns) in [("node", "id: ID!", "Node"), ("nodes", "ids: [ID!]!", "[Node]")] {
            let found = each(&query, "fields").find(|known| name(known) == field).unwrap_or(&missing);
            let shown = format!("({}): {}", signature(found, "args").join(", "), written(&found["type"]));
            self.expect("Relay's node fields", &format!("Query.{field}"), &shown, &format!("({arguments}): {returns}"));
        }
        let given = ["include", "skip", "deprecated", "specifiedBy", "oneOf"];
        for directive in self.directives.clone().into_iter().filter(|directive| !given.contains(&name(directive))) {
            let place = format!("@{}", name(directive));
            self.described(&place, directive);
            for argument in each(directive, "args") {
                self.described(&format!("{place}({})", name(argument)), argument);
            }
        }
        let mutations = of(self, "Mutation");
        for mutation in each(&mutations, "fields") {
            self.mutation(mutation);
        }
        let answered: BTreeSet<&str> = each(&mutations, "fields").map(|field| named(&field["type"])).collect();
        let idle: Vec<String> =
            self.types.keys().filter(|of| of.ends_with("Payload") && !answered.contains(*of)).map(|of| (*of).to_owned()).collect();
        for payload in idle {
            self.wrong("a payload is a mutation's", &payload, "no mutation returns it");
        }
    }

    fn mutation(&mut self, mutation: &Value) {
        let own = name(mutation).to_owned();
        let place = format!("Mutation.{own}");
        let pascal = format!("{}{}", own[..1].to_uppercase(), &own[1..]);
        let is_noun = |of: &&Value| each(of, "interfaces").any(|interface| name(interface) == "Node");
        let nouns: Vec<&str> = self.types.values().copied().filter(|of| is_noun(of)).map(name).collect();
        if !nouns.iter().any(|noun| pascal.strip_prefix(noun).is_some_and(|verb| verb.starts_with(|letter: char| letter.is_ascii_uppercase()))) {
            self.wrong("mutations begin with their noun", &place, &own);
        }
        self.expect("mutations take one input of their name", &place, &signature(mutation, "args").join(", "), &format!("input: {pascal}Input!"));
        // What deleted several answers as what deleted one.
        let payload = format!("{}Payload", pascal.replace("BulkDelete", "Delete"));
        self.expect("mutations answer with a payload of their name", &place, &written(&mutation["type"]), &payload);
        let fields = self.types.get(named(&mutation["type"])).map(|of| signature(of, "fields")).unwrap_or_default();
        if fields.last().map(String::as_str) != Some("userErrors: [UserError!]!") {
            self.wrong("payloads end with user errors", &place, &fields.join(", "));
        }
    }
}

#[tokio::test]
async fn the_schema_keeps_to_its_conventions() {
    let schema = introspection().await;
    let wrong = judge(&schema);
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A part of the schema, such as `Contact`, `Contact.name` or `Query.contacts.first`.
fn part<'s>(schema: &'s mut Value, path: &str) -> &'s mut Value {
    fn child<'v>(value: &'v mut Value, wanted: &str) -> &'v mut Value {
        let lists = value
            .as_object_mut()
            .unwrap()
            .iter_mut()
            .filter(|(key, _)| ["types", "directives", "fields", "args", "inputFields", "enumValues"].contains(&key.as_str()));
        let mut parts = lists.flat_map(|(_, list)| list.as_array_mut().into_iter().flatten());
        parts.find(|part| name(part) == wanted).unwrap_or_else(|| panic!("there is no {wanted}"))
    }
    path.split('.').fold(&mut schema["__schema"], child)
}

/// Each rule finds what is broken on purpose, and nothing else is found.
#[tokio::test]
async fn each_breach_of_a_convention_is_found() {
    let schema = introspection().await;
    let keep = |list: &mut Value, gone: &str| list.as_array_mut().unwrap().retain(|part| name(part) != gone);
    let string = json!({"kind": "SCALAR", "name": "String"});
    type Break<'b> = (&'b str, &'b str, &'b dyn Fn(&mut Value));
    let breaks: [Break<'_>; 29] = [
        ("Contact", "described", &|part| part["description"] = json!(null)),
        ("Contact.name", "described", &|part| part["description"] = json!("The name")),
        ("Query.contacts.first", "described", &|part| part["description"] = json!("")),
        ("ContactStage.LEAD", "described", &|part| part["description"] = json!("")),
        ("ContactFilter.city", "described", &|part| part["description"] = json!(null)),
        ("Contact.city", "can be null", &|part| part["description"] = json!("The town or city.")),
        ("Contact.tags", "no nulls", &|part| part["type"]["ofType"]["ofType"] = string.clone()),
        ("Query.nodes", "no exception", &|part| part["type"]["ofType"] = json!({"kind": "NON_NULL", "ofType": part["type"]["ofType"].clone()})),
        ("ContactEdge", "edges are alike", &|part| keep(&mut part["fields"], "cursor")),
        ("ContactConnection", "connections are alike", &|part| keep(&mut part["fields"], "totalCount")),
        ("PageInfo.endCursor", "PageInfo", &|part| part["type"] = json!({"kind": "NON_NULL", "ofType": string.clone()})),
        ("Contact", "is a node", &|part| part["interfaces"] = json!([])),
        ("Query.node.id", "node fields", &|part| part["type"] = string.clone()),
        ("Company.contacts", "the same arguments", &|part| keep(&mut part["args"], "before")),
        ("ContactOrder", "orderings", &|part| keep(&mut part["inputFields"], "direction")),
        ("Mutation.contactCreate", "begin with their noun", &|part| part["name"] = json!("createContact")),
        ("Mutation.contactUpdate.input", "one input", &|part| part["name"] = json!("contact")),
        ("ContactCreatePayload", "user errors", &|part| keep(&mut part["fields"], "userErrors")),
        ("Decimal", "specified", &|part| part["specifiedByURL"] = json!(null)),
        ("ContactCreateInput.ownerId", "a tenant", &|part| part["name"] = json!("organizationId")),
        ("ContactStage.LEAD", "SCREAMING", &|part| part["name"] = json!("Lead")),
        ("ChangeKind", "PascalCase", &|part| part["name"] = json!("changeKind")),
        ("Contact.city", "camelCase", &|part| part["name"] = json!("City")),
        ("Query.contacts", "is a connection", &|part| part["type"] = string.clone()),
        ("ContactEdge", "have edges", &|part| part["name"] = json!("ContactSide")),
        ("ContactConnection", "have connections", &|part| part["name"] = json!("ContactList")),
        ("Node.id", "Relay's Node", &|part| part["type"] = string.clone()),
        ("Mutation.contactCreate", "payload", &|part| part["type"] = json!({"kind": "OBJECT", "name": "ContactUpdatePayload"})),
        ("cost.weight", "described", &|part| part["description"] = json!("")),
    ];
    let mut found = BTreeSet::new();
    for (path, rule, change) in breaks {
        let mut broken = schema.clone();
        change(part(&mut broken, path));
        let wrong = judge(&broken);
        assert!(wrong.iter().any(|wrong| wrong.contains(rule)), "{path} {rule}: {wrong:#?}");
        found.extend(wrong.iter().filter_map(|wrong| Some(wrong.split_once(" breaks \"")?.1.split_once('"')?.0.to_owned())));
        // One breach may be seen from several sides.
        assert!(wrong.len() <= 8, "{path} {rule}: {wrong:#?}");
    }
    let named = |call: &'static str| include_str!("conventions.rs").split(call).skip(1).filter_map(|rest| rest.split_once('"'));
    let rules = named("self.wrong(\"").chain(named("self.expect(\"")).map(|(rule, _)| rule);
    let rules: BTreeSet<String> = rules.map(str::to_owned).collect();
    assert_eq!(found, rules, "each rule is broken once");
}
