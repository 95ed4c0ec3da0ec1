//! Full-text search over contacts, and that it uses its index in spite of row level security.

use payaid::base::id::AnyId;
use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn words_find_the_beginnings_of_words() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    for (name, email, phone, city) in [
        ("Asha Rao", "asha.rao@textiles.example", "9876543210", "Pune"),
        ("Ashok Iyer", "ashok@looms.example", "9812345678", "Chennai"),
        ("अनुपमा शर्मा", "anupama@textiles.example", "9800000001", "Jaipur"),
    ] {
        owner.done("contactCreate", json!({"name": name, "email": email, "phone": phone, "city": city}), "contact { id }").await;
    }
    let found = async |words: &str| {
        let data = owner
            .data(
                "query($words: String!) { contacts(search: $words, orderBy: {field: NAME}) { totalCount nodes { name } } }",
                json!({"words": words}),
            )
            .await;
        let names: Vec<String> = data["contacts"]["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(data["contacts"]["totalCount"], names.len());
        names
    };
    assert_eq!(found("ash").await, ["Asha Rao", "Ashok Iyer"]);
    assert_eq!(found("ash rao").await, ["Asha Rao"]);
    assert_eq!(found("textiles").await.len(), 2);
    assert_eq!(found("asha.rao@textiles.example").await, ["Asha Rao"]);
    assert_eq!(found("98765").await, ["Asha Rao"]);
    assert_eq!(found("+919812345678").await, ["Ashok Iyer"]);
    assert_eq!(found("chennai").await, ["Ashok Iyer"]);
    assert_eq!(found("अनुप").await, ["अनुपमा शर्मा"]);
    assert_eq!(found("nobody").await, Vec::<String>::new());
    assert_eq!(found("  ").await.len(), 3, "no words narrow nothing");
}

/// As the role that searches, and as the server: the first goes through the GIN index, the second reads the named rows by their key.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_is_used_under_row_level_security() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let organization = owner.query("{ viewer { organization { id } } }").await["viewer"]["organization"]["id"].as_str().unwrap().to_owned();
    let organization = AnyId::parse(&organization).unwrap().uuid;
    let client = app.superuser().await;
    let fill = format!(
        "INSERT INTO contacts (organization_id, id, name, stage, status, source, created_at, updated_at) \
         SELECT '{organization}', gen_random_uuid(), 'Person ' || md5(n::text) || CASE WHEN n % 5000 = 0 THEN ' rareword' ELSE '' END, 'LEAD', 'ACTIVE', 'OTHER', now(), now() \
         FROM generate_series(1, 20000) n; ANALYZE contacts"
    );
    client.batch_execute(&fill).await.unwrap();
    let plan = async |role: &str, sql: &str| {
        let begin = format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.organization_id = '{organization}'");
        client.batch_execute(&begin).await.unwrap();
        let rows = client.query(&format!("EXPLAIN (COSTS OFF) {sql}"), &[]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
    };
    let inside: String = client.query_one("SELECT prosrc FROM pg_proc WHERE proname = 'contact_search'", &[]).await.unwrap().get(0);
    let statement = inside.split("RETURN QUERY").nth(1).unwrap().split(';').next().unwrap();
    let statement = statement
        .replace("= organization AND organization =", &format!("= '{organization}' AND '{organization}' ="))
        .replace("query)", "'''rareword'':*')")
        .replace("LIMIT most", "LIMIT 10000");
    let searching = plan("payaid_search", &statement).await;
    assert!(searching.contains("contacts_search") && !searching.contains("Seq Scan"), "{searching}");
    let outside = format!(
        "SELECT id, name FROM contacts WHERE organization_id = '{organization}' AND id IN (SELECT contact_search('{organization}', '''rareword'':*', 10000)) \
         ORDER BY created_at DESC, id DESC LIMIT 21"
    );
    let reading = plan("payaid_server", &outside).await;
    assert!(reading.contains("contact") && !reading.contains("Seq Scan"), "{reading}");
    let data = owner.query("{ contacts(search: \"rareword\") { totalCount } }").await;
    assert_eq!(data["contacts"]["totalCount"], 4);
}

/// The function itself answers for the transaction's own tenant alone, whatever it is asked for.
#[tokio::test]
async fn the_search_function_answers_for_its_own_tenant_alone() {
    let app = TestApp::start().await;
    let (a, b) = (app.sign_up("A", "a@a.example").await, app.sign_up("B", "b@b.example").await);
    b.done("contactCreate", json!({"name": "Canary"}), "contact { id }").await;
    let id = async |of: &crate::harness::Client| {
        let data = of.query("{ viewer { organization { id } } }").await;
        AnyId::parse(data["viewer"]["organization"]["id"].as_str().unwrap()).unwrap().uuid
    };
    let (own, other) = (id(&a).await, id(&b).await);
    let client = app.superuser().await;
    for (tenant, asked, expected) in [(own, other, 0), (other, other, 1), (other, own, 0)] {
        client.batch_execute(&format!("BEGIN; SET LOCAL ROLE payaid_server; SET LOCAL app.organization_id = '{tenant}'")).await.unwrap();
        let count: i64 = client.query_one(&format!("SELECT count(*) FROM contact_search('{asked}', '''canary'':*', 10)"), &[]).await.unwrap().get(0);
        assert_eq!(count, expected);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}
