//! The shape of the code: imports go one way, features do not depend on each other in a circle, files stay readable.

mod guards;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

/// The layers from the ground up; a layer may use those before it.
const LAYERS: [&str; 8] = ["schema", "base", "platform", "access", "features", "app", "web", "commands"];
/// What files of a feature may use of their own feature, by the file's name.
const INSIDE: [(&str, &[&str]); 17] = [
    ("rules", &["model"]),
    ("queries", &["model", "rules"]),
    ("loaders", &["model", "rules", "queries", "period"]),
    ("object", &["model", "rules", "queries", "loaders", "period"]),
    // What they enqueue is named by the job that does it, by actions in its turn.
    ("actions", &["model", "rules", "queries", "jobs", "watching"]),
    ("mutations", &["model", "rules", "queries", "loaders", "object", "actions", "replay"]),
    ("roots", &["model", "rules", "queries", "loaders", "object", "period"]),
    ("subscriptions", &["model", "rules", "queries", "loaders", "object"]),
    ("model", &[]),
    ("period", &["model"]),
    ("watching", &["model", "rules", "queries"]),
    ("payload", &["model", "rules", "queries", "watching"]),
    ("deliver", &["model", "rules", "queries", "actions", "payload"]),
    ("replay", &["model", "rules", "queries"]),
    ("inbound", &["model", "rules", "queries", "actions"]),
    ("jobs", &["model", "rules", "queries", "actions", "deliver", "replay"]),
    ("upkeep", &["model", "rules", "queries", "actions"]),
];
const MOST_LINES: usize = 400;

pub fn sources(root: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("dist") => folders.push(path),
                Some("rs" | "ts" | "tsx") => found.push(path),
                _ => {}
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {root}");
    found.sort();
    found
}

/// The module path of a file below src, such as `["features", "contacts", "object"]`.
fn module(path: &Path) -> Vec<String> {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().with_extension("");
    below.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// The paths in what a macro is given, which need not be Rust as a whole.
fn paths_in(tokens: TokenStream) -> Vec<Vec<String>> {
    let (mut found, mut path, mut colons) = (Vec::new(), Vec::new(), 0);
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    found.push(std::mem::take(&mut path));
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                found.extend(paths_in(group.stream()));
                colons = 0;
            }
            _ => colons = 0,
        }
    }
    found.push(path);
    found.retain(|path| path.len() > 1);
    found
}

/// Finds every path of ours that a module's file names.
struct Finder {
    /// The module that is looked through, those in the file among them.
    module: Vec<String>,
    /// What was imported, by the name that it has in the file.
    imported: BTreeMap<String, Vec<String>>,
    found: Vec<Vec<String>>,
}

impl Finder {
    /// The path from the root of the crate; none when it isn't one of ours.
    fn resolved(&self, path: &[String]) -> Option<Vec<String>> {
        let mut below = match path[0].as_str() {
            "crate" => Vec::new(),
            "super" | "self" => self.module.clone(),
            first => return Some([self.imported.get(first)?, &path[1..]].concat()),
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(below.pop()),
                // What the crate shows at its root.
                "App" if below.is_empty() => below.extend(["app", "App"].map(str::to_owned)),
                _ => below.push(part.clone()),
            }
        }
        Some(below)
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        let (path, name) = match tree {
            syn::UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => return group.items.iter().for_each(|item| self.import(item, before)),
            syn::UseTree::Name(name) => (with(&name.ident), Some(&name.ident)),
            syn::UseTree::Rename(rename) => (with(&rename.ident), Some(&rename.rename)),
            syn::UseTree::Glob(_) => ([before, &["*".to_owned()]].concat(), None),
        };
        let (Some(path), name) = (self.resolved(&path), name.map(ToString::to_string)) else { return };
        // `use a::{self}` brings in `a`.
        let name = name.map(|name| if name == "self" { path.last().cloned().unwrap_or_default() } else { name });
        self.imported.extend(name.map(|name| (name, path.clone())));
        self.found.push(path);
    }
}

impl<'ast> syn::visit::Visit<'ast> for Finder {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[]);
    }
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found.extend(self.resolved(&segments));
        syn::visit::visit_path(self, path);
    }
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let named = paths_in(called.tokens.clone());
        self.found.extend(named.iter().filter_map(|path| self.resolved(path)).collect::<Vec<_>>());
        syn::visit::visit_macro(self, called);
    }
}

/// Every path of ours that a module's file names, as `["features", "contacts", "model", "Contact"]`, whether it begins with `crate`, `super`, `self` or
/// something that was imported.
fn crate_paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let file = syn::parse_file(text).unwrap();
    let mut finder = Finder { module: module.to_vec(), imported: BTreeMap::new(), found: Vec::new() };
    // Imports may stand below what they are used in.
    syn::visit::Visit::visit_file(&mut finder, &file);
    finder.found.clear();
    syn::visit::Visit::visit_file(&mut finder, &file);
    finder.found
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

/// Whether it is the name of a feature, and not of what features share.
fn is_feature(name: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features").join(name).is_dir()
}

/// Whether it is the name of a file that features share.
fn is_shared(name: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features").join(name).with_extension("rs").is_file()
}

/// What is wrong with the imports of one file.
fn wrong_arrows(module: &[String], text: &str) -> Vec<String> {
    if ["lib", "main"].contains(&module[0].as_str()) {
        return Vec::new();
    }
    let Some(own) = layer(&module[0]) else { return vec![format!("LAYERS does not say where {} lies", module[0])] };
    let mut wrong = Vec::new();
    for path in crate_paths(module, text) {
        let Some(target) = path.first().and_then(|name| layer(name)) else { continue };
        let shown = path.join("::");
        // Tests may use all of what they test.
        let tested = module.strip_suffix(&["tests".to_owned()]).unwrap_or(module);
        if path.last().is_some_and(|last| last == "*") && path[..path.len() - 1] != *tested {
            wrong.push(format!("{} uses {shown}: what is imported is named", module.join("::")));
        }
        if target > own {
            wrong.push(format!("{} uses {shown}, which lies above it", module.join("::")));
        }
        if module[0] != "features" || path[0] != "features" || module.len() < 2 || path.len() < 2 {
            continue;
        }
        if module.len() == 2 {
            // The head of a feature, or what features share.
            if path[1] != module[1] && is_feature(&path[1]) {
                wrong.push(format!("{} uses {shown}: only files within a feature may use another", module.join("::")));
            }
            continue;
        }
        if !is_feature(&path[1]) && !is_shared(&path[1]) {
            wrong.push(format!("{} uses {shown}, which knows all features", module.join("::")));
        }
        if path.len() < 3 {
            continue;
        }
        let (feature, file) = (&module[1], module[2].as_str());
        let (other, part) = (&path[1], path[2].as_str());
        if feature == other {
            let allowed = INSIDE.iter().find(|(name, _)| *name == file).map(|(_, allowed)| *allowed);
            if allowed.is_none() {
                wrong.push(format!("{}: INSIDE does not say what {file} may use", module.join("::")));
            }
            let is_file = INSIDE.iter().any(|(name, _)| *name == part);
            if let Some(allowed) = allowed
                && is_file
                && part != file
                && !allowed.contains(&part)
            {
                wrong.push(format!("{} uses {shown}: inside a feature, {file} may use {allowed:?}", module.join("::")));
            }
        } else if matches!(part, "object" | "loaders") && file != "object" {
            wrong.push(format!("{} uses {shown}: only object.rs may name another feature's object or loaders", module.join("::")));
        }
    }
    wrong
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let text = fs::read_to_string(&path).unwrap();
        wrong.extend(wrong_arrows(&module(&path), &text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_wrong_import_is_noticed() {
    let of = |module: &[&str], text: &str| wrong_arrows(&module.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>(), text).len();
    assert_eq!(of(&["base", "id"], "use crate::platform::postgres::Pool;"), 1);
    assert_eq!(of(&["access", "guard"], "fn f() { crate::features::build(); }"), 1);
    assert_eq!(of(&["features", "contacts", "queries"], "use crate::features::contacts::{object::Contact, model};"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "use crate::features::deals::loaders::DealById;"), 1);
    assert_eq!(of(&["features", "contacts", "object"], "use crate::features::deals::loaders::DealById;"), 0);
    assert_eq!(of(&["features", "contacts", "roots"], "use crate::features::deals::object::Deal;"), 1);
    assert_eq!(of(&["features", "contacts", "model"], "use crate::features::contacts::queries;"), 1);
    assert_eq!(of(&["features", "contacts", "object"], "use super::roots;"), 1);
    assert_eq!(of(&["features", "contacts", "other"], "use super::model;"), 1);
    assert_eq!(of(&["base", "id"], "shapes! { a of (crate::platform::postgres::Pool, b::c) }"), 1);
    assert_eq!(of(&["platform", "id"], "shapes! { a of (crate::base::Id, b::c) }"), 0);
    assert_eq!(of(&["web", "graphql"], "use crate::access::Scope;"), 0);
    assert_eq!(of(&["access", "guard"], "use crate::App;"), 1);
    assert_eq!(of(&["web", "graphql"], "use crate::App;"), 0);
    assert_eq!(of(&["app", "watching"], "mod tests { fn f() { super::super::super::web::serve(); } }"), 1);
    assert_eq!(of(&["features", "contacts", "queries"], "use super::object::Contact;"), 1);
    assert_eq!(of(&["features", "contacts", "queries"], "use super::{model, rules};"), 0);
    assert_eq!(of(&["features", "contacts"], "pub mod object; pub use roots::Roots; use crate::features::contacts::object::Contact;"), 0);
    assert_eq!(of(&["features", "contacts"], "use crate::features::deals::queries;"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "fn f() { deals::loaders::load(); } use crate::features::deals;"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "use crate::features::deals::{self as other}; fn f() -> other::object::Deal {}"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "use crate::features; fn f() { row!(features::deals::loaders::load) }"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "use crate::features::deals; fn f() { deals::queries::of(); }"), 0);
    assert_eq!(of(&["platform", "id"], "use crate::base; fn f() { base::id::of(); }"), 0);
    assert_eq!(of(&["elsewhere"], ""), 1);
    assert_eq!(of(&["features", "contacts", "queries"], "use crate::features::{Query, build};"), 2);
    assert_eq!(of(&["features", "contacts", "actions"], "use crate::features::deals::*;"), 1);
    assert_eq!(of(&["features", "contacts", "actions"], "use diesel::prelude::*; mod tests { use super::*; }"), 0);
    assert_eq!(of(&["lib"], "pub use crate::web::serve;"), 0);
    assert_eq!(of(&["features", "rows"], "use crate::features::deals::model::Deal; use crate::features::bulk;"), 1);
    assert_eq!(of(&["features", "lists"], "macro_rules! a { () => { $crate::features::deals::model::Deal } }"), 1);
}

/// Which features, and what of that they share, each of these needs; leaving out object.rs, whose thin fields may point both ways.
fn feature_graph() -> BTreeMap<String, BTreeSet<String>> {
    let modules: Vec<_> = sources("src/features").iter().map(|path| (module(path), fs::read_to_string(path).unwrap())).collect();
    let names: BTreeSet<_> = modules.iter().map(|(module, _)| module[1].clone()).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in modules.iter().filter(|(module, _)| module.get(2).is_none_or(|file| file != "object")) {
        for used in crate_paths(module, text) {
            if used.len() > 1 && used[0] == "features" && used[1] != module[1] && names.contains(&used[1]) {
                graph.entry(module[1].clone()).or_default().insert(used[1].clone());
            }
        }
    }
    graph
}

fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(at: &str, graph: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>) -> bool {
        if way.iter().any(|known| known == at) {
            way.push(at.to_owned());
            return true;
        }
        way.push(at.to_owned());
        if graph.get(at).into_iter().flatten().any(|next| visit(next, graph, way)) {
            return true;
        }
        way.pop();
        false
    }
    graph.keys().find_map(|start| {
        let mut way = Vec::new();
        visit(start, graph, &mut way).then_some(way)
    })
}

#[test]
fn features_do_not_depend_in_a_circle() {
    let graph = feature_graph();
    let found = |from: &str, to: &str| graph.get(from).is_some_and(|needed| needed.contains(to));
    assert!(found("invitations", "messages") && found("told", "lists") && found("deals", "rows"), "hardly any dependencies were found: {graph:?}");
    assert_eq!(circle(&graph), None);
}

#[test]
fn a_circle_is_noticed() {
    let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    assert!(circle(&BTreeMap::from([edge("a", "b"), edge("b", "c"), edge("c", "a")])).is_some());
    assert!(circle(&BTreeMap::from([edge("a", "b"), edge("b", "c")])).is_none());
}

/// What is wrong with a file as somebody reads it.
fn unreadable(path: &Path, text: &str) -> Option<String> {
    if text.lines().count() > MOST_LINES {
        return Some(format!("{} is longer than {MOST_LINES} lines", path.display()));
    }
    let headless = path.extension().is_some_and(|extension| extension == "rs") && !text.trim_start_matches("#!").starts_with("//!");
    headless.then(|| format!("{} has no `//!` at its head", path.display()))
}

#[test]
fn files_stay_readable() {
    let roots = ["src", "tests", "bench", "explorer/src"].into_iter().flat_map(sources);
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let written = roots.chain([build]).filter(|path| !path.ends_with("src/schema.rs"));
    let wrong: Vec<String> = written.filter_map(|path| unreadable(&path, &fs::read_to_string(&path).unwrap())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_file_that_is_hard_to_read_is_noticed() {
    let of = |name: &str, text: &str| unreadable(Path::new(name), text);
    let long = |lines: usize| format!("//! Long.\n{}", "\n".repeat(lines - 1));
    assert_eq!(of("a.rs", &long(MOST_LINES)), None);
    assert!(of("a.rs", &long(MOST_LINES + 1)).unwrap().contains("longer"));
    assert!(of("a.rs", "fn f() {}").unwrap().contains("no `//!`"));
    assert_eq!(of("a.ts", "function f() {}"), None);
}
