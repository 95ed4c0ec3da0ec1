//! No tenant sees another: a walk that is generated from the schema.
//!
//! With A's token, every place of every root field and mutation that takes an identifier is given one of B's, then a random one of the same kind:
//! the two answers, data and errors, must be equal but for the identifier itself. Given A's own, the answer must be another one, or the walk would
//! prove nothing. What B has must be the same afterwards, byte for byte.

mod walk;

use serde_json::json;

use crate::harness::TestApp;
use crate::harness::schema::Schema;
use crate::harness::world::populate;
use walk::Walk;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_identifier_answers_like_a_random_one() {
    let app = TestApp::start().await;
    let wrong = walk_all(&app).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The two walls by themselves: with policies that let everything through, the statements' own conditions hold tenants apart as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_statements_alone_hold_tenants_apart() {
    let app = TestApp::start().await;
    open_policies(&app).await;
    let wrong = walk_all(&app).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lets the server see and write every row of every tenant.
async fn open_policies(app: &TestApp) {
    let open = "DO $$ DECLARE policy record; BEGIN
        FOR policy IN SELECT tablename, policyname FROM pg_policies WHERE policyname = 'tenant' LOOP
            EXECUTE format('ALTER POLICY tenant ON %I USING (true) WITH CHECK (true)', policy.tablename);
        END LOOP; END $$";
    app.superuser().await.batch_execute(open).await.unwrap();
}

/// Walks over every place that takes an identifier, and says what is wrong.
async fn walk_all(app: &TestApp) -> Vec<String> {
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("B", "owner@b.example").await);
    let foreign = populate(&b, "b").await;
    let before = walk::rows_of(app, &foreign["organization"]).await;
    let schema = Schema::served();
    let mut walk = Walk::new(&a, &schema, &foreign);
    for root in schema.roots() {
        walk.root(root).await;
    }
    let mut wrong = walk.failures;
    if walk.slots <= 40 {
        wrong.push(format!("only {} places that take an identifier were reached", walk.slots));
    }
    if walk::rows_of(app, &foreign["organization"]).await != before {
        wrong.push("something of B was changed".to_owned());
    }
    wrong
}

/// Lists, counts and searches without any identifier show nothing of another tenant either: a word that stands in every text of B is in no answer.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_shows_a_word_of_another_tenant() {
    look_for_a_word(&TestApp::start().await).await;
    let open = TestApp::start().await;
    open_policies(&open).await;
    look_for_a_word(&open).await;
}

async fn look_for_a_word(app: &TestApp) {
    let (a, b) = (app.sign_up("A", "owner@a.example").await, app.sign_up("Canary", "canary@b.example").await);
    populate(&b, "canary").await;
    populate(&a, "own").await;
    let schema = Schema::served();
    let mut lists = 0;
    for root in schema.roots().filter(|root| !root.mutation && root.required_args().is_empty()) {
        let query = format!("{{ {} {} }}", root.name, schema.selection(&root.returns, 4));
        let answer = a.send(&query, json!({})).await.to_string();
        assert!(!answer.to_lowercase().contains("canary"), "{}: {answer}", root.name);
        let own = b.send(&query, json!({})).await.to_string();
        lists += usize::from(own.to_lowercase().contains("canary"));
    }
    assert!(lists >= 6, "only {lists} root fields showed anything to their own tenant");
}
