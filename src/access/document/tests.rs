//! Small documents against a small schema.

use super::*;

const SDL: &str = "type Query { contacts: Contacts! node: Node } type Contacts { nodes: [Contact!]! } interface Node { id: ID! } \
                   type Contact implements Node { id: ID! name: String! companyName: String deals: [Deal!]! } type Deal { title: String contact: Contact }";

fn prepare(text: &str) -> Result<Document> {
    Document::prepare(text, &TypeMap::from_sdl(SDL).unwrap(), &DocumentConfig::default())
}

fn prepare_long(text: &str) -> Result<Document> {
    Document::prepare_within(text.len(), text, &TypeMap::from_sdl(SDL).unwrap(), &DocumentConfig::default())
}

#[test]
fn fields_are_gathered_by_type_through_fragments_and_aliases() {
    let document = prepare(
        "{ a: contacts { nodes { companyName ...F deals { contact { id } } } } node { ... on Deal { title } } } fragment F on Contact { x: name }",
    )
    .unwrap();
    let selection = document.selection(None).unwrap();
    assert_eq!(selection.root_fields(), ["contacts", "node"]);
    assert_eq!(selection.fields("Contact").unwrap(), ["company_name", "name", "deals", "id"]);
    assert_eq!(selection.fields("Deal").unwrap(), ["contact", "title"]);
    assert!(!selection.is_mutation());
}

#[test]
fn nothing_is_kept_after_what_found_no_room() {
    let mut kept = Kept { plans: Plans::default(), room: Some(10) };
    let plan = Arc::new(Plan::default());
    let outcomes = [6, 4, 0, 1, 0].map(|parts| kept.keep((kept.plans.len(), RustType::of::<String>()), &plan, parts));
    assert_eq!((outcomes, kept.plans.len()), ([true, true, true, false, false], 3));
}

/// Each of 40 fragments spreads the next one twice: 2^40 fields when expanded.
#[test]
fn a_fragment_bomb_is_refused_at_once() {
    let bomb: String = (0..40).map(|n| format!("fragment F{n} on Contact {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect();
    let text = format!("{{ contacts {{ nodes {{ ...F0 }} }} }} {bomb} fragment F40 on Contact {{ name }}");
    let begun = std::time::Instant::now();
    assert_eq!(prepare(&text).unwrap_err().code, Code::DocumentTooComplex);
    assert_eq!(prepare(&text.replace("{ name }", "{ ...Nowhere }")).unwrap_err().code, Code::ValidationError);
    assert!(begun.elapsed() < std::time::Duration::from_millis(250));
}

#[test]
fn depth_size_and_circles_are_refused() {
    let deep = format!("{}name{}", "{ a ".repeat(25), " }".repeat(25));
    assert_eq!(prepare(&deep).unwrap_err().code, Code::DocumentTooComplex);
    assert_eq!(prepare(&format!("{{ {} }}", "contacts { __typename } ".repeat(600))).unwrap_err().code, Code::DocumentTooComplex);
    assert_eq!(prepare(&" ".repeat(16 * 1024 + 1)).unwrap_err().code, Code::DocumentTooComplex);
    assert_eq!(prepare("{ ...A } fragment A on Query { ...A }").unwrap_err().code, Code::ValidationError);
    assert_eq!(prepare("{").unwrap_err().code, Code::ValidationError);
}

#[test]
fn variables_that_must_have_a_value_need_one() {
    let document = prepare("query($a: ID!, $b: ID! = 1, $c: ID) { node { id } }").unwrap();
    let selection = document.selection(None).unwrap();
    let check = |json| selection.check_variables(&Variables::from_json(json)).is_ok();
    assert!(check(serde_json::json!({"a": "x"})));
    assert!(!check(serde_json::json!({"b": "x"})) && !check(serde_json::json!({"a": null})));
}

#[test]
fn an_operation_is_chosen_by_its_name() {
    let document = prepare("query A { contacts { nodes { name } } } query B { node { id } }").unwrap();
    assert!(document.selection(None).is_err());
    assert!(document.selection(Some("C")).is_err());
    assert_eq!(document.selection(Some("B")).unwrap().root_fields(), ["node"]);
}

#[test]
fn what_stands_under_one_key_is_one_thing_in_every_answer() {
    let conflicts = [
        "{ contacts { nodes { x: name x: companyName } } }",
        "{ contacts { nodes { x: name ... on Contact { x: companyName } } } }",
        "{ contacts { nodes { x: name } } ...F } fragment F on Query { contacts { nodes { x: id } } }",
        "{ x: contacts { nodes { id } } x: node { id } }",
        "{ contacts { nodes { deals { contact { x: name } } ... on Node { x: id } deals { contact { x: companyName } } } } }",
        "query($s: Boolean!) { contacts { nodes { x: name @skip(if: $s) x: companyName @include(if: $s) } } }",
        // Of different objects, but written in different ways.
        "{ node { ... on Contact { x: name } ... on Deal { x: title } } }",
        "{ node { ... on Contact { x: deals { title } } ... on Deal { x: title } } }",
        "{ node { ... on Contact { x: deals { title } } ... on Deal { x: contact { id } } } }",
        "{ node { ... on Contact { x: __typename } ... on Deal { x: title } } }",
        "{ node { ... on Contact { deals { contact { y: name } } } ... on Deal { deals: contact { contact: deals { y: title } } } } }",
        "{ node { x: id ... on Contact { x: name } } }",
        // Of types that are not known, any object may be of both.
        "{ node { ... on Nowhere { x: id } ... on Contact { x: name } } }",
        "{ __schema { types { x: name ...F } } } fragment F on __Type { x: kind }",
        "{ __schema { types { ...F fields { x: name } } } } fragment F on __Type { fields { x: description } }",
    ];
    let conflict = |document: &str| prepare(document).unwrap().selection(None).unwrap().conflict().cloned();
    for document in conflicts {
        let found = conflict(document).expect(document);
        assert!(found.message.contains("stands for two things") && found.at[0] != found.at[1], "{document}: {found:?}");
    }
    let same = [
        "{ contacts { nodes { x: name ... on Contact { x: name } } } contacts { nodes { x: name y: companyName } } }",
        "{ node { ... on Contact { x: companyName } ... on Deal { x: title } } }",
        "{ node { __typename ... on Contact { __typename x: __typename } ... on Deal { x: __typename } } }",
        "{ node { id ... on Contact { id } } node { ... on Deal { contact { x: companyName } } ... on Contact { deals { x: title } } } }",
    ];
    for document in same {
        assert!(conflict(document).is_none(), "{document}: {:?}", conflict(document));
    }
}

/// Each of several types leads on, and so does what stands for all of them.
#[test]
fn what_is_compared_is_no_more_than_the_square_of_the_fields() {
    let own = (0..31).map(|n| format!("... on T{n} {{ x }} ")).collect::<String>();
    let text = (0..13).fold("x".to_owned(), |below, _| format!("... on Node {{ x {{ {below} }} }} {own}"));
    let literal = "a".repeat(7_000);
    let fragments = ["A", "B"].map(|name| format!("fragment {name} on Contact {{ x(a: \"{literal}\") }} ")).concat();
    let spread = "x { ...A } x { ...B } ".repeat(100);
    let letters = || 'a'..='z';
    let arguments = letters().flat_map(|one| letters().map(move |other| format!("{one}{other}:1 "))).collect::<String>();
    let many_arguments = ["A", "B"].map(|name| format!("fragment {name} on Contact {{ x({arguments}) }} ")).concat();
    let often = format!("fragment C on Contact {{ {} }}", "x { ...A ...B } ".repeat(15));
    let operations = (0..5).map(|n| format!("query o{n} {{ node {{ ... on Contact {{ {} }} }} }} ", "x { ...C } ".repeat(10))).collect::<String>();
    let documents = [
        format!("{{ node {{ {text} }} }}"),
        format!("{{ node {{ ... on Contact {{ {spread} }} }} }} {fragments}"),
        format!("{operations} {many_arguments} {often}"),
    ];
    for text in documents {
        assert!(text.len() < 17_000, "{}", text.len());
        let took = (0..5).map(|_| {
            let begun = std::time::Instant::now();
            prepare_long(&text).unwrap();
            begun.elapsed()
        });
        // Others may be at work here as well.
        let quickest = took.min().unwrap();
        assert!(quickest < std::time::Duration::from_millis(300), "{quickest:?}");
    }
}

/// Those who look at a document go down into it one call in another, in threads whose stack has 2 MiB, as this one has.
#[test]
fn sets_within_sets_are_refused_before_the_stack_ends() {
    let chain = |first: usize, within: &str, last: &str| {
        let nested = |n: usize| format!("{}...F{}{}", "...{".repeat(60), n + 1, "}".repeat(60));
        let fragments = (first..48).map(|n| format!("fragment F{n} on {within} {{ {} }} ", nested(n))).collect::<String>();
        format!("{fragments} fragment F48 on {within} {{ {last} }}")
    };
    let documents = [
        format!("{{ node {{ ...F0 }} }} {}", chain(0, "Contact", "name")),
        format!("{{ __schema {{ types {{ ...F0 }} }} }} {}", chain(0, "__Type", "name")),
        // What the second goes down into is known already, and is allowed where the first stands.
        format!("{{ node {{ ...F47 ...F46 }} }} {}", chain(46, "Contact", "name")),
    ];
    for document in documents {
        assert_eq!(prepare_long(&document).unwrap_err().code, Code::DocumentTooComplex);
    }
    prepare_long(&format!("{{ node {{ ...F47 }} }} {}", chain(47, "Contact", "name"))).unwrap();
}
