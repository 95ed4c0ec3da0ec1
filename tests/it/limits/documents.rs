//! Each limit of a document, with one just within it and one just beyond.

use serde_json::json;

use super::{refusal, started};
use crate::harness::Client;

/// What makes a document, how much of it is allowed, and what the refusal of more says.
type Case = (fn(usize) -> String, usize, &'static [&'static str]);

/// So many fields deep: pages within pages, of one entry each.
fn deep(depth: usize) -> String {
    let levels = ["deals(first: 1)", "nodes", "contact"];
    let names: Vec<&str> = ["contacts(first: 1)", "nodes"].into_iter().chain(levels.into_iter().cycle()).take(depth - 1).collect();
    format!("{{ {} {{ __typename {} }}", names.join(" { "), "}".repeat(depth - 1))
}

fn fields(count: usize) -> String {
    // Each of these is five fields, with 24 aliases at one level.
    let each: String = (0..24).map(|n| format!("a{n}: pipelines(first: 0) {{ id name version createdAt }} ")).collect();
    let rest = count - 24 * 5 - 1;
    let leaves =
        ["id", "name", "email", "city", "phone", "notes", "version", "stage", "status", "source", "tags", "stateCode", "createdAt", "updatedAt"];
    // Equal leaves may be selected again and again.
    let leaves: Vec<&str> = leaves.into_iter().cycle().take(rest).collect();
    format!("{{ {each} contact(id: \"contact_01h455vb4pex5vsknk084sn02q\") {{ {} }} }}", leaves.join(" "))
}

fn aliases(count: usize) -> String {
    format!("{{ {} }}", (0..count).map(|n| format!("a{n}: __typename ")).collect::<String>())
}

fn directives(count: usize) -> String {
    // Some on a field, some on a fragment that is spread twice.
    let fields: String = (0..count - 4).map(|n| format!("f{n}: __typename @skip(if: false) ")).collect();
    format!("{{ {fields} ...F @include(if: true) ...F @include(if: true) }} fragment F on Query {{ __typename @skip(if: true) }}")
}

fn bytes(count: usize) -> String {
    let text = "{ __typename }";
    format!("{text}{}", " ".repeat(count - text.len()))
}

/// So many fields deep below `__type`.
fn schema_deep(depth: usize) -> String {
    let names: Vec<&str> = ["fields", "type"].into_iter().chain(std::iter::repeat("ofType")).take(depth - 1).collect();
    format!("{{ __type(name: \"Query\") {{ {} {{ name {} }} }}", names.join(" { "), "}".repeat(depth - 1))
}

fn schema_fields(count: usize) -> String {
    format!("{{ __schema {{ types {{ {} }} }} }}", "name ".repeat(count - 1))
}

fn price(points: usize) -> String {
    // 2 and a page, and 2 for an empty one.
    format!(
        "{{ a: contacts(first: 100) {{ nodes {{ deals(first: 6) {{ nodes {{ id }} }} }} }} b: contacts(first: {}) {{ nodes {{ id }} }} }}",
        points - 2 - 100 * 9 - 2
    )
}

/// What the server answers must be free of errors, or the refusal must say this.
async fn is_taken(client: &Client, text: &str) {
    let answer = client.send(text, json!({})).await;
    assert!(answer["data"].is_object(), "{:.300}\n{answer:.600}", text);
}

/// So many operations.
fn operations(count: usize) -> String {
    (0..count).map(|n| format!("query Q{n} {{ __typename }} ")).collect()
}

async fn is_refused(client: &Client, text: &str, words: &[&str]) {
    let answer = client.ask(text, json!({}), &[]).await;
    let (code, message) = refusal(&answer.body);
    assert_eq!((code, answer.status), ("DOCUMENT_TOO_COMPLEX", 422), "{:.300}\n{:.600}", text, answer.body);
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert!(answer.body.get("data").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_lets_through_what_is_within_it_and_says_what_is_beyond() {
    let (app, _) = started(|config| config.limits.budget_free = super::a_minute(1_000_000)).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let cases: [Case; 8] = [
        (bytes, 16_384, &["16385 bytes", "16384"]),
        (deep, 15, &["16 fields", "15"]),
        (fields, 500, &["too many fields", "500"]),
        (aliases, 30, &["too many aliases", "30"]),
        (directives, 10, &["11 directives", "10"]),
        (schema_deep, 25, &["26 fields of the schema", "25"]),
        (schema_fields, 500, &["too many fields of the schema", "500"]),
        (price, 1_000, &["1001 points", "1000"]),
    ];
    // Which of them is to be run is not said, which is another error.
    assert_eq!(owner.codes(&operations(10), json!({})).await, ["VALIDATION_ERROR"]);
    is_refused(&owner, &operations(11), &["11 operations", "10"]).await;
    for (text, most, words) in cases {
        is_taken(&owner, &text(most)).await;
        is_refused(&owner, &text(most + 1), words).await;
    }
}

/// What no operation spreads is counted by nobody, and would be gone through by the rules of validation.
#[tokio::test(flavor = "multi_thread")]
async fn fragments_are_used_and_not_nested_without_end() {
    let (app, _) = started(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let answer = owner.ask("{ __typename } fragment F on Query { __typename }", json!({}), &[]).await;
    assert_eq!((answer.status, refusal(&answer.body)), (400, ("VALIDATION_ERROR", "The fragment `F` is not used: leave it out.")));
    let chain = |length: usize| {
        let links: String = (1..length).map(|n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1)).collect();
        format!("{{ ...F1 }} {links} fragment F{length} on Query {{ __typename }}")
    };
    is_taken(&owner, &chain(63)).await;
    is_refused(&owner, &chain(64), &["nests too many fields and fragments", "64"]).await;
    let inline = |count: usize| format!("{{ {}__typename{} }}", "...{ ".repeat(count), " }".repeat(count));
    is_taken(&owner, &inline(60)).await;
    // Few levels in each, and many in all.
    let long = (1..48).map(|n| format!("fragment F{n} on Query {{ {} ...F{} {} }} ", "...{".repeat(60), n + 1, "}".repeat(60))).collect::<String>();
    let long = format!("{{ ...F1 }} {long} fragment F48 on Query {{ __typename }}");
    is_refused(&app.anonymous(), &long, &["nests too many fields and fragments"]).await;
    let variables = |count: usize| {
        format!("query({}) {{ __typename @skip(if: $v0) }}", (0..count).map(|n| format!("$v{n}: Boolean = false ")).collect::<String>())
    };
    is_refused(&owner, &variables(61), &["61 variables", "60"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_configured() {
    let (app, _) = started(|config| {
        config.documents.document_max_depth = 3;
        config.documents.document_max_cost = 10;
        config.documents.max_errors = 2;
    })
    .await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    is_taken(&owner, &deep(3)).await;
    is_refused(&owner, &deep(4), &["4 fields"]).await;
    is_refused(&owner, "{ contacts(first: 9) { nodes { id } } }", &["11 points"]).await;
    let many = owner.send("{ a: nothing b: nothing c: nothing }", json!({})).await;
    assert_eq!(many["errors"].as_array().unwrap().len(), 2, "{many}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_twenty_errors_are_told() {
    let (app, _) = started(|_| ()).await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let wrong = |count: usize| format!("{{ {} }}", (0..count).map(|n| format!("a{n}: node(id: \"nonsense\") {{ id }} ")).collect::<String>());
    for (asked, told) in [(19, 19), (20, 20), (21, 20)] {
        let answer = owner.send(&wrong(asked), json!({})).await;
        assert_eq!(answer["errors"].as_array().unwrap().len(), told, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_the_schema_are_not_nested_at_will_and_tools_find_their_way() {
    let (app, _) = started(|_| ()).await;
    let anonymous = app.anonymous();
    is_taken(&anonymous, "{ __type(name: \"Query\") { fields { type { name fields { name } } } } }").await;
    is_refused(&anonymous, "{ __schema { types { fields { type { fields { name } } } } } }", &["3 lists of the schema"]).await;
    is_refused(&anonymous, "{ __schema { types { ...F } } } fragment F on __Type { possibleTypes { interfaces { name } } }", &["3 lists"]).await;
    let aliases = |count: usize| format!("{{ __schema {{ types {{ {} }} }} }}", (0..count).map(|n| format!("a{n}: name ")).collect::<String>());
    is_taken(&anonymous, &aliases(5)).await;
    is_refused(&anonymous, &aliases(6), &["too many aliases", "schema", "5"]).await;
    let whole = anonymous.send(&introspection_query(), json!({})).await;
    assert!(whole["data"]["__schema"]["types"].as_array().unwrap().len() > 100, "{whole:.400}");
    assert_eq!(whole["extensions"]["cost"]["actual"], 100, "{}", whole["extensions"]);
}

/// As graphql-js 16 and 17 and GraphiQL send it, with all that is optional.
fn introspection_query() -> String {
    let of_type = "ofType { kind name ".repeat(9) + &"} ".repeat(9);
    format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }} subscriptionType {{ name kind }}
         types {{ ...FullType }} directives {{ name description isRepeatable locations args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
         fragment FullType on __Type {{ kind name description specifiedByURL isOneOf
           fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }}
           inputFields(includeDeprecated: true) {{ ...InputValue }} interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue isDeprecated deprecationReason }}
         fragment TypeRef on __Type {{ kind name {of_type} }}"
    )
}

/// Fragments that come to one that is not there count for nothing; and the rules of validation look at all operations, also those that are not run.
#[test]
fn a_bomb_that_ends_nowhere_is_refused_as_quickly() {
    use payaid::access::document::{Document, TypeMap};
    let types = TypeMap::from_sdl(&payaid::features::build().unwrap().schema().sdl()).unwrap();
    for (of, root) in [("__Schema", "__schema { ...F0 }"), ("Query", "...F0")] {
        let fragments: String = (0..40).map(|n| format!("fragment F{n} on {of} {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
        let bomb = format!("query A {{ {root} }} query B {{ __typename }} {fragments}");
        let error = Document::prepare(&bomb, &types, &payaid::platform::config::DocumentConfig::default()).unwrap_err();
        assert_eq!(error.message, "The document has no fragment `F40`.");
    }
}

/// The bomb has 693 bytes, and 2^22 fields when it is spread out.
#[test]
fn a_fragment_bomb_costs_less_than_a_millisecond() {
    use payaid::access::document::{Document, TypeMap};
    let types = TypeMap::from_sdl(&payaid::features::build().unwrap().schema().sdl()).unwrap();
    let limits = payaid::platform::config::DocumentConfig::default();
    let name = |n: u8| char::from(b'a' + n);
    let fragments: String = (0..22).map(|n| format!("fragment {} on Query{{...{}...{1}}}", name(n), name(n + 1))).collect();
    let bomb = format!("{{...a}}{fragments}fragment w on Query{{__typename}}");
    let bomb = format!("{bomb}{}", " ".repeat(693 - bomb.len()));
    // The quickest of several tries: others may be on the machine.
    let quickest = (0..50).map(|_| {
        let begun = std::time::Instant::now();
        assert!(Document::prepare(&bomb, &types, &limits).is_err());
        begun.elapsed()
    });
    let quickest = quickest.min().unwrap();
    assert!(quickest.as_micros() < 1_000, "{quickest:?}");
}
