//! The files that clients' builds write: Apollo's manifest, and a flat map from ids to texts, as Relay and GraphQL Code Generator have it.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::access::document::Document;
use crate::access::documents::TextHash;

/// The format of Apollo's manifest.
const APOLLO: &str = "apollo-persisted-query-manifest";

/// A document of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// What clients name it by.
    pub id: String,
    /// The text.
    #[serde(rename = "body")]
    pub text: String,
    /// The name of its operation, where the file says it.
    pub name: Option<String>,
    /// `query` or `mutation`, where the file says it.
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name})", self.id),
            None => f.write_str(&self.id),
        }
    }
}

impl Entry {
    /// Refuses an id that says that it is the SHA-256 of the text, and is not.
    pub fn check_hash(&self) -> Result<(), String> {
        let Some(digits) = self.id.strip_prefix("sha256:") else { return Ok(()) };
        let hash = TextHash::of(&self.text).to_string();
        if digits == hash { Ok(()) } else { Err(format!("the SHA-256 of the text is {hash}")) }
    }

    /// Refuses a document that has not the operation that the file says.
    pub fn check_operation(&self, document: &Document) -> Result<(), String> {
        let Some(name) = &self.name else { return Ok(()) };
        let named = document.selections().find(|selection| selection.name().is_none_or(|own| own == *name));
        let Some(named) = named else { return Err(format!("the text has no operation of the name {name}")) };
        let kind = if named.is_mutation() { "mutation" } else { "query" };
        match &self.kind {
            Some(said) if said != kind => Err(format!("it is said to be a {said}, and is a {kind}")),
            _ => Ok(()),
        }
    }
}

/// Reads the documents of a file in either format.
///
/// # Errors
/// When it is in neither.
pub fn read(file: &[u8]) -> anyhow::Result<Vec<Entry>> {
    #[derive(Deserialize)]
    struct Manifest {
        version: u64,
        operations: Vec<Entry>,
    }
    let json: Value = serde_json::from_slice(file).context("it is not JSON in UTF-8")?;
    let entries = if json.get("format").and_then(Value::as_str) == Some(APOLLO) {
        let manifest: Manifest = serde_json::from_value(json).context("it is no manifest of Apollo's, though it says so")?;
        if manifest.version != 1 {
            bail!("it is a manifest of version {}, and 1 is the one that is known", manifest.version);
        }
        manifest.operations
    } else {
        let map: BTreeMap<String, String> = serde_json::from_value(json)
            .with_context(|| format!("it is neither a manifest in the format {APOLLO} nor an object of ids with texts"))?;
        map.into_iter().map(|(id, text)| Entry { name: operation_name(&text), id, text, kind: None }).collect()
    };
    if entries.is_empty() {
        bail!("it has no documents");
    }
    Ok(entries)
}

/// What is wrong with ids that stand there with several texts.
pub fn twice(entries: &[Entry]) -> Vec<String> {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    let different = entries.iter().filter(|entry| *texts.entry(entry.id.as_str()).or_insert(&entry.text) != entry.text);
    different.map(|entry| format!("{entry}: the file has another text of the same id")).collect()
}

/// The name of the first operation, for those who read the list.
fn operation_name(text: &str) -> Option<String> {
    let parsed = async_graphql::parser::parse_query(text).ok()?;
    parsed.operations.iter().find_map(|(name, _)| name.map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, text: &str, name: Option<&str>, kind: Option<&str>) -> Entry {
        let owned = |text: &str| text.to_owned();
        Entry { id: owned(id), text: owned(text), name: name.map(owned), kind: kind.map(owned) }
    }

    #[test]
    fn both_formats_are_read() {
        let apollo =
            r#"{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"1","body":"query A { a }","name":"A","type":"query"}]}"#;
        assert_eq!(read(apollo.as_bytes()).unwrap(), [entry("1", "query A { a }", Some("A"), Some("query"))]);
        let map = r#"{"1":"query A { a }","2":"{ a }"}"#;
        assert_eq!(read(map.as_bytes()).unwrap(), [entry("1", "query A { a }", Some("A"), None), entry("2", "{ a }", None, None)]);
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        for (file, reason) in [
            ("", "not JSON"),
            ("[]", "neither"),
            ("{}", "no documents"),
            (r#"{"1":7}"#, "neither"),
            (r#"{"format":"other","version":1,"operations":[]}"#, "neither"),
            (r#"{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}"#, "version 2"),
            (r#"{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"1"}]}"#, "no manifest of Apollo's"),
            (r#"{"format":"apollo-persisted-query-manifest","version":1,"operations":[]}"#, "no documents"),
        ] {
            let error = format!("{:#}", read(file.as_bytes()).unwrap_err());
            assert!(error.contains(reason), "{file}: {error}");
        }
    }

    #[test]
    fn an_id_has_one_text() {
        let (one, same, other) = (entry("1", "{ a }", None, None), entry("1", "{ a }", None, None), entry("1", "{ b }", Some("B"), None));
        assert_eq!(twice(&[one.clone(), same.clone()]), Vec::<String>::new());
        assert_eq!(twice(&[one, same, other]), ["1 (B): the file has another text of the same id"]);
    }

    #[test]
    fn an_id_that_says_so_is_the_hash_of_the_text() {
        let hash = TextHash::of("{ a }");
        for (id, good) in [(format!("sha256:{hash}"), true), (hash.to_string(), true), ("sha256:7d".to_owned(), false)] {
            assert_eq!(entry(&id, "{ a }", None, None).check_hash().is_ok(), good, "{id}");
        }
        assert!(entry(&format!("sha256:{hash}"), "{ b }", None, None).check_hash().is_err());
    }
}
