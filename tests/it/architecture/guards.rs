//! What each field is guarded with, as it is written, against a committed list. A guard below another one is not seen in answers: whoever is refused
//! above never comes to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::sources;
use crate::harness::snapshot;

/// What a file says of guards, of whole types and of fields. A field without any is `bare`.
fn guards(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for item in syn::parse_file(text).unwrap().items {
        let syn::Item::Impl(block) = item else { continue };
        let of = ident(&block.self_ty);
        let Some(object) = attribute(&block.attrs, "Object").or_else(|| attribute(&block.attrs, "ComplexObject")) else { continue };
        let of_type = guard(&object);
        found.extend(of_type.iter().map(|guard| format!("{of} {guard}")));
        for method in block.items.iter().filter_map(|item| if let syn::ImplItem::Fn(method) = item { Some(method) } else { None }) {
            let own = attribute(&method.attrs, "graphql").unwrap_or_default();
            let field = format!("{of}.{}", method.sig.ident);
            match guard(&own) {
                Some(guard) => found.push(format!("{field} {guard}")),
                None if of_type.is_none() && !own.split(',').any(|part| part.trim() == "skip") => found.push(format!("{field} bare")),
                None => {}
            }
        }
    }
    found
}

fn ident(of: &syn::Type) -> String {
    match of {
        syn::Type::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        _ => String::new(),
    }
}

fn attribute(attributes: &[syn::Attribute], name: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.path().is_ident(name)).map(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    })
}

/// The guard in an attribute, without blanks.
fn guard(attribute: &str) -> Option<String> {
    let (_, rest) = attribute.split_once("guard =")?;
    let (guard, _) = rest.split_once('"').unwrap().1.split_once('"').unwrap();
    Some(guard.replace(' ', "").replace("Permission::", ""))
}

/// Types that only carry what a guarded field returned need none.
#[test]
fn every_field_has_the_guard_that_was_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rows = BTreeSet::new();
    for path in sources("src/features").into_iter().chain([root.join("src/features.rs")]) {
        let folder = path.strip_prefix(root.join("src")).unwrap().iter().nth(1);
        let feature = folder.map_or("features".to_owned(), |folder| folder.to_string_lossy().trim_end_matches(".rs").to_owned());
        rows.extend(guards(&fs::read_to_string(&path).unwrap()).into_iter().map(|row| format!("{feature} {row}")));
    }
    let bare: Vec<_> = rows.iter().filter(|row| row.ends_with(" bare")).collect();
    assert!(bare.is_empty(), "without a guard: {bare:#?}");
    assert!(rows.len() > 50, "only {} guards were found", rows.len());
    snapshot::compare("architecture/guards.txt", &format!("{}\n", rows.into_iter().collect::<Vec<_>>().join("\n")));
}

#[test]
fn a_guard_is_noticed_and_one_that_is_missing() {
    let text = "#[Object] impl A { #[graphql(guard = \"SignedIn\")] async fn held(&self) -> i32 { 1 } async fn bare(&self) -> i32 { 1 } } \
        #[Object(guard = \"Can(Permission::JobsRead)\")] impl B { async fn held_by_its_type(&self) -> i32 { 1 } #[graphql(name = \"x\", guard = \
        \"Can(Permission::JobsManage)\")] async fn more(&self) -> i32 { 1 } } impl C { fn no_field(&self) {} }";
    let expected = ["A.held SignedIn", "A.bare bare", "B Can(JobsRead)", "B.more Can(JobsManage)"];
    assert_eq!(guards(text), expected);
}
