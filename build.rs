//! Tells Cargo about the folders that macros embed in the binary, so that a change in them is noticed, and has the linker write down what refers to
//! what in a program that is laid out afterwards.

use std::io::Write;

fn main() -> std::io::Result<()> {
    // A folder that is not there would count as changed at each build. When it cannot be made, that is all that happens.
    let _ = std::fs::create_dir_all("explorer/dist");
    let mut out = std::io::stdout();
    writeln!(out, "cargo:rerun-if-changed=explorer/dist\ncargo:rerun-if-changed=migrations\ncargo:rerun-if-changed=src/platform/mail/templates")?;
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        writeln!(out, "cargo:rustc-link-arg-bins=-Wl,--emit-relocs\ncargo:rustc-link-arg-benches=-Wl,--emit-relocs")?;
    }
    Ok(())
}
