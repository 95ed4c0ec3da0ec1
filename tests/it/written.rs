//! Every object of the schema writes itself: one that a field gave back as it is would be left to the executor, which knows neither the document's
//! fragments nor that a nullable field fails by itself.

use std::collections::BTreeSet;
use std::fs;

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
