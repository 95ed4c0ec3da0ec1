//! Every object of the schema writes itself: one that a field gave back as it is would be left to async-graphql, which knows neither the document's
//! fragments nor that a nullable field fails by itself. And those that come in pages, and whichever else names any, name all of their fields that need
//! nothing but the object.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use payaid::base::text::snake_case;
use syn::visit::Visit;

use crate::architecture::sources;

/// What the schema has objects and interfaces of, by the names of the Rust types.
#[derive(Default)]
struct Objects(BTreeSet<String>);

fn has(attributes: &[syn::Attribute], what: &str) -> bool {
    attributes.iter().any(|attribute| {
        let derives = attribute.path().is_ident("derive") && quoted(attribute).split([',', ' ', '(', ')']).any(|name| name == what);
        derives || attribute.path().is_ident(what)
    })
}

fn quoted(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

fn named(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Objects {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if has(&item.attrs, "Object") {
            self.0.extend(named(&item.self_ty));
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if has(&item.attrs, "SimpleObject") {
            self.0.insert(item.ident.to_string());
        }
    }
}

/// The objects that stand in a type without being written.
struct Bare<'a> {
    objects: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Bare<'_> {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        let name = segment.ident.to_string();
        if name.starts_with("Written") {
            return;
        }
        if self.objects.contains(&name) {
            self.found.push(name);
        }
        syn::visit::visit_path_segment(self, segment);
    }
}

/// The fields of a file's objects.
struct Fields<'a> {
    objects: &'a BTreeSet<String>,
    wrong: Vec<String>,
    seen: usize,
}

impl Fields<'_> {
    fn look(&mut self, field: &syn::Ident, of: &syn::Type) {
        let mut bare = Bare { objects: self.objects, found: Vec::new() };
        bare.visit_type(of);
        self.seen += 1;
        self.wrong.extend(bare.found.iter().map(|object| format!("{field} gives back a bare {object}")));
    }
}

impl<'ast> Visit<'ast> for Fields<'_> {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for member in item.items.iter().filter(|_| has(&item.attrs, "Object")) {
            if let syn::ImplItem::Fn(method) = member
                && let syn::ReturnType::Type(_, of) = &method.sig.output
            {
                self.look(&method.sig.ident, of);
            }
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        for field in item.fields.iter().filter(|_| has(&item.attrs, "SimpleObject")) {
            if let Some(name) = &field.ident {
                self.look(name, &field.ty);
            }
        }
    }
}

fn objects(files: &[syn::File]) -> BTreeSet<String> {
    let mut objects = Objects(BTreeSet::from(["Node".to_owned()]));
    files.iter().for_each(|file| objects.visit_file(file));
    objects.0
}

fn wrong(files: &[syn::File], objects: &BTreeSet<String>) -> (Vec<String>, usize) {
    let mut fields = Fields { objects, wrong: Vec::new(), seen: 0 };
    files.iter().for_each(|file| fields.visit_file(file));
    (fields.wrong, fields.seen)
}

#[test]
fn no_field_gives_back_a_bare_object() {
    let files: Vec<syn::File> = sources("src").iter().map(|path| syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap()).collect();
    let objects = objects(&files);
    assert!(["Contact", "Money", "PageInfo", "UserError", "Viewer"].iter().all(|name| objects.contains(*name)), "{objects:?}");
    let (wrong, seen) = wrong(&files, &objects);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(seen > 150, "only {seen} fields were found");
}

#[test]
fn a_bare_object_is_found() {
    let text = "#[derive(Clone, SimpleObject)] struct A { b: Option<B>, c: Written<B> } #[Object(guard = \"Can\")] impl B { async fn a(&self) -> \
                Result<Option<Vec<A>>> { x } async fn w(&self) -> Result<WrittenList<Vec<A>>> { x } }";
    let files = [syn::parse_file(text).unwrap()];
    assert_eq!(wrong(&files, &objects(&files)), (vec!["b gives back a bare B".to_owned(), "a gives back a bare A".to_owned()], 4));
}

/// By their types: the fields that are said to be plain, and those that are, which take neither arguments nor the operation.
#[derive(Default)]
struct PlainFields {
    said: BTreeMap<String, BTreeSet<String>>,
    are: BTreeMap<String, BTreeSet<String>>,
    /// The types that come in pages.
    listed: BTreeSet<String>,
    /// What is a guard.
    guards: BTreeSet<String>,
}

/// The words of a macro's call.
fn words(of: &syn::Macro) -> Vec<String> {
    of.tokens.to_string().split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl<'ast> Visit<'ast> for PlainFields {
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.mac.path.is_ident("object") {
            let text = item.mac.tokens.to_string();
            let (before, fields) = text.rsplit_once("plain ").unwrap_or_else(|| panic!("{text}"));
            let words: Vec<&str> = before.split_whitespace().collect();
            let name = words[words.iter().position(|word| *word == "model").unwrap() - 2];
            self.said.insert(name.to_owned(), fields.split(',').map(|field| field.trim().to_owned()).collect());
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let Some(name) = named(&item.self_ty) else { return };
        let implemented = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()).map(|last| last.ident.to_string());
        match implemented.as_deref() {
            Some("Listed") => self.listed.insert(name.clone()),
            Some("Guard") => self.guards.insert(name.clone()),
            _ => false,
        };
        for member in &item.items {
            match member {
                syn::ImplItem::Macro(call) if call.mac.path.is_ident("plain") => {
                    self.said.insert(name.clone(), words(&call.mac).into_iter().collect());
                }
                syn::ImplItem::Fn(method) if has(&item.attrs, "Object") && method.sig.inputs.len() == 1 => {
                    // A plain field is found by its name in the schema, in snake case.
                    for attribute in &method.attrs {
                        let text = quoted(attribute);
                        let other = text.split_once("name = \"").and_then(|(_, rest)| rest.split_once('"'));
                        assert!(other.is_none_or(|(other, _)| method.sig.ident == snake_case(other)), "{name}: {text}");
                    }
                    self.are.entry(name.clone()).or_default().insert(method.sig.ident.to_string());
                }
                _ => {}
            }
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if has(&item.attrs, "SimpleObject") {
            let fields = item.fields.iter().filter_map(|field| field.ident.as_ref()).map(ToString::to_string);
            self.are.insert(item.ident.to_string(), fields.collect());
        }
    }
}

#[test]
fn no_plain_field_is_forgotten() {
    let mut fields = PlainFields::default();
    for path in sources("src") {
        fields.visit_file(&syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap());
    }
    assert!(fields.said.len() > 30, "{:?}", fields.said.keys());
    assert!(["Contact", "Deal", "Money", "Connection", "Edge", "UserError"].iter().all(|name| fields.said.contains_key(*name)));
    for (name, said) in &fields.said {
        assert_eq!(Some(said), fields.are.get(name), "{name}");
    }
    assert!(fields.listed.len() > 3 && fields.listed.iter().all(|name| fields.said.contains_key(name)), "{:?}", fields.listed);
    // These look at who asks alone. A guard that looks at the object would not be asked for all of them.
    assert_eq!(fields.guards, ["Can", "InSession", "Public", "SignedIn"].map(str::to_owned).into());
}
