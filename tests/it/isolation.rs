//! No tenant sees another: a walk that is generated from the schema.
//!
//! With A's token, every place of every field of queries, mutations, subscriptions and objects that takes an identifier is given one of B's, then a random one of
//! the same kind: the two answers, data and errors, must be equal but for the identifier itself. Given A's own, the answer must be another one, or the walk would
//! prove nothing. What B has must be the same afterwards, byte for byte.

pub mod walk;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::crowd::{cursor, fill_and_tell, ids, nouns};
use crate::harness::schema::{Root, Schema};
use crate::harness::waiting::until;
use crate::harness::world::populate;
use crate::harness::{Client, TestApp, identifier};
use walk::{SAYS_NOTHING, Walk};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_identifier_answers_like_a_random_one() {
    let app = TestApp::start().await;
    let wrong = walk(&app, |_| true).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The two walls by themselves: with policies that let everything through, the statements' own conditions hold tenants apart as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_statements_alone_hold_tenants_apart() {
    let app = TestApp::start().await;
    open_policies(&app).await;
    let wrong = walk(&app, |_| true).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without either wall around one table, each of its fields that tells, and each that changes, is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_its_condition_is_found() {
    let app = TestApp::start().await;
    defeat_conditions(&app, "companies").await;
    let wrong = walk(&app, |root| root.name.starts_with("company") || root.name == "node").await;
    let told = |place: &str| wrong.iter().any(|wrong| wrong.starts_with(place));
    for place in ["company(id)", "node(id)", "companyUpdate(input.id)", "companyDelete(input.id)", "companyBulkDelete(input.ids)"] {
        assert!(told(&format!("{place} tells a foreign company")), "{place}: {wrong:#?}");
    }
    assert!(told("something of B was changed"), "{wrong:#?}");
    // The other nouns still have both.
    assert!(!told("node(id) tells a foreign contact"), "{wrong:#?}");
    let lists = look_for_another(&TestApp::on(app.database.clone()).await).await;
    assert!(lists.iter().any(|list| list.starts_with("companies shows it: ")), "{lists:#?}");
    assert!(lists.iter().any(|list| list.starts_with("companies shows it from another's cursor")), "{lists:#?}");
}

/// And what a subscription tells of another tenant's object.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_without_its_condition_is_found() {
    let app = TestApp::start().await;
    defeat_conditions(&app, "audit_entries").await;
    defeat_conditions(&app, "companies").await;
    let wrong = walk(&app, |root| root.name == "companyChanged").await;
    assert!(wrong.iter().any(|wrong| wrong.starts_with("companyChanged(filter.ownerId) tells a foreign user")), "{wrong:#?}");
}

/// Of every kind of object that an identifier or a list shows, what is read without either wall is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_without_its_condition_is_found() {
    let app = TestApp::start().await;
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    let (own, foreign) = (populate(&a, "a").await, populate(&b, "b").await);
    let schema = Schema::served();
    let (intact, again) = (answers(&a).await, answers(&a).await);
    for list in TABLES.iter().filter_map(|(_, _, list)| *list) {
        assert!(intact[list]["errors"].is_null() && intact[list] == again[list], "{list}: {}", intact[list]);
    }
    for (noun, table, list) in TABLES {
        defeat_reads(&app, table).await;
        // What was prepared on the table itself would go on reading it.
        let fresh = TestApp::on(app.database.clone()).await;
        let a = Client::new(fresh.url("/graphql"), a.token.clone());
        let walk = Walk::new(&a, &schema, &foreign);
        let (node, way) = (schema.roots().find(|root| root.name == "node").unwrap(), vec!["id".to_owned()]);
        assert!(walk.tells(node, &way, &foreign[noun], &own).await, "node tells nothing of a foreign {noun}");
        // The others still have both.
        let other = if *noun == "contact" { "deal" } else { "contact" };
        assert!(!walk.tells(node, &way, &foreign[other], &own).await, "node tells of a foreign {other}, and {table} is open");
        if let Some(list) = list {
            let more = &answers(&a).await[*list];
            assert!(rows(&more["data"][*list]) > rows(&intact[*list]["data"][*list]), "{table} is open, and {list} shows nothing more: {more}");
        }
        app.superuser().await.batch_execute(&format!("DROP VIEW {table}; ALTER TABLE kept_{table} RENAME TO {table}")).await.unwrap();
    }
    let nouns: BTreeSet<&str> = TABLES.iter().map(|(noun, ..)| *noun).collect();
    let others: Vec<&str> = foreign.keys().copied().filter(|noun| !nouns.contains(noun)).collect();
    assert_eq!(others, ["organization", "user"], "which have no rows of an organization");
    // The statements find users by their memberships.
    open_users(&app).await;
    let told = async |a: &Client| {
        let walk = Walk::new(a, &schema, &foreign);
        let node = schema.roots().find(|root| root.name == "node").unwrap();
        walk.tells(node, &vec!["id".to_owned()], &foreign["user"], &own).await
    };
    let fresh = TestApp::on(app.database.clone()).await;
    assert!(!told(&Client::new(fresh.url("/graphql"), a.token.clone())).await, "only the policy holds users apart");
    defeat_reads(&app, "memberships").await;
    let fresh = TestApp::on(app.database.clone()).await;
    assert!(told(&Client::new(fresh.url("/graphql"), a.token.clone())).await, "node tells nothing of a foreign user");
}

/// How many rows the first page of a list has.
fn rows(list: &Value) -> usize {
    list["nodes"].as_array().or(list.as_array()).map_or(0, Vec::len)
}

/// Where the objects of a noun are kept, and the root field that lists them: stages are listed below their pipeline alone.
const TABLES: &[(&str, &str, Option<&str>)] = &[
    ("activity", "activities", Some("activities")),
    ("apikey", "api_keys", Some("apiKeys")),
    ("audit", "audit_entries", Some("auditLog")),
    ("company", "companies", Some("companies")),
    ("contact", "contacts", Some("contacts")),
    ("deal", "deals", Some("deals")),
    ("delivery", "webhook_deliveries", Some("webhookDeliveries")),
    ("invitation", "invitations", Some("invitations")),
    ("job", "jobs", Some("jobs")),
    ("member", "memberships", Some("members")),
    ("message", "messages", Some("messages")),
    ("pipeline", "pipelines", Some("pipelines")),
    ("smstemplate", "sms_templates", Some("smsTemplates")),
    ("stage", "pipeline_stages", None),
    ("suppression", "suppressions", Some("suppressions")),
    ("task", "tasks", Some("tasks")),
    ("webhook", "webhook_endpoints", Some("webhookEndpoints")),
];

/// What the root fields that need no arguments answer, in full and without what differs each time.
async fn answers(caller: &Client) -> BTreeMap<String, Value> {
    let schema = Schema::served();
    let mut answers = BTreeMap::new();
    for root in schema.roots().filter(|root| root.kind == "query" && root.required_args().is_empty()) {
        let mut answer = caller.send(&format!("{{ {} {} }}", root.name, schema.selection(&root.returns, 4)), json!({})).await;
        answer.as_object_mut().unwrap().remove("extensions");
        answers.insert(root.name.clone(), answer);
    }
    answers
}

/// Puts a view in the place of a table in which every row is the asking tenant's, so that statements answer as if they named no organization, and no
/// policy holds. The table itself is kept under another name.
async fn defeat_reads(app: &TestApp, table: &str) {
    let superuser = app.superuser().await;
    let columns = "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 AND column_name <> 'organization_id' \
        ORDER BY ordinal_position";
    let columns: Vec<String> = superuser.query(columns, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let sql = format!(
        "ALTER TABLE {table} RENAME TO kept_{table};
        CREATE VIEW {table} AS SELECT app_organization_id() AS organization_id, {} FROM kept_{table};
        GRANT SELECT ON {table} TO payaid_server",
        columns.join(", ")
    );
    superuser.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}"));
}

/// As [`defeat_reads`], for all that is done to a table.
async fn defeat_conditions(app: &TestApp, table: &str) {
    defeat_reads(app, table).await;
    let superuser = app.superuser().await;
    let given = "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'kept_' || $1 \
        AND column_name <> 'organization_id' AND is_identity = 'NO' AND is_generated = 'NEVER'";
    let columns: Vec<String> = superuser.query(given, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let defaults = "SELECT format('ALTER VIEW %I ALTER COLUMN %I SET DEFAULT %s', $1::text, column_name, column_default) \
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'kept_' || $1 AND column_default IS NOT NULL";
    let defaults: Vec<String> = superuser.query(defaults, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let sql = format!(
        "{};
        CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            INSERT INTO kept_{table} (organization_id, {columns}) SELECT NEW.organization_id, {new}; RETURN NEW; END $$;
        CREATE TRIGGER keep INSTEAD OF INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION keep_{table}();
        GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO payaid_server",
        defaults.join("; "),
        columns = columns.join(", "),
        new = columns.iter().map(|column| format!("NEW.{column}")).collect::<Vec<_>>().join(", ")
    );
    superuser.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}"));
}

/// Lets the server see and write every row of every tenant.
async fn open_policies(app: &TestApp) {
    let open = "DO $$ DECLARE policy record; BEGIN
        FOR policy IN SELECT tablename, policyname FROM pg_policies WHERE policyname = 'tenant' LOOP
            EXECUTE format('ALTER POLICY tenant ON %I USING (true) WITH CHECK (true)', policy.tablename);
        END LOOP; END $$";
    app.superuser().await.batch_execute(open).await.unwrap();
    open_users(app).await;
}

/// Lets the server see every user: they are nobody's rows, and their policy looks at their memberships.
async fn open_users(app: &TestApp) {
    app.superuser().await.batch_execute("ALTER POLICY visible ON users USING (true)").await.unwrap();
}

/// Walks over every place of these root fields that takes an identifier, and says what is wrong.
async fn walk(app: &TestApp, asked: impl Fn(&Root) -> bool) -> Vec<String> {
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    let foreign = populate(&b, "b").await;
    let before = walk::rows_of(app, &foreign["organization"]).await;
    let schema = Schema::served();
    let nouns: BTreeSet<&str> = nouns(&schema.interfaces["Node"]).into_iter().collect();
    assert!(nouns.iter().eq(foreign.keys()), "what can be found by an identifier is {nouns:?}, and there are {:?}", foreign.keys());
    let mut walk = Walk::new(&a, &schema, &foreign);
    for root in schema.roots().filter(|root| asked(root)) {
        walk.root(root).await;
    }
    let of_roots = walk.slots;
    for field in schema.nested().filter(|field| asked(field)) {
        walk.root(&field).await;
    }
    let nested = walk.slots - of_roots;
    let unchanged = walk::rows_of(app, &foreign["organization"]).await == before;
    // Who has deleted nothing, for what is deleted is told whatever the filter; and of B there is something new each time.
    let listener = app.sign_up("Listening", "owner@listening.example").await;
    let mut listening = Walk::listening(&listener, &b, &schema, &foreign);
    for root in schema.subscriptions.iter().filter(|root| asked(root)) {
        listening.root(root).await;
    }
    let mut wrong = [walk.failures, listening.failures].concat();
    let everything = schema.roots().chain(&schema.subscriptions).all(&asked);
    if everything && (of_roots < 172 || nested < 33 || listening.slots < 18) {
        wrong.push(format!(
            "only {of_roots} places that take an identifier were reached, {nested} below objects and {} of subscriptions",
            listening.slots
        ));
    }
    if everything && !walk.silent.iter().eq(SAYS_NOTHING) {
        wrong.push(format!("{:?} say nothing, and not {SAYS_NOTHING:?}", walk.silent));
    }
    if !unchanged {
        wrong.push("something of B was changed".to_owned());
    }
    wrong
}

/// Lists, counts and sums without any identifier show nothing of another tenant either: they answer the same before and after B has come to something,
/// and a word that stands in every text of B is in none.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_shows_anything_of_another_tenant() {
    let open = TestApp::start().await;
    open_policies(&open).await;
    for app in [TestApp::start().await, open] {
        let wrong = look_for_another(&app).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Root fields that differ each time: of these only the word is looked for here, and of changes what there is since a cursor.
const OF_NOW: [&str; 2] = ["changes", "rateLimit"];

/// Root fields that tell of what is there from the beginning.
const OF_THE_BEGINNING: [&str; 3] = ["members", "organization", "viewer"];

async fn look_for_another(app: &TestApp) -> Vec<String> {
    let (a, b) = (app.sign_up("Looking", "owner@looking.example").await, app.sign_up("Canary", "canary@canary.example").await);
    populate(&a, "looking").await;
    let (before, own_before) = (answers(&a).await, answers(&b).await);
    let (since, own_since) = (cursor(&a).await, cursor(&b).await);
    // Two of everything, so that there is something between the ends of a page.
    let (world, more, schema) = (populate(&b, "canary").await, populate(&b, "canary2").await, Schema::served());
    let is_foreign = |text: &str| text.to_lowercase().contains("canary") || world.values().chain(more.values()).any(|id| text.contains(id));
    let (after, own) = (answers(&a).await, answers(&b).await);
    let mut wrong = Vec::new();
    for (root, answer) in &after {
        let text = answer.to_string();
        if is_foreign(&text) || (before[root] != *answer && !OF_NOW.contains(&root.as_str())) {
            wrong.push(format!("{root} shows it: {text}"));
        }
        if !answer["errors"].is_null() {
            wrong.push(format!("{root} fails: {text}"));
        }
    }
    let changes = async |caller: &Client, since: &Value| {
        let query = format!("query($since: String!) {{ changes(since: $since) {} }}", schema.selection("ChangePage", 4));
        caller.data(&query, json!({"since": since})).await
    };
    // All changes that are told at all are told in their order, and no objects of theirs are newer.
    until("the changes are told", async || changes(&b, &own_since).await.to_string().contains(&world["message"])).await;
    let told = changes(&a, &since).await.to_string();
    if is_foreign(&told) {
        wrong.push(format!("changes shows it: {told}"));
    }
    // Nor does a list from where another's page begins or ends.
    let (mut pages, mut single) = (0, Vec::new());
    for (root, answer) in &own {
        let list = &answer["data"][root];
        let page = &list["pageInfo"];
        let (Some(start), Some(end)) = (page["startCursor"].as_str(), page["endCursor"].as_str()) else { continue };
        if rows(list) < 2 {
            single.push(root.as_str());
        }
        let of = schema.roots().find(|field| field.name == *root).map(|field| schema.selection(&field.returns, 3)).unwrap();
        for page in [format!("first: 50, after: \"{start}\""), format!("last: 50, before: \"{end}\"")] {
            let text = a.send(&format!("{{ {root}({page}) {of} }}"), json!({})).await.to_string();
            if text.contains("errors") || is_foreign(&text) {
                wrong.push(format!("{root} shows it from another's cursor: {text}"));
            }
            pages += 1;
        }
    }
    // And no search finds it.
    for root in schema.roots().filter(|root| root.arguments.iter().any(|argument| argument.name == "search")) {
        let search = format!("{{ {}(search: \"canary\") {{ totalCount nodes {{ id }} }} }}", root.name);
        let found = async |caller: &Client| caller.data(&search, json!({})).await[&root.name]["totalCount"].as_i64().unwrap();
        assert!(found(&b).await > 0, "{} finds nothing for its own tenant", root.name);
        if found(&a).await > 0 {
            wrong.push(format!("{} finds it", root.name));
        }
    }
    assert_eq!(single, ["members"], "of which there is only one, so that there is nothing between the ends");
    assert!(pages >= 28, "only {pages} pages were asked for from another's cursors");
    let silent: Vec<&str> = own.iter().filter(|(root, answer)| own_before[*root] == **answer).map(|(root, _)| root.as_str()).collect();
    assert_eq!(silent, OF_THE_BEGINNING, "which show nothing new to their own tenant");
    wrong
}

/// Without any filter a subscription tells of one's own alone: what another has done and deleted comes before it, and is not told. Both walls by
/// themselves; and without either around the log, each subscription that tells of deletions is found.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_tell_of_ones_own() {
    let [closed, open, defeated] = [TestApp::start().await, TestApp::start().await, TestApp::start().await];
    open_policies(&open).await;
    defeat_conditions(&defeated, "audit_entries").await;
    for app in [closed, open] {
        let wrong = told_of_another(&app).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    let found = told_of_another(&defeated).await;
    let schema = Schema::served();
    let of_deletions = schema.subscriptions.iter().filter(|root| root.name != "jobChanged");
    let missed: Vec<_> = of_deletions.filter(|root| !found.iter().any(|(name, _)| *name == root.name)).map(|root| &root.name).collect();
    assert!(missed.is_empty(), "{missed:?}: {found:#?}");
}

/// What subscriptions tell of another tenant before they tell of one's own.
async fn told_of_another(app: &TestApp) -> Vec<(String, String)> {
    let (own, other) = (app.sign_up("Sharma", "owner@sharma.example").await, app.sign_up("Other", "owner@other.example").await);
    let since = cursor(&own).await;
    fill_and_tell(app, &other, 2).await;
    let nouns = ["company", "contact", "pipeline", "stage", "deal", "task", "activity", "message"];
    let deletions = "INSERT INTO audit_entries (organization_id, id, at, action, noun, row_id, before, request_id) \
        SELECT o.id, gen_random_uuid(), now(), noun || '.delete', noun, crowd_id(o.id, 'deleted', 1), '{}', 'r' FROM organizations o, unnest($1::text[]) noun \
        WHERE o.name = 'Other' RETURNING row_id";
    let row: uuid::Uuid = app.superuser().await.query(deletions, &[&nouns.as_slice()]).await.unwrap()[0].get(0);
    fill_and_tell(app, &own, 2).await;
    let schema = Schema::served();
    let mut others: Vec<String> = nouns.iter().map(|noun| identifier(noun, row)).collect();
    let mut owns = Vec::new();
    for of in &schema.interfaces["Node"] {
        owns.extend(ids(app, "Sharma", of, 2).await);
        others.extend(ids(app, "Other", of, 2).await);
    }
    let mut wrong = Vec::new();
    for root in &schema.subscriptions {
        let subscription = format!("subscription($since: String) {{ {}(since: $since) {} }}", root.name, schema.selection(&root.returns, 3));
        let told = own.told(&subscription, &json!({"since": since})).await;
        if others.iter().any(|id| told.contains(id)) || !owns.iter().any(|id| told.contains(id)) {
            wrong.push((root.name.clone(), told));
        }
    }
    wrong
}
