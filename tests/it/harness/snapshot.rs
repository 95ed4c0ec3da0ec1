//! Texts that are committed so that a reviewer sees what changes in them.

use std::path::Path;

/// Compares a text with the committed file `name` beside the tests. With `UPDATE_SNAPSHOTS` set, the file is written anew instead.
pub fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differences = differences(&committed, text);
    assert!(
        differences.is_empty(),
        "tests/it/{name} is not what was found. If it should be, write it anew by UPDATE_SNAPSHOTS=1 make test, and review it.\n{}",
        differences.join("\n")
    );
}

/// The lines that only one of two texts has.
pub fn differences(committed: &str, found: &str) -> Vec<String> {
    let gone = committed.lines().filter(|line| !found.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
    let come = found.lines().filter(|line| !committed.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}
