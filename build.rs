//! Tells Cargo about the folders that macros embed in the binary, so that a change in them is noticed.

use std::io::Write;

fn main() -> std::io::Result<()> {
    // A folder that is not there would count as changed at each build. When it cannot be made, that is all that happens.
    let _ = std::fs::create_dir_all("explorer/dist");
    writeln!(
        std::io::stdout(),
        "cargo:rerun-if-changed=explorer/dist\ncargo:rerun-if-changed=migrations\ncargo:rerun-if-changed=src/platform/mail/templates"
    )
}
